/**
 * What the other files leave of the rules between the two sides: forwarding fields that a
 * client cannot take away, CONNECT, interim responses without end, answers that overtake
 * their upload, HTTP/1.0 on both sides, paths.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { chunked, response, startAnswering, startBackend } from './support/backend.js';
import { names, value, values } from './support/message.js';
import { exchange, Peer } from './support/peer.js';
import { descriptorsBack, IS_MILLRACE, startProxy } from './support/proxy.js';

const SERVER = (port: number, backend: number, more = ''): string => `
  server {
    listen 127.0.0.1:${port};
    location / { proxy_pass http://127.0.0.1:${backend}; proxy_http_version 1.1;
      proxy_set_header Connection ""; ${more} }
  }`;

const get = (target = '/', ...fields: string[]): string =>
  [`GET ${target} HTTP/1.1`, 'Host: a', ...fields, '', ''].join('\r\n');

describe('fields of one hop', () => {
  test('are taken away first and ours added then, so that a client cannot name ours away', async () => {
    await using backend = await startAnswering(() => response('ok'));
    await using proxy = await startProxy((port) =>
      SERVER(
        port,
        backend.port,
        'proxy_set_header X-Forwarded-For $remote_addr; proxy_set_header X-Secret ours;',
      ),
    );
    await exchange(
      proxy.port,
      get(
        '/',
        'Connection: keep-alive, X-Forwarded-For, X-Secret, X-Mine',
        'Connection: Host, Content-Length',
        'X-Forwarded-For: 10.9.8.7',
        'X-Secret: theirs',
        'X-Mine: 1',
        'Keep-Alive: 5',
        'Proxy-Connection: x',
        'TE: gzip',
      ),
    );
    const [request] = backend.requests;
    if (request === undefined) throw new Error('no request');
    expect([values(request, 'x-forwarded-for'), values(request, 'x-secret')]).toEqual([
      ['127.0.0.1'],
      ['ours'],
    ]);
    expect(names(request)).toContain('host');
    // nginx passes on what Connection names.
    if (IS_MILLRACE) expect(names(request).sort()).toEqual(['host', 'x-forwarded-for', 'x-secret']);
  });

  test('are taken from trailers as well, in both directions', async () => {
    await using backend = await startAnswering(
      () =>
        'HTTP/1.1 200 OK\r\nConnection: X-Hop\r\nTransfer-Encoding: chunked\r\n\r\n' +
        chunked(['ok'], ['X-Hop: 1', 'X-End: 2', 'Content-Length: 3', 'Set-Cookie: a=b']),
    );
    await using proxy = await startProxy((port) => SERVER(port, backend.port));
    const upload = get('/', 'Connection: X-Hop', 'Transfer-Encoding: chunked').replace('GET', 'PUT');
    const answer = await exchange(
      proxy.port,
      upload + chunked(['body'], ['X-Hop: 1', 'X-End: 2', 'Transfer-Encoding: chunked', 'Host: b']),
    );
    expect(names(answer)).not.toContain('x-end');
    if (!IS_MILLRACE) return;
    expect(answer.trailers).toEqual([['X-End', '2']]);
    expect(backend.requests[0]?.trailers).toEqual([['X-End', '2']]);
    expect(backend.requests[0]?.body).toBe('body');
  });
});

describe('CONNECT', () => {
  test('is refused clearly: a page, a closed connection, a line in the log, and no backend', async () => {
    await using backend = await startAnswering(() => response('ok'));
    await using proxy = await startProxy((port) => SERVER(port, backend.port));
    const client = await Peer.connect(proxy.port);
    client.send('CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n\x16\x03\x01tunnel bytes');
    const answer = await client.readMessage();
    expect(answer.status).toBe(IS_MILLRACE ? 405 : answer.status);
    expect(answer.status).toBeGreaterThanOrEqual(400);
    expect(answer.status).toBeLessThan(500);
    expect(value(answer, 'connection')).toBe('close');
    expect(await client.readToEnd()).toBe('');
    client.close();
    if (IS_MILLRACE) await proxy.readUntil('error.log', /client sent CONNECT method/);
    expect(backend.connections).toHaveLength(0);
  });
});

// nginx takes the first interim response for the final one.
describe.runIf(IS_MILLRACE)('interim responses', () => {
  /** One in 100 ms: together they take longer than the time for the answer. */
  const INTERIM = 14;

  test('may be many, renew the time for the answer, and change nothing of it', async () => {
    await using backend = await startBackend(async (peer) => {
      await peer.readUntil('\r\n\r\n');
      for (let i = 0; i < INTERIM; i++) {
        peer.send(`HTTP/1.1 103 Early Hints\r\nLink: </${i}>; rel=preload\r\nContent-Length: 99\r\n\r\n`);
        await sleep(100);
      }
      peer.send(response('final'));
    });
    await using proxy = await startProxy((port) => SERVER(port, backend.port, 'proxy_read_timeout 1s;'));
    const client = await Peer.connect(proxy.port);
    client.send(get());
    for (let i = 0; i < INTERIM; i++) {
      const hint = await client.readMessage();
      expect([hint.status, values(hint, 'link'), values(hint, 'content-length')]).toEqual([
        103,
        [`</${i}>; rel=preload`],
        [],
      ]);
    }
    expect(await client.readMessage()).toMatchObject({ status: 200, body: 'final' });
    client.close();
  });
});

describe('a final answer that overtakes its upload', () => {
  test('is relayed at once; the upload stops, and no reset eats the answer', async () => {
    await using backend = await startBackend(async (peer) => {
      await peer.readUntil('\r\n\r\n');
      peer.stopReading();
      peer.send(response('too much', [], '413 Payload Too Large'));
    });
    await using proxy = await startProxy((port) =>
      SERVER(
        port,
        backend.port,
        'client_max_body_size 0; proxy_request_buffering off; access_log access.log;',
      ),
    );
    const before = proxy.descriptors();
    const client = await Peer.connect(proxy.port);
    const size = 50_000_000;
    client.send(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${size}\r\n\r\n`);
    // More than the buffers on the way take: whoever waits for the end of it waits for ever.
    client.send(Buffer.alloc(size));
    const answer = await client.readMessage();
    expect([answer.status, answer.body]).toEqual([413, 'too much']);
    if (IS_MILLRACE) expect(value(answer, 'connection')).toBe('close');
    await backend.connections[0]?.until('nothing', () => true);
    client.close();
    for (const peer of backend.connections) peer.close();
    await proxy.readUntil('access.log', /" 413 8 /);
    expect(await descriptorsBack(proxy, before)).toBeLessThanOrEqual(before);
  });
});

describe('HTTP/1.0', () => {
  test('on the client side gets no chunks and no interim response, and keeps its connection when it asks', async () => {
    await using backend = await startAnswering(({ target }) =>
      target === '/chunks'
        ? `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${chunked(['a', 'b'], ['X: y'])}`
        : response('ab'),
    );
    await using proxy = await startProxy((port) => SERVER(port, backend.port));
    const ask = (target: string): string =>
      `GET ${target} HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n`;
    const client = await Peer.connect(proxy.port);
    for (let i = 0; i < 2; i++) {
      client.send(ask('/length'));
      const answer = await client.readMessage();
      expect([answer.framing, answer.body, value(answer, 'connection')]).toEqual([
        'length',
        'ab',
        'keep-alive',
      ]);
    }
    client.send(ask('/chunks'));
    const answer = await client.readMessage();
    expect([answer.framing, answer.body, value(answer, 'connection')]).toEqual(['close', 'ab', 'close']);
    expect(client.received).toBe('');
  });

  test('on the backend side is read by length or to its end, and becomes what the client speaks', async () => {
    await using backend = await startBackend(async (peer) => {
      const { target } = await peer.readMessage();
      const length = target === '/length' ? 'Content-Length: 2\r\n' : '';
      peer.send(`HTTP/1.0 200 Fine\r\n${length}\r\nab`);
      peer.end();
    });
    await using proxy = await startProxy((port) => SERVER(port, backend.port));
    const client = await Peer.connect(proxy.port);
    for (const [target, framing] of [
      ['/length', 'length'],
      ['/end', 'chunked'],
    ] as const) {
      client.send(get(target));
      const answer = await client.readMessage();
      expect([answer.startLine, answer.framing, answer.body]).toEqual(['HTTP/1.1 200 Fine', framing, 'ab']);
      expect(value(answer, 'connection')).toBe('keep-alive');
    }
    client.close();
  });
});

describe('a path', () => {
  test('is matched as it is meant and passed on as it came', async () => {
    await using backend = await startAnswering(({ target }) => response(target));
    await using proxy = await startProxy(
      (port) => `server { listen 127.0.0.1:${port};
        location / { return 404; }
        location /a/ { proxy_pass http://127.0.0.1:${backend.port}; }
        location /new/ { proxy_pass http://127.0.0.1:${backend.port}/old/; } }`,
    );
    for (const [sent, passed] of [
      ['/a/b?c=%2F//..', '/a/b?c=%2F//..'],
      ['/x/../a/./b', '/x/../a/./b'],
      ['//a///b', '//a///b'],
      ['/%61/%62%20', '/%61/%62%20'],
      ['/new//x/../%41%20?q=%20', '/old/A%20?q=%20'],
    ]) {
      const answer = await exchange(proxy.port, get(sent));
      expect([sent, answer.status, answer.body]).toEqual([sent, 200, passed]);
    }
    for (const bad of ['/a/%zz', '/../a', '/a/%00', '/a/..%2f../..']) {
      expect([bad, (await exchange(proxy.port, get(bad))).status]).toEqual([bad, 400]);
    }
  });
});

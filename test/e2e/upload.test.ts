/**
 * How a request's body gets to a backend: read first or passed on as it comes, asked for
 * by 100 (Continue) or not, sent again to another backend, and cut off by its client.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { chunked, response, startAnswering, startBackend, type Backend } from './support/backend.js';
import { value, values, type Message } from './support/message.js';
import { exchange, Peer } from './support/peer.js';
import { descriptorsBack, freePort, IS_MILLRACE, startProxy } from './support/proxy.js';

const SERVER = (port: number, backend: number, more = ''): string => `
  upstream to${port} { server 127.0.0.1:${backend}; keepalive 8; }
  server {
    listen 127.0.0.1:${port};
    location / {
      proxy_pass http://to${port};
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      ${more}
    }
  }`;

const upload = (length: number, ...fields: string[]): string =>
  ['PUT /file HTTP/1.1', 'Host: a', `Content-Length: ${length}`, ...fields, '', ''].join('\r\n');
const CHUNKED = 'PUT /file HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n';
const EXPECT = 'Expect: 100-continue';

/** The connection of that index, once the proxy has opened it. */
async function connection(backend: Backend, index = 0): Promise<Peer> {
  for (let i = 0; i < 800; i++) {
    const found = backend.connections[index];
    if (found !== undefined) return found;
    await sleep(10);
  }
  throw new Error(`no connection ${index}`);
}

// nginx answers Expect by itself.
describe.runIf(IS_MILLRACE)('a client that waits for 100 (Continue)', () => {
  test('gets the final answer of a backend that wants no body, before it has sent any', async () => {
    await using backend = await startBackend(async (peer) => {
      await peer.readUntil('\r\n\r\n');
      peer.send(response('who are you', [], '401 Unauthorized'));
      await peer.waitEnd();
    });
    await using proxy = await startProxy((port) => SERVER(port, backend.port, 'access_log access.log;'));
    const client = await Peer.connect(proxy.port);
    client.send(upload(10, EXPECT));
    const answer = await client.readMessage();
    expect([answer.status, answer.body, value(answer, 'connection')]).toEqual([401, 'who are you', 'close']);
    client.close();
    expect((await connection(backend)).received).toBe('');
    await proxy.readUntil('access.log', /" 401 11 /);
  });

  test('gets the 100 when the backend asks for the body, and only one', async () => {
    await using backend = await startBackend(async (peer) => {
      for (let i = 0; i < 2; i++) {
        const head = await peer.readUntil('\r\n\r\n');
        expect(head).toContain('\r\nExpect: 100-continue\r\n');
        expect(peer.received).toBe('');
        peer.send('HTTP/1.1 100 Continue\r\nX: y\r\n\r\n');
        expect(await peer.readBytes(5)).toBe('hello');
        peer.send(response('got it'));
      }
    });
    await using proxy = await startProxy((port) => SERVER(port, backend.port));
    const client = await Peer.connect(proxy.port);
    for (let i = 0; i < 2; i++) {
      client.send(upload(5, EXPECT));
      expect((await client.readMessage()).head).toBe('HTTP/1.1 100 Continue\r\n\r\n');
      client.send('hello');
      expect(await client.readMessage()).toMatchObject({ status: 200, body: 'got it' });
    }
    expect([backend.errors, backend.connections.length]).toEqual([[], 1]);
    client.close();
  });

  test('is asked for its body when the backend stays silent', async () => {
    await using backend = await startBackend(async (peer) => {
      const request = await peer.readMessage();
      peer.send(response(`${request.body} ${values(request, 'expect').join()}`));
    });
    await using proxy = await startProxy((port) => SERVER(port, backend.port));
    const client = await Peer.connect(proxy.port);
    client.send(upload(5, EXPECT));
    expect((await client.readMessage()).status).toBe(100);
    client.send('hello');
    expect(await client.readMessage()).toMatchObject({ status: 200, body: 'hello 100-continue' });
    client.close();
  });

  test('need not wait for ever: what it sends by itself goes on', async () => {
    await using backend = await startBackend(async (peer) => {
      peer.send(response((await peer.readMessage()).body));
    });
    await using proxy = await startProxy((port) => SERVER(port, backend.port));
    const client = await Peer.connect(proxy.port);
    client.send(upload(5, EXPECT));
    await (await connection(backend)).until('a head', () => backend.connections.length === 1);
    client.send('hello');
    expect(await client.readMessage()).toMatchObject({ status: 200, body: 'hello' });
    client.close();
  });

  test('is answered by the proxy where the operator sets Expect, or the backend knows no 100', async () => {
    await using backend = await startAnswering((request) =>
      response(`${request.body} ${values(request, 'expect').join()}`),
    );
    const location = (path: string, more: string): string =>
      `location ${path} { proxy_pass http://127.0.0.1:${backend.port}; ${more} }`;
    await using proxy = await startProxy(
      (port) => `server { listen 127.0.0.1:${port};
        ${location('/1', 'proxy_set_header Expect "";')} ${location('/2', 'proxy_http_version 1.0;')} }`,
    );
    for (const target of ['/1', '/2']) {
      const client = await Peer.connect(proxy.port);
      client.send(upload(5, EXPECT).replace('/file', target));
      expect((await client.readMessage()).status).toBe(100);
      // The body is collected first, so no backend has been troubled yet.
      client.send('hello');
      expect((await client.readMessage()).body).toBe('hello ');
      client.close();
    }
  });

  test('is asked once, though the first backend fails', async () => {
    const dead = await freePort();
    await using backend = await startBackend(async (peer) => {
      await peer.readUntil('\r\n\r\n');
      peer.send('HTTP/1.1 100 Continue\r\n\r\n');
      peer.send(response(await peer.readBytes(5)));
    });
    await using proxy = await startProxy(
      (port) => `upstream u { server 127.0.0.1:${dead}; server 127.0.0.1:${backend.port} backup; }
        server { listen 127.0.0.1:${port}; location / { proxy_pass http://u; } }`,
    );
    const client = await Peer.connect(proxy.port);
    client.send(upload(5, EXPECT));
    expect((await client.readMessage()).status).toBe(100);
    client.send('hello');
    expect(await client.readMessage()).toMatchObject({ status: 200, body: 'hello' });
    client.close();
  });

  test('may leave instead: the backend is let go', async () => {
    await using backend = await startBackend(async (peer) => {
      await peer.waitEnd();
    });
    await using proxy = await startProxy((port) => SERVER(port, backend.port, 'access_log access.log;'));
    const before = proxy.descriptors();
    const client = await Peer.connect(proxy.port);
    client.send(upload(5, EXPECT));
    const upstream = await connection(backend);
    client.close();
    await upstream.waitEnd();
    upstream.close();
    await proxy.readUntil('access.log', /" 499 0 /);
    expect(await descriptorsBack(proxy, before)).toBe(before);
  });
});

describe('a body that fits client_body_buffer_size', () => {
  test('is read before a backend is connected, whatever its framing', async () => {
    await using backend = await startAnswering(({ body, trailers }) =>
      response(`${body} ${trailers.join()}`),
    );
    await using proxy = await startProxy((port) => SERVER(port, backend.port));
    const client = await Peer.connect(proxy.port);
    await client.sendSlowly([upload(5), 'he', 'll'], 20);
    await sleep(50);
    expect(backend.connections).toHaveLength(0);
    client.send('o');
    expect((await client.readMessage()).body).toBe('hello ');
    await client.sendSlowly([CHUNKED, '2\r\nhe\r\n', '3\r\nllo\r\n'], 20);
    await sleep(50);
    expect(backend.requests).toHaveLength(1);
    client.send('0\r\nX-Sum: 5\r\n\r\n');
    const answer = await client.readMessage();
    // Trailers are lost in nginx.
    expect(answer.body).toBe(IS_MILLRACE ? 'hello X-Sum,5' : 'hello ');
    client.close();
  });

  test.runIf(IS_MILLRACE)('of a client that stops or leaves never troubles a backend', async () => {
    await using backend = await startBackend(() => {});
    await using proxy = await startProxy((port) =>
      SERVER(port, backend.port, 'access_log access.log; client_body_timeout 300ms;'),
    );
    const before = proxy.descriptors();
    const stopped = await Peer.connect(proxy.port);
    const left = await Peer.connect(proxy.port);
    stopped.send(`${upload(5)}he`);
    left.send(`${CHUNKED}2\r\nhe\r\n`);
    await sleep(50);
    left.close();
    expect((await stopped.readMessage()).status).toBe(408);
    stopped.close();
    const log = await proxy.readUntil('access.log', /(?:.*" [0-9]{3} .*\n){2}/);
    expect([...log.matchAll(/" ([0-9]{3}) /g)].map((match) => match[1]).sort()).toEqual(['400', '408']);
    expect(backend.connections).toHaveLength(0);
    expect(await descriptorsBack(proxy, before)).toBe(before);
  });

  test('goes to HTTP/1.0 with its length, though it came in chunks; a longer one through a file', async () => {
    await using backend = await startAnswering((request) =>
      response(`${request.body.length} ${values(request, 'content-length').join()}`),
    );
    await using proxy = await startProxy(
      (port) => `server { listen 127.0.0.1:${port}; client_body_buffer_size 1k; location / {
        proxy_pass http://127.0.0.1:${backend.port}; proxy_http_version 1.0; } }`,
    );
    for (const parts of [
      ['hello'],
      [],
      ['a'.repeat(500), 'b'.repeat(500)],
      ['a'.repeat(2000), 'b'.repeat(99_000)],
    ]) {
      const length = parts.join('').length;
      const answer = await exchange(proxy.port, `${CHUNKED}${chunked(parts)}`);
      expect([answer.status, answer.body]).toEqual([200, `${length} ${length}`]);
    }
    expect(proxy.read('error.log').match(/buffered to a temporary file/g)).toHaveLength(1);
    // One whose length is known goes on as it comes; in nginx through a file as well.
    const long = await exchange(proxy.port, `${upload(2000)}${'x'.repeat(2000)}`);
    expect([long.status, long.body]).toEqual([200, '2000 2000']);
    if (IS_MILLRACE) expect(proxy.read('error.log').match(/buffered to a temporary file/g)).toHaveLength(1);
  });

  test('is $request_body', async () => {
    await using backend = await startAnswering(() => response('ok'));
    await using proxy = await startProxy((port) =>
      SERVER(port, backend.port, 'client_body_buffer_size 1k; add_header X-Body $request_body;'),
    );
    const body = (message: Message): string[] => values(message, 'x-body');
    expect(body(await exchange(proxy.port, `${upload(5)}hello`))).toEqual(['hello']);
    expect(body(await exchange(proxy.port, `${CHUNKED}${chunked(['hel', 'lo'])}`))).toEqual(['hello']);
    expect(body(await exchange(proxy.port, upload(0)))).toEqual([]);
    if (IS_MILLRACE)
      expect(body(await exchange(proxy.port, `${upload(2000)}${'x'.repeat(2000)}`))).toEqual([]);
  });

  test.runIf(IS_MILLRACE)('goes again to a fresh connection when a kept one died, up to 1 MB', async () => {
    const seen: string[] = [];
    await using backend = await startBackend(async (peer, index) => {
      for (let turn = 0; ; turn++) {
        const { body, method } = await peer.readMessage();
        seen.push(`${index}.${turn} ${method} ${body.length}`);
        if (index === 0 && turn === 1) return peer.reset();
        peer.send(response(String(body.length)));
      }
    });
    await using proxy = await startProxy((port) =>
      SERVER(port, backend.port, 'client_body_buffer_size 1m; client_max_body_size 0;'),
    );
    const large = 1024 * 1024;
    expect((await exchange(proxy.port, `${upload(1)}x`)).body).toBe('1');
    const answer = await exchange(proxy.port, `${upload(large)}${'x'.repeat(large)}`);
    expect([answer.status, answer.body]).toEqual([200, String(large)]);
    expect(seen).toEqual(['0.0 PUT 1', `0.1 PUT ${large}`, `1.0 PUT ${large}`]);
  });
});

describe('a body that is longer than client_body_buffer_size, or with proxy_request_buffering off', () => {
  test('reaches the backend as it comes', async () => {
    await using backend = await startBackend(() => {});
    await using proxy = await startProxy(
      (one, two) => `${SERVER(one, backend.port, 'client_body_buffer_size 4;')}
        ${SERVER(two, backend.port, 'proxy_request_buffering off;')}`,
      { ports: 2 },
    );
    // nginx reads every body to its end unless it is told otherwise.
    const [long = 0, unbuffered = 0] = proxy.ports;
    for (const [index, port] of (IS_MILLRACE ? [long, unbuffered] : [unbuffered]).entries()) {
      const client = await Peer.connect(port);
      client.send(`${CHUNKED}5\r\nhello\r\n`);
      const upstream = await connection(backend, index);
      await upstream.readUntil('\r\n\r\n');
      expect(await upstream.readUntil('hello\r\n')).toBe('5\r\nhello\r\n');
      client.send('1\r\n!\r\n0\r\n\r\n');
      expect(await upstream.readUntil('0\r\n\r\n')).toBe('1\r\n!\r\n0\r\n\r\n');
      upstream.send(response('ok'));
      expect((await client.readMessage()).status).toBe(200);
      client.close();
    }
  });
});

describe('a body that nobody reads', () => {
  test('is looked at all the same: bad chunks are 400, good ones are skipped', async () => {
    await using proxy = await startProxy((port) => `server { listen 127.0.0.1:${port}; return 200 ok; }`);
    const bad = await exchange(proxy.port, `${CHUNKED}4\r\nSEE-THIS\r\n0\r\n\r\n`);
    expect([bad.status, value(bad, 'connection')]).toEqual([400, 'close']);
    const client = await Peer.connect(proxy.port);
    for (let i = 0; i < 2; i++) {
      client.send(`${CHUNKED}${chunked(['abc', 'def'])}`);
      expect(value(await client.readMessage(), 'connection')).toBe('keep-alive');
    }
    client.close();
  });
});

describe('a client that leaves before the answer', () => {
  const slow = (done: string[]): Promise<Backend> =>
    startBackend(async (peer) => {
      const { target } = await peer.readMessage();
      await sleep(200);
      if (peer.ending !== undefined) done.push(`${target} left`);
      else {
        peer.send(response('x'.repeat(100_000)));
        await sleep(100);
        done.push(`${target} ${String(peer.ending)}`);
      }
      peer.end();
    });

  test('ends the backend at once with 499, unless proxy_ignore_client_abort is on', async () => {
    const done: string[] = [];
    await using backend = await slow(done);
    const location = (path: string, more: string): string =>
      `location ${path} { proxy_pass http://127.0.0.1:${backend.port}; access_log access.log; ${more} }`;
    await using proxy = await startProxy(
      (port) => `server { listen 127.0.0.1:${port}; ${location('/left', '')}
        ${location('/kept', 'proxy_ignore_client_abort on;')} }`,
    );
    const before = proxy.descriptors();
    let asked = 0;
    for (const target of ['/left', '/kept']) {
      for (const how of ['close', 'reset', 'end'] as const) {
        const client = await Peer.connect(proxy.port);
        client.send(`GET ${target}/${how} HTTP/1.1\r\nHost: a\r\n\r\n`);
        await connection(backend, asked++);
        await sleep(20);
        client[how]();
        if (how !== 'end') continue;
        // A half-close counts as leaving; with the directive the answer still comes.
        const answer = await client.readToEnd();
        expect(answer.includes('200 OK')).toBe(target === '/kept');
        client.close();
      }
    }
    const log = await proxy.readUntil('access.log', /(?:.*\n){6}/);
    const statuses = [...log.matchAll(/GET (\/[a-z]+\/[a-z]+) .*" ([0-9]{3}) /g)].map(
      ([, target, status]) => `${target} ${status}`,
    );
    expect(statuses.sort()).toEqual([
      '/kept/close 200',
      '/kept/end 200',
      '/kept/reset 200',
      '/left/close 499',
      '/left/end 499',
      '/left/reset 499',
    ]);
    for (let i = 0; i < 100 && done.length < 6; i++) await sleep(20);
    // The backend's own connection stays for the next request where it was let finish.
    expect(done.filter((line) => line.startsWith('/left')).sort()).toEqual([
      '/left/close left',
      '/left/end left',
      '/left/reset left',
    ]);
    expect(done.filter((line) => line.startsWith('/kept'))).toHaveLength(3);
    expect(await descriptorsBack(proxy, before)).toBe(before);
  });

  test('has sent what it has sent: with proxy_ignore_client_abort a FIN behind a long body cuts nothing off', async () => {
    let received = 0;
    await using backend = await startBackend(async ({ socket }) => {
      socket.pause();
      socket.on('data', (chunk) => (received += chunk.length));
      await sleep(200);
      socket.resume();
    });
    await using proxy = await startProxy(
      (port) => `server { listen 127.0.0.1:${port}; client_max_body_size 0; location / {
        proxy_pass http://127.0.0.1:${backend.port}; proxy_ignore_client_abort on; } }`,
    );
    const client = await Peer.connect(proxy.port);
    const length = 16 * 1024 * 1024;
    client.send(`${CHUNKED}${length.toString(16)}\r\n`);
    client.send(Buffer.alloc(length, 'x'));
    client.send('\r\n0\r\n\r\n');
    client.end();
    for (let i = 0; i < 400 && received < length; i++) await sleep(10);
    expect(received).toBeGreaterThan(length);
    client.close();
  });
});

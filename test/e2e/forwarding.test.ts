/**
 * What becomes of a request on its way to the backend, and of the response on its way
 * back: heads are compared whole, as bytes, so that nothing is added or lost unseen.
 */
import { connect } from 'node:net';
import { describe, expect, test } from 'vitest';
import { response, startAnswering, startBackend, type Backend } from './support/backend.js';
import { names, value, values, type Message } from './support/message.js';
import { exchange, Peer } from './support/peer.js';
import { startProxy } from './support/proxy.js';

/** A location that keeps backend connections and passes requests on unchanged. */
const PASS = (backend: Backend, path = '/', target = ''): string => `
  location ${path} {
    proxy_pass http://127.0.0.1:${backend.port}${target};
    proxy_http_version 1.1;
    proxy_set_header Connection "";
  }`;

/** Fields that each response brings by itself. */
function withoutDate(message: Message): string[] {
  return message.fields.filter(([name]) => !/^(date|server)$/i.test(name)).map(([n, v]) => `${n}: ${v}`);
}

describe('the request', () => {
  test('reaches the backend with its fields in their order, bytes unchanged', async () => {
    await using backend = await startAnswering(() => response('ok'));
    await using proxy = await startProxy((port) => `server { listen 127.0.0.1:${port}; ${PASS(backend)} }`);
    await exchange(
      proxy.port,
      'GET /a%20b/../c?x=%2F&y HTTP/1.1\r\nHost: example.com:81\r\nAccept: */*\r\nX-Twice: 1\r\n' +
        'Cookie: a=b; c="d"\r\nX-Twice: 2\r\nX-Bytes: \xe4\xf6 \x80\r\nX-Empty:\r\n\r\n',
    );
    expect(backend.requests[0]?.head).toBe(
      `GET /a%20b/../c?x=%2F&y HTTP/1.1\r\nHost: 127.0.0.1:${backend.port}\r\nAccept: */*\r\nX-Twice: 1\r\n` +
        'Cookie: a=b; c="d"\r\nX-Twice: 2\r\nX-Bytes: \xe4\xf6 \x80\r\nX-Empty: \r\n\r\n',
    );
  });

  test('carries the four usual fields of a proxy', async () => {
    await using backend = await startAnswering(() => response('ok'));
    await using proxy = await startProxy(
      (port) => `server { listen 127.0.0.1:${port}; ${PASS(backend)}
        proxy_http_version 1.1;
        location /four {
          proxy_pass http://127.0.0.1:${backend.port};
          proxy_set_header Host $host;
          proxy_set_header X-Real-IP $remote_addr;
          proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
          proxy_set_header X-Forwarded-Proto $scheme;
          proxy_set_header Connection "";
        }
      }`,
    );
    await exchange(proxy.port, 'GET /four HTTP/1.1\r\nHost: Example.com:81\r\n\r\n');
    await exchange(
      proxy.port,
      'GET /four HTTP/1.1\r\nHost: a\r\nX-Real-IP: 9.9.9.9\r\nX-Forwarded-For: 1.1.1.1, 2.2.2.2\r\nX-Forwarded-Proto: https\r\n\r\n',
    );
    const [first, second] = backend.requests;
    expect(first && [value(first, 'host'), value(first, 'x-real-ip')]).toEqual(['example.com', '127.0.0.1']);
    expect(first && value(first, 'x-forwarded-for')).toBe('127.0.0.1');
    expect(first && value(first, 'x-forwarded-proto')).toBe('http');
    expect(second && values(second, 'x-real-ip')).toEqual(['127.0.0.1']);
    expect(second && values(second, 'x-forwarded-for')).toEqual(['1.1.1.1, 2.2.2.2, 127.0.0.1']);
    expect(second && values(second, 'x-forwarded-proto')).toEqual(['http']);
  });

  test('carries the address of its own client, whoever came before', async () => {
    await using backend = await startAnswering(() => response('ok'));
    await using proxy = await startProxy(
      (port) => `server {
        listen 127.0.0.1:${port};
        listen unix:/tmp/millrace-e2e-${port}.sock;
        location / {
          proxy_pass http://127.0.0.1:${backend.port};
          proxy_set_header X-Real-IP $remote_addr;
          proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        }
      }`,
    );
    const clients: Peer[] = [];
    for (const localAddress of ['127.0.0.1', '127.0.0.2', '127.100.200.30']) {
      const socket = connect({ host: '127.0.0.1', port: proxy.port, localAddress });
      clients.push(new Peer(socket));
    }
    clients.push(new Peer(connect(`/tmp/millrace-e2e-${proxy.port}.sock`)));
    const expected = ['127.0.0.1', '127.0.0.2', '127.100.200.30', 'unix:'];
    for (let round = 0; round < 2; round++) {
      for (const client of clients) {
        client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
        await client.readMessage();
      }
    }
    const seen = backend.requests.map((one) => [value(one, 'x-real-ip'), value(one, 'x-forwarded-for')]);
    expect(seen).toEqual([...expected, ...expected].map((address) => [address, address]));
    for (const client of clients) client.socket.destroy();
  });

  test('loses what holds for one connection only', async () => {
    await using backend = await startAnswering(() => response('ok'));
    await using proxy = await startProxy((port) => `server { listen 127.0.0.1:${port}; ${PASS(backend)} }`);
    await exchange(
      proxy.port,
      'GET / HTTP/1.1\r\nHost: a\r\nKeep-Alive: timeout=5\r\nTE: trailers\r\nUpgrade: h2c\r\nX-Kept: 1\r\n' +
        'Connection: keep-alive\r\n\r\n',
    );
    const [request] = backend.requests;
    expect(request && names(request)).toEqual(['host', 'x-kept']);
  });

  test('has its URI replaced where proxy_pass has one', async () => {
    await using backend = await startAnswering(() => response('ok'));
    await using proxy = await startProxy(
      (port) =>
        `server { listen 127.0.0.1:${port}; ${PASS(backend, '/api/', '/v2/')} ${PASS(backend, '= /exact', '/other?z')} }`,
    );
    await exchange(proxy.port, 'GET /api/list?q=1 HTTP/1.1\r\nHost: a\r\n\r\n');
    await exchange(proxy.port, 'GET /api/x/../%61%20b HTTP/1.1\r\nHost: a\r\n\r\n');
    await exchange(proxy.port, 'GET /exact HTTP/1.1\r\nHost: a\r\n\r\n');
    expect(backend.requests.map((request) => request.target)).toEqual([
      '/v2/list?q=1',
      '/v2/a%20b',
      '/other?z',
    ]);
  });

  test('in absolute form names the host itself', async () => {
    await using backend = await startAnswering(() => response('ok'));
    await using proxy = await startProxy(
      (port) => `server { listen 127.0.0.1:${port}; location / {
        proxy_pass http://127.0.0.1:${backend.port}; proxy_set_header Host $host; } }`,
    );
    await exchange(proxy.port, 'GET http://real.example/x?y HTTP/1.1\r\nHost: real.example\r\n\r\n');
    const [request] = backend.requests;
    expect(request?.target).toBe('/x?y');
    expect(request && value(request, 'host')).toBe('real.example');
  });

  test('goes to the server that its Host names, else to the first one', async () => {
    await using proxy = await startProxy(
      (port) => `
        server { listen 127.0.0.1:${port}; server_name first; return 200 first; }
        server { listen 127.0.0.1:${port}; server_name second *.wild.example; return 200 second; }`,
    );
    const ask = async (host: string): Promise<string> =>
      (await exchange(proxy.port, `GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`)).body;
    expect(await ask('second')).toBe('second');
    expect(await ask('SECOND:80')).toBe('second');
    expect(await ask('a.wild.example')).toBe('second');
    expect(await ask('third')).toBe('first');
  });

  test('body arrives whole, with any method', async () => {
    await using backend = await startAnswering((request) => response(`${request.method} ${request.body}`));
    await using proxy = await startProxy((port) => `server { listen 127.0.0.1:${port}; ${PASS(backend)} }`);
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'GET', 'OPTIONS']) {
      const body = `\x00\xff\r\n\r\n${method}`;
      const head = `${method} / HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n`;
      expect((await exchange(proxy.port, head + body)).body).toBe(`${method} ${body}`);
    }
  });

  test('loses the answer, not the others, when its client leaves', async () => {
    let asked: (() => void) | undefined;
    const requested = new Promise<void>((resolve) => (asked = resolve));
    let left: (() => void) | undefined;
    const abandoned = new Promise<void>((resolve) => (left = resolve));
    await using backend = await startBackend(async (connection) => {
      const request = await connection.readMessage();
      if (request.target === '/slow') {
        asked?.();
        await connection.waitEnd();
        left?.();
        return;
      }
      connection.send(response('fast', ['Connection: close']));
      connection.end();
    });
    await using proxy = await startProxy((port) => `server { listen 127.0.0.1:${port}; ${PASS(backend)} }`);
    const client = await Peer.connect(proxy.port);
    client.send('GET /slow HTTP/1.1\r\nHost: a\r\n\r\n');
    // A connection alone is not enough: the request may still be on its way.
    await requested;
    client.close();
    await abandoned;
    expect((await exchange(proxy.port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n')).body).toBe('fast');
  });
});

describe('the response', () => {
  test('comes back with its fields in their order, bytes unchanged', async () => {
    await using backend = await startAnswering(() =>
      response('body', ['X-One: 1', 'Set-Cookie: a=1', 'Set-Cookie: b=2', 'X-Bytes: \xe4', 'ETag: W/"x"']),
    );
    await using proxy = await startProxy((port) => `server { listen 127.0.0.1:${port}; ${PASS(backend)} }`);
    const answer = await exchange(proxy.port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    expect(answer.startLine).toBe('HTTP/1.1 200 OK');
    expect(answer.body).toBe('body');
    expect(withoutDate(answer).filter((line) => !/^(content-length|connection):/i.test(line))).toEqual([
      'X-One: 1',
      'Set-Cookie: a=1',
      'Set-Cookie: b=2',
      'X-Bytes: \xe4',
      'ETag: W/"x"',
    ]);
    expect([value(answer, 'content-length'), value(answer, 'connection')]).toEqual(['4', 'keep-alive']);
    expect(values(answer, 'date')).toHaveLength(1);
    expect(values(answer, 'server')).toHaveLength(1);
  });

  test('keeps an unusual status and its reason', async () => {
    await using backend = await startAnswering(() => response('x', [], '299 Quite Fine'));
    await using proxy = await startProxy((port) => `server { listen 127.0.0.1:${port}; ${PASS(backend)} }`);
    const answer = await exchange(proxy.port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    expect(answer.startLine).toBe('HTTP/1.1 299 Quite Fine');
  });

  test('loses what holds for one connection only, and what proxy_hide_header names', async () => {
    await using backend = await startAnswering(() =>
      response('x', [
        'Keep-Alive: timeout=9',
        'Connection: keep-alive',
        'X-Secret: 1',
        'X-Powered-By: y',
        'X-Kept: 2',
      ]),
    );
    await using proxy = await startProxy(
      (port) =>
        `server { listen 127.0.0.1:${port}; proxy_hide_header X-Secret; proxy_hide_header x-powered-by; ${PASS(backend)} }`,
    );
    const answer = await exchange(proxy.port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    expect(names(answer).filter((name) => name.startsWith('x-'))).toEqual(['x-kept']);
    expect(values(answer, 'keep-alive')).toEqual([]);
    expect(values(answer, 'connection')).toEqual(['keep-alive']);
  });

  test('to HEAD, and 204 and 304, end at the blank line', async () => {
    await using backend = await startAnswering(({ target, method }) => {
      if (method === 'HEAD') return 'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n';
      if (target === '/204') return 'HTTP/1.1 204 No Content\r\n\r\n';
      return 'HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\nETag: "e"\r\n\r\n';
    });
    await using proxy = await startProxy((port) => `server { listen 127.0.0.1:${port}; ${PASS(backend)} }`);
    const client = await Peer.connect(proxy.port);
    for (let round = 0; round < 2; round++) {
      client.send('HEAD / HTTP/1.1\r\nHost: a\r\n\r\n');
      expect(value(await client.readMessage('HEAD'), 'content-length')).toBe('1000');
      client.send('GET /204 HTTP/1.1\r\nHost: a\r\n\r\n');
      const empty = await client.readMessage();
      expect([empty.status, values(empty, 'transfer-encoding')]).toEqual([204, []]);
      client.send('GET /304 HTTP/1.1\r\nHost: a\r\nIf-None-Match: "e"\r\n\r\n');
      expect((await client.readMessage()).status).toBe(304);
    }
    expect(client.received).toBe('');
    client.close();
  });
});

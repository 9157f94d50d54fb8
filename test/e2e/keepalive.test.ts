/**
 * Connections that serve more than one request, on both sides: how long they are kept,
 * the order of pipelined answers, and what happens when a kept one turns out to be dead.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { response, startAnswering, startBackend } from './support/backend.js';
import { value } from './support/message.js';
import { exchange, PATIENCE_MS, Peer } from './support/peer.js';
import { IS_MILLRACE, startProxy } from './support/proxy.js';

const get = (target: string, ...fields: string[]): string =>
  [`GET ${target} HTTP/1.1`, 'Host: a', ...fields, '', ''].join('\r\n');

const POOLED = (port: number, backend: number, more = ''): string => `
  upstream pool { server 127.0.0.1:${backend}; keepalive 8; }
  server {
    listen 127.0.0.1:${port};
    ${more}
    location / { proxy_pass http://pool; proxy_http_version 1.1; proxy_set_header Connection ""; }
  }`;

describe('the client side', () => {
  test('serves request after request on one connection', async () => {
    await using proxy = await startProxy(
      (port) => `server { listen 127.0.0.1:${port}; return 200 $request_uri; }`,
    );
    const client = await Peer.connect(proxy.port);
    for (let i = 0; i < 20; i++) {
      client.send(get(`/${i}`));
      const answer = await client.readMessage();
      expect([answer.body, value(answer, 'connection')]).toEqual([`/${i}`, 'keep-alive']);
    }
    client.close();
  });

  test('answers pipelined requests in their order, though the first takes longest', async () => {
    await using backend = await startAnswering(({ target }) => response(target));
    await using slow = await startBackend(async (connection) => {
      const { target } = await connection.readMessage();
      await sleep(100);
      connection.send(response(target));
    });
    await using proxy = await startProxy(
      (port) => `server { listen 127.0.0.1:${port};
        location / { proxy_pass http://127.0.0.1:${backend.port}; }
        location /slow { proxy_pass http://127.0.0.1:${slow.port}; }
        location /here { return 200 here; } }`,
    );
    const client = await Peer.connect(proxy.port);
    const post = 'POST /post HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody';
    client.send(
      get('/slow') + get('/1') + post + get('/here') + get('/2', 'Connection: close') + get('/never'),
    );
    const bodies: string[] = [];
    for (let i = 0; i < 5; i++) bodies.push((await client.readMessage()).body);
    expect(bodies).toEqual(['/slow', '/1', '/post', 'here', '/2']);
    expect(await client.waitEnd()).toBeDefined();
    expect(client.received).toBe('');
    client.close();
  });

  test('ends where the client or HTTP/1.0 says so', async () => {
    await using proxy = await startProxy((port) => `server { listen 127.0.0.1:${port}; return 200 ok; }`);
    for (const request of [get('/', 'Connection: close'), 'GET / HTTP/1.0\r\nHost: a\r\n\r\n']) {
      const client = await Peer.connect(proxy.port);
      client.send(request);
      expect(value(await client.readMessage(), 'connection')).toBe('close');
      expect(await client.waitEnd()).toBe('fin');
      client.close();
    }
    const client = await Peer.connect(proxy.port);
    for (let i = 0; i < 2; i++) {
      client.send('GET / HTTP/1.0\r\nHost: a\r\nConnection: Keep-Alive\r\n\r\n');
      expect(value(await client.readMessage(), 'connection')).toBe('keep-alive');
    }
    client.close();
  });

  test('ends when any of several Connection fields says close', async () => {
    await using proxy = await startProxy(
      (port) => `server { listen 127.0.0.1:${port}; location / { return 200 ok; } }`,
    );
    for (const fields of [
      ['Connection: keep-alive', 'Connection: close'],
      ['Connection: foo, close'],
      ['connection: CLOSE'],
      ['Host2: x', 'Connection: close', 'Accept: x'],
    ]) {
      const client = await Peer.connect(proxy.port);
      client.send(get('/', ...fields));
      expect([fields, value(await client.readMessage(), 'connection')]).toEqual([fields, 'close']);
      expect(await client.waitEnd()).toBe('fin');
      client.close();
    }
  });

  test('ends after keepalive_requests', async () => {
    await using proxy = await startProxy(
      (port) => `keepalive_requests 3; server { listen 127.0.0.1:${port}; location / { return 200 ok; } }`,
    );
    const client = await Peer.connect(proxy.port);
    const kept: (string | undefined)[] = [];
    for (let i = 0; i < 3; i++) {
      client.send(get('/'));
      kept.push(value(await client.readMessage(), 'connection'));
    }
    expect(kept).toEqual(['keep-alive', 'keep-alive', 'close']);
    expect(await client.waitEnd()).toBe('fin');
    client.close();
  });

  test('ends after keepalive_timeout, and not before', async () => {
    await using proxy = await startProxy(
      (port) => `keepalive_timeout 400ms; server { listen 127.0.0.1:${port}; location / { return 200 ok; } }`,
    );
    const client = await Peer.connect(proxy.port);
    for (let i = 0; i < 3; i++) {
      client.send(get('/'));
      expect((await client.readMessage()).status).toBe(200);
      await sleep(200);
      expect(client.ending).toBe(undefined);
    }
    const before = Date.now();
    expect(await client.waitEnd()).toBe('fin');
    expect(Date.now() - before).toBeLessThan(2000);
    client.close();
  });

  test('is off with keepalive_timeout 0', async () => {
    await using proxy = await startProxy(
      (port) => `keepalive_timeout 0; server { listen 127.0.0.1:${port}; location / { return 200 ok; } }`,
    );
    const client = await Peer.connect(proxy.port);
    client.send(get('/'));
    expect(value(await client.readMessage(), 'connection')).toBe('close');
    await client.waitEnd();
    client.close();
  });

  test('skips the body of a request that nobody read', async () => {
    await using proxy = await startProxy(
      (port) => `server { listen 127.0.0.1:${port}; return 200 $request_uri; }`,
    );
    const client = await Peer.connect(proxy.port);
    const body = 'GET /body HTTP/1.1\r\n\r\n';
    client.send(`POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n${body}${get('/2')}`);
    expect((await client.readMessage()).body).toBe('/1');
    expect((await client.readMessage()).body).toBe('/2');
    client.close();
  });
});

describe('the backend side', () => {
  test('uses one connection for one request after another', async () => {
    await using backend = await startAnswering(({ target }) => response(target));
    await using proxy = await startProxy((port) => POOLED(port, backend.port));
    for (let i = 0; i < 10; i++) expect((await exchange(proxy.port, get(`/${i}`))).body).toBe(`/${i}`);
    expect(backend.connections).toHaveLength(1);
  });

  test('opens one for each request that runs, and keeps as many as keepalive says', async () => {
    await using backend = await startBackend(async (connection) => {
      while (connection.ending === undefined) {
        await connection.readMessage().then(async ({ target }) => {
          await sleep(100);
          connection.send(response(target));
        });
      }
    });
    await using proxy = await startProxy((port) =>
      POOLED(port, backend.port).replace('keepalive 8', 'keepalive 2'),
    );
    const all = (): Promise<unknown> =>
      Promise.all(Array.from({ length: 5 }, (_, i) => exchange(proxy.port, get(`/${i}`))));
    const open = (): number =>
      backend.connections.filter((connection) => connection.ending === undefined).length;
    await all();
    // A moment later all five are still there for the next burst.
    await all();
    expect(backend.connections).toHaveLength(5);
    // What nobody wants any more goes.
    const limit = Date.now() + PATIENCE_MS;
    while (open() > 2 && Date.now() < limit) await sleep(20);
    await sleep(300);
    expect(open()).toBe(2);
    await all();
    expect(backend.connections).toHaveLength(8);
  });

  test('does not keep a connection whose backend says close, nor one from before HTTP/1.1', async () => {
    await using backend = await startBackend(async (connection) => {
      const { target } = await connection.readMessage();
      if (target === '/close') connection.send(response('x', ['Connection: close']));
      else connection.send('HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx');
      await connection.waitEnd();
      connection.end();
    });
    await using proxy = await startProxy((port) => POOLED(port, backend.port));
    for (const target of ['/close', '/close', '/old', '/old']) {
      expect((await exchange(proxy.port, get(target))).body).toBe('x');
    }
    expect(backend.connections).toHaveLength(4);
    await sleep(50);
    expect(backend.connections.map((connection) => connection.ending)).not.toContain(undefined);
  });

  test('forgets an idle connection that the backend closed', async () => {
    await using backend = await startBackend(async (connection) => {
      const { target } = await connection.readMessage();
      connection.send(response(target));
      await sleep(30);
      connection.end();
    });
    await using proxy = await startProxy((port) => POOLED(port, backend.port));
    for (let i = 0; i < 4; i++) {
      expect((await exchange(proxy.port, get(`/${i}`))).body).toBe(`/${i}`);
      await sleep(80);
    }
    expect(backend.connections).toHaveLength(4);
  });

  test('tries a kept connection that died once more on a fresh one', async () => {
    const served: string[] = [];
    await using backend = await startBackend(async (connection, index) => {
      for (let turn = 0; ; turn++) {
        const { target, method } = await connection.readMessage();
        served.push(`${index}.${turn} ${method} ${target}`);
        // A kept connection of the first generation dies at its second request.
        if (index === 0 && turn === 1) return connection.reset();
        connection.send(response(target));
      }
    });
    await using proxy = await startProxy((port) => POOLED(port, backend.port));
    expect((await exchange(proxy.port, get('/first'))).body).toBe('/first');
    expect((await exchange(proxy.port, get('/again'))).body).toBe('/again');
    expect(served).toEqual(['0.0 GET /first', '0.1 GET /again', '1.0 GET /again']);
  });

  test('never sends a POST twice', async () => {
    const served: string[] = [];
    await using backend = await startBackend(async (connection, index) => {
      for (let turn = 0; ; turn++) {
        const { target } = await connection.readMessage();
        served.push(target);
        if (index === 0 && turn === 1) return connection.reset();
        connection.send(response(target));
      }
    });
    await using proxy = await startProxy((port) => POOLED(port, backend.port));
    const post = 'POST /post HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody';
    expect((await exchange(proxy.port, get('/first'))).body).toBe('/first');
    expect((await exchange(proxy.port, post)).status).toBe(502);
    expect(served).toEqual(['/first', '/post']);
  });

  test('is HTTP/1.0 with Connection: close where the configuration asks for it', async () => {
    await using backend = await startAnswering(() => response('ok'));
    await using proxy = await startProxy(
      (port) => `server { listen 127.0.0.1:${port}; location / {
        proxy_pass http://127.0.0.1:${backend.port}; proxy_http_version 1.0; } }`,
    );
    await exchange(proxy.port, get('/'));
    const [request] = backend.requests;
    expect(request?.startLine).toBe('GET / HTTP/1.0');
    expect(request && value(request, 'connection')).toBe('close');
  });

  test.runIf(IS_MILLRACE)('is HTTP/1.1 and kept without being asked, as in nginx 1.31', async () => {
    await using backend = await startAnswering(({ target }) => response(target));
    await using proxy = await startProxy(
      (port) => `upstream u { server 127.0.0.1:${backend.port}; }
        server { listen 127.0.0.1:${port}; location / { proxy_pass http://u; } }`,
    );
    for (let i = 0; i < 3; i++) await exchange(proxy.port, get(`/${i}`));
    expect(backend.requests.map((request) => request.startLine)).toEqual([
      'GET /0 HTTP/1.1',
      'GET /1 HTTP/1.1',
      'GET /2 HTTP/1.1',
    ]);
    expect(backend.connections).toHaveLength(1);
  });
});

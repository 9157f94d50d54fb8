/**
 * Least speeds: clients that send or take a byte now and then, so that no timeout between
 * two of them is met, and clients that wait for a slow backend, whom nobody may blame.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { chunked, response, startAnswering, startBackend, type Script } from './support/backend.js';
import { exchange, Peer } from './support/peer.js';
import { descriptorsBack, IS_MILLRACE, startProxy } from './support/proxy.js';

/** Larger than the buffers of both sockets. */
const LARGE = 'l'.repeat(12 * 1024 * 1024);

const CONF =
  (backend: number, directives: string) =>
  (port: number): string => `
    log_format late '$request_uri $status $request_completion;';
    server {
      listen 127.0.0.1:${port};
      access_log late.log late;
      client_max_body_size 0;
      ${directives}
      location / { proxy_pass http://127.0.0.1:${backend}; proxy_http_version 1.1; }
      location /streamed { proxy_pass http://127.0.0.1:${backend}; proxy_http_version 1.1;
                           proxy_request_buffering off; }
      location /free { proxy_pass http://127.0.0.1:${backend}; client_body_min_rate 0; send_min_rate 0; }
      location /ok { return 200 ok; }
    }`;

/** Sends a few bytes again and again until the other side ends the connection, or `times` are over. */
async function drip(client: Peer, bytes: string, times: number, gapMs = 50): Promise<void> {
  for (let i = 0; i < times && client.ending === undefined && client.received === ''; i++) {
    client.send(bytes);
    await sleep(gapMs);
  }
}

describe.runIf(IS_MILLRACE)('client_body_min_rate', () => {
  const RATE = 'client_body_min_rate 2k grace=500ms;';
  /** Answers when the whole request is there. */
  const start = (): ReturnType<typeof startAnswering> =>
    startAnswering(({ body }) => response(String(body.length)));
  const uploads: Record<string, string> = {
    'a body that is collected': 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9000\r\n\r\n',
    'a body that is streamed': 'POST /streamed HTTP/1.1\r\nHost: a\r\nContent-Length: 9000\r\n\r\n',
    'a body that is relayed': `POST /streamed HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n${'x'.repeat(4000)}`,
  };
  for (const [what, opening] of Object.entries(uploads)) {
    test(`${what} and trickles gets 408`, async () => {
      await using backend = await start();
      await using proxy = await startProxy(CONF(backend.port, RATE));
      const client = await Peer.connect(proxy.port);
      client.send(opening);
      await drip(client, 'y', 200);
      const answer = await client.readMessage();
      expect(answer.status).toBe(408);
      await client.waitEnd();
      client.close();
      expect(await proxy.readUntil('error.log', /too slowly/)).toMatch(
        /client sent its request body too slowly: [0-9]+ bytes in [0-9]+ ms, client: 127\.0\.0\.1/,
      );
      expect(await proxy.readUntil('late.log', /;/)).toMatch(/ 408 OK;$/m);
      // Whatever the backend got of it is no whole request.
      expect(backend.requests.filter(({ complete }) => complete)).toEqual([]);
      for (const connection of backend.connections) await connection.waitEnd();
    });
  }

  test('a body in chunks that trickles gets 408', async () => {
    await using backend = await start();
    await using proxy = await startProxy(CONF(backend.port, RATE));
    const client = await Peer.connect(proxy.port);
    client.send('POST /streamed HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n');
    await drip(client, '1\r\ny\r\n', 200);
    expect((await client.readMessage()).status).toBe(408);
    client.close();
  });

  test('one that is fast enough, or may be slow, arrives', async () => {
    await using backend = await start();
    await using proxy = await startProxy(CONF(backend.port, RATE));
    for (const [target, bytes, times] of [
      ['/', 'y'.repeat(400), 50],
      ['/free', 'y', 40],
    ] as const) {
      const client = await Peer.connect(proxy.port);
      const length = bytes.length * times;
      client.send(`POST ${target} HTTP/1.1\r\nHost: a\r\nContent-Length: ${length}\r\n\r\n`);
      await drip(client, bytes, times);
      expect((await client.readMessage()).body).toBe(String(length));
      // The connection is watched no longer: it may be idle, and ask again.
      await sleep(900);
      client.send('GET /ok HTTP/1.1\r\nHost: a\r\n\r\n');
      expect((await client.readMessage()).body).toBe('ok');
      client.close();
    }
    expect(proxy.read('error.log')).not.toContain('too slowly');
  });

  test('nobody is blamed for a backend that does not read', async () => {
    const body = 'z'.repeat(12_000_000);
    const script: Script = async (connection) => {
      await connection.readUntil('\r\n\r\n');
      connection.stopReading();
      await sleep(2000);
      connection.startReading();
      await connection.until('the body', () => connection.received.length >= body.length);
      connection.send(response('read'));
    };
    for (const framing of ['length', 'chunks']) {
      await using backend = await startBackend(script);
      await using proxy = await startProxy(CONF(backend.port, RATE));
      const client = await Peer.connect(proxy.port);
      const field = framing === 'length' ? `Content-Length: ${body.length}` : 'Transfer-Encoding: chunked';
      client.send(
        `POST /streamed HTTP/1.1\r\nHost: a\r\n${field}\r\n\r\n${framing === 'length' ? body : chunked([body])}`,
      );
      expect((await client.readMessage()).body).toBe('read');
      client.close();
    }
  });

  test('an upload whose answer was begun is cut off', async () => {
    await using backend = await startBackend(async (connection) => {
      await connection.readUntil('\r\n\r\n');
      connection.send('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf');
      await connection.waitEnd();
    });
    await using proxy = await startProxy(CONF(backend.port, RATE));
    const client = await Peer.connect(proxy.port);
    client.send('POST /streamed HTTP/1.1\r\nHost: a\r\nContent-Length: 9000\r\n\r\n');
    for (let i = 0; i < 200 && client.ending === undefined; i++) {
      client.send('y');
      await sleep(50);
    }
    const answer = await client.readMessage();
    expect([answer.status, answer.body, answer.complete]).toEqual([200, 'half', false]);
    client.close();
  });
});

describe.runIf(IS_MILLRACE)('send_min_rate', () => {
  const RATE = 'send_min_rate 1m grace=500ms;';
  const answers: Record<string, string> = {
    'with a length': response(LARGE),
    'in chunks': `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${chunked(Array.from({ length: 192 }, () => LARGE.slice(0, 65_536)))}`,
  };
  for (const [what, bytes] of Object.entries(answers)) {
    test(`a client that sips an answer ${what} is cut off`, async () => {
      await using backend = await startAnswering(() => Buffer.from(bytes, 'latin1'));
      await using proxy = await startProxy(CONF(backend.port, RATE));
      await exchange(proxy.port, 'GET /ok HTTP/1.1\r\nHost: a\r\n\r\n');
      const before = proxy.descriptors();
      const client = await Peer.connect(proxy.port);
      client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
      const log = proxy.readUntil('error.log', /too slowly/);
      let cut = false;
      void log.then(() => (cut = true));
      // A piece of some 64 KB every 300 ms: something is taken all the time, and the timeout never comes.
      while (!cut) {
        client.stopReading();
        await sleep(300);
        client.startReading();
        await new Promise((resolve) => client.socket.once('data', resolve));
      }
      expect(await log).toMatch(/client took the response too slowly: [0-9]+ bytes in [0-9]+ ms, client: /);
      client.startReading();
      await client.waitEnd();
      expect(client.received.length).toBeLessThan(LARGE.length);
      client.close();
      for (const connection of backend.connections) await connection.waitEnd();
      expect(await proxy.readUntil('late.log', /^\/ .*;/m)).toMatch(/^\/ 408 ;/m);
      expect(await descriptorsBack(proxy, before)).toBeLessThanOrEqual(before);
    });
  }

  test('what is left of an answer when the exchange is over has to leave too', async () => {
    await using proxy = await startProxy(
      (port) => `server { listen 127.0.0.1:${port}; ${RATE}
        keepalive_requests 100000; location /large { return 200 ${'w'.repeat(3500)}; } }`,
    );
    const client = await Peer.connect(proxy.port);
    client.stopReading();
    // Pipelined answers fill every buffer.
    for (let i = 0; i < 60; i++) client.send('GET /large HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(100));
    await proxy.readUntil('error.log', /client took the response too slowly/);
    client.startReading();
    await client.waitEnd();
    client.close();
  });

  test('the rate of one request is not that of the next on the connection', async () => {
    await using backend = await startAnswering(() => Buffer.from(response(LARGE), 'latin1'));
    await using proxy = await startProxy(CONF(backend.port, 'send_min_rate 100k grace=1s;'));
    const client = await Peer.connect(proxy.port);
    client.stopReading();
    client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    await sleep(300);
    client.startReading();
    expect((await client.readMessage()).body.length).toBe(LARGE.length);
    client.stopReading();
    client.send('GET /free HTTP/1.1\r\nHost: a\r\n\r\n');
    await sleep(3000);
    client.startReading();
    expect((await client.readMessage()).body.length).toBe(LARGE.length);
    client.close();
    expect(proxy.read('error.log')).not.toContain('too slowly');
  });

  test('nobody is blamed for a backend that trickles', async () => {
    await using backend = await startBackend(async (connection) => {
      await connection.readMessage();
      connection.send(`HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n`);
      for (let i = 0; i < 20; i++) {
        connection.send('x'.repeat(1000));
        await sleep(100);
      }
      connection.send('x'.repeat(980_000));
    });
    await using proxy = await startProxy(CONF(backend.port, RATE));
    const answer = await exchange(proxy.port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    expect(answer.body).toHaveLength(1_000_000);
    expect(proxy.read('error.log')).not.toContain('too slowly');
  });

  test('a client that is fast enough, or may be slow, gets everything', async () => {
    await using backend = await startAnswering(() => Buffer.from(response(LARGE), 'latin1'));
    await using proxy = await startProxy(CONF(backend.port, 'send_min_rate 10k grace=2s;'));
    expect((await exchange(proxy.port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n')).body.length).toBe(LARGE.length);
    const client = await Peer.connect(proxy.port);
    client.stopReading();
    client.send('GET /free HTTP/1.1\r\nHost: a\r\n\r\n');
    await sleep(3000);
    client.startReading();
    expect((await client.readMessage()).body.length).toBe(LARGE.length);
    client.close();
    expect(proxy.read('error.log')).not.toContain('too slowly');
  });
});

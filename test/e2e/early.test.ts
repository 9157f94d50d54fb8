/**
 * Answers that come before the request is over, and before the final answer:
 * Expect: 100-continue, other 1xx, early refusals, and clients that leave midway.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { response, startBackend, type Backend } from './support/backend.js';
import { exchange, Peer } from './support/peer.js';
import { IS_MILLRACE, startProxy } from './support/proxy.js';

const STREAMING =
  (backend: Backend, more = '') =>
  (port: number): string => `
    server {
      listen 127.0.0.1:${port};
      location / {
        proxy_pass http://127.0.0.1:${backend.port};
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        proxy_request_buffering off;
        proxy_buffering off;
        ${more}
      }
    }`;

const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';
const UPLOAD = 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n';

describe('Expect: 100-continue', () => {
  test('is answered before the body is sent, whoever answers', async () => {
    await using backend = await startBackend(async (connection) => {
      for (;;) {
        // A backend that waits for the body and never sends 100 by itself.
        const { body } = await connection.readMessage();
        connection.send(response(body));
      }
    });
    await using proxy = await startProxy(STREAMING(backend));
    const client = await Peer.connect(proxy.port);
    client.send(`${UPLOAD}Expect: 100-continue\r\n\r\n`);
    expect((await client.readMessage()).status).toBe(100);
    client.send('0123456789');
    expect(await client.readMessage()).toMatchObject({ status: 200, body: '0123456789' });
    // A client that does not wait is served as well, on the same connection.
    client.send(`${UPLOAD}Expect: 100-continue\r\n\r\n0123456789`);
    let answer = await client.readMessage();
    if (answer.status === 100) answer = await client.readMessage();
    expect(answer).toMatchObject({ status: 200, body: '0123456789' });
    client.close();
  });

  test('of a body that is too large is answered with 413 and no 100', async () => {
    await using backend = await startBackend(() => {});
    await using proxy = await startProxy(STREAMING(backend, 'client_max_body_size 5;'));
    expect((await exchange(proxy.port, `${UPLOAD}Expect: 100-continue\r\n\r\n`)).status).toBe(413);
    expect(backend.connections).toHaveLength(0);
  });

  test('from HTTP/1.0 is ignored', async () => {
    await using backend = await startBackend(async (connection) => {
      connection.send(response((await connection.readMessage()).body));
    });
    await using proxy = await startProxy(STREAMING(backend));
    const request = `${UPLOAD.replace('1.1', '1.0')}Expect: 100-continue\r\n\r\n0123456789`;
    expect((await exchange(proxy.port, request)).status).toBe(200);
  });
});

// nginx 1.22 takes an interim response for the final one; 1.29 has early_hints.
describe.runIf(IS_MILLRACE)('an interim response', () => {
  test('reaches the client and disturbs nothing', async () => {
    await using backend = await startBackend(async (connection) => {
      await connection.readMessage();
      connection.send('HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n');
      await sleep(20);
      connection.send(`HTTP/1.1 102 Processing\r\n\r\n${response('final')}`);
    });
    await using proxy = await startProxy(STREAMING(backend));
    const client = await Peer.connect(proxy.port);
    client.send(GET);
    const statuses: number[] = [];
    for (;;) {
      const answer = await client.readMessage();
      statuses.push(answer.status);
      if (answer.status < 200) continue;
      expect(answer.body).toBe('final');
      break;
    }
    expect(statuses).toEqual([103, 102, 200]);
    client.close();
  });

  test('is not shown to HTTP/1.0', async () => {
    await using backend = await startBackend(async (connection) => {
      await connection.readMessage();
      connection.send(`HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n${response('final')}`);
    });
    await using proxy = await startProxy(STREAMING(backend));
    expect((await exchange(proxy.port, 'GET / HTTP/1.0\r\nHost: a\r\n\r\n')).status).toBe(200);
  });
});

describe('bodies flow while they are made', () => {
  test('a response reaches the client byte by byte', async () => {
    await using backend = await startBackend(async (connection) => {
      await connection.readMessage();
      connection.send('HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n');
      for (const byte of 'abc') {
        await connection.until('the client', () => connection.received === '' && asked.has(byte));
        connection.send(byte);
      }
    });
    const asked = new Set<string>();
    const ask = (byte: string): void => {
      asked.add(byte);
      // Wakes the script's wait.
      backend.connections[0]?.socket.emit('data', Buffer.alloc(0));
    };
    await using proxy = await startProxy(STREAMING(backend));
    const client = await Peer.connect(proxy.port);
    client.send(GET);
    await client.readUntil('\r\n\r\n');
    for (const byte of 'abc') {
      ask(byte);
      expect(await client.readBytes(1)).toBe(byte);
    }
    client.close();
  });

  test('a request reaches the backend byte by byte', async () => {
    await using backend = await startBackend(() => {});
    await using proxy = await startProxy(STREAMING(backend));
    const client = await Peer.connect(proxy.port);
    client.send(`${UPLOAD}\r\n`);
    client.send('a');
    while (backend.connections.length === 0) await sleep(5);
    const [upstream] = backend.connections;
    if (upstream === undefined) throw new Error('no connection');
    expect(await upstream.readUntil('\r\n\r\n')).toContain('POST /');
    expect(await upstream.readBytes(1)).toBe('a');
    for (const byte of 'bcd') {
      client.send(byte);
      expect(await upstream.readBytes(1)).toBe(byte);
    }
    client.close();
    // A client that leaves in the middle takes the backend's side with it.
    await upstream.waitEnd();
  });
});

describe('a final answer before the upload is over', () => {
  test('reaches a client that goes on sending', async () => {
    await using backend = await startBackend(async (connection) => {
      await connection.readUntil('\r\n\r\n');
      connection.send(response('too much', ['Connection: close'], '403 Forbidden'));
      connection.end();
      await sleep(100);
      connection.close();
    });
    await using proxy = await startProxy(STREAMING(backend, 'client_max_body_size 0;'));
    const client = await Peer.connect(proxy.port);
    client.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 50000000\r\n\r\n');
    for (let i = 0; i < 40 && client.received === ''; i++)
      await client.sendSlowly([Buffer.alloc(100_000)], 5);
    const answer = await client.readMessage();
    expect([answer.status, answer.body]).toEqual([403, 'too much']);
    client.close();
  });
});

describe('a client that leaves', () => {
  test('in the middle of a response ends the backend side', async () => {
    await using backend = await startBackend(async (connection) => {
      await connection.readMessage();
      connection.send('HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n');
      while (connection.ending === undefined) await connection.sendSlowly([Buffer.alloc(10_000)], 2);
    });
    await using proxy = await startProxy(STREAMING(backend));
    for (const how of ['close', 'reset'] as const) {
      const client = await Peer.connect(proxy.port);
      client.send(GET);
      await client.readUntil('\r\n\r\n');
      client[how]();
      const upstream = backend.connections.at(-1);
      await upstream?.waitEnd();
    }
    expect(backend.connections).toHaveLength(2);
  });
});

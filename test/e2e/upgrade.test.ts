/**
 * Upgrades: a WebSocket through the proxy, and the tunnel beneath it as raw bytes.
 */
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { Deferred } from '../../lib/util/deferred.js';
import { response, startAnswering, startBackend } from './support/backend.js';
import { value, values } from './support/message.js';
import { exchange, Peer, type Ending } from './support/peer.js';
import { IS_MILLRACE, startProxy } from './support/proxy.js';

/** The usual lines of an nginx.conf for WebSockets. */
const UPGRADING = (port: number, backend: number, more = ''): string => `
  server {
    listen 127.0.0.1:${port};
    location / {
      proxy_pass http://127.0.0.1:${backend};
      proxy_http_version 1.1;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection "Upgrade";
      ${more}
    }
  }`;

const HEAD = 'GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n';
const SWITCHING = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n';

describe('a WebSocket', () => {
  const configurations: Record<string, (port: number, backend: number) => string> = {
    'with the usual lines': (port, backend) => UPGRADING(port, backend),
    'without any': (port, backend) =>
      `server { listen 127.0.0.1:${port}; location / { proxy_pass http://127.0.0.1:${backend}; } }`,
  };
  for (const [what, configuration] of Object.entries(configurations)) {
    test.runIf(IS_MILLRACE || what === 'with the usual lines')(`echoes ${what}`, async () => {
      const server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
      server.on('connection', (socket) =>
        socket.on('message', (data, binary) => socket.send(data, { binary })),
      );
      await new Promise((resolve) => server.once('listening', resolve));
      const backend = (server.address() as AddressInfo).port;
      {
        await using proxy = await startProxy((port) => configuration(port, backend));
        const sockets = Array.from({ length: 5 }, () => new WebSocket(`ws://127.0.0.1:${proxy.port}/`));
        await Promise.all(sockets.map((socket) => new Promise((resolve) => socket.once('open', resolve))));
        for (const size of [0, 1, 125, 65_536, 1_000_000]) {
          const echoed = sockets.map(
            (socket) =>
              new Promise<Buffer>((resolve) => socket.once('message', (data) => resolve(data as Buffer))),
          );
          sockets.forEach((socket, i) => socket.send(Buffer.alloc(size, i)));
          const all = await Promise.all(echoed);
          all.forEach((data, i) => expect(data.equals(Buffer.alloc(size, i))).toBe(true));
        }
        const codes = sockets.map((socket) => new Promise((resolve) => socket.once('close', resolve)));
        sockets.forEach((socket) => socket.close(4321, 'bye'));
        expect(await Promise.all(codes)).toEqual([4321, 4321, 4321, 4321, 4321]);
      }
      await new Promise((resolve) => server.close(resolve));
    });
  }
});

describe('a tunnel', () => {
  test('passes bytes both ways, those that came with the 101 as well', async () => {
    await using backend = await startBackend(async (connection) => {
      const request = await connection.readMessage();
      expect([value(request, 'upgrade'), value(request, 'connection')?.toLowerCase()]).toEqual([
        'echo',
        'upgrade',
      ]);
      connection.send(`${SWITCHING}hello\x00\xff`);
      expect(await connection.readUntil('\n')).toBe('first\xff\n');
      connection.send('second');
    });
    await using proxy = await startProxy((port) => UPGRADING(port, backend.port));
    const client = await Peer.connect(proxy.port);
    client.send(HEAD);
    const switching = await client.readMessage();
    expect([switching.status, value(switching, 'upgrade')]).toEqual([101, 'echo']);
    expect(value(switching, 'connection')?.toLowerCase()).toBe('upgrade');
    expect(await client.readBytes(7)).toBe('hello\x00\xff');
    client.send('first\xff\n');
    expect(await client.readBytes(6)).toBe('second');
    expect(backend.errors).toEqual([]);
    client.close();
  });

  test('is logged when it ends, with all its bytes', async () => {
    await using backend = await startBackend(async (connection) => {
      await connection.readMessage();
      connection.send(`${SWITCHING}12345`);
      await connection.readUntil('bye');
      connection.close();
    });
    await using proxy = await startProxy(
      (port) =>
        `log_format t '$status $body_bytes_sent $sent_http_connection $sent_http_upgrade $request $http_agent $upstream_http_upgrade';
        ${UPGRADING(port, backend.port, 'access_log access.log t;')}`,
    );
    const client = await Peer.connect(proxy.port);
    // More than a quarter of a page.
    const agent = `${'a'.repeat(1500)}z`;
    client.send(HEAD.replace('Host: a\r\n', `Host: a\r\nAgent: ${agent}\r\n`));
    await client.readMessage();
    client.send('bye');
    await client.waitEnd();
    client.close();
    const line = `101 5 upgrade echo GET /chat HTTP/1.1 ${agent} echo\n`;
    await proxy.readUntil('access.log', new RegExp(`^${line}$`, 'm'));
  });

  test('ends on both sides when one side ends', async () => {
    await using backend = await startBackend(async (connection) => {
      const { target } = await connection.readMessage();
      connection.send(`${SWITCHING}`);
      if (target === '/chat') {
        await connection.readUntil('bye');
        connection.close();
      } else {
        await connection.waitEnd();
        connection.close();
      }
    });
    await using proxy = await startProxy((port) => UPGRADING(port, backend.port));
    const client = await Peer.connect(proxy.port);
    client.send(HEAD);
    await client.readMessage();
    client.send('bye');
    await client.waitEnd();
    client.close();
    const leaving = await Peer.connect(proxy.port);
    leaving.send(HEAD.replace('/chat', '/leave'));
    await leaving.readMessage();
    leaving.close();
    expect(await backend.connections[1]?.waitEnd()).toBeDefined();
  });

  test('honours a half-close: the other direction goes on', async () => {
    await using backend = await startBackend(async (connection) => {
      await connection.readMessage();
      connection.send(SWITCHING);
      await connection.waitEnd();
      await sleep(100);
      connection.send(`got ${connection.received}`);
      connection.end();
    });
    await using proxy = await startProxy((port) => UPGRADING(port, backend.port));
    const client = await Peer.connect(proxy.port);
    client.send(HEAD);
    await client.readMessage();
    client.send('all of it');
    client.end();
    const answer = await client.readToEnd();
    client.close();
    // nginx gives up the other direction when a client half-closes.
    if (IS_MILLRACE) expect(answer).toBe('got all of it');
  });

  // nginx looks at a client that it does not read only when the backend takes more.
  test.runIf(IS_MILLRACE)('ends when a client resets it that is held back by the backend', async () => {
    await using backend = await startBackend(async (connection) => {
      await connection.readMessage();
      connection.send(SWITCHING);
      connection.stopReading();
    });
    await using proxy = await startProxy((port) => UPGRADING(port, backend.port));
    const client = await Peer.connect(proxy.port);
    client.send(HEAD);
    await client.readMessage();
    const descriptors = proxy.descriptors();
    // More than all buffers take: the proxy stops reading the client.
    for (let i = 0; i < 400; i++) client.send(Buffer.alloc(64 * 1024));
    for (let before = -1; client.socket.bytesWritten - client.socket.writableLength !== before;) {
      before = client.socket.bytesWritten - client.socket.writableLength;
      await sleep(300);
    }
    expect(client.socket.writableLength).toBeGreaterThan(0);
    client.reset();
    for (let i = 0; i < 300 && proxy.descriptors() >= descriptors; i++) await sleep(10);
    expect(proxy.descriptors()).toBeLessThan(descriptors);
  });

  test('is closed after proxy_read_timeout without a byte', async () => {
    await using backend = await startBackend(async (connection) => {
      await connection.readMessage();
      connection.send(SWITCHING);
      // nginx moves a deadline only when it moves by 300 ms or more: 200 ms are safely below both.
      await connection.sendSlowly(['1', '2', '3', '4', '5'], 200);
      await connection.waitEnd();
    });
    await using proxy = await startProxy((port) =>
      UPGRADING(port, backend.port, 'proxy_read_timeout 700ms;'),
    );
    const client = await Peer.connect(proxy.port);
    client.send(HEAD);
    await client.readMessage();
    expect(await client.readToEnd()).toBe('12345');
    client.close();
    const line = /upstream timed out .* while proxying upgraded connection, client: 127\.0\.0\.1, server: .*/;
    const log = await proxy.readUntil('error.log', line);
    expect(line.exec(log)?.[0]).toContain(', request: "GET /chat HTTP/1.1", upstream: "http://127.0.0.1:');
  });

  test('goes on while others are served, and is not mistaken for one of them', async () => {
    await using backend = await startBackend(async (connection) => {
      const { target } = await connection.readMessage();
      if (target !== '/chat') return connection.send(response(target ?? ''));
      connection.send(SWITCHING);
      connection.send(`echo ${await connection.readUntil('\n')}`);
    });
    await using proxy = await startProxy((port) => UPGRADING(port, backend.port));
    const tunnels = await Promise.all(Array.from({ length: 10 }, () => Peer.connect(proxy.port)));
    for (const tunnel of tunnels) {
      tunnel.send(HEAD);
      expect((await tunnel.readMessage()).status).toBe(101);
      for (const target of ['/one', '/two']) {
        const answer = await exchange(proxy.port, `GET ${target} HTTP/1.1\r\nHost: a\r\n\r\n`);
        expect([answer.status, answer.body]).toEqual([200, target]);
      }
    }
    for (const [i, tunnel] of tunnels.entries()) {
      tunnel.send(`${i}\n`);
      expect(await tunnel.readUntil('\n')).toBe(`echo ${i}\n`);
      tunnel.close();
    }
    expect(backend.errors).toEqual([]);
  });

  test.runIf(IS_MILLRACE).each(['close', 'reset', 'end'] as const)(
    'is not opened for a client that has left (%s)',
    async (leave) => {
      const ending = new Deferred<Ending>();
      await using backend = await startBackend(async (connection) => {
        await connection.readMessage();
        client[leave]();
        // Nothing says that the proxy has noticed: it lets the backend go on.
        await sleep(200);
        connection.send(SWITCHING);
        ending.resolve(await connection.waitEnd());
      });
      await using proxy = await startProxy((port) =>
        UPGRADING(port, backend.port, 'proxy_ignore_client_abort on;'),
      );
      const client = await Peer.connect(proxy.port);
      client.send(HEAD);
      // Long before proxy_read_timeout.
      expect(await ending.promise).toBeDefined();
      client.close();
    },
  );

  test('carries many megabytes to a reader that is slow', async () => {
    const total = 8 * 1024 * 1024;
    await using backend = await startBackend(async (connection) => {
      await connection.readMessage();
      connection.send(SWITCHING);
      for (let sent = 0; sent < total; sent += 65_536) connection.send(Buffer.alloc(65_536, sent / 65_536));
      connection.end();
    });
    await using proxy = await startProxy((port) => UPGRADING(port, backend.port));
    const client = await Peer.connect(proxy.port);
    client.send(HEAD);
    await client.readMessage();
    client.stopReading();
    await sleep(200);
    client.startReading();
    const bytes = Buffer.from(await client.readToEnd(), 'latin1');
    client.close();
    expect(bytes.length).toBe(total);
    for (let at = 0; at < total; at += 65_536) expect(bytes[at]).toBe((at / 65_536) & 255);
  });
});

describe('an upgrade that is not granted', () => {
  test('is an ordinary response', async () => {
    await using backend = await startBackend(async (connection) => {
      await connection.readMessage();
      connection.send(response('no', [], '403 Forbidden'));
    });
    await using proxy = await startProxy((port) => UPGRADING(port, backend.port));
    expect(await exchange(proxy.port, HEAD)).toMatchObject({ status: 403, body: 'no' });
  });

  test.runIf(IS_MILLRACE)('a 101 that nobody asked for is a 502', async () => {
    await using backend = await startBackend(async (connection) => {
      await connection.readMessage();
      connection.send(SWITCHING);
    });
    await using proxy = await startProxy(
      (port) =>
        `server { listen 127.0.0.1:${port}; location / { proxy_pass http://127.0.0.1:${backend.port}; } }`,
    );
    expect((await exchange(proxy.port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n')).status).toBe(502);
  });

  test('what a backend offers instead reaches the client where upgrades are passed on, and with 426', async () => {
    await using backend = await startAnswering(({ target }) =>
      response('no', ['Connection: Upgrade', 'Upgrade: h2c, websocket , echo'], `${target.slice(-3)} Status`),
    );
    const there = `proxy_pass http://127.0.0.1:${backend.port};`;
    await using proxy = await startProxy(
      (port) => `server { listen 127.0.0.1:${port}; location / { ${there} }
        location /up { ${there} proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade; }
        location /hidden { ${there} proxy_hide_header Upgrade; } }`,
    );
    const offered = async (target: string): Promise<unknown> => {
      const answer = await exchange(proxy.port, `GET ${target} HTTP/1.1\r\nHost: a\r\n\r\n`);
      return [values(answer, 'upgrade'), values(answer, 'connection').join()];
    };
    expect(await offered('/hidden/426')).toEqual([[], 'keep-alive']);
    // nginx passes it on everywhere else, as it is and without the word in Connection.
    if (!IS_MILLRACE)
      return expect(await offered('/up/426')).toEqual([['h2c, websocket , echo'], 'keep-alive']);
    for (const target of ['/up/200', '/up/426', '/426']) {
      expect(await offered(target)).toEqual([['websocket, echo'], 'upgrade,keep-alive']);
    }
    expect(await offered('/200')).toEqual([[], 'keep-alive']);
  });

  test.runIf(IS_MILLRACE)('a list with many blanks keeps nobody waiting', async () => {
    const blanks = ' '.repeat(28_000);
    await using backend = await startAnswering(() =>
      response('no', [`Upgrade: a${blanks}b , h2c`], '426 Upgrade Required'),
    );
    await using proxy = await startProxy(
      (port) =>
        `server { listen 127.0.0.1:${port}; location / { proxy_pass http://127.0.0.1:${backend.port}; } }`,
    );
    const ask = async (): Promise<string> => {
      const client = await Peer.connect(proxy.port);
      client.send('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
      return client.readToEnd();
    };
    const answers = await Promise.all(Array.from({ length: 30 }, ask));
    for (const answer of answers) expect(answer.includes(`\r\nUpgrade: a${blanks}b\r\n`)).toBe(true);
  });

  test.runIf(IS_MILLRACE)('h2c is never forwarded', async () => {
    await using backend = await startBackend(async (connection) => {
      const request = await connection.readMessage();
      connection.send(response(String(value(request, 'upgrade'))));
    });
    await using proxy = await startProxy((port) => UPGRADING(port, backend.port));
    const request = HEAD.replace('echo', 'h2c').replace(
      'Connection: Upgrade',
      'Connection: Upgrade, HTTP2-Settings',
    );
    expect((await exchange(proxy.port, request)).body).toBe('undefined');
  });
});

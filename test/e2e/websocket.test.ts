/**
 * WebSocket as people use it: `ws` on both sides of the proxy, with and without a line of
 * configuration. Large fragmented messages, compression, pings, close codes, peers that
 * die, and many connections at once.
 */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { WebSocket, WebSocketServer, type ClientOptions, type ServerOptions } from 'ws';
import { IS_MILLRACE, startProxy } from './support/proxy.js';

/** How many connections at once; builds with sanitizers get fewer. */
const CROWD = Math.floor(2000 / Number(process.env['MILLRACE_TEST_SLOW'] ?? '1'));

const PLAIN = (port: number, backend: number): string => `
  server { listen 127.0.0.1:${port}; location / { proxy_pass http://127.0.0.1:${backend}; } }`;

const EXPLICIT = (port: number, backend: number): string => `
  server {
    listen 127.0.0.1:${port};
    location / {
      proxy_pass http://127.0.0.1:${backend};
      proxy_http_version 1.1;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection "upgrade";
    }
  }`;

/** The map that nginx's documentation shows is a later matter; these two are what people write most. */
const CONFIGURATIONS: readonly (readonly [string, (port: number, backend: number) => string])[] = [
  ['without configuration', PLAIN],
  ['with the usual lines', EXPLICIT],
];

class Echo implements AsyncDisposable {
  readonly server: WebSocketServer;
  /** The backend's side of each connection, in the order of their arrival. */
  readonly sockets: WebSocket[] = [];
  /** How each of them was closed. */
  readonly closes: [code: number, reason: string][] = [];

  constructor(options: ServerOptions) {
    this.server = new WebSocketServer({ host: '127.0.0.1', port: 0, backlog: 4096, ...options });
    this.server.on('connection', (socket) => {
      this.sockets.push(socket);
      socket.on('error', () => {});
      socket.on('message', (data, binary) => socket.send(data, { binary }));
      socket.on('close', (code, reason) => this.closes.push([code, reason.toString()]));
    });
  }

  static async start(options: ServerOptions = {}): Promise<Echo> {
    const echo = new Echo({ maxPayload: 64 * 1024 * 1024, ...options });
    await once(echo.server, 'listening');
    return echo;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  /** Waits until the backend has seen so many ends. */
  async closed(count: number): Promise<void> {
    for (let i = 0; i < 500 && this.closes.length < count; i++) await sleep(10);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.server.clients) socket.terminate();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

async function open(port: number, options: ClientOptions = {}): Promise<WebSocket> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/chat?room=1`, {
    maxPayload: 64 * 1024 * 1024,
    ...options,
  });
  await once(socket, 'open');
  return socket;
}

async function nextMessage(socket: WebSocket): Promise<Buffer> {
  const [data] = (await once(socket, 'message')) as [Buffer];
  return data;
}

async function nextClose(socket: WebSocket): Promise<[number, string]> {
  const [code, reason] = (await once(socket, 'close')) as [number, Buffer];
  return [code, reason.toString()];
}

for (const [what, configuration] of CONFIGURATIONS) {
  // nginx upgrades nothing by itself.
  describe.runIf(IS_MILLRACE || configuration === EXPLICIT)(`ws ${what}`, () => {
    for (const perMessageDeflate of [false, true]) {
      const how = perMessageDeflate ? 'compressed' : 'not compressed';
      test(`8 MB in fragments come back, ${how}`, { timeout: 60_000 }, async () => {
        await using echo = await Echo.start({ perMessageDeflate });
        await using proxy = await startProxy((port) => configuration(port, echo.port));
        const socket = await open(proxy.port, { perMessageDeflate });
        expect(socket.extensions.includes('permessage-deflate')).toBe(perMessageDeflate);
        // Half of it can be compressed, half cannot.
        const sent = Buffer.concat([randomBytes(4 << 20), Buffer.alloc(4 << 20, 'millrace ')]);
        const back = nextMessage(socket);
        for (let at = 0; at < sent.length; at += 300_007) {
          socket.send(sent.subarray(at, at + 300_007), { binary: true, fin: at + 300_007 >= sent.length });
        }
        expect((await back).equals(sent)).toBe(true);
        socket.terminate();
      });
    }

    test('pings and pongs pass both ways, between the fragments of a message too', async () => {
      await using echo = await Echo.start();
      await using proxy = await startProxy((port) => configuration(port, echo.port));
      const socket = await open(proxy.port);
      socket.ping('from the client');
      expect(String((await once(socket, 'pong'))[0])).toBe('from the client');
      const [peer] = echo.sockets;
      if (peer === undefined) throw new Error('no connection');
      peer.ping('from the backend');
      expect(String((await once(peer, 'pong'))[0])).toBe('from the backend');
      const back = nextMessage(socket);
      const pong = once(socket, 'pong');
      socket.send('one, ', { fin: false });
      socket.ping('between');
      socket.send('two', { fin: true });
      expect([String((await pong)[0]), String(await back)]).toEqual(['between', 'one, two']);
      socket.terminate();
    });

    test('close codes and reasons pass both ways', async () => {
      await using echo = await Echo.start();
      await using proxy = await startProxy((port) => configuration(port, echo.port));
      const first = await open(proxy.port);
      first.close(4001, 'client is done');
      expect(await nextClose(first)).toEqual([4001, 'client is done']);
      await echo.closed(1);
      const second = await open(proxy.port);
      echo.sockets[1]?.close(1012, 'backend restarts');
      expect(await nextClose(second)).toEqual([1012, 'backend restarts']);
      await echo.closed(2);
      expect(echo.closes).toEqual([
        [4001, 'client is done'],
        [1012, 'backend restarts'],
      ]);
    });

    test('a side that dies takes the other one with it', async () => {
      await using echo = await Echo.start();
      await using proxy = await startProxy((port) => configuration(port, echo.port));
      const dying = await open(proxy.port);
      dying.send('x');
      await nextMessage(dying);
      dying.terminate();
      await echo.closed(1);
      const abandoned = await open(proxy.port);
      const seen = nextClose(abandoned);
      echo.sockets[1]?.terminate();
      expect((await seen)[0]).toBe(1006);
      await echo.closed(2);
      expect(echo.closes.map(([code]) => code)).toEqual([1006, 1006]);
    });

    test('a backend that refuses is an ordinary answer', async () => {
      await using echo = await Echo.start({
        verifyClient: (_info, done) => done(false, 401, 'who are you?'),
      });
      await using proxy = await startProxy((port) => configuration(port, echo.port));
      const socket = new WebSocket(`ws://127.0.0.1:${proxy.port}/`);
      socket.on('error', () => {});
      const [, response] = (await once(socket, 'unexpected-response')) as [unknown, { statusCode: number }];
      expect(response.statusCode).toBe(401);
      socket.terminate();
    });
  });
}

/** As many tunnels pay for the code, the tables and the young generation that later ones use. */
const WARM_UP = Math.floor(CROWD / 4);

/** Opens so many, and lets each have a kilobyte of its own echoed. */
async function crowd(port: number, count: number): Promise<WebSocket[]> {
  const sockets: WebSocket[] = [];
  while (sockets.length < count) {
    const some = Array.from({ length: Math.min(100, count - sockets.length) }, () => open(port));
    sockets.push(...(await Promise.all(some)));
  }
  const back = sockets.map((socket) => nextMessage(socket));
  sockets.forEach((socket, i) => socket.send(`${i}: ${'.'.repeat(1000)}`));
  const echoed = await Promise.all(back);
  echoed.forEach((data, i) => expect(String(data)).toBe(`${i}: ${'.'.repeat(1000)}`));
  return sockets;
}

/** Whether there is an access log, and how many KB a tunnel may keep for as long as it is open. */
const LOGGED = [
  ['without an access log', 'access_log off;', 4],
  ['with an access log', 'access_log access.log;', 9],
] as const;
/** What V8 may hold besides for each of them, in KB: from Node 22 on its young generation grows more. */
const YOUNG_KB = Number(process.versions.node.split('.')[0]) > 20 ? 12 : 4;

// nginx counts both sides of a tunnel as its connections: the 4,096 of the tests are too few.
describe.runIf(IS_MILLRACE).each(LOGGED)(`${CROWD} connections at once, %s`, (how, log, keptKb) => {
  test('each has an echo, little memory, and an end', { timeout: 120_000 }, async () => {
    await using echo = await Echo.start();
    await using proxy = await startProxy((port) => log + EXPLICIT(port, echo.port));
    const descriptors = proxy.descriptors();
    const settled = async (): Promise<number> => {
      for (let i = 0; i < 300 && proxy.descriptors() > descriptors; i++) await sleep(10);
      return proxy.descriptors();
    };
    for (const socket of await crowd(proxy.port, WARM_UP)) socket.terminate();
    await echo.closed(WARM_UP);
    expect(await settled()).toBe(descriptors);
    const before = proxy.residentBytes();
    const sockets = await crowd(proxy.port, CROWD);
    // Two descriptors a tunnel, and nothing that grows with what was sent.
    expect(proxy.descriptors()).toBe(descriptors + 2 * CROWD);
    const perTunnel = (proxy.residentBytes() - before) / CROWD;
    console.log(`${CROWD} tunnels ${how}: ${Math.round(perTunnel)} bytes of resident memory each`);
    const limit = (keptKb + YOUNG_KB) * 1024;
    expect(perTunnel).toBeLessThan(limit * Number(process.env['MILLRACE_TEST_SLOW'] ?? '1'));
    const closes = sockets.map((socket) => nextClose(socket));
    sockets.forEach((socket, i) => socket.close(4000 + (i % 900), `${i}`));
    (await Promise.all(closes)).forEach((close, i) => expect(close).toEqual([4000 + (i % 900), `${i}`]));
    await echo.closed(WARM_UP + CROWD);
    expect(await settled()).toBe(descriptors);
    if (how === 'with an access log') {
      await proxy.readUntil('access.log', new RegExp(`(?:.* 101 [0-9]+ .*\n){${WARM_UP + CROWD}}`));
    }
  });
});

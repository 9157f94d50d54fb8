/**
 * Bodies so long that they are moved from socket to socket: what the client gets and the
 * log says must be what a short body shows.
 */
import { execFileSync } from 'node:child_process';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { startBackend, type Backend } from './support/backend.js';
import type { Peer } from './support/peer.js';
import { descriptorsBack, isInstalled, startProxy, type Proxy } from './support/proxy.js';

const KB = 1024;
const MB = 1024 * KB;
/** Ends of pipes that are kept open between relays. */
const KEPT_ENDS = 8;

function pattern(length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let i = 0; i < length; i++) bytes[i] = (i * 31 + (i >> 8) + (i >> 16)) & 255;
  return bytes;
}

const BYTES = pattern(9 * MB);

/** What a request's target asks for: /LENGTH?how */
interface Wanted {
  readonly length: number;
  readonly how: string;
}

/** Answers /LENGTH with so many bytes, in the way that the query names. */
function startBodies(answer: (socket: Socket, wanted: Wanted) => Promise<void> | void): Promise<Backend> {
  return startBackend((peer) => {
    const { socket } = peer;
    let received = '';
    socket.on('data', (chunk) => {
      received += chunk.toString('latin1');
      for (;;) {
        const match = /^GET \/(\d+)\??(\S*) [^]*?\r\n\r\n/.exec(received);
        if (match === null) return;
        received = received.slice(match[0].length);
        void answer(socket, { length: Number(match[1]), how: match[2] ?? '' });
      }
    });
  });
}

function head(length: number): string {
  return `HTTP/1.1 200 OK\r\nContent-Length: ${length}\r\n\r\n`;
}

/**
 * Writes without end, until that fails. It must not go on from the callback of a write that
 * failed: Node takes the next one in and fails it within the same loop, and never comes back.
 */
function pour(socket: Socket): void {
  socket.write(BYTES.subarray(0, MB), (error) => {
    if (!error) pour(socket);
  });
}

/** A client that keeps what it gets as bytes. */
class Client {
  readonly socket: Socket;
  #chunks: Buffer[] = [];
  bytes = 0;
  ended = false;
  reset = false;

  constructor(port: number) {
    this.socket = connect({ host: '127.0.0.1', port });
    this.socket.on('data', (chunk) => {
      this.#chunks.push(chunk);
      this.bytes += chunk.length;
    });
    this.socket.on('end', () => (this.ended = true));
    this.socket.on('error', () => (this.reset = true));
  }

  get(target: string, version = '1.1'): void {
    this.socket.write(`GET ${target} HTTP/${version}\r\nHost: a\r\n\r\n`);
  }

  async until(condition: () => boolean): Promise<void> {
    for (let turns = 0; !condition(); turns++) {
      if (turns > 2000) throw new Error(`waited too long; ${this.bytes} bytes, ended ${String(this.ended)}`);
      await sleep(5);
    }
  }

  /** Takes one response with so long a body off what came. */
  async take(length: number): Promise<{ head: string; body: Buffer }> {
    let headLength = -1;
    await this.until(() => {
      if (headLength < 0) {
        const at = Buffer.concat(this.#chunks.slice(0, 4)).indexOf('\r\n\r\n');
        headLength = at < 0 ? -1 : at + 4;
      }
      return headLength >= 0 && this.bytes >= headLength + length;
    });
    const all = Buffer.concat(this.#chunks);
    this.#chunks = [all.subarray(headLength + length)];
    this.bytes = all.length - headLength - length;
    return {
      head: all.toString('latin1', 0, headLength),
      body: all.subarray(headLength, headLength + length),
    };
  }
}

const CONF = (port: number, backend: number, more = ''): string => `
  log_format counts "$status $body_bytes_sent $upstream_bytes_received $request_completion";
  access_log access.log counts;
  upstream bodies { server 127.0.0.1:${backend}; keepalive 8; }
  server {
    listen 127.0.0.1:${port};
    location / {
      proxy_pass http://bodies;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      ${more}
    }
  }`;

async function logged(proxy: Proxy, lines: number): Promise<string[]> {
  for (let turns = 0; turns < 1000; turns++) {
    const found = proxy.read('access.log').split('\n').filter(Boolean);
    if (found.length >= lines) return found;
    await sleep(5);
  }
  throw new Error(`access.log: ${proxy.read('access.log')}`);
}

describe('bodies arrive whole', () => {
  test(
    'at lengths around every limit, and both connections are used again',
    { timeout: 60_000 },
    async () => {
      await using backend = await startBodies((socket, { length }) => {
        socket.write(head(length));
        socket.write(BYTES.subarray(0, length));
      });
      await using proxy = await startProxy((port) => CONF(port, backend.port));
      const client = new Client(proxy.port);
      const limits = [64 * KB, 256 * KB, 512 * KB, MB, 1280 * KB, 3 * MB];
      const lengths = [...limits.flatMap((limit) => [limit - 1, limit, limit + 1]), 8 * MB + 12_345];
      for (const length of lengths) {
        client.get(`/${length}`);
        const { body } = await client.take(length);
        expect(body.equals(BYTES.subarray(0, length)), `${length} bytes`).toBe(true);
      }
      client.socket.destroy();
      expect(backend.connections.length).toBe(1);
      const lines = await logged(proxy, lengths.length);
      expect(lines.map((line) => line.split(' ').slice(0, 2).join(' '))).toEqual(
        lengths.map((length) => `200 ${length}`),
      );
      const received = lengths.map((length) => length + head(length).length);
      expect(lines.map((line) => Number(line.split(' ')[2]))).toEqual(received);
    },
  );

  test('in pieces of any size', { timeout: 60_000 }, async () => {
    await using backend = await startBodies(async (socket, { length }) => {
      socket.write(head(length));
      for (let at = 0, i = 1; at < length; i++) {
        const size = Math.min([1, 1000, 16_384, 100_000, 700_000][i % 5] ?? 1, length - at);
        socket.write(BYTES.subarray(at, at + size));
        at += size;
        if (i % 3 === 0) await sleep(1);
      }
    });
    await using proxy = await startProxy((port) => CONF(port, backend.port));
    const clients = Array.from({ length: 12 }, () => new Client(proxy.port));
    await Promise.all(
      clients.map(async (client, i) => {
        for (const length of [3 * MB + i, 500_000 + i]) {
          client.get(`/${length}`);
          const { body } = await client.take(length);
          expect(body.equals(BYTES.subarray(0, length))).toBe(true);
        }
        client.socket.destroy();
      }),
    );
  });

  test('until the connection closes, for an HTTP/1.0 client', async () => {
    await using backend = await startBodies(async (socket) => {
      socket.write('HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n');
      for (let at = 0; at < 2 * MB; at += 512 * KB) {
        socket.write(BYTES.subarray(at, at + 512 * KB));
        await sleep(5);
      }
      socket.end();
    });
    await using proxy = await startProxy((port) => CONF(port, backend.port));
    const client = new Client(proxy.port);
    client.get('/0', '1.0');
    await client.until(() => client.ended);
    const { body } = await client.take(2 * MB);
    expect(body.equals(BYTES.subarray(0, 2 * MB))).toBe(true);
    expect(client.bytes).toBe(0);
    client.socket.destroy();
    expect(await logged(proxy, 1)).toEqual([expect.stringMatching(/^200 2097152 2097\d{3} OK$/)]);
  });

  test('to clients that pipeline', async () => {
    await using backend = await startBodies((socket, { length }) => {
      socket.write(head(length));
      socket.write(BYTES.subarray(0, length));
    });
    await using proxy = await startProxy((port) => CONF(port, backend.port));
    const client = new Client(proxy.port);
    client.get('/3000000');
    client.get('/10');
    client.get('/1000000');
    for (const length of [3_000_000, 10, 1_000_000]) {
      expect((await client.take(length)).body.equals(BYTES.subarray(0, length))).toBe(true);
    }
    client.socket.destroy();
  });

  test('more than was announced is not taken for another answer', async () => {
    await using backend = await startBodies((socket, { length, how }) => {
      socket.write(head(length));
      socket.write(BYTES.subarray(0, length));
      if (how === 'more') socket.write(head(3) + 'bad');
    });
    await using proxy = await startProxy((port) => CONF(port, backend.port));
    const client = new Client(proxy.port);
    client.get('/2000000?more');
    await client.take(2_000_000);
    client.get('/4');
    const { body } = await client.take(4);
    expect(body.equals(BYTES.subarray(0, 4))).toBe(true);
    expect(backend.connections.length).toBe(2);
    client.socket.destroy();
  });

  test.skipIf(!isInstalled('prlimit', '-V'))('where no pipe can be made', async () => {
    await using backend = await startBodies((socket, { length }) => {
      socket.write(head(length));
      socket.write(BYTES.subarray(0, length));
    });
    await using proxy = await startProxy((port) => CONF(port, backend.port));
    const clients = Array.from({ length: 8 }, () => new Client(proxy.port));
    // Two descriptors for each client and one more: a pipe takes two.
    const limit = proxy.descriptors() + proxy.pipes() + 2 * clients.length + 1;
    execFileSync('prlimit', [`--pid=${proxy.pid}`, `--nofile=${limit}:${limit}`]);
    await Promise.all(
      clients.map(async (client) => {
        for (let i = 0; i < 3; i++) {
          client.get('/3000000');
          expect((await client.take(3_000_000)).body.equals(BYTES.subarray(0, 3_000_000))).toBe(true);
        }
      }),
    );
    for (const client of clients) client.socket.destroy();
  });
});

describe('a body that breaks off', () => {
  test('the backend ends too early: the client sees it, and the log says so', async () => {
    await using backend = await startBodies(async (socket, { length, how }) => {
      socket.write(head(length));
      socket.write(BYTES.subarray(0, 600_000));
      await sleep(50);
      if (how === 'reset') socket.resetAndDestroy();
      else socket.end();
    });
    await using proxy = await startProxy((port) => CONF(port, backend.port));
    for (const how of ['end', 'reset']) {
      const client = new Client(proxy.port);
      client.get(`/2000000?${how}`);
      await client.until(() => client.ended || client.reset);
      expect(client.bytes).toBeGreaterThan(600_000);
      expect(client.bytes).toBeLessThan(2_000_000);
    }
    expect(proxy.read('error.log')).toContain(
      'upstream prematurely closed connection while reading upstream',
    );
    expect(proxy.read('error.log')).toMatch(/recv\(\) failed \(104: .*\) while reading upstream/);
    expect(await logged(proxy, 2)).toEqual(Array(2).fill(expect.stringMatching(/^200 600000 600\d{3} $/)));
  });

  test('one that ends with the connection is cut by a reset', async () => {
    await using backend = await startBodies(async (socket) => {
      socket.write('HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n');
      for (let i = 0; i < 4; i++) {
        socket.write(BYTES.subarray(0, 300_000));
        await sleep(20);
      }
      socket.resetAndDestroy();
    });
    await using proxy = await startProxy((port) => CONF(port, backend.port));
    const client = new Client(proxy.port);
    client.get('/0', '1.0');
    await client.until(() => client.ended || client.reset);
    expect(client.reset).toBe(true);
  });

  test('the client leaves: the backend hears of it at once, and nothing stays open', async () => {
    await using backend = await startBodies((socket, { length }) => {
      socket.write(head(length));
      pour(socket);
    });
    await using proxy = await startProxy((port) => CONF(port, backend.port));
    const before = proxy.descriptors();
    const pipesBefore = proxy.pipes();
    for (const how of ['reset', 'end', 'stalled'] as const) {
      const client = new Client(proxy.port);
      client.get('/1000000000000');
      await client.until(() => client.bytes > 2 * MB);
      if (how === 'stalled') {
        client.socket.pause();
        await sleep(200);
      }
      const peer = backend.connections.at(-1) as Peer;
      if (how === 'end') client.socket.end();
      else client.socket.resetAndDestroy();
      await client.until(() => peer.ending !== undefined || peer.socket.destroyed);
      client.socket.destroy();
    }
    expect(await descriptorsBack(proxy, before)).toBeLessThanOrEqual(before);
    expect(proxy.pipes() - pipesBefore).toBeLessThanOrEqual(KEPT_ENDS);
    const lines = await logged(proxy, 3);
    for (const line of lines) expect(Number(line.split(' ')[1])).toBeGreaterThan(2 * MB);
  });

  test('a backend that falls silent runs into proxy_read_timeout', async () => {
    await using backend = await startBodies((socket, { length }) => {
      socket.write(head(length));
      socket.write(BYTES.subarray(0, 800_000));
    });
    await using proxy = await startProxy((port) => CONF(port, backend.port, 'proxy_read_timeout 300ms;'));
    const client = new Client(proxy.port);
    client.get('/2000000');
    await client.until(() => client.ended || client.reset);
    expect(client.bytes).toBeGreaterThan(800_000);
    expect(proxy.read('error.log')).toContain(
      'upstream timed out (110: Connection timed out) while reading upstream',
    );
  });

  test('a client that stops reading runs into send_timeout', async () => {
    await using backend = await startBodies((socket, { length }) => {
      socket.write(head(length));
      pour(socket);
    });
    await using proxy = await startProxy((port) => CONF(port, backend.port, 'send_timeout 300ms;'));
    const client = new Client(proxy.port);
    client.get('/1000000000000');
    await client.until(() => client.bytes > MB);
    client.socket.pause();
    for (let turns = 0; turns < 1000 && !proxy.read('error.log').includes('client timed out'); turns++) {
      await sleep(10);
    }
    expect(proxy.read('error.log')).toContain('client timed out while sending to client');
    client.socket.destroy();
  });

  test('a slow stream is no silence', async () => {
    await using backend = await startBodies(async (socket, { length }) => {
      socket.write(head(length));
      socket.write(BYTES.subarray(0, length - 6));
      for (let i = 6; i > 0; i--) {
        await sleep(150);
        socket.write(BYTES.subarray(length - i, length - i + 1));
      }
    });
    await using proxy = await startProxy((port) =>
      CONF(port, backend.port, 'proxy_read_timeout 400ms; send_timeout 400ms;'),
    );
    const client = new Client(proxy.port);
    client.get('/900000');
    expect((await client.take(900_000)).body.equals(BYTES.subarray(0, 900_000))).toBe(true);
    client.socket.destroy();
  });
});

test('a proxy that shuts down gracefully lets the body finish', async () => {
  let goOn: () => void = () => {};
  const wanted = new Promise<void>((resolve) => (goOn = resolve));
  await using backend = await startBodies(async (socket, { length }) => {
    socket.write(head(length));
    socket.write(BYTES.subarray(0, length - 500_000));
    await wanted;
    socket.write(BYTES.subarray(length - 500_000, length));
  });
  await using proxy = await startProxy((port) => CONF(port, backend.port));
  const client = new Client(proxy.port);
  client.get('/2000000');
  await client.until(() => client.bytes > 1_500_000);
  const stopped = proxy.stop('SIGQUIT');
  await sleep(100);
  goOn();
  expect((await client.take(2_000_000)).body.equals(BYTES.subarray(0, 2_000_000))).toBe(true);
  await client.until(() => client.ended);
  client.socket.destroy();
  expect(await stopped).toBe(0);
});

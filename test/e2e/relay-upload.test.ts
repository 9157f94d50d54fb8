/** Uploads so long that they are moved from socket to socket: they arrive whole, and end in the ways of short ones. */
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { response, startBackend, type Backend } from './support/backend.js';
import { startProxy } from './support/proxy.js';

const KB = 1024;
const MB = 1024 * KB;

function pattern(length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let i = 0; i < length; i++) bytes[i] = (i * 31 + (i >> 8) + (i >> 16)) & 255;
  return bytes;
}

const BYTES = pattern(24 * MB);

/** A request that a backend is reading. */
class Upload {
  readonly socket: Socket;
  #chunks: Buffer[] = [];
  #bytes = 0;
  #head = -1;
  length = 0;

  constructor(socket: Socket) {
    this.socket = socket;
  }

  take(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    if (this.#head >= 0) return;
    const text = Buffer.concat(this.#chunks).toString('latin1');
    const end = text.indexOf('\r\n\r\n');
    if (end < 0) return;
    this.#head = end + 4;
    this.length = Number(/^content-length: (\d+)/im.exec(text)?.[1] ?? 0);
  }

  get received(): number {
    return this.#head < 0 ? -1 : this.#bytes - this.#head;
  }

  get whole(): boolean {
    return this.#head >= 0 && this.received >= this.length;
  }

  get body(): Buffer {
    return Buffer.concat(this.#chunks).subarray(this.#head);
  }
}

/** Reads requests; `seen` is called after every piece. */
async function startSink(seen: (upload: Upload) => void): Promise<Backend & { uploads: Upload[] }> {
  const uploads: Upload[] = [];
  const backend = await startBackend(({ socket }) => {
    let current: Upload | undefined;
    socket.on('error', () => {});
    socket.on('data', (chunk) => {
      if (current === undefined) uploads.push((current = new Upload(socket)));
      const upload = current;
      upload.take(chunk);
      if (upload.whole) current = undefined;
      seen(upload);
    });
  });
  return Object.assign(backend, { uploads });
}

function acknowledge(upload: Upload): void {
  if (upload.whole) upload.socket.write(response(`got ${upload.received}`));
}

/** A client that keeps what it gets as text. */
class Client {
  readonly socket: Socket;
  received = '';
  closed = false;

  constructor(port: number) {
    this.socket = connect({ host: '127.0.0.1', port });
    this.socket.on('data', (chunk) => (this.received += chunk.toString('latin1')));
    this.socket.on('error', () => {});
    this.socket.on('close', () => (this.closed = true));
  }

  post(length: number, fields = ''): void {
    this.socket.write(`POST /up HTTP/1.1\r\nHost: a\r\n${fields}Content-Length: ${length}\r\n\r\n`);
  }
}

async function until(condition: () => boolean, what: () => string): Promise<void> {
  for (let turns = 0; !condition(); turns++) {
    if (turns > 2000) throw new Error(`waited too long: ${what()}`);
    await sleep(5);
  }
}

const CONF = (port: number, backend: number, more = ''): string => `
  log_format counts "$status $request_length $upstream_bytes_sent";
  access_log access.log counts;
  client_max_body_size 0;
  upstream sink { server 127.0.0.1:${backend}; keepalive 8; }
  server {
    listen 127.0.0.1:${port};
    location / {
      proxy_pass http://sink;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      ${more}
    }
  }`;

describe('an upload', () => {
  test(
    'arrives whole at lengths around every limit, and both connections are used again',
    { timeout: 60_000 },
    async () => {
      await using backend = await startSink(acknowledge);
      await using proxy = await startProxy((port) => CONF(port, backend.port));
      const client = new Client(proxy.port);
      const limits = [256 * KB, 512 * KB, MB];
      const lengths = [...limits.flatMap((limit) => [limit - 1, limit, limit + 1]), 9 * MB + 123];
      for (const length of lengths) {
        client.received = '';
        client.post(length);
        client.socket.write(BYTES.subarray(0, length));
        await until(
          () => client.received.endsWith(`got ${length}`),
          () => client.received,
        );
        expect(backend.uploads.at(-1)?.body.equals(BYTES.subarray(0, length)), `${length} bytes`).toBe(true);
      }
      expect(backend.connections.length).toBe(1);
      client.socket.destroy();
      const lines = (await proxy.readUntil('access.log', new RegExp(`(.*\n){${lengths.length}}`))).split(
        '\n',
      );
      for (const [i, length] of lengths.entries()) {
        const [status, request, sent] = (lines[i] ?? '').split(' ').map(Number);
        expect(status).toBe(200);
        expect(request).toBeGreaterThan(length);
        expect(request).toBeLessThan(length + 200);
        expect(sent).toBeGreaterThan(length);
        expect(sent).toBeLessThan(length + 200);
      }
    },
  );

  test('in pieces, with a request pipelined behind it', async () => {
    await using backend = await startSink(acknowledge);
    await using proxy = await startProxy((port) => CONF(port, backend.port));
    const client = new Client(proxy.port);
    client.post(2 * MB);
    for (let at = 0, i = 0; at < 2 * MB; i++) {
      const size = Math.min([1, 5000, 70_000, 400_000][i % 4] ?? 1, 2 * MB - at);
      client.socket.write(BYTES.subarray(at, at + size));
      at += size;
      if (i % 2 === 0) await sleep(2);
    }
    client.post(5);
    client.socket.write('hello');
    await until(
      () => client.received.endsWith('got 5'),
      () => client.received,
    );
    expect(client.received).toContain(`got ${2 * MB}`);
    expect(backend.uploads.map(({ length }) => length)).toEqual([2 * MB, 5]);
    expect(backend.uploads[0]?.body.equals(BYTES.subarray(0, 2 * MB))).toBe(true);
    client.socket.destroy();
  });

  test('after 100 (Continue)', async () => {
    await using backend = await startSink(acknowledge);
    await using proxy = await startProxy((port) => CONF(port, backend.port));
    const client = new Client(proxy.port);
    client.post(3 * MB, 'Expect: 100-continue\r\n');
    await until(
      () => client.received.startsWith('HTTP/1.1 100'),
      () => client.received,
    );
    client.socket.write(BYTES.subarray(0, 3 * MB));
    await until(
      () => client.received.endsWith(`got ${3 * MB}`),
      () => client.received,
    );
    client.socket.destroy();
  });

  test('waits for a backend that reads slowly', { timeout: 60_000 }, async () => {
    await using backend = await startSink((upload) => {
      acknowledge(upload);
      if (upload.whole) return;
      upload.socket.pause();
      setTimeout(() => upload.socket.resume(), 2);
    });
    await using proxy = await startProxy((port) => CONF(port, backend.port));
    const client = new Client(proxy.port);
    client.post(12 * MB);
    client.socket.write(BYTES.subarray(0, 12 * MB));
    await until(
      () => client.received.endsWith(`got ${12 * MB}`),
      () => client.received,
    );
    expect(backend.uploads[0]?.body.equals(BYTES.subarray(0, 12 * MB))).toBe(true);
    client.socket.destroy();
  });
});

describe('an upload that does not end', () => {
  test('an early answer reaches the client, and the rest is thrown away', async () => {
    let answered = false;
    await using backend = await startSink((upload) => {
      if (answered || upload.received < MB) return;
      answered = true;
      upload.socket.write(response('too much', [], '413 Content Too Large'));
    });
    await using proxy = await startProxy((port) => CONF(port, backend.port));
    const client = new Client(proxy.port);
    client.post(24 * MB);
    client.socket.write(BYTES);
    await until(
      () => client.received.endsWith('too much'),
      () => client.received,
    );
    expect(client.received).toMatch(/^HTTP\/1.1 413 [^]*\r\nConnection: close\r\n/);
    client.socket.destroy();
    const line = await proxy.readUntil('access.log', /\n/);
    expect(Number(line.split(' ')[1])).toBeGreaterThan(MB);
  });

  test('the client leaves, and so does the connection to the backend', async () => {
    await using backend = await startSink(() => {});
    await using proxy = await startProxy((port) => CONF(port, backend.port));
    for (const how of ['end', 'reset']) {
      const client = new Client(proxy.port);
      client.post(20 * MB);
      client.socket.write(BYTES.subarray(0, 3 * MB));
      const count = backend.uploads.length;
      await until(
        () => (backend.uploads[count]?.received ?? 0) > 2 * MB,
        () => String(backend.uploads[count]?.received),
      );
      if (how === 'end') client.socket.end();
      else client.socket.resetAndDestroy();
      const { socket } = backend.uploads[count];
      await until(
        () => socket.readableEnded || socket.destroyed,
        () => how,
      );
      client.socket.destroy();
    }
    const log = await proxy.readUntil('access.log', /(.*\n){2}/);
    for (const line of log.trim().split('\n')) expect(line).toMatch(/^400 \d{7} \d{7}$/);
  });

  test('the backend breaks: 502', async () => {
    await using backend = await startSink((upload) => {
      if (upload.received > MB) upload.socket.resetAndDestroy();
    });
    await using proxy = await startProxy((port) => CONF(port, backend.port));
    const client = new Client(proxy.port);
    client.post(24 * MB);
    client.socket.write(BYTES);
    await until(
      () => client.received.startsWith('HTTP/1.1 502') || client.closed,
      () => client.received,
    );
    client.socket.destroy();
    await proxy.readUntil('access.log', /^502 /m);
  });

  test('a client that falls silent runs into client_body_timeout', async () => {
    await using backend = await startSink(() => {});
    await using proxy = await startProxy((port) => CONF(port, backend.port, 'client_body_timeout 300ms;'));
    const client = new Client(proxy.port);
    client.post(8 * MB);
    client.socket.write(BYTES.subarray(0, 2 * MB));
    await until(
      () => client.received.startsWith('HTTP/1.1 408') || client.closed,
      () => client.received,
    );
    expect(proxy.read('error.log')).toContain('client timed out while reading client request body');
    client.socket.destroy();
  });

  test('a backend that takes nothing runs into proxy_send_timeout', async () => {
    await using backend = await startSink((upload) => {
      if (upload.received > MB) upload.socket.pause();
    });
    await using proxy = await startProxy((port) =>
      CONF(port, backend.port, 'proxy_send_timeout 300ms; proxy_read_timeout 60s;'),
    );
    const client = new Client(proxy.port);
    client.post(24 * MB);
    client.socket.write(BYTES);
    await until(
      () => client.received.startsWith('HTTP/1.1 504') || client.closed,
      () => client.received,
    );
    expect(proxy.read('error.log')).toContain(
      'upstream timed out (110: Connection timed out) while sending request to upstream',
    );
    client.socket.destroy();
  });
});

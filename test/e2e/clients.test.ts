/**
 * Programs that people use, through the proxy to a Node server: Node's own client, curl
 * and wrk. Early hints, trailers both ways, Expect, uploads of unknown length, HTTP/1.0, HEAD,
 * pipelining, and a long body that goes both ways at once.
 *
 * MILLRACE_E2E_STREAM_MB sets the size of that body, 128 by default.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import {
  createServer,
  request,
  type ClientRequest,
  type IncomingMessage,
  type RequestListener,
  type RequestOptions,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable, type Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { describe, expect, test } from 'vitest';
import { FOREIGN_ENV } from '../support/foreign.js';
import { IS_MILLRACE, startProxy, type Proxy } from './support/proxy.js';

const MB = 1024 * 1024;
const STREAM = Number(process.env['MILLRACE_E2E_STREAM_MB'] ?? '128') * MB;
const SLOW = Number(process.env['MILLRACE_TEST_SLOW'] ?? '1');

/** Whether a program of this name can be run; said once where it cannot. */
function isThere(program: string): boolean {
  const there = (process.env['PATH'] ?? '').split(':').some((folder) => existsSync(`${folder}/${program}`));
  if (!there) console.log(`skipped: ${program} is not installed`);
  return there;
}
const CURL = isThere('curl');
const WRK = isThere('wrk');

/** A Node server behind the proxy. */
class Site implements AsyncDisposable {
  readonly proxy: Proxy;
  /** Requests that reached it: method, target and version. */
  readonly seen: string[];
  readonly #close: () => Promise<void>;

  constructor(proxy: Proxy, seen: string[], close: () => Promise<void>) {
    this.proxy = proxy;
    this.seen = seen;
    this.#close = close;
  }

  static async start(answer: RequestListener, checkContinue?: RequestListener): Promise<Site> {
    const seen: string[] = [];
    const server = createServer((incoming, response) => {
      seen.push(`${incoming.method ?? ''} ${incoming.url ?? ''} ${incoming.httpVersion}`);
      answer(incoming, response);
    });
    if (checkContinue !== undefined) server.on('checkContinue', checkContinue);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const proxy = await startProxy(
      (listen) => `
        client_max_body_size 0;
        proxy_http_version 1.1;
        proxy_buffering off;
        proxy_request_buffering off;
        proxy_set_header Connection "";
        server { listen 127.0.0.1:${listen}; location / { proxy_pass http://127.0.0.1:${port}; } }`,
    );
    return new Site(proxy, seen, async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    });
  }

  /** A request of Node's own client. */
  request(options: RequestOptions = {}): ClientRequest {
    return request({ host: '127.0.0.1', port: this.proxy.port, agent: false, path: '/', ...options });
  }

  get url(): string {
    return `http://127.0.0.1:${this.proxy.port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.proxy[Symbol.asyncDispose]();
    await this.#close();
  }
}

async function textOf(stream: Readable): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('latin1');
}

async function responseOf(sent: ClientRequest): Promise<IncomingMessage> {
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  return response;
}

/** Runs a program to its end: what it wrote, its exit code first. */
async function run(program: string, args: readonly string[], input?: Readable): Promise<string> {
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'], env: FOREIGN_ENV });
  const ended = once(child, 'close') as Promise<[number | null]>;
  const [out, err] = [textOf(child.stdout), textOf(child.stderr)];
  if (input === undefined) child.stdin.end();
  // A server that has answered may not want the rest.
  else await pipeline(input, child.stdin).catch(() => {});
  const [code] = await ended;
  return `${String(code)}\n${await out}${await err}`;
}

/** `total` bytes, made as they are asked for. */
function* bytes(total: number): Generator<Buffer> {
  const chunk = Buffer.alloc(256 * 1024, 'millrace ');
  for (let left = total; left > 0; left -= chunk.length)
    yield chunk.subarray(0, Math.min(left, chunk.length));
}

/** What a server makes of an upload: method, framing and length. */
const describeUpload: RequestListener = (incoming, response) => {
  let length = 0;
  incoming.on('data', (chunk: Buffer) => (length += chunk.length));
  incoming.on('end', () => {
    const framing = incoming.headers['transfer-encoding'] ?? incoming.headers['content-length'] ?? 'none';
    response.end(`${incoming.method ?? ''} ${framing} ${length}`);
  });
};

describe("Node's client", () => {
  // nginx 1.22 takes an interim response for the final one.
  test.runIf(IS_MILLRACE)('gets early hints as information, and the answer after them', async () => {
    await using site = await Site.start((_, response) => {
      response.writeEarlyHints({ link: ['</a.css>; rel=preload', '</b.js>; rel=preload'], 'x-hint': '1' });
      setTimeout(() => response.end('page'), 30);
    });
    const sent = site.request();
    const hints: unknown[] = [];
    sent.on('information', ({ statusCode, headers }) => hints.push([statusCode, headers]));
    sent.end();
    expect(await textOf(await responseOf(sent))).toBe('page');
    expect(hints).toEqual([[103, { link: '</a.css>; rel=preload, </b.js>; rel=preload', 'x-hint': '1' }]]);
  });

  test.runIf(IS_MILLRACE)('gets trailers, and its own reach the server', async () => {
    await using site = await Site.start((incoming, response) => {
      incoming.resume();
      incoming.on('end', () => {
        response.writeHead(200, { Trailer: 'X-Sum' });
        response.write(JSON.stringify(incoming.trailers));
        response.addTrailers({ 'X-Sum': 'abc' });
        response.end();
      });
    });
    const sent = site.request({
      method: 'PUT',
      headers: { 'Transfer-Encoding': 'chunked', Trailer: 'X-Up' },
    });
    sent.write('body');
    sent.addTrailers({ 'X-Up': 'load' });
    sent.end();
    const response = await responseOf(sent);
    expect(await textOf(response)).toBe('{"x-up":"load"}');
    expect(response.trailers).toEqual({ 'x-sum': 'abc' });
    expect(response.headers['x-sum']).toBeUndefined();
  });

  test('waits for 100 and then sends its body', async () => {
    await using site = await Site.start(describeUpload);
    const sent = site.request({ method: 'POST', headers: { Expect: '100-continue', 'Content-Length': 5 } });
    sent.flushHeaders();
    await once(sent, 'continue');
    sent.end('hello');
    expect(await textOf(await responseOf(sent))).toBe('POST 5 5');
  });

  // nginx answers 100 itself before the backend was asked.
  test.runIf(IS_MILLRACE)('is refused by the server before it has sent its body', async () => {
    await using site = await Site.start(describeUpload, (_, response) => {
      response.writeHead(401, { Connection: 'close' });
      response.end('who are you?');
    });
    const sent = site.request({ method: 'POST', headers: { Expect: '100-continue', 'Content-Length': 5e9 } });
    let asked = false;
    sent.on('continue', () => (asked = true));
    sent.on('error', () => {});
    sent.flushHeaders();
    const response = await responseOf(sent);
    expect([response.statusCode, await textOf(response), asked]).toEqual([401, 'who are you?', false]);
    sent.destroy();
  });

  // nginx 1.22 stands still with a backend that answers while the upload goes on.
  test.runIf(IS_MILLRACE)(
    `${STREAM / MB} MB go up and come down at once, in bounded memory`,
    { timeout: 240_000 },
    async () => {
      await using site = await Site.start((incoming, response) => {
        pipeline(incoming, response as Writable).catch(() => {});
      });
      await textOf(await responseOf(site.request().end()));
      const before = site.proxy.residentBytes();
      let most = before;
      const sampler = setInterval(() => (most = Math.max(most, site.proxy.residentBytes())), 50);
      try {
        for (const headers of [{ 'Content-Length': STREAM }, { 'Transfer-Encoding': 'chunked' }]) {
          const sent = site.request({ method: 'POST', headers });
          const answer = responseOf(sent);
          const upload = pipeline(Readable.from(bytes(STREAM)), sent);
          let length = 0;
          for await (const chunk of await answer) length += (chunk as Buffer).length;
          await upload;
          expect(length).toBe(STREAM);
        }
      } finally {
        clearInterval(sampler);
      }
      const growth = most - before;
      console.log(
        `2 × ${STREAM / MB} MB both ways: resident memory grew by ${(growth / MB).toFixed(1)} MB at most`,
      );
      expect(growth).toBeLessThan(24 * MB * SLOW);
    },
  );
});

describe.runIf(CURL)('curl', () => {
  test('uploads what it does not know the length of', async () => {
    await using site = await Site.start(describeUpload);
    const args = ['-s', '-S', '-T', '-', `${site.url}/up`];
    expect(await run('curl', args, Readable.from(bytes(10 * MB)))).toBe(`0\nPUT chunked ${10 * MB}`);
  });

  test('asks before it uploads', async () => {
    await using site = await Site.start(describeUpload);
    const args = ['-s', '-v', '-H', 'Expect: 100-continue', '--expect100-timeout', '30'];
    const said = await run('curl', [...args, '--data-binary', '@-', site.url], Readable.from(bytes(2 * MB)));
    expect(said).toContain('< HTTP/1.1 100 Continue');
    expect(said).toContain(`POST ${2 * MB} ${2 * MB}`);
  });

  test('speaks HTTP/1.0 to an answer of unknown length', async () => {
    await using site = await Site.start((_, response) => {
      response.write('one ');
      setTimeout(() => response.end('two'), 20);
    });
    const said = await run('curl', ['-s', '-i', '--http1.0', site.url]);
    expect(said).toMatch(/^0\nHTTP\/1\.[01] 200 OK\r\n/);
    expect(said.toLowerCase()).not.toContain('transfer-encoding');
    expect(said).toMatch(/\r\n\r\none two$/);
    expect(site.seen).toEqual(['GET / 1.1']);
  });

  test('asks for the head alone', async () => {
    await using site = await Site.start((_, response) => {
      response.writeHead(200, { 'Content-Length': 123_456 });
      response.end();
    });
    const said = await run('curl', ['-s', '-I', site.url, site.url]);
    expect(said.match(/content-length: 123456/gi)).toHaveLength(2);
    expect(site.seen).toEqual(['HEAD / 1.1', 'HEAD / 1.1']);
  });

  test('resumes a download by a range that the server honours', async () => {
    await using site = await Site.start((incoming, response) => {
      response.writeHead(206, { 'Content-Range': 'bytes 6-9/10' });
      response.end(incoming.headers.range === 'bytes=6-9' ? '6789' : 'wrong');
    });
    expect(await run('curl', ['-s', '-r', '6-9', site.url])).toBe('0\n6789');
  });
});

test.runIf(WRK)('wrk pipelines, and every answer is right', { timeout: 60_000 }, async () => {
  await using site = await Site.start((incoming, response) => response.end(incoming.url));
  const script = new URL('fixtures/pipeline.lua', import.meta.url).pathname;
  const said = await run('wrk', ['-t1', '-c20', '-d2s', '-s', script, site.url]);
  console.log(/[0-9]+ requests in.*/.exec(said)?.[0]);
  expect(said).not.toMatch(/Socket errors|Non-2xx/);
  const [, answered = '0', wrong] = /answered ([0-9]+) wrong ([0-9]+)/.exec(said) ?? [];
  expect(Number(answered)).toBeGreaterThan(100);
  expect(wrong).toBe('0');
});

/**
 * A browser, headless Chromium, loads a page through the proxy: static files from it, and
 * behind it a WebSocket, an EventSource that reconnects, an upload and many fetches. The
 * page itself says at the end what it saw. Skipped, and said so, where none is installed.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { WebSocketServer } from 'ws';
import { FOREIGN_ENV } from '../support/foreign.js';
import { IS_MILLRACE, isInstalled, startProxy } from './support/proxy.js';

const SLOW = Number(process.env['MILLRACE_TEST_SLOW'] ?? '1');
const BROWSER = ['chromium', 'chromium-browser', 'google-chrome'].find((name) =>
  isInstalled(name, '--version'),
);
if (BROWSER === undefined) console.log('skipped: no Chromium is installed');

const page = (name: string): string =>
  readFileSync(fileURLToPath(new URL(`fixtures/browser/${name}`, import.meta.url)), 'utf8');

const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--disable-dev-shm-usage',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--no-proxy-server',
];

/** The page's backend. `result` is what the page posts at its end. */
class Site implements AsyncDisposable {
  readonly result: Promise<unknown>;
  /** Last-Event-ID of each event stream. */
  readonly streams: (string | undefined)[] = [];
  readonly #server: Server;
  readonly #sockets: WebSocketServer;
  #finish!: (result: unknown) => void;

  constructor() {
    this.result = new Promise((resolve) => (this.#finish = resolve));
    this.#server = createServer((request, response) => this.#answer(request, response));
    this.#sockets = new WebSocketServer({ server: this.#server, path: '/ws' });
    this.#sockets.on('connection', (socket) =>
      socket.on('message', (data, binary) => socket.send(data, { binary })),
    );
  }

  async listen(): Promise<number> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return (this.#server.address() as AddressInfo).port;
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const { url = '/' } = request;
    if (url === '/events') {
      const last = request.headers['last-event-id'];
      this.streams.push(typeof last === 'string' ? last : undefined);
      response.writeHead(200, { 'Content-Type': 'text/event-stream' });
      response.write('retry: 20\n\n');
      const from = Number(last ?? 0) + 1;
      for (let id = from; id < from + 3; id++) response.write(`id: ${id}\nevent: tick\ndata: ${id * id}\n\n`);
      // The first ends, so that the browser has to come again; the second stays open.
      if (last === undefined) response.end();
      return;
    }
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = Buffer.concat(chunks);
      if (url === '/result') this.#finish(JSON.parse(body.toString()));
      response.end(url === '/upload' ? `${body.length} bytes` : url);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets.clients) socket.terminate();
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

/** Runs the browser in a process group of its own until the page has said its result. */
async function browse(url: string, result: Promise<unknown>): Promise<unknown> {
  const profile = mkdtempSync(join(tmpdir(), 'millrace-browser-'));
  const child: ChildProcess = spawn(BROWSER ?? '', [...FLAGS, `--user-data-dir=${profile}`, url], {
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
    env: FOREIGN_ENV,
  });
  let said = '';
  child.stderr?.on('data', (chunk: Buffer) => (said += chunk.toString()));
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  let timer: NodeJS.Timeout | undefined;
  try {
    return await Promise.race([
      result,
      exited.then(() => Promise.reject(new Error(`the browser ended:\n${said}`))),
      new Promise((_, reject) => {
        timer = setTimeout(() => reject(new Error(`no result of the page:\n${said}`)), 50_000 * SLOW);
      }),
    ]);
  } finally {
    clearTimeout(timer);
    if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, 'SIGKILL');
    await exited;
    rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
  }
}

test.runIf(IS_MILLRACE && BROWSER !== undefined)(
  'a page with a WebSocket, an EventSource and an upload works without configuration',
  { timeout: 60_000 * SLOW },
  async () => {
    await using site = new Site();
    const backend = await site.listen();
    await using proxy = await startProxy(
      (port) => `
      client_max_body_size 10m;
      server {
        listen 127.0.0.1:${port};
        location / { proxy_pass http://127.0.0.1:${backend}; }
        location = / { }
        location /page. { }
        location = /index.html { }
      }`,
      { files: Object.fromEntries(['index.html', 'page.css', 'page.js'].map((name) => [name, page(name)])) },
    );
    expect(await browse(`http://127.0.0.1:${proxy.port}/`, site.result)).toEqual({
      socket: { greeting: 'good day', protocol: 'chat', bytes: 1 << 20, sevens: true, code: 4000 },
      events: ['1: 1', '2: 4', '3: 9', '4: 16', '5: 25', '6: 36'],
      uploaded: '200: 3000000 bytes',
      echoes: 30,
      style: 'rgb(1, 2, 3)',
    });
    expect(site.streams).toEqual([undefined, '3']);
  },
);

/**
 * The response corpus over real sockets: a backend that answers `/case` with the bytes of a
 * case, and a client that writes down what came of them.
 */
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { circumstance, escape, type CorpusCase } from '../../corpus/http/read-corpus.js';
import { readStrictly, type StrictRequest } from '../../support/http/strict-reader.js';
import { startProxy, type Proxy } from './proxy.js';
import type { Message } from './message.js';
import { Peer } from './peer.js';

/** Between two segments of an answer. */
const GAP_MS = 12;
/** Until the proxy has seen that an idle connection was closed. */
const NOTICE_MS = 25;
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
/** What differs from run to run, or is the proxy's own. */
const NOT_SHOWN = /^(?:date|server|connection)$/i;

/** One backend that plays the case it was given. */
export class PlayingBackend implements AsyncDisposable {
  /** What `/case` is answered with, and whether the connection ends behind it. */
  answer: { readonly parts: readonly string[]; readonly close: boolean } = { parts: [], close: false };
  /** Connection of the last `/case` and of the last other request. */
  caseConnection = -1;
  otherConnection = -1;
  readonly #server: Server;
  readonly #sockets: Socket[] = [];

  constructor(server: Server) {
    this.#server = server;
    server.on('connection', (socket) => this.#serve(socket));
  }

  static async start(): Promise<PlayingBackend> {
    const server = createServer();
    const backend = new PlayingBackend(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return backend;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Ends all connections, so that the next request comes on a new one. */
  endConnections(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.endConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #serve(socket: Socket): void {
    const index = this.#sockets.push(socket) - 1;
    let rest = '';
    socket.setNoDelay(true);
    socket.on('error', () => {});
    socket.on('data', (chunk: Buffer) => {
      const reading = readStrictly(rest + chunk.toString('latin1'));
      rest = reading.rest;
      for (const request of reading.requests) void this.#answer(socket, index, request);
    });
  }

  async #answer(socket: Socket, index: number, { target }: StrictRequest): Promise<void> {
    if (target !== '/case') {
      this.otherConnection = index;
      socket.write(OK);
      return;
    }
    this.caseConnection = index;
    const { parts, close } = this.answer;
    for (const [i, part] of parts.entries()) {
      if (i > 0) await sleep(GAP_MS);
      socket.write(Buffer.from(part, 'latin1'));
    }
    if (close) socket.end();
  }
}

/** Lines of a `client` block for one response. */
function render(message: Message): string[] {
  // The proxy's own error page.
  if (message.body.includes(`<center><h1>${message.status} `)) return [String(message.status)];
  const { startLine, fields, body, trailers, complete } = message;
  const lines = fields.filter(([name]) => !NOT_SHOWN.test(name)).map(([name, value]) => `${name}: ${value}`);
  const shown = [startLine, ...lines].map(escape);
  if (body !== '' || trailers.length > 0) shown.push('', escape(body));
  shown.push(...trailers.map(([name, value]) => escape(`${name}: ${value}`)));
  return complete ? shown : [...shown, '(broken off)'];
}

/** How the answer travels. */
export interface Playing {
  readonly parts: readonly string[];
  /** The case comes on a connection that has served a request, behind a pipelined good request. */
  readonly behindGood: boolean;
}

/** A port of the proxy with a backend of its own. */
export interface ResponseLane {
  readonly port: number;
  readonly backend: PlayingBackend;
}

/** The client's lines, with how its connection stands, and "pooled" or "closed" for the backend's. */
export async function play(
  { port, backend }: ResponseLane,
  { expected }: CorpusCase,
  { parts, behindGood }: Playing,
): Promise<{ client: string[]; backend: string[] }> {
  const method = circumstance(expected, 'request-method') ?? 'GET';
  backend.answer = { parts, close: circumstance(expected, 'then') === 'close' };
  backend.caseConnection = -1;
  backend.otherConnection = -1;
  if (!behindGood) {
    backend.endConnections();
    await sleep(NOTICE_MS);
  }
  const client = await Peer.connect(port);
  client.send(
    `${behindGood ? 'GET /good HTTP/1.1\r\nHost: a\r\n\r\n' : ''}${method} /case HTTP/1.1\r\nHost: a\r\n\r\n`,
  );
  if (behindGood) await client.readMessage();
  const lines: string[] = [];
  for (;;) {
    const message = await client.readMessage(method).catch(() => undefined);
    if (message === undefined) break;
    if (lines.length > 0) lines.push('---');
    lines.push(...render(message));
    if (message.status >= 200) break;
  }
  // Another request, on the same connection while it is open, shows how both sides stand.
  client.send('GET /probe HTTP/1.1\r\nHost: a\r\n\r\n');
  const probe = await client.readMessage().catch(() => undefined);
  lines.push(probe === undefined ? 'closed' : 'open');
  if (probe !== undefined && probe.body !== 'ok') lines.push(`but then: ${probe.head}${probe.body}`);
  client.close();
  if (probe === undefined) {
    const other = await Peer.connect(port);
    other.send('GET /probe HTTP/1.1\r\nHost: a\r\n\r\n');
    await other.readMessage();
    other.close();
  }
  return {
    client: lines,
    backend: [backend.otherConnection === backend.caseConnection ? 'pooled' : 'closed'],
  };
}

/** One proxy, many lanes. */
export class ResponseLanes implements AsyncDisposable {
  readonly lanes: readonly ResponseLane[];
  readonly #proxy: Proxy;

  constructor(lanes: readonly ResponseLane[], proxy: Proxy) {
    this.lanes = lanes;
    this.#proxy = proxy;
  }

  static async start(count: number): Promise<ResponseLanes> {
    const backends = await Promise.all(Array.from({ length: count }, () => PlayingBackend.start()));
    const proxy = await startProxy(
      (...ports) =>
        backends
          .map(
            ({ port }, i) => `
              upstream lane${i} { server 127.0.0.1:${port}; keepalive 1; }
              server {
                listen 127.0.0.1:${ports[i] ?? 0};
                location / {
                  proxy_pass http://lane${i};
                  proxy_http_version 1.1;
                  proxy_set_header Connection "";
                  proxy_set_header Host $host;
                  proxy_next_upstream off;
                }
              }`,
          )
          .join('\n'),
      { ports: count },
    );
    return new ResponseLanes(
      backends.map((backend, i) => ({ backend, port: proxy.ports[i] ?? 0 })),
      proxy,
    );
  }

  /** Runs the jobs, one at a time on each lane. */
  async run<Job>(jobs: readonly Job[], run: (job: Job, lane: ResponseLane) => Promise<void>): Promise<void> {
    const waiting = [...jobs];
    await Promise.all(
      this.lanes.map(async (lane) => {
        for (let job = waiting.shift(); job !== undefined; job = waiting.shift()) await run(job, lane);
      }),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#proxy[Symbol.asyncDispose]();
    for (const { backend } of this.lanes) await backend[Symbol.asyncDispose]();
  }
}

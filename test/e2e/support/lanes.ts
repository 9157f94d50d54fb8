/**
 * The corpus over real sockets: one proxy with many lanes, each a port and a recording
 * backend of its own, so that what a backend received belongs to one case.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { circumstance, type CorpusCase } from '../../corpus/http/read-corpus.js';
import { RecordingBackend } from '../../support/http/recording-backend.js';
import { renderRequests } from '../../support/http/render.js';
import { Peer } from './peer.js';
import { startProxy, type Proxy } from './proxy.js';

/** What a client gets: statuses, then how the connection stands. */
export type ClientEnd = 'open' | 'closed' | 'waiting';

/** What came of a case. */
export interface Observed {
  readonly client: readonly string[];
  readonly backend: readonly string[];
}

/** What {@link observe} sends. */
export interface Sending {
  /** Segments, sent one after the other. */
  readonly parts: readonly string[];
  /** The `client` block of the case. */
  readonly expected: readonly string[];
  readonly expectedBackend: readonly string[];
  /** Which response answers HEAD; -1 none. */
  readonly headAt: number;
}

const PROBE = 'GET /probe HTTP/1.1\r\nHost: probe\r\n\r\n';
/** The last line of a `backend` block: a head may have come, but nothing whole. */
export const NO_WHOLE = 'no whole request';
/** Between two segments. */
const GAP_MS = 12;
/** For how long nothing may come to a client that waits. */
const QUIET_MS = 50;

/** A port of the proxy for every set of limits, and what stands behind it. */
export interface Lane {
  readonly backend: RecordingBackend;
  readonly ports: ReadonlyMap<string, number>;
}

/** The limits of a case, as a key. */
export function limitsOf({ expected }: CorpusCase): string {
  const line = circumstance(expected, 'line-limit');
  const head = circumstance(expected, 'head-limit');
  if (line === undefined && head === undefined) return '';
  const size = Number(line ?? 8192);
  // The first buffer counts too.
  const count = Math.max(1, Math.floor(Number(head ?? 32768) / size) - 1);
  return `client_header_buffer_size ${size}; large_client_header_buffers ${count} ${size};`;
}

export class Lanes implements AsyncDisposable {
  readonly lanes: readonly Lane[];
  readonly proxy: Proxy;

  constructor(lanes: readonly Lane[], proxy: Proxy) {
    this.lanes = lanes;
    this.proxy = proxy;
  }

  /** `limits`: keys of {@link limitsOf}. `location`: further directives of every location. */
  static async start(count: number, limits: readonly string[], location = ''): Promise<Lanes> {
    const backends = await Promise.all(Array.from({ length: count }, () => RecordingBackend.start()));
    const server = (port: number, index: number, limit: string): string => `
      server {
        listen 127.0.0.1:${port};
        server_name corpus;
        client_max_body_size 64k;
        ${limit}
        location / {
          proxy_pass http://lane${index};
          proxy_http_version 1.1;
          proxy_set_header Connection "";
          proxy_set_header Host $host;
          proxy_next_upstream off;
          ${location}
        }
      }`;
    const proxy = await startProxy(
      (...ports) =>
        backends
          .map(
            (backend, i) => `
              upstream lane${i} { server 127.0.0.1:${backend.port}; keepalive 1; }
              ${limits.map((limit, j) => server(ports[i * limits.length + j] ?? 0, i, limit)).join('\n')}`,
          )
          .join('\n'),
      { ports: count * limits.length },
    );
    const lanes = backends.map((backend, i) => ({
      backend,
      ports: new Map(limits.map((limit, j) => [limit, proxy.ports[i * limits.length + j] ?? 0])),
    }));
    return new Lanes(lanes, proxy);
  }

  /** Runs the jobs, one at a time on each lane. */
  async run<Job>(jobs: readonly Job[], run: (job: Job, lane: Lane) => Promise<void>): Promise<void> {
    const waiting = [...jobs];
    await Promise.all(
      this.lanes.map(async (lane) => {
        for (let job = waiting.shift(); job !== undefined; job = waiting.shift()) await run(job, lane);
      }),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.proxy[Symbol.asyncDispose]();
    for (const { backend } of this.lanes) await backend[Symbol.asyncDispose]();
  }
}

async function readStatuses(client: Peer, count: number, headAt: number): Promise<string[]> {
  const statuses: string[] = [];
  while (statuses.length < count) {
    try {
      const { status } = await client.readMessage(statuses.length === headAt ? 'HEAD' : undefined);
      statuses.push(String(status));
    } catch {
      break;
    }
  }
  return statuses;
}

/** How the connection stands when the responses were read. `expected` decides what is tried. */
async function readEnd(client: Peer, lane: Lane, expected: string): Promise<string> {
  if (expected === 'closed') {
    await client.waitEnd().catch(() => {});
  } else if (expected === 'waiting') {
    await sleep(QUIET_MS);
    if (client.received === '' && client.ending === undefined) return 'waiting';
  } else {
    client.send(PROBE);
    const answer = await client.readMessage().catch(() => undefined);
    if (answer?.status === 200 && lane.backend.requests.at(-1)?.target === '/probe') {
      lane.backend.requests.pop();
      return 'open';
    }
    return `not open: ${String(answer?.startLine)} ${String(client.ending)}`;
  }
  if (client.received !== '') return `unexpected: ${client.received.slice(0, 200)}`;
  return client.ending === undefined ? 'open' : 'closed';
}

/** Sends a case on a connection of its own and sees what comes of it on both sides. */
export async function observe(lane: Lane, port: number, sending: Sending): Promise<Observed> {
  const { parts, expected, expectedBackend, headAt } = sending;
  const { backend } = lane;
  const client = await Peer.connect(port);
  if (parts.length === 1) client.send(parts[0] ?? '');
  else await client.sendSlowly(parts, GAP_MS);
  const statuses = await readStatuses(client, expected.length - 1, headAt);
  const end = await readEnd(client, lane, expected.at(-1) ?? 'open');
  client.close();
  const seen = (): string[] => {
    const { requests, errors } = backend;
    // Whether a head had left already when its body turned out to be bad is a matter of time.
    const lines =
      expectedBackend.at(-1) === NO_WHOLE
        ? [...renderRequests(requests, []).flatMap((line) => (line === 'nothing' ? [] : [line])), NO_WHOLE]
        : renderRequests(requests, backend.unfinished());
    return [...lines, ...errors.map((error) => `error: ${error}`)];
  };
  const wanted = expectedBackend.join('\n');
  for (let turns = 0; turns < 200 && seen().join('\n') !== wanted; turns++) await sleep(10);
  const observed = { client: [...statuses, end], backend: seen() };
  backend.forget();
  return observed;
}

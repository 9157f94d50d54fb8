/**
 * Starts the engine on a free port of 127.0.0.1 with a configuration built by hand. The
 * clients are Node's own sockets in the same process. When a test is over, nothing of the
 * engine may be left: no client, no descriptor, no block of the arena.
 */
import { expect, onTestFinished } from 'vitest';
import type { Exchange, LogHandler, PhaseHandler } from '../../../lib/module-api/index.js';
import { native } from '../../../lib/native/index.js';
import { ProxyEngine } from '../../../lib/proxy/engine.js';
import { proxyHandler } from '../../../lib/proxy/proxy-handler.js';
import type {
  LocationConfig,
  ProxyPassConfig,
  RuntimeConfig,
  ServerConfig,
} from '../../../lib/proxy/runtime.js';
import { PLAIN_CONNECT, PLAIN_REQUEST, PLAIN_RESPONSE } from '../../../lib/proxy/runtime.js';
import { UpstreamGroup } from '../../../lib/proxy/upstream-group.js';
import { Reactor } from '../../../lib/reactor/reactor.js';
import { Peer } from '../../e2e/support/peer.js';
import { MemoryLog, constant, location, server } from './support.js';

/** What a log handler saw. */
export interface Logged {
  readonly uri: string;
  readonly status: number;
  readonly completed: boolean;
}

/** What a test is given. */
export class Rig {
  readonly reactor = new Reactor();
  readonly engine: ProxyEngine;
  readonly errorLog: MemoryLog;
  /** One entry for each call of a log handler made by {@link Rig.log}. */
  readonly logged: Logged[];
  readonly #clients: Peer[] = [];
  /** So that a leak is laid only to the test that made it. */
  readonly #before = open();

  constructor(config: RuntimeConfig, errorLog: MemoryLog, logged: Logged[]) {
    this.engine = new ProxyEngine(this.reactor, config);
    this.errorLog = errorLog;
    this.logged = logged;
    // Also when listen() throws, everything must be given back.
    onTestFinished(() => this.#dispose());
    this.engine.listen();
  }

  async connect(): Promise<Peer> {
    const [{ port }] = this.engine.addresses;
    const client = await Peer.connect(port);
    this.#clients.push(client);
    return client;
  }

  /** A connection on which this was sent. */
  async send(text: string): Promise<Peer> {
    const client = await this.connect();
    client.send(text);
    return client;
  }

  /** Status and body of the answer to a GET on a connection of its own. */
  async get(target: string, ...fields: string[]): Promise<string> {
    const client = await this.send(request('GET', target, ...fields));
    const { status, body } = await client.readMessage();
    client.close();
    return `${status} ${body}`;
  }

  /** Waits until the condition holds: what the engine does when a client leaves comes a moment later. */
  async until(what: string, condition: () => boolean): Promise<void> {
    for (let i = 0; i < 400; i++) {
      if (condition()) return;
      await turns();
    }
    throw new Error(`waited in vain for ${what}`);
  }

  /** Ends everything and checks that nothing is left. */
  async #dispose(): Promise<void> {
    for (const client of this.#clients) client.close();
    this.engine.stop();
    await this.until('the clients to go', () => this.engine.context.clients.size === 0);
    await this.reactor.close();
    this.engine.context.close();
    await turns();
    expect(open()).toEqual(this.#before);
  }
}

/** What is open in this thread. */
function open(): { slots: number; timers: number; blocks: number } {
  const { slots, timers, blocks } = native.counters();
  return { slots, timers, blocks };
}

/** Lets the loop turn a few times. */
export function turns(ms = 5): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** The bytes of a request without a body. */
export function request(method: string, target: string, ...fields: string[]): string {
  return `${[`${method} ${target} HTTP/1.1`, 'Host: example.com', ...fields].join('\r\n')}\r\n\r\n`;
}

/** A group with one peer on 127.0.0.1, and a content handler that proxies to it. */
export function proxyTo(
  port: number,
  given: Partial<ProxyPassConfig> = {},
): { readonly group: UpstreamGroup; readonly handler: PhaseHandler } {
  const name = `127.0.0.1:${port}`;
  const group = new UpstreamGroup({
    name,
    keepalive: 8,
    keepaliveRequests: 1000,
    keepaliveTimeoutMs: 60_000,
    keepaliveTimeMs: 3_600_000,
    peers: [
      {
        address: '127.0.0.1',
        port,
        name,
        weight: 1,
        maxFails: 1,
        failTimeoutMs: 10_000,
        maxConns: 0,
        backup: false,
        down: false,
      },
    ],
  });
  const handler = proxyHandler({
    group,
    choose: undefined,
    request: PLAIN_REQUEST,
    response: PLAIN_RESPONSE,
    connect: PLAIN_CONNECT,
    proxyHost: name,
    proxyPort: String(port),
    uri: undefined,
    locationPrefix: '/',
    target: undefined,
    setHeaders: [{ name: 'Host', value: constant(name) }],
    hideHeaders: [],
    connectTimeoutMs: 5_000,
    sendTimeoutMs: 5_000,
    requestBuffering: true,
    ignoreClientAbort: false,
    readTimeoutMs: 5_000,
    httpVersion: '1.1',
    nextUpstream: {
      error: true,
      timeout: true,
      invalidHeader: false,
      nonIdempotent: false,
      statuses: new Set(),
      tries: 0,
      timeoutMs: 0,
    },
    ...given,
  });
  return { group, handler };
}

/** A location with content, or the rest of what a location has. */
export type Place = PhaseHandler | Omit<Partial<LocationConfig>, 'name'>;

/** What {@link start} may be given besides the locations. */
export interface StartOptions extends Omit<Partial<ServerConfig>, 'locations' | 'fallback'> {
  readonly fallback?: Partial<LocationConfig>;
  /** For every location. */
  readonly all?: Partial<LocationConfig>;
  readonly upstreams?: readonly UpstreamGroup[];
  readonly workerConnections?: number;
  /** One listen for each; by default one on a free port. */
  readonly ports?: readonly number[];
}

/** Starts an engine with these locations: prefixes, "= /exact", "@named". It ends with the test. */
export function start(places: Readonly<Record<string, Place>>, options: StartOptions = {}): Rig {
  const { fallback, all, upstreams, workerConnections, ports = [0], ...rest } = options;
  const errorLog = new MemoryLog();
  const logged: Logged[] = [];
  const log: LogHandler = ({ uri, response, completed }: Exchange) => {
    logged.push({ uri, status: response.status, completed });
  };
  const common = { errorLog, logHandlers: [log], ...all };
  const locations = Object.entries(places).map(([key, place]) => {
    const given = typeof place === 'function' ? { content: place } : place;
    const exact = key.startsWith('= ');
    const name = exact ? key.slice(2) : key;
    return location({ ...common, ...(exact ? { kind: 'exact' as const } : {}), ...given, name });
  });
  const servers = [
    server({ ...rest, locations, fallback: location({ ...common, kind: 'server', ...fallback, name: '' }) }),
  ];
  const config: RuntimeConfig = {
    listens: ports.map((port) => ({
      address: '127.0.0.1',
      port,
      backlog: 511,
      reusePort: false,
      ipv6Only: false,
      deferred: false,
      position: undefined,
      servers,
    })),
    upstreams: upstreams ?? [],
    errorLog,
    workerConnections: workerConnections ?? 512,
  };
  return new Rig(config, errorLog, logged);
}

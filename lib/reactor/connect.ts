/**
 * Connects by name or address: every address of the name is tried, IPv6 and IPv4 in
 * turns, each a little after the one before ("happy eyeballs", RFC 8305), until one
 * answers. One deadline covers the resolving and all attempts.
 */
import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { MillraceError, systemError } from '../errors/millrace-error.js';
import { Deferred } from '../util/deferred.js';
import { onAbort, throwIfAborted } from '../util/abort.js';
import type { Connection, ConnectionHandler } from './connection.js';
import { requestCheckpoint } from './dispatch.js';
import { openConnection } from './raw-sockets.js';
import { StreamConnection } from './stream-connection.js';
import { Timer } from './timer.js';
import type { CancellableScope } from './cancellable-scope.js';

/** RFC 8305, section 5: the recommended delay between two attempts. */
export const ATTEMPT_DELAY_MS = 250;
/** Default of `timeoutMs`. */
export const CONNECT_TIMEOUT_MS = 10_000;

/** Whom to connect to; either `port` (with `host`) or `path`. */
export interface ConnectOptions {
  /** A name or a numeric address; default "localhost". */
  host?: string;
  port?: number;
  /** Path of a unix socket. */
  path?: string;
  /** Limit for resolving and connecting together, in ms; default 10 000, Infinity for none. */
  timeoutMs?: number;
  /** Delay between two attempts in ms; default 250. */
  attemptDelayMs?: number;
  /** 4 or 6: addresses of that family only; 0, the default: both. */
  family?: 0 | 4 | 6;
  /** Numeric address to bind to first. */
  localAddress?: string;
  /** Aborts the attempt; the connection, once made, no longer depends on it. */
  signal?: AbortSignal;
}

/** Rejects with MillraceError: ERR_RESOLVE, ERR_CONNECT_TIMEOUT, ECONNREFUSED and its like; or with the signal's reason. */
export async function connect(scope: CancellableScope, options: ConnectOptions): Promise<StreamConnection> {
  throwIfAborted(options.signal);
  throwIfAborted(scope.signal);
  const race = new ConnectRace(scope, options);
  const stops = [
    onAbort(options.signal, (reason) => race.fail(reason)),
    onAbort(scope.signal, (reason) => race.fail(reason)),
  ];
  try {
    return await race.run();
  } finally {
    for (const stop of stops) stop();
  }
}

class ConnectRace {
  readonly #scope: CancellableScope;
  readonly #options: ConnectOptions;
  readonly #result = new Deferred<StreamConnection>();
  readonly #attempts = new Set<Connection>();
  readonly #errors: MillraceError[] = [];
  #addresses: string[] = [];
  #port = -1;
  #timer: Timer | undefined;
  #deadline: Timer | undefined;

  constructor(scope: CancellableScope, options: ConnectOptions) {
    this.#scope = scope;
    this.#options = options;
  }

  run(): Promise<StreamConnection> {
    const timeoutMs = this.#options.timeoutMs ?? CONNECT_TIMEOUT_MS;
    if (timeoutMs !== Infinity) {
      this.#deadline = new Timer(this.#scope, timeoutMs, () =>
        this.fail(new MillraceError('ERR_CONNECT_TIMEOUT', this.#place())),
      );
    }
    this.#start().catch((error: unknown) => this.fail(error));
    return this.#result.promise;
  }

  fail(reason: unknown): void {
    if (this.#result.settled) return;
    this.#result.reject(reason);
    this.#stop(undefined);
  }

  async #start(): Promise<void> {
    const { path, port } = this.#options;
    if (path !== undefined) {
      this.#addresses = [path];
    } else if (port !== undefined) {
      this.#port = port;
      this.#addresses = await resolve(this.#options.host ?? 'localhost', this.#options.family ?? 0);
    } else {
      throw new MillraceError('EINVAL', { phase: 'connect', message: 'Neither port nor path is given' });
    }
    if (!this.#result.settled) this.#attemptNext();
  }

  #attemptNext(): void {
    this.#timer?.cancel();
    const address = this.#addresses.shift();
    if (address === undefined) return;
    const attempt = new Attempt(this, address);
    this.#attempts.add(
      openConnection(this.#scope, address, this.#port, attempt, this.#options.localAddress ?? ''),
    );
    if (this.#addresses.length === 0) return;
    this.#timer = new Timer(this.#scope, this.#options.attemptDelayMs ?? ATTEMPT_DELAY_MS, () =>
      this.#attemptNext(),
    );
  }

  /** An attempt is through: the first one wins. */
  won(connection: Connection): void {
    if (this.#result.settled) return;
    this.#result.resolve(new StreamConnection(connection));
    this.#stop(connection);
  }

  /** An attempt failed: the next one need not wait any longer. */
  lost(connection: Connection, address: string, errno: number): void {
    if (this.#result.settled) return;
    this.#attempts.delete(connection);
    this.#errors.push(systemError(errno, 'connect', { address, port: this.#port }));
    if (this.#addresses.length > 0) this.#attemptNext();
    else if (this.#attempts.size === 0) this.fail(this.#summary());
  }

  #summary(): MillraceError {
    const first = this.#errors[0];
    if (this.#errors.length === 1) return first;
    return new MillraceError(first.code, {
      ...this.#place(),
      errno: first.errno,
      message: `all ${this.#errors.length} addresses failed: ${this.#errors.map((e) => e.message).join('; ')}`,
      cause: new AggregateError(this.#errors),
    });
  }

  #place(): { phase: string; address: string; port: number } {
    const { host, path, port } = this.#options;
    return { phase: 'connect', address: path ?? host ?? 'localhost', port: port ?? -1 };
  }

  #stop(winner: Connection | undefined): void {
    this.#timer?.cancel();
    this.#deadline?.cancel();
    for (const connection of this.#attempts) if (connection !== winner) connection.destroy();
    this.#attempts.clear();
  }
}

/** Handler of one attempt, until it has won. */
class Attempt implements ConnectionHandler {
  readonly #race: ConnectRace;
  readonly #address: string;

  constructor(race: ConnectRace, address: string) {
    this.#race = race;
    this.#address = address;
  }

  onConnect(connection: Connection): void {
    requestCheckpoint();
    this.#race.won(connection);
  }

  onClose(connection: Connection, errno: number): void {
    requestCheckpoint();
    this.#race.lost(connection, this.#address, errno);
  }

  onData(): void {
    // Not before onConnect, which replaces this handler.
  }

  onEnd(): void {
    // As onData.
  }

  onDrain(): void {
    // Nothing is written before onConnect.
  }

  onDeadline(): void {
    // The race has its own timer.
  }
}

/** Numeric addresses of a name, families taking turns, the resolver's first choice first. */
async function resolve(host: string, family: 0 | 4 | 6): Promise<string[]> {
  if (isIP(host) !== 0) return [host];
  let found;
  try {
    found = await lookup(host, { all: true, verbatim: true, family });
  } catch (cause) {
    throw new MillraceError('ERR_RESOLVE', { phase: 'resolve', address: host, cause });
  }
  const preferred = found.filter((entry) => entry.family === found[0]?.family);
  const others = found.filter((entry) => entry.family !== found[0]?.family);
  const addresses: string[] = [];
  for (let i = 0; i < Math.max(preferred.length, others.length); i++) {
    for (const entry of [preferred[i], others[i]]) if (entry !== undefined) addresses.push(entry.address);
  }
  return addresses;
}

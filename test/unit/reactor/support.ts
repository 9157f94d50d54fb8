/** What the tests of this room share: a handler that records, and the check that nothing stayed open. */
import { afterEach, expect } from 'vitest';
import { host } from '../../../lib/native/host.js';
import { native } from '../../../lib/native/index.js';
import type { Connection, ConnectionHandler } from '../../../lib/reactor/connection.js';
import type { Listener } from '../../../lib/reactor/listener.js';
import { Reactor } from '../../../lib/reactor/reactor.js';
import { Deferred } from '../../../lib/util/deferred.js';

/** Keeps everything it hears; promises for the things that tests wait for. */
export class Recorder implements ConnectionHandler {
  readonly events: string[] = [];
  readonly chunks: Buffer[] = [];
  /** The result of onClose, once it was called. */
  errno: number | undefined;
  /** Called with the event's name, for tests that act inside a callback. */
  react: (event: string, connection: Connection) => void = () => undefined;
  #waiters: { condition: () => boolean; resolve: () => void }[] = [];

  get text(): string {
    return Buffer.concat(this.chunks).toString('latin1');
  }

  get bytes(): number {
    return this.chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  }

  onConnect(connection: Connection): void {
    this.#record('connect', connection);
  }

  onData(connection: Connection, offset: number, length: number): void {
    this.chunks.push(Buffer.from(host.u8.subarray(offset, offset + length)));
    this.#record('data', connection);
  }

  onEnd(connection: Connection): void {
    this.#record('end', connection);
  }

  onDrain(connection: Connection): void {
    this.#record('drain', connection);
  }

  onDeadline(connection: Connection): void {
    this.#record('deadline', connection);
  }

  onRelayed(connection: Connection): void {
    this.#record('relayed', connection);
  }

  onClose(connection: Connection, errno: number): void {
    this.errno = errno;
    this.#record('close', connection);
  }

  /** Fulfilled when the condition holds after an event. */
  async until(condition: () => boolean): Promise<void> {
    if (condition()) return;
    await new Promise<void>((resolve) => this.#waiters.push({ condition, resolve }));
  }

  seen(event: string): Promise<void> {
    return this.until(() => this.events.includes(event));
  }

  count(event: string): number {
    return this.events.filter((each) => each === event).length;
  }

  #record(event: string, connection: Connection): void {
    this.events.push(event);
    this.react(event, connection);
    this.#waiters = this.#waiters.filter(({ condition, resolve }) => {
      if (!condition()) return true;
      resolve();
      return false;
    });
  }
}

/** Both ends of a connection, established. */
export interface Pair {
  readonly listener: Listener;
  readonly client: Connection;
  readonly clientSide: Recorder;
  readonly server: Connection;
  readonly serverSide: Recorder;
}

/** Connects a client to a server of the same reactor, on a free port of the address. */
export async function connectedPair(reactor: Reactor, address = '127.0.0.1'): Promise<Pair> {
  const serverSide = new Recorder();
  const clientSide = new Recorder();
  const accepted = new Deferred<Connection>();
  const listener = reactor.listenRaw({ address, port: 0 }, (connection) => {
    accepted.resolve(connection);
    return serverSide;
  });
  const client = reactor.connectRaw(address, listener.port, clientSide);
  const server = await accepted.promise;
  await clientSide.seen('connect');
  listener.close();
  return { listener, client, clientSide, server, serverSide };
}

/** Reactor.run without the warning about connections that were just about to close. */
export function run<T>(main: (reactor: Reactor) => T | Promise<T>): Promise<T> {
  return Reactor.run(main, { onLeftOpen: () => undefined });
}

/** What reaches uncaughtException while `work` runs. */
export async function collectUncaught(work: () => Promise<void>): Promise<unknown[]> {
  const errors: unknown[] = [];
  const listeners = process.listeners('uncaughtException');
  process.removeAllListeners('uncaughtException');
  process.on('uncaughtException', (error) => errors.push(error));
  try {
    await work();
  } finally {
    process.removeAllListeners('uncaughtException');
    for (const listener of listeners) process.on('uncaughtException', listener);
  }
  return errors;
}

/** errno by name on this platform. */
export function errno(name: string): number {
  return native.errno[name];
}

/** Each test of the file leaves no descriptor, timer or block behind. */
export function expectNothingLeft(): void {
  afterEach(async () => {
    // Slots of the last turn are freed when the next one begins.
    await new Promise((resolve) => setTimeout(resolve, 5));
    const { slots, timers, blocks, relays } = native.counters();
    expect({ slots, timers, blocks, relays }).toEqual({ slots: 0, timers: 0, blocks: 0, relays: 0 });
  });
}

export { host, native };

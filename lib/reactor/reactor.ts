/**
 * A scope of ownership on the environment's event loop: whatever a reactor opens, it
 * closes. Several reactors of one process share the loop and know nothing of each other;
 * Node's own sockets, timers and promises go on beside them.
 *
 * Everything here may be called from any callback. After close() every method that would
 * open or wait throws or rejects with ERR_REACTOR_CLOSED.
 */
import { setMaxListeners } from 'node:events';
import { MillraceError } from '../errors/millrace-error.js';
import { onAbort, throwIfAborted } from '../util/abort.js';
import {
  BlockingPool,
  type BlockingExport,
  type BlockingOptions,
  type SelfContained,
} from './blocking-pool.js';
import type { CancellableScope } from './cancellable-scope.js';
import { connect, type ConnectOptions } from './connect.js';
import type { Connection, ConnectionHandler } from './connection.js';
import { DatagramSocket, type DatagramOptions } from './datagram-socket.js';
import { addClosing, addTask, nowMs, ownersOf, wallMs } from './dispatch.js';
import { LagMeter } from './lag-meter.js';
import { describeLeftOpen, findLeftOpen, type LeftOpen } from './left-open.js';
import { listen, type ConnectionListener, type ListenOptions } from './listen.js';
import type { AcceptFunction, Listener } from './listener.js';
import { openConnection, openListener, type RawListenOptions } from './raw-sockets.js';
import type { StreamConnection } from './stream-connection.js';
import { Timer } from './timer.js';
import { gather, sleep, type Job, type JobResults } from './waiting.js';

/** Options of a reactor. */
export interface ReactorOptions {
  /** Threads of runBlocking at most; by default what the library takes (1.5 per processor). */
  maxThreads?: number;
}

/** Options of {@link Reactor.run}. */
export interface RunOptions extends ReactorOptions {
  /** Closes the reactor: what waits rejects, what listens ends. Nothing is reported as left open then. */
  signal?: AbortSignal;
  /** Gets what was left open when main returned or threw. By default a process warning names it after a return. */
  onLeftOpen?: (left: LeftOpen) => void;
}

/** See the file's head; made by {@link Reactor.run}, or with `new` by engines that close it themselves. */
export class Reactor implements CancellableScope {
  readonly #abort = new AbortController();
  readonly #pool: BlockingPool;
  #closed = false;
  #closing: Promise<LeftOpen> | undefined;

  constructor(options: ReactorOptions = {}) {
    setMaxListeners(0, this.#abort.signal);
    this.#pool = new BlockingPool(this, options.maxThreads);
  }

  /**
   * Makes a reactor, runs `main` with it, and closes all that it owns when main has
   * returned or thrown. The thread is never blocked; the promise has main's result.
   *
   *     await Reactor.run(async (reactor) => {
   *       const listener = reactor.listen({ port: 9001 }, async (connection) => {
   *         for await (const chunk of connection) connection.write(chunk);
   *       });
   *       await listener.finished;
   *     });
   */
  static async run<T>(main: (reactor: Reactor) => T | Promise<T>, options: RunOptions = {}): Promise<T> {
    throwIfAborted(options.signal);
    const reactor = new Reactor(options);
    const stop = onAbort(options.signal, () => void reactor.close());
    let returned = false;
    try {
      const result = await main(reactor);
      returned = true;
      return result;
    } finally {
      stop();
      const closedBefore = reactor.closed;
      const left = await reactor.close();
      if (!closedBefore) reportLeftOpen(left, returned, options.onLeftOpen);
    }
  }

  /** close() was called. */
  get closed(): boolean {
    return this.#closed;
  }

  /** Aborted when the reactor closes, for APIs that take a signal (fetch): reason is ERR_REACTOR_CLOSED. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** Monotonic clock in ms: the time of the turn while one runs, else read afresh. */
  get nowMs(): number {
    return nowMs();
  }

  /** ms since 1970, as of the running or the last turn. */
  get wallMs(): number {
    return wallMs();
  }

  /** Listens, and serves each connection with the function; see {@link ConnectionListener}. Throws at once when the address cannot be had. */
  listen(options: ListenOptions, onConnection: ConnectionListener): Listener {
    this.#requireOpen('listen');
    return listen(this, options, onConnection);
  }

  /** Connects to a name, an address or a unix socket; see {@link ConnectOptions}. */
  connect(options: ConnectOptions): Promise<StreamConnection> {
    return connect(this, options);
  }

  /** Opens a UDP socket. Throws MillraceError at once when it cannot be bound. */
  datagram(options: DatagramOptions = {}): DatagramSocket {
    this.#requireOpen('datagram');
    throwIfAborted(options.signal);
    const socket = new DatagramSocket(this, options);
    const stop = onAbort(options.signal, () => socket.close());
    void socket.finished.then(stop);
    return socket;
  }

  /** Fulfilled after `ms` (never early); rejects with the signal's reason, or ERR_REACTOR_CLOSED. */
  sleep(ms: number, options: { signal?: AbortSignal } = {}): Promise<void> {
    return sleep(this, ms, options.signal);
  }

  /** Calls `callback` once, `delayMs` from now, never from inside this call. Timers due together run by deadline, then in the order of their start. */
  setTimer(delayMs: number, callback: () => void): Timer {
    this.#requireOpen('setTimer');
    return new Timer(this, delayMs, callback);
  }

  /** Runs the task in the next turn; first in, first out. Tasks still waiting when the reactor closes are dropped. */
  post(task: () => void): void {
    this.#requireOpen('post');
    addTask(this, task);
  }

  /**
   * Runs all jobs at once and waits for all of them. When one fails, the signal that the
   * others got is aborted, they are waited for, and the first error is thrown.
   *
   *     const [a, b] = await reactor.gather([(signal) => load('a', signal), (signal) => load('b', signal)]);
   */
  gather<const Jobs extends readonly Job<unknown>[]>(
    jobs: Jobs,
    options: { signal?: AbortSignal } = {},
  ): Promise<JobResults<Jobs>> {
    return gather(this, jobs, options.signal);
  }

  /**
   * Runs work that would block the loop on a worker thread: an export of a file, or a
   * function that uses nothing around it. Input and result are structured clones. Rejects
   * with what the work throws, the signal's reason, or ERR_REACTOR_CLOSED.
   */
  runBlocking<Input, Output>(
    work: SelfContained<Input, Output>,
    input: Input,
    options?: BlockingOptions,
  ): Promise<Output>;
  runBlocking(work: BlockingExport, input: unknown, options?: BlockingOptions): Promise<unknown>;
  runBlocking(
    work: BlockingExport | SelfContained<never, unknown>,
    input: unknown,
    options: BlockingOptions = {},
  ): Promise<unknown> {
    return this.#pool.run(work, input, options);
  }

  /** Starts to measure how late the loop is, with a sample each `intervalMs`. */
  measureLag(options: { intervalMs?: number } = {}): LagMeter {
    this.#requireOpen('measureLag');
    return new LagMeter(this, options.intervalMs ?? 50);
  }

  /**
   * Listens at the level of the arena: for engines. Throws MillraceError at once.
   * `address` is numeric, or a path with port -1.
   */
  listenRaw(options: RawListenOptions, onAccept: AcceptFunction): Listener {
    this.#requireOpen('listen');
    return openListener(this, options, onAccept);
  }

  /**
   * Connects at the level of the arena: for engines. `address` is numeric, or a path with
   * port -1. Every failure, also one to start, is reported by onClose from the turn.
   * `localAddress` is "address" or "address port" to connect from.
   */
  connectRaw(address: string, port: number, handler: ConnectionHandler, localAddress = ''): Connection {
    this.#requireOpen('connect');
    return openConnection(this, address, port, handler, localAddress);
  }

  /**
   * Closes everything: connections at once (onClose gets ECANCELED), listeners, sockets,
   * timers, tasks, threads; what waits rejects. Fulfilled when every onClose was called;
   * repeated calls give the first one's result.
   */
  close(): Promise<LeftOpen> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<LeftOpen> {
    const left = findLeftOpen(this, this.#pool.jobs);
    this.#closed = true;
    const { descriptors, timers } = ownersOf(this);
    this.#abort.abort(new MillraceError('ERR_REACTOR_CLOSED'));
    for (const owner of descriptors) owner.onScopeClosed();
    for (const owner of timers) owner.onScopeClosed();
    // The queue is first in, first out: when this one's turn comes, every onClose was called.
    await new Promise<void>((resolve) => addClosing({ deliverClose: resolve }));
    await this.#pool.close();
    return left;
  }

  #requireOpen(phase: string): void {
    if (this.closed) throw new MillraceError('ERR_REACTOR_CLOSED', { phase });
  }
}

function reportLeftOpen(left: LeftOpen, returned: boolean, onLeftOpen: RunOptions['onLeftOpen']): void {
  const text = describeLeftOpen(left);
  if (text === '') return;
  if (onLeftOpen !== undefined) onLeftOpen(left);
  else if (returned)
    process.emitWarning(`Reactor.run closed what main left open: ${text}`, 'MillraceWarning');
}

/** UDP: datagrams in and out, whole or not at all. */
import { native } from '../native/index.js';
import { host } from '../native/host.js';
import { LISTEN_IPV6ONLY, LISTEN_REUSEPORT, OPTION_BROADCAST, READY_READ } from '../native/binding.js';
import { MillraceError, systemError } from '../errors/millrace-error.js';
import { Deferred } from '../util/deferred.js';
import { Fifo } from '../util/fifo.js';
import {
  addClosing,
  addOwner,
  release,
  removeOwner,
  requestCheckpoint,
  type Closing,
  type Owner,
  type Scope,
} from './dispatch.js';
import { splitEndpoint } from './endpoints.js';

/** Datagrams taken in one turn; the others wait for the next. */
const RECEIVE_BATCH = 64;
/** Received datagrams that wait for `for await`; beyond it the oldest are dropped. */
const QUEUE_BOUND = 1024;

const EAGAIN = native.errno['EAGAIN'];
const { u8, layout } = host;

/** Where to bind, and how. */
export interface DatagramOptions {
  /** Numeric address; default "0.0.0.0". */
  host?: string;
  /** Default 0: a free one. */
  port?: number;
  reusePort?: boolean;
  ipv6Only?: boolean;
  /** Allows sending to broadcast addresses. */
  broadcast?: boolean;
  /** Closes the socket. */
  signal?: AbortSignal;
  /**
   * Called in the turn for each datagram; the view is valid until it returns. Without it
   * datagrams are copied and wait for `for await`.
   */
  onMessage?: (view: Uint8Array, address: string, port: number) => void;
}

/** A received datagram; the bytes are a copy that belongs to the caller. */
export interface Datagram {
  readonly bytes: Buffer;
  readonly address: string;
  readonly port: number;
}

/** Made by `reactor.datagram`. Asynchronous iteration gives datagrams until the socket closes. */
export class DatagramSocket implements Owner, Closing, AsyncIterable<Datagram> {
  /** The reactor that owns it. */
  readonly scope: Scope;
  /** Numeric address it is bound to. */
  readonly address: string;
  readonly port: number;
  readonly #onMessage: DatagramOptions['onMessage'];
  readonly #finished = new Deferred<void>();
  #handle: number;
  #queue = new Fifo<Datagram>();
  #waiter: Deferred<Datagram | null> | undefined;
  #dropped = 0;

  /** @internal Made by the reactor. Throws MillraceError when the address cannot be bound. */
  constructor(scope: Scope, options: DatagramOptions) {
    const address = options.host ?? '0.0.0.0';
    const port = options.port ?? 0;
    const flags =
      (options.reusePort === true ? LISTEN_REUSEPORT : 0) | (options.ipv6Only === true ? LISTEN_IPV6ONLY : 0);
    const handle = native.datagram(address, port, flags);
    if (handle < 0) throw systemError(-handle, 'bind', { address, port });
    if (options.broadcast === true) native.setOption(handle, OPTION_BROADCAST, 1);
    const bound = splitEndpoint(native.localAddress(handle));
    this.scope = scope;
    this.address = bound.address;
    this.port = bound.port;
    this.#onMessage = options.onMessage;
    this.#handle = handle;
    addOwner(handle, this);
  }

  /** close() was called, by whomever. */
  get closed(): boolean {
    return this.#handle < 0;
  }

  /** Fulfilled when the socket is closed; never rejected. */
  get finished(): Promise<void> {
    return this.#finished.promise;
  }

  /** Datagrams that were dropped because nobody took them. */
  get dropped(): number {
    return this.#dropped;
  }

  /**
   * Sends one datagram, a string in UTF-8. False when the kernel has no room for it now:
   * it is dropped, as the network may drop any. Throws MillraceError (EMSGSIZE,
   * ENETUNREACH, EINVAL for an address that is not numeric), ERR_CLOSED after close().
   */
  send(bytes: Uint8Array | string, address: string, port: number): boolean {
    if (this.#handle < 0) throw new MillraceError('ERR_CLOSED', { phase: 'send', address, port });
    const data = typeof bytes === 'string' ? Buffer.from(bytes) : bytes;
    if (data.length > layout.scratchSize) {
      throw systemError(native.errno['EMSGSIZE'], 'send', { address, port });
    }
    u8.set(data, layout.scratch);
    const result = native.sendTo(this.#handle, layout.scratch, data.length, address, port);
    if (result >= 0) return true;
    if (result === -EAGAIN) return false;
    throw systemError(-result, 'send', { address, port });
  }

  /** The next datagram; null when the socket is closed. One at a time (ERR_BUSY). */
  receive(): Promise<Datagram | null> {
    if (this.#waiter !== undefined)
      return Promise.reject(new MillraceError('ERR_BUSY', { phase: 'receive' }));
    const waiting = this.#queue.shift();
    if (waiting !== undefined) return Promise.resolve(waiting);
    if (this.#handle < 0) return Promise.resolve(null);
    this.#waiter = new Deferred<Datagram | null>();
    return this.#waiter.promise;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Datagram, void, undefined> {
    for (let next = await this.receive(); next !== null; next = await this.receive()) yield next;
  }

  /** Closes; repeated calls do nothing. */
  close(): void {
    if (this.#handle < 0) return;
    removeOwner(this.#handle);
    native.close(this.#handle);
    this.#handle = -1;
    addClosing(this);
    release();
  }

  /** @internal Called by the turn. */
  onReady(flags: number): void {
    if ((flags & READY_READ) === 0) return;
    requestCheckpoint();
    for (let i = 0; i < RECEIVE_BATCH && this.#handle >= 0; i++) {
      const length = native.receiveFrom(this.#handle, layout.window, layout.windowSize);
      if (length === -EAGAIN) return;
      // Any other error is the echo of an earlier send (an ICMP message); the next datagram may be fine.
      if (length >= 0) this.#deliver(length);
    }
    if (this.#handle >= 0) native.markReady(this.#handle, READY_READ);
  }

  /** @internal Called by the turn. */
  onThrow(): void {
    this.close();
  }

  /** @internal Called by the reactor. */
  onScopeClosed(): void {
    this.close();
  }

  /** @internal Called by the turn. */
  deliverClose(): void {
    requestCheckpoint();
    this.#waiter?.resolve(null);
    this.#waiter = undefined;
    this.#finished.resolve();
  }

  #deliver(length: number): void {
    const { address, port } = splitEndpoint(native.lastSender());
    const view = u8.subarray(layout.window, layout.window + length);
    if (this.#onMessage !== undefined) {
      this.#onMessage(view, address, port);
      return;
    }
    const datagram: Datagram = { bytes: Buffer.from(view), address, port };
    if (this.#waiter !== undefined) {
      this.#waiter.resolve(datagram);
      this.#waiter = undefined;
      return;
    }
    this.#queue.push(datagram);
    if (this.#queue.length <= QUEUE_BOUND) return;
    this.#queue.shift();
    this.#dropped++;
  }
}

/**
 * A listening socket: accepts in batches and hands every connection to its owner.
 *
 * Listeners are level-triggered, so what a batch leaves behind is announced again in the
 * next turn. When descriptors run out, native pauses the listener and resumes it by itself.
 */
import { unlinkSync } from 'node:fs';
import { native } from '../native/index.js';
import { host } from '../native/host.js';
import {
  addClosing,
  addOwner,
  release,
  removeOwner,
  type Closing,
  type Owner,
  type Scope,
} from './dispatch.js';
import { Connection, type ConnectionHandler } from './connection.js';
import { splitEndpoint } from './endpoints.js';
import { ignoringHandler } from './ignoring-handler.js';
import { plainTransport } from './transport.js';
import { Deferred } from '../util/deferred.js';

/** Default of `acceptBatch`. */
const ACCEPT_BATCH = 64;

const { i32, layout } = host;
const TABLE = layout.table >> 2;

/** Called in the turn for each new connection; says who receives its callbacks. One that throws closes the connection. */
export type AcceptFunction = (connection: Connection) => ConnectionHandler;

/** What a listener is made with besides its handle. */
export interface ListenerOptions {
  /** A unix socket's path that is removed when the listener closes. */
  unlinkPath?: string;
  /** Connections taken in one turn; default 64. The others wait for the next, so that a flood starves nobody. */
  acceptBatch?: number;
  /** Called when accepting failed (positive errno: EMFILE and its like); the listener goes on by itself. */
  onAcceptError?: (errno: number) => void;
}

/** A listening socket of a reactor. */
export class Listener implements Owner, Closing {
  /** The reactor that owns it. */
  readonly scope: Scope;
  /** Numeric address, or the path of a unix socket. */
  readonly address: string;
  /** The port in use (never 0 for TCP); 0 for a unix socket. */
  readonly port: number;
  #handle: number;
  #onAccept: AcceptFunction;
  #options: ListenerOptions;
  #batch: Connection[] = [];
  #finished = new Deferred<void>();

  /** @internal Made by `listenRaw` and `listen`. */
  constructor(scope: Scope, handle: number, onAccept: AcceptFunction, options: ListenerOptions = {}) {
    this.scope = scope;
    this.#handle = handle;
    this.#onAccept = onAccept;
    this.#options = options;
    const { address, port } = splitEndpoint(native.localAddress(handle));
    this.address = address;
    this.port = port;
    addOwner(handle, this);
  }

  /** The native handle; -1 after the close. */
  get handle(): number {
    return this.#handle;
  }

  /** The descriptor number, to hand it to another process; the listener keeps it. -1 after the close. */
  get fileDescriptor(): number {
    return this.#handle < 0 ? -1 : native.fileDescriptor(this.#handle);
  }

  /** close() was called, by whomever. */
  get closed(): boolean {
    return this.#handle < 0;
  }

  /** Fulfilled when the listener is closed; never rejected. */
  get finished(): Promise<void> {
    return this.#finished.promise;
  }

  /** Stops accepting; new connections wait in the kernel's backlog. */
  pause(): void {
    if (this.#handle >= 0) native.enableListener(this.#handle, 0);
  }

  /** Accepts again. */
  resume(): void {
    if (this.#handle >= 0) native.enableListener(this.#handle, 1);
  }

  /** Stops listening; accepted connections live on. Repeated calls do nothing. */
  close(): void {
    if (this.#handle < 0) return;
    removeOwner(this.#handle);
    native.close(this.#handle);
    this.#handle = -1;
    if (this.#options.unlinkPath !== undefined) removeSocketFile(this.#options.unlinkPath);
    addClosing(this);
    release();
  }

  /** @internal Called by the turn. */
  onReady(): void {
    const count = native.accept(this.#handle, this.#options.acceptBatch ?? ACCEPT_BATCH);
    if (count < 0) {
      this.#options.onAcceptError?.(-count);
      return;
    }
    // A callback may use the table: every handle gets its owner before the first is called.
    const batch = this.#batch;
    for (let i = 0; i < count; i++) {
      batch.push(new Connection(this.scope, i32[TABLE + i], false, ignoringHandler, plainTransport));
    }
    for (let i = 0; i < count; i++) this.#welcome(batch[i]);
    batch.length = 0;
  }

  /** @internal Called by the turn. */
  onThrow(): void {
    // #welcome has dealt with its own exceptions; accepting goes on.
  }

  /** @internal Called by the reactor. */
  onScopeClosed(): void {
    this.close();
  }

  /** @internal Called by the turn. */
  deliverClose(): void {
    this.#finished.resolve();
  }

  #welcome(connection: Connection): void {
    if (connection.closed) return;
    try {
      connection.setHandler(this.#onAccept(connection));
    } catch (error) {
      connection.onThrow();
      native.reportException(error);
    }
  }
}

function removeSocketFile(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // Somebody else removed it, or may remove it only: nothing that the caller could do.
  }
}

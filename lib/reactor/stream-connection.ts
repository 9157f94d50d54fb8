/**
 * A connection for programmers: chunks by `for await` or callbacks, writes with
 * watermarks, half-close, deadlines, pipes.
 *
 * It wraps a raw {@link Connection} and adds a {@link StreamHandler}; engines that need
 * neither copies nor promises use the raw one.
 */
import { host } from '../native/host.js';
import type { MillraceError } from '../errors/millrace-error.js';
import { onAbort, throwIfAborted } from '../util/abort.js';
import type { Connection } from './connection.js';
import { freshMs } from './dispatch.js';
import { ConnectionDuplex } from './duplex.js';
import { startPipe } from './pipe.js';
import { StreamHandler } from './stream-handler.js';
import type { StreamReader } from './stream-reader.js';

const { u8 } = host;

/**
 * Callbacks instead of `for await`; each may be left out. They run in the turn. One that
 * throws closes the connection, and the error reaches uncaughtException.
 */
export interface StreamCallbacks {
  /** Bytes arrived. The view is valid until the callback returns: copy what you keep. */
  onData?(view: Uint8Array, connection: StreamConnection): void;
  /** The peer has ended; by default the connection is ended too. */
  onEnd?(connection: StreamConnection): void;
  /** Writing may go on after a write that returned false. */
  onDrain?(connection: StreamConnection): void;
  /** The deadline passed; by default the connection is destroyed with ERR_DEADLINE. */
  onDeadline?(connection: StreamConnection): void;
  /** The connection is closed; `error` says why when it was not in order. Once. */
  onClose?(error: MillraceError | undefined, connection: StreamConnection): void;
}

/** Made by `reactor.listen` and `reactor.connect`. Asynchronous iteration gives its chunks. */
export class StreamConnection implements AsyncIterable<Buffer> {
  readonly #raw: Connection;
  readonly #handler: StreamHandler;

  /** @internal Becomes the handler of the raw connection. */
  constructor(raw: Connection) {
    this.#raw = raw;
    this.#handler = new StreamHandler(raw);
    raw.setHandler(this.#handler);
    // Read while the socket is open, so that they are known after the close as well.
    void raw.remotePort;
  }

  /** The connection underneath, for arena offsets. Setting its handler ends this object's use. */
  get raw(): Connection {
    return this.#raw;
  }

  /** Numeric address of the peer, "" for a unix socket. */
  get remoteAddress(): string {
    return this.#raw.remoteAddress;
  }

  /** Port of the peer, 0 for a unix socket. */
  get remotePort(): number {
    return this.#raw.remotePort;
  }

  /** Numeric address of our end, or a unix socket's path. */
  get localAddress(): string {
    return this.#raw.localAddress;
  }

  /** Port of our end, 0 for a unix socket. */
  get localPort(): number {
    return this.#raw.localPort;
  }

  /** Closed, by whomever. */
  get closed(): boolean {
    return this.#raw.closed;
  }

  /** Nothing can be written any more: end() or close() was called, or the connection is closed. */
  get ended(): boolean {
    return this.#raw.ended;
  }

  /** The peer has ended and everything before was read from the socket. */
  get readEnded(): boolean {
    return this.#raw.readEnded;
  }

  /** Bytes written that the kernel has not taken yet. */
  get queuedBytes(): number {
    return this.#raw.queuedBytes;
  }

  /** Reading is paused, by pause() or because too much waits for a reader. */
  get paused(): boolean {
    return this.#raw.paused;
  }

  /** Fulfilled when the connection is closed; never rejected. See {@link error}. */
  get finished(): Promise<void> {
    return this.#handler.finished;
  }

  /** Why it closed; undefined while open and after a close in order. */
  get error(): MillraceError | undefined {
    return this.#handler.error;
  }

  /**
   * The next chunk: a copy that belongs to the caller, as long as what arrived at once
   * (1 byte to 256 KB); null when the peer has ended or the connection was closed by us.
   * One at a time: a second call while one waits rejects with ERR_BUSY.
   * Rejects with the error that closed the connection, or with the signal's reason; no
   * byte is lost then.
   */
  async read(options: { signal?: AbortSignal } = {}): Promise<Buffer | null> {
    throwIfAborted(options.signal);
    const chunk = this.#handler.read();
    const stop = onAbort(options.signal, (reason) => this.#handler.cancelRead(reason));
    try {
      return await chunk;
    } finally {
      stop();
    }
  }

  /**
   * Chunks as {@link read} gives them, until the peer ends. Leaving the loop early leaves
   * the connection open; a second loop goes on where the first stopped.
   */
  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer, void, undefined> {
    for (let chunk = await this.#handler.read(); chunk !== null; chunk = await this.#handler.read())
      yield chunk;
  }

  /**
   * Sets callbacks; they get also what arrived before. Throws ERR_BUSY when somebody else
   * reads already (a read(), a pipe, a Duplex, other callbacks).
   */
  setCallbacks(callbacks: StreamCallbacks): void {
    this.#handler.setReader(new CallbackReader(this, callbacks));
    this.#handler.drainCallback = callbacks.onDrain && (() => callbacks.onDrain?.(this));
    this.#handler.deadlineCallback = callbacks.onDeadline && (() => callbacks.onDeadline?.(this));
  }

  /**
   * Writes bytes, or a string in UTF-8. The kernel gets them at once; what it does not take
   * is copied and sent when it can, so the buffer is the caller's again.
   *
   * @returns false when more than the high watermark waits: await {@link drained} before
   * writing more (nothing is lost when you do not; the queue grows). False also when the
   * connection is closed; the bytes are dropped then.
   * @throws MillraceError ERR_WRITE_AFTER_END after end() or close().
   */
  write(bytes: Uint8Array | string): boolean {
    return this.#raw.write(typeof bytes === 'string' ? Buffer.from(bytes) : bytes);
  }

  /** Fulfilled when the queue is at its low watermark, at once when no write returned false. Rejects when the connection closes first. */
  drained(): Promise<void> {
    return this.#handler.drained();
  }

  /** Watermarks of the write queue in bytes; 64 KB high and 32 KB low by default. */
  setWatermarks(low: number, high: number): void {
    this.#raw.setWatermarks(low, high);
  }

  /** Stops reading; counted: as many resume() as pause() let it go on. */
  pause(): void {
    this.#handler.pause();
  }

  /** Takes back one {@link pause}. More calls than pauses do nothing. */
  resume(): void {
    this.#handler.resume();
  }

  /**
   * Sets the one deadline, `delayMs` from now; a later call moves it. When it passes, the
   * connection is destroyed with ERR_DEADLINE, or onDeadline is called.
   */
  setDeadline(delayMs: number): void {
    this.#raw.setDeadline(freshMs() + delayMs);
  }

  /** Takes the deadline back. */
  clearDeadline(): void {
    this.#raw.clearDeadline();
  }

  /** Half-close: FIN after everything that was written; reading goes on. Closed by itself when the peer ends too. */
  end(bytes?: Uint8Array | string): void {
    if (bytes !== undefined) this.write(bytes);
    this.#raw.end();
  }

  /** Closes when everything that was written has been taken by the kernel; nothing is read any more. */
  close(): void {
    this.#raw.close();
  }

  /** Closes at once and drops what waits. Readers and writers that wait get `error`, or an end. */
  destroy(error?: MillraceError): void {
    this.#handler.destroy(error);
  }

  /** As destroy(), and the peer gets a reset. */
  reset(): void {
    this.#raw.reset();
  }

  /**
   * Moves all that this connection receives to `target`, at the target's pace, without
   * copies as long as it keeps up. At the end `target.end()` is called (unless `end` is
   * false), and the promise gives the number of bytes. When either connection fails or is
   * closed too early, or the signal aborts, both are destroyed and the promise rejects.
   */
  async pipe(
    target: StreamConnection,
    options: { end?: boolean; signal?: AbortSignal } = {},
  ): Promise<number> {
    throwIfAborted(options.signal);
    const source = { connection: this.#raw, handler: this.#handler };
    const sink = { connection: target.#raw, handler: target.#handler };
    const pipe = startPipe(source, sink, options.end ?? true);
    const stop = onAbort(options.signal, (reason) => pipe.cancel(reason));
    try {
      return await pipe.done;
    } finally {
      stop();
    }
  }

  /** A Duplex of node:stream that reads and writes this connection, and owns it from now on. */
  toDuplex(): ConnectionDuplex {
    return new ConnectionDuplex(this.#raw, this.#handler);
  }
}

/** Calls the user's callbacks. */
class CallbackReader implements StreamReader {
  readonly #connection: StreamConnection;
  readonly #callbacks: StreamCallbacks;

  constructor(connection: StreamConnection, callbacks: StreamCallbacks) {
    this.#connection = connection;
    this.#callbacks = callbacks;
  }

  onView(offset: number, length: number): void {
    this.#callbacks.onData?.(u8.subarray(offset, offset + length), this.#connection);
  }

  onChunk(chunk: Buffer): void {
    this.#callbacks.onData?.(chunk, this.#connection);
  }

  onEnd(): void {
    if (this.#callbacks.onEnd !== undefined) this.#callbacks.onEnd(this.#connection);
    else this.#connection.end();
  }

  onClose(error: MillraceError | undefined): void {
    this.#callbacks.onClose?.(error, this.#connection);
  }
}

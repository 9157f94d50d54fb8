/**
 * What stands between a raw connection and its stream API: keeps copies of what arrives
 * while nobody reads (up to a bound), hands it on to the reader, and keeps the promises
 * for "next chunk", "drained" and "closed".
 *
 *     kernel ─► Connection ─► reader set, nothing kept ─► reader.onView (no copy)
 *                       └───► else ─► #chunks ─► read(), or the reader when it is set
 *
 * Holds one pause of the connection while #chunks is above its bound. Every callback asks
 * for a checkpoint: promises settle before the next callback of the turn.
 */
import { host } from '../native/host.js';
import { MillraceError, systemError } from '../errors/millrace-error.js';
import { Deferred } from '../util/deferred.js';
import { Fifo } from '../util/fifo.js';
import type { Connection, ConnectionHandler } from './connection.js';
import { HIGH_WATERMARK } from './write-queue.js';
import { addTask, requestCheckpoint } from './dispatch.js';
import type { StreamReader } from './stream-reader.js';

const { u8 } = host;

/** Reading pauses when this many bytes wait for a reader, and resumes at half. */
const READ_BOUND = HIGH_WATERMARK;

/** The handler behind a StreamConnection. */
export class StreamHandler implements ConnectionHandler {
  readonly #connection: Connection;
  readonly #finished = new Deferred<void>();
  #chunks = new Fifo<Buffer>();
  #chunkBytes = 0;
  #holding = false;
  #pauses = 0;
  #ended = false;
  #endDelivered = false;
  #reader: StreamReader | undefined;
  #read: Deferred<Buffer | null> | undefined;
  #drains: Deferred<void>[] = [];
  #error: MillraceError | undefined;
  #cause: MillraceError | undefined;
  /** Called instead of closing the connection when the deadline passes. */
  deadlineCallback: (() => void) | undefined;
  /** Called beside the promises of drained(). */
  drainCallback: (() => void) | undefined;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** Fulfilled when the connection is closed; never rejected. */
  get finished(): Promise<void> {
    return this.#finished.promise;
  }

  /** Why the connection closed; undefined while it is open or when it closed in order. */
  get error(): MillraceError | undefined {
    return this.#error;
  }

  /** Takes the reader away, or sets the one reader; what had arrived before is handed to it in the next turn. */
  setReader(reader: StreamReader | undefined): void {
    if (reader !== undefined && (this.#reader !== undefined || this.#read !== undefined)) {
      throw new MillraceError('ERR_BUSY', { phase: 'read' });
    }
    this.#reader = reader;
    if (reader === undefined) return;
    this.#endDelivered = false;
    // As everywhere, no callback comes from inside the method that sets it.
    if (this.#finished.settled) queueMicrotask(() => this.#handOver(true));
    else if (this.#chunks.length > 0 || this.#ended) this.#scheduleHandOver();
  }

  /** The next chunk, null at the end. Rejects with the error that closed the connection. */
  read(): Promise<Buffer | null> {
    if (this.#reader !== undefined || this.#read !== undefined) {
      return Promise.reject(new MillraceError('ERR_BUSY', { phase: 'read' }));
    }
    const chunk = this.#takeChunk();
    if (chunk !== undefined) return Promise.resolve(chunk);
    if (this.#ended) return Promise.resolve(null);
    if (this.#finished.settled && this.#error !== undefined) return Promise.reject(this.#error);
    if (this.#finished.settled) return Promise.resolve(null);
    this.#read = new Deferred<Buffer | null>();
    return this.#read.promise;
  }

  /** Gives up a read() that has not been answered: it rejects, and no byte is lost. */
  cancelRead(reason: unknown): void {
    const read = this.#read;
    this.#read = undefined;
    read?.reject(reason);
  }

  /** Fulfilled when writing may go on; rejects when the connection closes instead. */
  drained(): Promise<void> {
    if (this.#finished.settled) return Promise.reject(this.#error ?? closedError());
    if (!this.#connection.awaitsDrain && !this.#connection.closed) return Promise.resolve();
    const drain = new Deferred<void>();
    this.#drains.push(drain);
    return drain.promise;
  }

  pause(): void {
    this.#pauses++;
    this.#connection.pause();
  }

  resume(): void {
    if (this.#pauses === 0) return;
    this.#pauses--;
    this.#connection.resume();
    if (this.#reader !== undefined && this.#chunks.length > 0) this.#scheduleHandOver();
  }

  /** Closes at once; readers and writers get `cause`. */
  destroy(cause?: MillraceError): void {
    this.#cause ??= cause;
    this.#connection.destroy();
  }

  onData(_connection: Connection, offset: number, length: number): void {
    requestCheckpoint();
    if (this.#reader !== undefined && this.#chunks.length === 0) {
      this.#reader.onView(offset, length);
      return;
    }
    const chunk = Buffer.from(u8.subarray(offset, offset + length));
    const read = this.#read;
    if (read !== undefined) {
      this.#read = undefined;
      read.resolve(chunk);
      return;
    }
    this.#chunks.push(chunk);
    this.#chunkBytes += length;
    if (this.#chunkBytes < READ_BOUND || this.#holding) return;
    this.#holding = true;
    this.#connection.pause();
  }

  onEnd(): void {
    requestCheckpoint();
    this.#ended = true;
    const read = this.#read;
    this.#read = undefined;
    read?.resolve(null);
    this.#handOver(false);
  }

  onDrain(): void {
    requestCheckpoint();
    const drains = this.#drains;
    this.#drains = [];
    for (const drain of drains) drain.resolve();
    this.drainCallback?.();
  }

  onDeadline(): void {
    requestCheckpoint();
    if (this.deadlineCallback !== undefined) this.deadlineCallback();
    else this.destroy(new MillraceError('ERR_DEADLINE', this.#place()));
  }

  onClose(_connection: Connection, errno: number): void {
    requestCheckpoint();
    if (this.#cause !== undefined) this.#error = this.#cause;
    else if (errno !== 0) this.#error = systemError(errno, 'connection', this.#place());
    this.#finished.resolve();
    for (const drain of this.#drains) drain.reject(this.#error ?? closedError());
    this.#drains = [];
    const read = this.#read;
    this.#read = undefined;
    if (this.#error === undefined) read?.resolve(null);
    else read?.reject(this.#error);
    this.#handOver(true);
  }

  /** Gives the reader what is kept, unless reading is paused; the end and the close when their turn has come. */
  #handOver(closing: boolean): void {
    for (;;) {
      const reader = this.#reader;
      if (reader === undefined || (this.#pauses > 0 && !closing)) return;
      const chunk = this.#takeChunk();
      if (chunk === undefined) break;
      reader.onChunk(chunk);
    }
    if (this.#ended && !this.#endDelivered) {
      this.#endDelivered = true;
      this.#reader?.onEnd();
    }
    if (closing) {
      const reader = this.#reader;
      this.#reader = undefined;
      reader?.onClose(this.#error);
    }
  }

  #scheduleHandOver(): void {
    addTask(this.#connection.scope, () => {
      if (!this.#finished.settled) this.#handOver(false);
    });
  }

  #takeChunk(): Buffer | undefined {
    const chunk = this.#chunks.shift();
    if (chunk === undefined) return undefined;
    this.#chunkBytes -= chunk.length;
    if (this.#holding && this.#chunkBytes <= READ_BOUND / 2) {
      this.#holding = false;
      this.#connection.resume();
    }
    return chunk;
  }

  #place(): { address: string; port: number } {
    return { address: this.#connection.remoteAddress, port: this.#connection.remotePort };
  }
}

function closedError(): MillraceError {
  return new MillraceError('ERR_CLOSED', { phase: 'write' });
}

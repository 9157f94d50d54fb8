/** Moves everything that one connection receives to another, at the pace of the slower one. */
import { MillraceError } from '../errors/millrace-error.js';
import { Deferred } from '../util/deferred.js';
import type { Connection } from './connection.js';
import type { StreamHandler } from './stream-handler.js';
import type { StreamReader } from './stream-reader.js';

/** One end of a pipe. */
export interface PipeEnd {
  readonly connection: Connection;
  readonly handler: StreamHandler;
}

/**
 * Reader that writes to the target. Bytes go from the receive window to the kernel
 * without a copy as long as the target takes them; when its queue is above the high
 * watermark the source is paused until it has drained.
 */
class PipeReader implements StreamReader {
  readonly done = new Deferred<number>();
  readonly #source: PipeEnd;
  readonly #target: PipeEnd;
  readonly #endTarget: boolean;
  #bytes = 0;

  constructor(source: PipeEnd, target: PipeEnd, endTarget: boolean) {
    this.#source = source;
    this.#target = target;
    this.#endTarget = endTarget;
    void target.handler.finished.then(() => this.fail(target.handler.error ?? closedEarly()));
  }

  onView(offset: number, length: number): void {
    this.#bytes += length;
    if (!this.#target.connection.writeArena(offset, length)) this.#waitForDrain();
  }

  onChunk(chunk: Buffer): void {
    this.#bytes += chunk.length;
    if (!this.#target.connection.write(chunk)) this.#waitForDrain();
  }

  onEnd(): void {
    this.#source.handler.setReader(undefined);
    if (this.#endTarget) this.#target.connection.end();
    this.done.resolve(this.#bytes);
  }

  onClose(error: MillraceError | undefined): void {
    this.fail(error ?? closedEarly());
  }

  /** Ends the pipe, and both connections with it. */
  fail(reason: unknown): void {
    if (this.done.settled) return;
    this.done.reject(reason);
    this.#source.handler.setReader(undefined);
    this.#source.connection.destroy();
    this.#target.connection.destroy();
  }

  #waitForDrain(): void {
    if (this.#target.connection.closed) return;
    this.#source.handler.pause();
    const goOn = (): void => this.#source.handler.resume();
    this.#target.handler.drained().then(goOn, goOn);
  }
}

function closedEarly(): MillraceError {
  return new MillraceError('ERR_CLOSED', { phase: 'pipe', message: 'A connection of the pipe was closed' });
}

/** See `StreamConnection.pipe`. */
export function startPipe(
  source: PipeEnd,
  target: PipeEnd,
  endTarget: boolean,
): { done: Promise<number>; cancel(reason: unknown): void } {
  const reader = new PipeReader(source, target, endTarget);
  source.handler.setReader(reader);
  return { done: reader.done.promise, cancel: (reason) => reader.fail(reason) };
}

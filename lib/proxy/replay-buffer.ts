/**
 * What was read of a request's body, kept so that it can be sent again to another
 * peer. Bounded: a body beyond the bound is streamed only, and not replayable.
 */
import { latin1 } from '../http/bytes.js';
import type { EngineContext } from './context.js';
import { blockSizeFor } from './memory.js';
import type { SegmentWriter } from './segment-writer.js';

/** The largest block of the arena. */
export const MAX_REPLAY_BYTES = 1 << 20;

export class ReplayBuffer {
  /** The bound in bytes (`client_body_buffer_size`), at most {@link MAX_REPLAY_BYTES}. */
  limitBytes = 0;
  readonly #context: EngineContext;
  #block = -1;
  #size = 0;
  #length = 0;
  #complete = true;

  constructor(context: EngineContext) {
    this.#context = context;
  }

  /** Whether every byte of the body that was read so far is here. */
  get complete(): boolean {
    return this.#complete;
  }

  /** Bytes kept. */
  get length(): number {
    return this.#length;
  }

  /** What is kept, as a byte string; "" when it is not everything. */
  get text(): string {
    if (this.#length === 0) return '';
    return latin1(this.#context.u8, this.#block, this.#block + this.#length);
  }

  /** Copies a range of the arena; what does not fit ends the possibility of a replay. */
  add(offset: number, length: number): void {
    if (!this.#complete) return;
    const needed = this.#length + length;
    if (needed > this.limitBytes || !this.#grow(needed)) {
      this.#complete = false;
      this.#free();
      return;
    }
    this.#context.u8.copyWithin(this.#block + this.#length, offset, offset + length);
    this.#length = needed;
  }

  /** Appends what is kept to a composed request; as one chunk when `chunked`. */
  write(writer: SegmentWriter, chunked: boolean): void {
    if (this.#length === 0) return;
    if (chunked) writer.raw(`${this.#length.toString(16)}\r\n`);
    writer.copy(this.#block, this.#length);
    if (chunked) writer.raw('\r\n');
  }

  /** Hands over what is kept; nothing is kept here any more. */
  moveTo(to: { add(offset: number, length: number): unknown }): void {
    if (this.#length > 0) to.add(this.#block, this.#length);
    this.#complete = false;
    this.#free();
  }

  clear(): void {
    this.#free();
    this.#complete = true;
  }

  #grow(needed: number): boolean {
    if (this.#block >= 0 && needed <= this.#size) return true;
    const { blocks, u8 } = this.#context;
    const size = blockSizeFor(needed);
    const block = blocks.acquire(size);
    if (block < 0) return false;
    if (this.#block >= 0) {
      u8.copyWithin(block, this.#block, this.#block + this.#length);
      blocks.release(this.#block, this.#size);
    }
    this.#block = block;
    this.#size = size;
    return true;
  }

  #free(): void {
    if (this.#block >= 0) this.#context.blocks.release(this.#block, this.#size);
    this.#block = -1;
    this.#length = 0;
  }
}

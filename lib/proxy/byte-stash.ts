/**
 * Bytes that must outlive the callback in which they arrived: a part of a head,
 * pipelined requests. One growing block of the arena, owned only while it holds bytes.
 */
import type { BlockPool } from './memory.js';
import { blockSizeFor } from './memory.js';

export class ByteStash {
  readonly #blocks: BlockPool;
  readonly #u8: Uint8Array;
  #block = -1;
  #size = 0;

  constructor(blocks: BlockPool, u8: Uint8Array) {
    this.#blocks = blocks;
    this.#u8 = u8;
  }

  /** Whether it owns a block. */
  get used(): boolean {
    return this.#block >= 0;
  }

  /** Whether an offset of the arena lies in its block. */
  contains(offset: number): boolean {
    return this.#block >= 0 && offset >= this.#block && offset < this.#block + this.#size;
  }

  /**
   * Keeps [offset, offset + length), wherever it lies, in this stash or outside.
   * Result: where it lies now, or -1 when there is no memory (what was kept stays).
   */
  keep(offset: number, length: number): number {
    return this.join(offset, length, 0, 0);
  }

  /**
   * Keeps `kept` bytes at `from` (of this stash or outside) and `length` bytes at
   * `offset` (outside) behind them. Result: where the whole lies now, or -1.
   */
  join(from: number, kept: number, offset: number, length: number): number {
    const needed = kept + length;
    if (needed === 0) return from;
    let target = from;
    if (needed > this.#size) {
      const size = blockSizeFor(needed);
      const block = this.#blocks.acquire(size);
      if (block < 0) return -1;
      this.#u8.copyWithin(block, from, from + kept);
      this.release();
      this.#block = block;
      this.#size = size;
      target = block;
    } else if (!this.contains(from) || from + needed > this.#block + this.#size) {
      this.#u8.copyWithin(this.#block, from, from + kept);
      target = this.#block;
    }
    if (length > 0) this.#u8.copyWithin(target + kept, offset, offset + length);
    return target;
  }

  /** Gives the block back. Repeated calls do nothing. */
  release(): void {
    if (this.#block < 0) return;
    this.#blocks.release(this.#block, this.#size);
    this.#block = -1;
    this.#size = 0;
  }
}

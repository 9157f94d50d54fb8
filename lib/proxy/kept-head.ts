/**
 * A block of the arena for a head that must outlive the callback in which it arrived: its
 * records, and its bytes behind them. Owned only while it holds one.
 */
import type { MessageHead } from '../http/message-head.js';
import type { BlockPool } from './memory.js';
import { blockSizeFor, smallSizeFor } from './memory.js';

export class KeptHead {
  readonly #blocks: BlockPool;
  #block = -1;
  #size = 0;

  constructor(blocks: BlockPool) {
    this.#blocks = blocks;
  }

  /** Whether a head is kept. */
  get used(): boolean {
    return this.#block >= 0;
  }

  /** Copies `length` bytes of the head and what is known of them. False when the arena is exhausted. */
  keep(head: MessageHead, length: number): boolean {
    return this.#keepIn(blockSizeFor(head.recordBytes + length), head, length);
  }

  /** As {@link keep}, for long, in as little room as there is; also for the head that it keeps already. */
  keepSmall(head: MessageHead, length: number): boolean {
    const size = smallSizeFor(head.recordBytes + length);
    return (this.used && size >= this.#size) || this.#keepIn(size, head, length);
  }

  #keepIn(size: number, head: MessageHead, length: number): boolean {
    const block = this.#blocks.acquire(size);
    if (block < 0) return false;
    head.copyTo(block, length);
    this.release();
    this.#block = block;
    this.#size = size;
    return true;
  }

  /** Gives the block back. Repeated calls do nothing. */
  release(): void {
    if (this.#block < 0) return;
    this.#blocks.release(this.#block, this.#size);
    this.#block = -1;
  }
}

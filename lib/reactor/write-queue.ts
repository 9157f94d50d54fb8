/**
 * Bytes that the kernel did not take at once, copied to pooled blocks of the arena.
 *
 *     #blocks   [ start....end | free ]  [ start....end | free ]
 *                 ^ next to send                          ^ append here
 *
 * Exists only while something waits: an idle connection owns no queue and no block.
 * Every block goes back to the pool when its last byte was sent, or in release().
 */
import { native } from '../native/index.js';
import { host } from '../native/host.js';

const MIN_BLOCK_SIZE = 4 * 1024;
const MAX_BLOCK_SIZE = 64 * 1024;

const { u8 } = host;

interface Block {
  readonly offset: number;
  readonly size: number;
  /** First byte not yet sent, relative to `offset`. */
  start: number;
  /** One behind the last byte, relative to `offset`. */
  end: number;
}

/** The write queue of one connection. */
export class WriteQueue {
  #blocks: Block[] = [];
  #bytes = 0;

  /** Bytes that wait. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Copies a range of the arena behind what waits. False: no memory, and the queue is incomplete. */
  append(offset: number, length: number): boolean {
    while (length > 0) {
      const block = this.#tail(length);
      if (block === undefined) return false;
      const count = Math.min(length, block.size - block.end);
      const target = block.offset + block.end;
      u8.copyWithin(target, offset, offset + count);
      block.end += count;
      this.#bytes += count;
      offset += count;
      length -= count;
    }
    return true;
  }

  /** As {@link append}, from bytes outside the arena, beginning at `from`. */
  appendBytes(bytes: Uint8Array, from: number): boolean {
    while (from < bytes.length) {
      const block = this.#tail(bytes.length - from);
      if (block === undefined) return false;
      const count = Math.min(bytes.length - from, block.size - block.end);
      u8.set(bytes.subarray(from, from + count), block.offset + block.end);
      block.end += count;
      this.#bytes += count;
      from += count;
    }
    return true;
  }

  /** Arena offset of the oldest range (`index` 0) or the one behind it (1). */
  rangeOffset(index: number): number {
    const block = this.#blocks[index];
    return block === undefined ? 0 : block.offset + block.start;
  }

  /** Its length; 0 when there is none. */
  rangeLength(index: number): number {
    const block = this.#blocks[index];
    return block === undefined ? 0 : block.end - block.start;
  }

  /** Drops the oldest `count` bytes: they were sent. */
  consume(count: number): void {
    this.#bytes -= count;
    while (count > 0) {
      const block = this.#blocks[0] as Block;
      const sent = Math.min(count, block.end - block.start);
      block.start += sent;
      count -= sent;
      if (block.start === block.end) {
        this.#blocks.shift();
        native.releaseBlock(block.offset, block.size);
      }
    }
  }

  /** Gives every block back; the queue is empty then. */
  release(): void {
    for (const block of this.#blocks) native.releaseBlock(block.offset, block.size);
    this.#blocks = [];
    this.#bytes = 0;
  }

  /** A block with room at its end: the last one, or a new one for `wanted` bytes. */
  #tail(wanted: number): Block | undefined {
    const last = this.#blocks[this.#blocks.length - 1];
    if (last !== undefined && last.end < last.size) return last;
    let size = last === undefined ? MIN_BLOCK_SIZE : Math.min(last.size * 2, MAX_BLOCK_SIZE);
    while (size < wanted && size < MAX_BLOCK_SIZE) size *= 2;
    const offset = native.acquireBlock(size);
    if (offset < 0) return undefined;
    const block: Block = { offset, size, start: 0, end: 0 };
    this.#blocks.push(block);
    return block;
  }
}

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
import { segmentLength, segmentOffset, setSegments } from './segments.js';
import type { Transport } from './transport.js';

const MIN_BLOCK_SIZE = 4 * 1024;
const MAX_BLOCK_SIZE = 64 * 1024;

const EAGAIN = native.errno['EAGAIN'];
const { u8 } = host;

interface Block {
  readonly offset: number;
  readonly size: number;
  /** First byte not yet sent, relative to `offset`. */
  start: number;
  /** One behind the last byte, relative to `offset`. */
  end: number;
}

/** Stands for a second block when there is none. */
const NO_BLOCK: Block = { offset: 0, size: 0, start: 0, end: 0 };

/** Default of the high watermark in bytes: a write that leaves more in the queue returns false. */
export const HIGH_WATERMARK = 64 * 1024;
/** Default of the low watermark in bytes: onDrain is called at or below. */
export const LOW_WATERMARK = 32 * 1024;

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

  /** As {@link append}, from a list of ranges of which the first `skip` bytes are left out. */
  appendSegments(pairs: number, count: number, skip: number): boolean {
    for (let i = 0; i < count; i++) {
      const length = segmentLength(pairs, i);
      if (skip >= length) skip -= length;
      else if (!this.append(segmentOffset(pairs, i) + skip, length - skip)) return false;
      else skip = 0;
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

  /** Sends, two blocks at a time, until the kernel takes less than it was offered. Result: 0, or -errno of a connection that is broken. */
  send(transport: Transport, handle: number): number {
    while (this.#bytes > 0) {
      const first = this.#blocks[0];
      const second = this.#blocks[1] ?? NO_BLOCK;
      const length1 = first.end - first.start;
      const length2 = second.end - second.start;
      const pairs = setSegments(first.offset + first.start, length1, second.offset, length2);
      const taken = transport.writev(handle, pairs, length2 === 0 ? 1 : 2);
      if (taken < 0) return taken === -EAGAIN ? 0 : taken;
      this.#consume(taken);
      if (taken < length1 + length2) return 0;
    }
    return 0;
  }

  /** Gives every block back; the queue is empty then. */
  release(): void {
    for (const block of this.#blocks) native.releaseBlock(block.offset, block.size);
    this.#blocks = [];
    this.#bytes = 0;
  }

  #consume(count: number): void {
    this.#bytes -= count;
    while (count > 0) {
      const block = this.#blocks[0];
      const sent = Math.min(count, block.end - block.start);
      block.start += sent;
      count -= sent;
      if (block.start === block.end) {
        this.#blocks.shift();
        native.releaseBlock(block.offset, block.size);
      }
    }
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

/**
 * The engine's use of the arena: a short list of free blocks in front of the native
 * allocator, and constants of the configuration.
 */
import type { NativeBinding } from '../native/binding.js';
import type { ArenaBytes } from './segment-writer.js';

/** The size nearly every request head fits in. */
export const SMALL_BLOCK_BYTES = 4096;
/** Free small blocks kept here; more go back to the native allocator. */
const KEEP_FREE = 256;
const LARGEST_BLOCK_BYTES = 1 << 20;

type Allocator = Pick<NativeBinding, 'acquireBlock' | 'releaseBlock'>;

/** The smallest size a block may be asked for that holds `bytes`: a power of two from 4 KB on. */
export function blockSizeFor(bytes: number): number {
  let size = SMALL_BLOCK_BYTES;
  while (size < bytes) size *= 2;
  return size;
}

/** Blocks of the arena. */
export class BlockPool {
  readonly #native: Allocator;
  readonly #free: number[] = [];

  constructor(native: Allocator) {
    this.#native = native;
  }

  /** An offset, or -1 when the arena is exhausted or the size exceeds 1 MB. `size` as of {@link blockSizeFor}. */
  acquire(size: number): number {
    if (size === SMALL_BLOCK_BYTES) {
      const block = this.#free.pop();
      if (block !== undefined) return block;
    }
    if (size > LARGEST_BLOCK_BYTES) return -1;
    const offset = this.#native.acquireBlock(size);
    return offset < 0 ? -1 : offset;
  }

  release(offset: number, size: number): void {
    if (size === SMALL_BLOCK_BYTES && this.#free.length < KEEP_FREE) {
      this.#free.push(offset);
      return;
    }
    this.#native.releaseBlock(offset, size);
  }

  /** Gives every kept block back. */
  drain(): void {
    for (const offset of this.#free.splice(0)) this.#native.releaseBlock(offset, SMALL_BLOCK_BYTES);
  }
}

/**
 * Constants of one configuration, packed into blocks. They live until `release`,
 * which is called when no exchange uses the configuration any more.
 */
export class ArenaConstants {
  readonly #native: Allocator;
  readonly #u8: Uint8Array;
  readonly #blocks: { offset: number; size: number }[] = [];
  readonly #known = new Map<string, ArenaBytes>();
  #at = 0;
  #limit = 0;

  constructor(native: Allocator, u8: Uint8Array) {
    this.#native = native;
    this.#u8 = u8;
  }

  /** Places a byte string; the same text is placed once. Throws when the arena is exhausted. */
  intern(text: string): ArenaBytes {
    const known = this.#known.get(text);
    if (known !== undefined) return known;
    const { length } = text;
    if (this.#at + length > this.#limit) this.#extend(length);
    const constant = { offset: this.#at, length };
    for (let i = 0; i < length; i++) this.#u8[this.#at + i] = text.charCodeAt(i);
    this.#at += length;
    this.#known.set(text, constant);
    return constant;
  }

  /** Room for `bytes` at a multiple of 8, filled with zeros. Throws when the arena is exhausted. */
  reserve(bytes: number): number {
    let at = (this.#at + 7) & ~7;
    if (at + bytes > this.#limit) {
      this.#extend(bytes);
      at = this.#at;
    }
    this.#u8.fill(0, at, at + bytes);
    this.#at = at + bytes;
    return at;
  }

  release(): void {
    for (const { offset, size } of this.#blocks.splice(0)) this.#native.releaseBlock(offset, size);
    this.#known.clear();
    this.#at = 0;
    this.#limit = 0;
  }

  #extend(bytes: number): void {
    const size = blockSizeFor(bytes);
    const offset = this.#native.acquireBlock(size);
    if (offset < 0) throw new Error(`the arena has no room for a constant of ${bytes} bytes`);
    this.#blocks.push({ offset, size });
    this.#at = offset;
    this.#limit = offset + size;
  }
}

/**
 * The engine's use of the arena: short lists of free blocks in front of the native
 * allocator, and constants of the configuration.
 */
import type { NativeBinding } from '../native/binding.js';
import type { ArenaBytes } from './segment-writer.js';
import { SlotList } from './slot-list.js';

/** The smallest block that the native allocator has. */
export const PAGE_BYTES = 4096;
/** The smallest part of one. */
const SMALLEST_BYTES = 1024;
const LARGEST_BLOCK_BYTES = 1 << 20;
/** Free pages kept here; more go back to the native allocator. */
const KEEP_PAGES = 256;

export type Allocator = Pick<NativeBinding, 'acquireBlock' | 'releaseBlock'>;

/** The smallest size a block may be asked for that holds `bytes`: a power of two from 4 KB on. */
export function blockSizeFor(bytes: number): number {
  let size = PAGE_BYTES;
  while (size < bytes) size *= 2;
  return size;
}

/** Likewise, from 1 KB on: for what stays for long. */
export function smallSizeFor(bytes: number): number {
  let size = SMALLEST_BYTES;
  while (size < bytes) size *= 2;
  return size;
}

/** Blocks of the arena. */
export class BlockPool {
  readonly #native: Allocator;
  readonly #quarters: SlotList;
  readonly #halves: SlotList;
  readonly #pages: number[] = [];

  constructor(native: Allocator) {
    this.#native = native;
    this.#quarters = new SlotList(this, PAGE_BYTES, SMALLEST_BYTES);
    this.#halves = new SlotList(this, PAGE_BYTES, 2 * SMALLEST_BYTES);
  }

  /**
   * An offset, or -1 when the arena is exhausted or the size exceeds 1 MB. `size` as of
   * {@link blockSizeFor} or {@link smallSizeFor}.
   */
  acquire(size: number): number {
    if (size === PAGE_BYTES) {
      const page = this.#pages.pop();
      if (page !== undefined) return page;
    }
    if (size > LARGEST_BLOCK_BYTES) return -1;
    if (size < PAGE_BYTES) return this.#partsOf(size).acquire();
    const offset = this.#native.acquireBlock(size);
    return offset < 0 ? -1 : offset;
  }

  release(offset: number, size: number): void {
    if (size === PAGE_BYTES && this.#pages.length < KEEP_PAGES) {
      this.#pages.push(offset);
      return;
    }
    if (size < PAGE_BYTES) this.#partsOf(size).release(offset);
    else this.#native.releaseBlock(offset, size);
  }

  #partsOf(size: number): SlotList {
    return size === SMALLEST_BYTES ? this.#quarters : this.#halves;
  }

  /** Gives every kept block back. */
  drain(): void {
    this.#quarters.drain();
    this.#halves.drain();
    for (const offset of this.#pages.splice(0)) this.#native.releaseBlock(offset, PAGE_BYTES);
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

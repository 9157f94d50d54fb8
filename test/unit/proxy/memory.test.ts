/** Blocks of the arena and constants in them, over an allocator that counts. */
import { describe, expect, it } from 'vitest';
import {
  ArenaConstants,
  BlockPool,
  PAGE_BYTES,
  blockSizeFor,
  smallSizeFor,
} from '../../../lib/proxy/memory.js';
import { CountingAllocator } from './support.js';

const MEGABYTE = 1 << 20;

describe('blockSizeFor', () => {
  it.each([
    [0, 4096],
    [1, 4096],
    [4096, 4096],
    [4097, 8192],
    [8192, 8192],
    [100_000, 131_072],
    [MEGABYTE, MEGABYTE],
  ])('%d bytes need a block of %d', (bytes, size) => {
    expect(blockSizeFor(bytes)).toBe(size);
  });
});

describe('smallSizeFor', () => {
  it.each([
    [1, 1024],
    [1024, 1024],
    [1025, 2048],
    [2049, 4096],
    [8193, 16_384],
  ])('%d bytes need a block of %d', (bytes, size) => {
    expect(smallSizeFor(bytes)).toBe(size);
  });
});

describe('BlockPool', () => {
  it('puts what is small together on a page', () => {
    const allocator = new CountingAllocator(0, MEGABYTE);
    const pool = new BlockPool(allocator);
    const quarters = Array.from({ length: 4 }, () => pool.acquire(1024));
    const halves = [pool.acquire(2048), pool.acquire(2048)];
    expect(new Set([...quarters, ...halves]).size).toBe(6);
    expect([...allocator.taken.values()]).toEqual([4096, 4096]);
    for (const block of quarters) pool.release(block, 1024);
    for (const block of halves) pool.release(block, 2048);
    pool.drain();
    expect(allocator.taken.size).toBe(0);
  });

  it('serves pages from its own list', () => {
    const allocator = new CountingAllocator(0, MEGABYTE);
    const pool = new BlockPool(allocator);
    const block = pool.acquire(PAGE_BYTES);
    pool.release(block, PAGE_BYTES);
    expect(allocator.released).toBe(0);
    expect(pool.acquire(PAGE_BYTES)).toBe(block);
    expect(allocator.acquired).toBe(1);
    const other = pool.acquire(PAGE_BYTES);
    expect(other).not.toBe(block);
  });

  it('gives larger blocks back at once, with their size', () => {
    const allocator = new CountingAllocator(0, MEGABYTE);
    const pool = new BlockPool(allocator);
    const small = pool.acquire(PAGE_BYTES);
    const large = pool.acquire(16_384);
    pool.release(large, 16_384);
    expect([...allocator.taken.keys()]).toEqual([small]);
  });

  it('keeps 256 pages and no more', () => {
    const allocator = new CountingAllocator(0, 2 * MEGABYTE);
    const pool = new BlockPool(allocator);
    const blocks = Array.from({ length: 260 }, () => pool.acquire(PAGE_BYTES));
    expect(new Set(blocks).size).toBe(260);
    for (const block of blocks) pool.release(block, PAGE_BYTES);
    expect(allocator.taken.size).toBe(256);
    pool.drain();
    expect(allocator.taken.size).toBe(0);
    pool.drain();
    expect(allocator.released).toBe(260);
  });

  it('gives -1 when the arena is exhausted', () => {
    const pool = new BlockPool(new CountingAllocator(0, PAGE_BYTES));
    const block = pool.acquire(PAGE_BYTES);
    expect(block).toBe(0);
    expect(pool.acquire(PAGE_BYTES)).toBe(-1);
    pool.release(block, PAGE_BYTES);
    expect(pool.acquire(PAGE_BYTES)).toBe(0);
  });

  it('gives blocks of up to 1 MB', () => {
    const allocator = new CountingAllocator(0, 4 * MEGABYTE);
    const pool = new BlockPool(allocator);
    expect(pool.acquire(MEGABYTE)).toBe(0);
    expect(pool.acquire(2 * MEGABYTE)).toBe(-1);
    expect(allocator.acquired).toBe(1);
  });
});

describe('ArenaConstants', () => {
  function rig(capacity = MEGABYTE): {
    allocator: CountingAllocator;
    constants: ArenaConstants;
    read: (text: string) => string;
  } {
    const u8 = new Uint8Array(capacity);
    const allocator = new CountingAllocator(0, capacity);
    const constants = new ArenaConstants(allocator, u8);
    const read = (text: string): string => {
      const { offset, length } = constants.intern(text);
      return Buffer.from(u8.subarray(offset, offset + length)).toString('latin1');
    };
    return { allocator, constants, read };
  }

  it('places every byte, one constant behind the other', () => {
    const { constants, read, allocator } = rig();
    const first = constants.intern('a: \x00\xff');
    const second = constants.intern('b');
    expect(second.offset).toBe(first.offset + 5);
    expect(read('a: \x00\xff')).toBe('a: \x00\xff');
    expect(read('b')).toBe('b');
    expect(allocator.bytes).toBe(4096);
  });

  it('places the same text once', () => {
    const { constants } = rig();
    const first = constants.intern('same');
    constants.intern('other');
    expect(constants.intern('same')).toBe(first);
  });

  it('fills a block to its last byte and then takes another', () => {
    const { read, allocator } = rig();
    const texts = ['x'.repeat(4000), 'y'.repeat(96), 'z', 'w'.repeat(5000)];
    for (const text of texts.slice(0, 2)) read(text);
    expect(allocator.taken.size).toBe(1);
    for (const text of texts.slice(2)) read(text);
    expect([...allocator.taken.values()]).toEqual([4096, 4096, 8192]);
    expect(texts.map(read)).toEqual(texts);
  });

  it('throws when there is no room, and stays usable for what fits', () => {
    const { constants, read } = rig(4096);
    constants.intern('small');
    expect(() => constants.intern('x'.repeat(5000))).toThrow('no room for a constant of 5000 bytes');
    expect(read('fits')).toBe('fits');
    expect(read('small')).toBe('small');
  });

  it('gives every block back, and can begin again', () => {
    const { constants, read, allocator } = rig();
    constants.intern('x'.repeat(5000));
    constants.intern('y');
    constants.release();
    constants.release();
    expect(allocator.taken.size).toBe(0);
    expect(allocator.released).toBe(allocator.acquired);
    expect(read('y')).toBe('y');
  });
});

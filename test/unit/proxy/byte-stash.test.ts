/** Bytes that outlive their callback: where they lie, how they grow, and that no block is lost. */
import { describe, expect, it } from 'vitest';
import { ByteStash } from '../../../lib/proxy/byte-stash.js';
import { BlockPool } from '../../../lib/proxy/memory.js';
import { CountingAllocator, random } from './support.js';

const WINDOW = 0;
const WINDOW_BYTES = 64 * 1024;
const BLOCKS = WINDOW_BYTES;

interface Rig {
  readonly u8: Uint8Array;
  readonly allocator: CountingAllocator;
  readonly pool: BlockPool;
  readonly stash: ByteStash;
  /** Puts bytes into the window; gives where. */
  receive(text: string, at?: number): number;
  read(offset: number, length: number): string;
}

function rig(capacity = 1 << 20): Rig {
  const u8 = new Uint8Array(WINDOW_BYTES + capacity);
  const allocator = new CountingAllocator(BLOCKS, capacity);
  const pool = new BlockPool(allocator);
  return {
    u8,
    allocator,
    pool,
    stash: new ByteStash(pool, u8),
    receive: (text, at = WINDOW) => {
      u8.set(Buffer.from(text, 'latin1'), at);
      return at;
    },
    read: (offset, length) => Buffer.from(u8.subarray(offset, offset + length)).toString('latin1'),
  };
}

describe('ByteStash', () => {
  it('owns nothing until it keeps something', () => {
    const { stash, allocator } = rig();
    expect(stash.used).toBe(false);
    expect(stash.contains(0)).toBe(false);
    stash.release();
    expect([allocator.acquired, allocator.released]).toEqual([0, 0]);
  });

  it('keeps bytes when the window is overwritten', () => {
    const { stash, receive, read } = rig();
    const kept = stash.keep(receive('hello'), 5);
    receive('XXXXX');
    expect(read(kept, 5)).toBe('hello');
    expect(stash.used).toBe(true);
  });

  it('knows its own block, to the byte', () => {
    const { stash, receive } = rig();
    const kept = stash.keep(receive('hello'), 5);
    expect([kept - 1, kept, kept + 4095, kept + 4096].map((at) => stash.contains(at))).toEqual([
      false,
      true,
      true,
      false,
    ]);
  });

  it('leaves bytes where they are while there is room behind them', () => {
    const { stash, receive, read } = rig();
    const kept = stash.keep(receive('hello'), 5);
    const joined = stash.join(kept + 2, 3, receive(' world'), 6);
    expect(joined).toBe(kept + 2);
    expect(read(joined, 9)).toBe('llo world');
  });

  it('moves them to the front when they would run over the end', () => {
    const { stash, receive, read, allocator } = rig();
    const kept = stash.keep(receive('x'.repeat(4090) + 'tail'), 4094);
    const joined = stash.join(kept + 4090, 4, receive('12345'), 5);
    expect(joined).toBe(kept);
    expect(read(joined, 9)).toBe('tail12345');
    expect(allocator.acquired).toBe(1);
  });

  it('uses its block to the last byte, and takes a larger one for the next', () => {
    const { stash, receive, read, allocator } = rig();
    const kept = stash.keep(receive('a'.repeat(4000)), 4000);
    const full = stash.join(kept, 4000, receive('b'.repeat(96)), 96);
    expect(full).toBe(kept);
    expect(allocator.bytes).toBe(4096);
    const grown = stash.join(full, 4096, receive('c'), 1);
    expect(read(grown, 4097)).toBe('a'.repeat(4000) + 'b'.repeat(96) + 'c');
    expect([...allocator.taken.values()]).toContain(8192);
  });

  it('replaces what it held when bytes outside are kept', () => {
    const { stash, receive, read, allocator } = rig();
    stash.keep(receive('first'), 5);
    const second = stash.keep(receive('second'), 6);
    receive('XXXXXX');
    expect(read(second, 6)).toBe('second');
    expect(allocator.taken.size).toBe(1);
  });

  it('joins nothing kept with new bytes', () => {
    const { stash, receive, read } = rig();
    const kept = stash.keep(receive('old'), 3);
    const joined = stash.join(kept + 3, 0, receive('new'), 3);
    expect(read(joined, 3)).toBe('new');
    expect(stash.contains(joined)).toBe(true);
  });

  it('keeps what it had when there is no memory for more', () => {
    const { stash, receive, read, allocator } = rig(8192);
    const kept = stash.keep(receive('k'.repeat(4096)), 4096);
    expect(stash.join(kept, 4096, receive('n'.repeat(4096)), 4096)).toBe(-1);
    expect(read(kept, 4096)).toBe('k'.repeat(4096));
    stash.release();
    expect(stash.used).toBe(false);
    expect(allocator.bytes).toBe(4096);
  });

  it('says when there is no memory at all', () => {
    const { stash, receive } = rig(0);
    expect(stash.keep(receive('x'), 1)).toBe(-1);
    expect(stash.used).toBe(false);
  });

  it('gives its block back once', () => {
    const { stash, receive, pool, allocator } = rig();
    stash.keep(receive('x'.repeat(5000)), 5000);
    stash.release();
    stash.release();
    expect([allocator.acquired, allocator.released]).toEqual([1, 1]);
    pool.drain();
    expect(allocator.taken.size).toBe(0);
  });
});

describe('any sequence of joins and consumption', () => {
  it('holds what a plain buffer holds, at all times in one block, and leaks none', () => {
    for (let seed = 1; seed <= 100; seed++) {
      const below = random(seed);
      const { stash, receive, read, pool, allocator } = rig();
      let expected = '';
      let offset = 0;
      for (let step = 0; step < 100; step++) {
        const what = below(10);
        if (what < 6) {
          const length = 1 + below(below(4) === 0 ? 9000 : 500);
          const text = String.fromCharCode(33 + below(90)).repeat(length) + String(step);
          const at = receive(text, below(WINDOW_BYTES - text.length));
          offset = stash.used
            ? stash.join(offset, expected.length, at, text.length)
            : stash.keep(at, text.length);
          expected += text;
        } else if (what < 9) {
          // Consumed from the front, as heads and bodies are.
          const length = below(expected.length + 1);
          offset += length;
          expected = expected.slice(length);
        } else {
          stash.release();
          expected = '';
        }
        const same = read(offset, expected.length) === expected || expected === '';
        if (!same || allocator.taken.size > (stash.used ? 2 : 1)) expect.fail(`seed ${seed}, step ${step}`);
      }
      stash.release();
      pool.drain();
      expect(allocator.taken.size, `seed ${seed}`).toBe(0);
      expect(allocator.acquired).toBe(allocator.released);
    }
  });
});

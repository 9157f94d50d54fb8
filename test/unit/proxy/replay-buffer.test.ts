/** A request's body kept for another peer: what is written again, its bound, and whose block it is. */
import { describe, expect, it } from 'vitest';
import type { EngineContext } from '../../../lib/proxy/context.js';
import { BlockPool } from '../../../lib/proxy/memory.js';
import { ReplayBuffer } from '../../../lib/proxy/replay-buffer.js';
import { SegmentWriter } from '../../../lib/proxy/segment-writer.js';
import { CountingAllocator, random } from './support.js';

const SCRATCH = 1024;
const WINDOW = 8192;
const BLOCKS = 64 * 1024;
const LIMIT_BYTES = 16 * 1024;

interface Rig {
  readonly allocator: CountingAllocator;
  readonly pool: BlockPool;
  readonly replay: ReplayBuffer;
  /** Receives bytes in the window and adds them; the window is overwritten behind that. */
  add(text: string): void;
  /** What would be sent again. */
  again(chunked?: boolean): string;
}

function rig(capacity = 1 << 20): Rig {
  const u8 = new Uint8Array(BLOCKS + capacity);
  const allocator = new CountingAllocator(BLOCKS, capacity);
  const pool = new BlockPool(allocator);
  // All that the buffer knows of the engine.
  const context: Pick<EngineContext, 'u8' | 'blocks'> = { u8, blocks: pool };
  const replay = new ReplayBuffer(context as EngineContext);
  replay.limitBytes = LIMIT_BYTES;
  return {
    allocator,
    pool,
    replay,
    add: (text) => {
      u8.set(Buffer.from(text, 'latin1'), WINDOW);
      replay.add(WINDOW, text.length);
      u8.fill(0x58, WINDOW, WINDOW + text.length);
    },
    again: (chunked = false) => {
      const writer = new SegmentWriter(u8, new Int32Array(u8.buffer), 0, SCRATCH, 1024);
      replay.write(writer, chunked);
      return writer.toBuffer().toString('latin1');
    },
  };
}

describe('ReplayBuffer', () => {
  it('is complete, and writes nothing, while nothing came', () => {
    const { replay, again, allocator } = rig();
    expect(replay.complete).toBe(true);
    expect(again()).toBe('');
    expect(again(true)).toBe('');
    expect(allocator.acquired).toBe(0);
  });

  it('writes what came, as often as it is asked', () => {
    const { add, again } = rig();
    add('hello ');
    add('world');
    expect(again()).toBe('hello world');
    expect(again()).toBe('hello world');
    add('!');
    expect(again()).toBe('hello world!');
  });

  it('writes one chunk for a chunked request, without the last one', () => {
    const { add, again } = rig();
    add('0123456789');
    add('abcdef');
    expect(again(true)).toBe('10\r\n0123456789abcdef\r\n');
  });

  it('holds up to its limit, growing, in one block', () => {
    const { add, again, replay, allocator, pool } = rig();
    const below = random(3);
    let expected = '';
    while (expected.length < LIMIT_BYTES) {
      const length = Math.min(1 + below(3000), LIMIT_BYTES - expected.length);
      const text = String.fromCharCode(33 + below(90)).repeat(length);
      add(text);
      expected += text;
    }
    expect(replay.complete).toBe(true);
    expect(again() === expected).toBe(true);
    replay.clear();
    pool.drain();
    expect(allocator.taken.size).toBe(0);
  });

  it('gives up, and gives its block back, at the first byte beyond', () => {
    const { add, again, replay, allocator } = rig();
    add('x'.repeat(LIMIT_BYTES));
    add('y');
    expect(replay.complete).toBe(false);
    expect(again()).toBe('');
    expect(again(true)).toBe('');
    expect(allocator.taken.size).toBe(0);
    add('more');
    expect(replay.complete).toBe(false);
    expect(allocator.taken.size).toBe(0);
  });

  it('gives up when there is no memory, at first or while growing', () => {
    const none = rig(0);
    none.add('x');
    expect(none.replay.complete).toBe(false);
    const little = rig(4096);
    little.add('x'.repeat(4000));
    expect(little.replay.complete).toBe(true);
    little.add('x'.repeat(4000));
    expect(little.replay.complete).toBe(false);
    little.pool.drain();
    expect(little.allocator.taken.size).toBe(0);
  });

  it('begins anew after clear', () => {
    const { add, again, replay, allocator, pool } = rig();
    add('x'.repeat(LIMIT_BYTES + 1));
    replay.clear();
    expect(replay.complete).toBe(true);
    add('second');
    expect(again()).toBe('second');
    replay.clear();
    replay.clear();
    expect(again()).toBe('');
    pool.drain();
    expect(allocator.acquired).toBe(allocator.released);
  });
});

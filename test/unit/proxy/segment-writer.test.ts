/** What the writer composes, against the same calls on a plain string. No arena: a buffer of the test's own. */
import { describe, expect, it } from 'vitest';
import { SegmentWriter } from '../../../lib/proxy/segment-writer.js';
import { random } from './support.js';

/** Room for 64 pairs. */
const PAIRS = 64;
const SCRATCH = 1024;
const SOURCE = 32 * 1024;
const SOURCE_BYTES = 32 * 1024;

interface Rig {
  readonly writer: SegmentWriter;
  readonly u8: Uint8Array;
  /** The segments as the kernel would get them. */
  segments(): [offset: number, length: number][];
  /** Bytes of the source, as a byte string. */
  source(at: number, length: number): string;
}

/** A writer over its own memory, filled with bytes that tell positions apart. */
function rig(scratchBytes = 8192): Rig {
  const buffer = new ArrayBuffer(SOURCE + SOURCE_BYTES);
  const u8 = new Uint8Array(buffer);
  const i32 = new Int32Array(buffer);
  const below = random(7);
  for (let i = SOURCE; i < u8.length; i++) u8[i] = below(256);
  const writer = new SegmentWriter(u8, i32, PAIRS, SCRATCH, scratchBytes);
  return {
    writer,
    u8,
    segments: () =>
      Array.from({ length: writer.count }, (_, i) => {
        const at = (writer.pairsOffset >> 2) + 2 * i;
        return [i32[at], i32[at + 1]];
      }),
    source: (at, length) => Buffer.from(buffer, SOURCE + at, length).toString('latin1'),
  };
}

function composed(writer: SegmentWriter): string {
  const bytes = writer.toBuffer();
  expect(writer.total).toBe(bytes.length);
  return bytes.toString('latin1');
}

describe('segments', () => {
  it('begins empty', () => {
    const { writer } = rig();
    expect([writer.count, writer.total, writer.overflowed, writer.pairsOffset]).toEqual([0, 0, false, PAIRS]);
  });

  it('joins neighbours and keeps others apart', () => {
    const { writer, segments } = rig();
    writer.copy(SOURCE, 10);
    writer.copy(SOURCE + 10, 5);
    writer.copy(SOURCE + 16, 4);
    writer.copy(SOURCE + 15, 1);
    expect(segments()).toEqual([
      [SOURCE, 15],
      [SOURCE + 16, 4],
      [SOURCE + 15, 1],
    ]);
    expect(writer.total).toBe(20);
  });

  it('joins texts, bytes and numbers into one segment', () => {
    const { writer, segments } = rig();
    writer.text('a: ');
    writer.bytes(Buffer.from('bc'));
    writer.uint(7);
    writer.uint(4096);
    writer.bytes(Buffer.alloc(100, 'x'));
    expect(composed(writer)).toBe(`a: bc74096${'x'.repeat(100)}`);
    expect(segments()).toEqual([[SCRATCH, 110]]);
  });

  it('ignores what is empty', () => {
    const { writer } = rig();
    writer.copy(SOURCE, 0);
    writer.copy(SOURCE, -1);
    writer.text('');
    writer.bytes(new Uint8Array());
    writer.constant({ offset: SOURCE, length: 0 });
    expect([writer.count, writer.total]).toEqual([0, 0]);
  });

  it('writes every byte value as it is', () => {
    const { writer } = rig();
    const all = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
    writer.text(all.toString('latin1'));
    expect(writer.toBuffer()).toEqual(all);
  });

  it.each([0, 1, 9, 10, 99, 1024, 2 ** 31, Number.MAX_SAFE_INTEGER])('writes %d in decimal', (value) => {
    const { writer } = rig();
    writer.uint(value);
    expect(composed(writer)).toBe(String(value));
  });

  it('starts over after reset', () => {
    const { writer, segments } = rig(64);
    writer.text('old');
    writer.text('x'.repeat(100));
    expect(writer.overflowed).toBe(true);
    writer.reset();
    expect([writer.count, writer.total, writer.overflowed]).toEqual([0, 0, false]);
    writer.text('new');
    expect(segments()).toEqual([[SCRATCH, 3]]);
    expect(composed(writer)).toBe('new');
  });
});

describe('overflow', () => {
  // Half of the scratch region is for texts.
  it.each<[string, (writer: SegmentWriter, length: number) => void]>([
    ['text', (writer, length) => writer.text('t'.repeat(length))],
    ['bytes', (writer, length) => writer.bytes(Buffer.alloc(length, 't'))],
  ])('%s fits to the last byte and not beyond', (_name, write) => {
    const { writer, u8 } = rig(256);
    write(writer, 100);
    write(writer, 28);
    expect([writer.total, writer.overflowed]).toEqual([128, false]);
    const behind = u8.slice(SCRATCH + 128, SCRATCH + 256);
    write(writer, 1);
    expect([writer.total, writer.overflowed]).toEqual([128, true]);
    expect(u8.slice(SCRATCH + 128, SCRATCH + 256)).toEqual(behind);
  });

  it('holds for numbers of one digit and of several', () => {
    for (const value of [7, 42]) {
      const { writer } = rig(256);
      writer.text('t'.repeat(128));
      writer.uint(value);
      expect([writer.total, writer.overflowed]).toEqual([128, true]);
    }
  });

  it('leaves ranges of the arena without bound', () => {
    const { writer } = rig(256);
    for (let i = 0; i < 60; i++) writer.copy(SOURCE + 2 * i * 200, 200);
    expect([writer.count, writer.total, writer.overflowed]).toEqual([60, 12_000, false]);
  });

  it('is reported when the segments cannot be flattened', () => {
    const { writer } = rig(256);
    for (let i = 0; i < 61; i++) writer.copy(SOURCE + 2 * i * 200, 200);
    expect(writer.overflowed).toBe(true);
  });
});

describe('any sequence of calls', () => {
  it('composes what plain strings give, flattened as often as needed', () => {
    let flattened = 0;
    for (let seed = 1; seed <= 200; seed++) {
      const below = random(seed);
      const { writer, source } = rig(28 * 1024);
      for (let round = 0; round < 2; round++) {
        writer.reset();
        let expected = '';
        let at = 0;
        const calls = below(300);
        for (let i = 0; i < calls; i++) {
          const before = writer.count;
          switch (below(6)) {
            case 0: {
              const text = source(below(1000), below(20));
              writer.text(text);
              expected += text;
              break;
            }
            case 1: {
              const value = below(12);
              writer.uint(value);
              expected += String(value);
              break;
            }
            case 2: {
              const bytes = Buffer.from(source(below(1000), below(60)), 'latin1');
              writer.bytes(bytes);
              expected += bytes.toString('latin1');
              break;
            }
            default: {
              // Often the neighbour of the range before.
              if (below(3) > 0) at = below(SOURCE_BYTES - 100);
              const length = Math.min(below(40), SOURCE_BYTES - at);
              writer.copy(SOURCE + at, length);
              expected += source(at, length);
              at += length;
            }
          }
          if (writer.count < before) flattened++;
        }
        expect(writer.overflowed, `seed ${seed}`).toBe(false);
        expect(writer.count, `seed ${seed}`).toBeLessThanOrEqual(60);
        expect(composed(writer) === expected, `seed ${seed}`).toBe(true);
      }
    }
    // The test is about nothing when no list was ever too long.
    expect(flattened).toBeGreaterThan(200);
  });
});

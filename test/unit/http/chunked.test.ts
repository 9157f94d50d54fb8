/**
 * The chunked coding: every body of the corpus, whole and split at every byte.
 */
import { describe, expect, test } from 'vitest';
import { ChunkedDecoder, chunkHead } from '../../../lib/http/chunked.js';
import { circumstance, outcome, readCorpus } from '../../corpus/http/read-corpus.js';
import { missing } from './describe.js';

/** Decodes the bytes in pieces that end at `ends`; each piece lies at another place. */
function decode(bytes: Buffer, ends: readonly number[], limit: number): string[] {
  const decoder = new ChunkedDecoder(limit, limit);
  decoder.reset();
  let data = '';
  let consumed = 0;
  for (const [turn, end] of ends.entries()) {
    const u8 = new Uint8Array(bytes.length + 64).fill(0x30);
    const shift = (turn % 3) * 17;
    u8.set(bytes.subarray(consumed, end), shift + consumed);
    while (consumed < end && !decoder.done) {
      const next = decoder.next(u8, shift + consumed, shift + end);
      if (next < 0) return [`data: ${escape(data)}`, 'status: 400', `reason: ${decoder.errorReason}`];
      expect(decoder.dataEnd).toBeLessThanOrEqual(next);
      data += Buffer.from(u8.subarray(decoder.dataStart, decoder.dataEnd)).toString('latin1');
      consumed = next - shift;
    }
    if (decoder.done) break;
  }
  const lines = [`data: ${escape(data)}`];
  if (!decoder.done) return [...lines, 'incomplete'];
  return [...lines, `rest: ${bytes.length - consumed}`, `trailers: ${escape(decoder.trailerText())}`];
}

function escape(text: string): string {
  return text.replaceAll('\r', '\\r').replaceAll('\n', '\\n');
}

describe('chunked.md', () => {
  test.each(readCorpus('chunked'))('$name', ({ bytes, expected }) => {
    const limit = Number(circumstance(expected, 'limit') ?? 16384);
    const whole = decode(bytes, [bytes.length], limit);
    expect(missing(outcome(expected), whole)).toEqual([]);
    for (let at = 0; at < bytes.length; at++) {
      const split = decode(bytes, [at, bytes.length], limit);
      if (split.join('\n') !== whole.join('\n')) expect(split, `at ${at}`).toEqual(whole);
    }
    const bytewise = Array.from(bytes, (_, i) => i + 1);
    expect(decode(bytes, bytewise, limit)).toEqual(whole);
  });
});

describe('ChunkedDecoder', () => {
  const feed = (decoder: ChunkedDecoder, text: string): number => {
    const u8 = Buffer.from(text, 'latin1');
    let at = 0;
    while (at < u8.length && !decoder.done) {
      at = decoder.next(u8, at, u8.length);
      if (at < 0) return at;
    }
    return at;
  };

  test('leaves out the trailers that Connection names', () => {
    const decoder = new ChunkedDecoder();
    decoder.reset();
    feed(decoder, '0\r\nX-A: 1\r\nX-B: 2\r\nx-a: 3\r\n\r\n');
    expect(decoder.trailerText()).toBe('X-A: 1\r\nX-B: 2\r\nx-a: 3\r\n');
    expect(decoder.trailerText(['x-a'])).toBe('X-B: 2\r\n');
    expect(decoder.trailerText(['x-a', 'x-b'])).toBe('');
  });

  test('has no trailers before the end', () => {
    const decoder = new ChunkedDecoder();
    decoder.reset();
    feed(decoder, '0\r\nX-A: 1\r\n');
    expect(decoder.trailerText()).toBe('');
  });

  test('serves another body after reset, also after an error', () => {
    const decoder = new ChunkedDecoder();
    decoder.reset();
    expect(feed(decoder, '5;x\r\nhello\r\nz')).toBe(-1);
    expect(decoder.errorReason).not.toBe('');
    decoder.reset();
    expect(decoder.errorReason).toBe('');
    expect(feed(decoder, '0\r\nA: b\r\n\r\n')).toBe(11);
    decoder.reset();
    expect(feed(decoder, '0\r\n\r\n')).toBe(5);
    expect(decoder.trailerText()).toBe('');
  });

  test('keeps failing after an error', () => {
    const decoder = new ChunkedDecoder();
    decoder.reset();
    expect(feed(decoder, 'z')).toBe(-1);
    expect(feed(decoder, '0\r\n\r\n')).toBe(-1);
  });

  test('does not sum up sizes across chunks', () => {
    const decoder = new ChunkedDecoder();
    decoder.reset();
    expect(feed(decoder, '1fffffffffffff\r\n')).toBe(16);
    expect(decoder.done).toBe(false);
  });
});

test.each([
  [1, '1\r\n'],
  [500, '1f4\r\n'],
  [65536, '10000\r\n'],
])('chunkHead(%i)', (size, text) => {
  expect(chunkHead(size)).toBe(text);
});

/**
 * The chunked coding beyond its corpus: trailers, reuse, bounds.
 */
import { describe, expect, test } from 'vitest';
import { ChunkedDecoder, chunkHead } from '../../../lib/http/chunked.js';

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

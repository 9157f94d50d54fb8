/**
 * Byte ranges of a file (RFC 9110 section 14), as nginx reads them: what is no list of ranges
 * is not satisfiable, and what asks for more than the whole gets the whole.
 */
import { randomInt } from 'node:crypto';
import type { Request } from '../module-api/index.js';
import { parseHttpDate, type Validators } from './conditions.js';

/** Bytes [start, end) of a file. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

const UNIT = 'bytes=';
/** One range, with what follows it: a comma, or the end. No two runs of blanks meet, or many of them would be tried in every division. */
const RANGE = / *(?:([0-9]+) *- *(?:([0-9]+) *)?|- *([0-9]+) *)(,|$)/y;

/**
 * What is to be sent of a file of `size` bytes: ranges, or the whole. An empty list: nothing
 * of what is asked for is there (416).
 */
export function selectRanges(
  request: Request,
  file: Validators,
  size: number,
  maxRanges: number,
): readonly ByteRange[] | 'whole' {
  const header = rangeField(request);
  if (header === undefined || maxRanges === 0) return 'whole';
  if (header.slice(0, UNIT.length).toLowerCase() !== UNIT || header.length === UNIT.length) return 'whole';
  const condition = request.header('if-range');
  if (condition !== undefined && !isSame(condition, file)) return 'whole';
  return parseRanges(header.slice(UNIT.length), size, maxRanges);
}

/** Of several lines the first counts, as in nginx. */
function rangeField(request: Request): string | undefined {
  const joined = request.header('range');
  if (joined?.includes(',') !== true) return joined;
  for (const [name, value] of request.headers()) if (name.toLowerCase() === 'range') return value;
  return joined;
}

/** If-Range: a tag, compared strongly, or a date, which must be the very one. */
function isSame(condition: string, file: Validators): boolean {
  if (condition.endsWith('"')) return condition === file.etag;
  return parseHttpDate(condition) === file.modifiedSeconds;
}

function parseRanges(text: string, size: number, maxRanges: number): readonly ByteRange[] | 'whole' {
  const ranges: ByteRange[] = [];
  let total = 0;
  RANGE.lastIndex = 0;
  for (;;) {
    const match = RANGE.exec(text);
    if (match === null) return [];
    const [, first = '', last = '', suffix = '', next] = match;
    const start = suffix === '' ? Number(first) : Math.max(0, size - Number(suffix));
    const end = last === '' ? size : Math.min(size, Number(last) + 1);
    if (Math.max(Number(first), Number(last), Number(suffix)) > Number.MAX_SAFE_INTEGER) return [];
    if (start < end) {
      if (ranges.length === maxRanges) return 'whole';
      ranges.push({ start, end });
      total += end - start;
    } else if (start === 0) {
      return 'whole';
    }
    if (next === '') break;
  }
  return total > size ? 'whole' : ranges;
}

/** Value of Content-Range. */
export function contentRange({ start, end }: ByteRange, size: number): string {
  return `bytes ${start}-${end - 1}/${size}`;
}

/** A body of several ranges: what stands before each of them, and at the end. */
export interface Multipart {
  readonly contentType: string;
  readonly heads: readonly string[];
  readonly tail: string;
  /** Of everything, the bytes of the file included. */
  readonly length: number;
}

export function multipart(ranges: readonly ByteRange[], size: number, contentType: string): Multipart {
  const boundary = String(randomInt(2 ** 47)).padStart(20, '0');
  const type = contentType === '' ? '' : `Content-Type: ${contentType}\r\n`;
  const heads = ranges.map(
    (range) => `\r\n--${boundary}\r\n${type}Content-Range: ${contentRange(range, size)}\r\n\r\n`,
  );
  const tail = `\r\n--${boundary}--\r\n`;
  const bytes = ranges.reduce((sum, { start, end }) => sum + end - start, 0);
  const length = heads.reduce((sum, head) => sum + head.length, bytes + tail.length);
  return { contentType: `multipart/byteranges; boundary=${boundary}`, heads, tail, length };
}

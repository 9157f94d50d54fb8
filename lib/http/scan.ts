/**
 * The contract of the scanner, and a plain one in TypeScript.
 *
 * A scanner finds the line structure of a message head and describes each field line in a
 * record: positions, flags, the id of a known name. It knows nothing of their meaning. The
 * parsers run on the native scanner; the one here is the reference that it is compared
 * with, and needs no addon.
 *
 * A record is six Int32; all positions are relative to the beginning of the scanned bytes:
 *
 *     [0] line start = name start   [1] the first colon, or -1
 *     [2] value start               [3] value end, blanks trimmed
 *     [4] line end, behind the LF   [5] id | flags << 8, see fields.ts
 */

import { COLON, CR, DEL, DOT, HASH, HTAB, isBlank, LF, PERCENT, QUESTION, SLASH, SP } from './bytes.js';
import * as fields from './fields.js';
import { HOP_IDS, identifyHeader, LAST_SPECIAL, UNKNOWN } from './known-headers.js';

const UPPER_H = 0x48;

/** Int32 entries per record. */
export const STRIDE = 6;
export const NAME_END = 1;
export const VALUE_START = 2;
export const VALUE_END = 3;
export const LINE_END = 4;
export const ID_FLAGS = 5;

/** Entries of a report: records written. */
export const COUNT = 0;
/** Behind the last complete line; `from` when there is none. */
export const POSITION = 1;
/** 1: the last line is the empty one, which has no record. */
export const COMPLETE = 2;
/** All `id | flags << 8` of the records together, without the ids. */
export const ALL_FLAGS = 3;
/** Behind the start line without its line end; -1 when it is not complete. */
export const START_END = 4;
/** BAD and CANONICAL (its line end is CR LF) of the start line, shifted as in records. */
export const START_FLAGS = 5;
/** Bytes of the longest field line with its line end. */
export const LONGEST = 6;
/** 1: there was no room for another record. */
export const FULL = 7;
/** Bit i: there is a name with the id i below 32; bit 0: one with another id, or without. */
export const SEEN = 8;
/** Likewise: there is more than one. */
export const REPEATED = 9;
/**
 * Where the plain part of the start line behind its first SP ends: at SP, a control byte, "?", "#",
 * "%", or a "/" with "/" or "." behind it. 0 when the line begins with "H" or has no SP.
 */
export const START_PLAIN = 10;
/** Records with an id up to LAST_SPECIAL; the first {@link MAX_SPECIALS} of them are listed. */
export const SPECIAL_COUNT = 11;
/** Their indices. */
export const SPECIALS = 12;
export const MAX_SPECIALS = 24;
/** Int32 entries of a report. */
export const REPORT_ENTRIES = SPECIALS + MAX_SPECIALS;

/**
 * Scans [offset + from, offset + length): a start line, then fields. Stops behind the first
 * empty line, behind a start line that is empty, and where records run out. They and the
 * report are overwritten by the next scan.
 */
export type FieldScanner = (offset: number, length: number, from: number) => void;

const NAME_FLAGS = new Int32Array(256).map((_, byte) => {
  if (byte <= SP || byte === DEL) return fields.NAME_FORBIDDEN;
  const char = String.fromCharCode(byte);
  if (/[A-Za-z0-9-]/.test(char)) return 0;
  if (char === '_') return fields.NAME_UNDERSCORE;
  return fields.TOKEN[byte] === 1 ? fields.NAME_TOKEN : fields.NAME_OTHER;
});

/** A scanner over one buffer, byte by byte. `capacity`: records that fit at `records`. */
export function scanFieldsTs(
  buffer: ArrayBuffer,
  records: number,
  capacity: number,
  report: number,
): FieldScanner {
  const u8 = new Uint8Array(buffer);
  const i32 = new Int32Array(buffer);
  const view = new DataView(buffer);
  const at = report >> 2;

  /** Describes the field line at [start, end), whose line end is at [end, next). */
  function describe(offset: number, start: number, colon: number, end: number, next: number, odd: boolean) {
    let flags = odd ? fields.BAD : 0;
    let id = UNKNOWN;
    let valueStart = end;
    let valueEnd = end;
    if (isBlank(u8[offset + start])) flags |= fields.INDENTED;
    if (colon <= start) {
      flags |= fields.NAMELESS;
    } else {
      valueStart = colon + 1;
      while (valueStart < end && isBlank(u8[offset + valueStart])) valueStart++;
      while (valueEnd > valueStart && isBlank(u8[offset + valueEnd - 1])) valueEnd--;
      const spaced = valueStart === colon + 2 && u8[offset + colon + 1] === SP;
      if (next - end === 2 && valueEnd === end && spaced) flags |= fields.CANONICAL;
      if (!odd) {
        id = identifyHeader(view, offset + start, offset + colon);
        if (id === UNKNOWN) {
          for (let i = start; i < colon; i++) flags |= NAME_FLAGS[u8[offset + i]];
        } else if (HOP_IDS.includes(id)) {
          flags |= fields.DROP;
        }
      }
    }
    const index = i32[at + COUNT]++;
    i32.set([start, colon, valueStart, valueEnd, next, id | (flags << 8)], (records >> 2) + index * STRIDE);
    i32[at + ALL_FLAGS] |= flags << 8;
    const bit = id < 32 ? 1 << id : 1;
    i32[at + REPEATED] |= i32[at + SEEN] & bit;
    i32[at + SEEN] |= bit;
    i32[at + LONGEST] = Math.max(i32[at + LONGEST], next - start);
    if (id === UNKNOWN || id > LAST_SPECIAL) return;
    const special = i32[at + SPECIAL_COUNT]++;
    if (special < MAX_SPECIALS) i32[at + SPECIALS + special] = index;
  }

  /** See {@link START_PLAIN}; an LF stops it at the latest. */
  function plainPart(offset: number, start: number): number {
    let i = offset + start;
    if (u8[i] === UPPER_H) return 0;
    while (u8[i] > SP) i++;
    if (u8[i] !== SP) return 0;
    for (i++; ; i++) {
      const byte = u8[i];
      if (byte <= SP || byte === DEL || byte === QUESTION || byte === HASH || byte === PERCENT) break;
      if (byte === SLASH && (u8[i + 1] === SLASH || u8[i + 1] === DOT)) break;
    }
    return i - offset;
  }

  return (offset, length, from) => {
    i32.fill(0, at, at + SPECIALS);
    i32[at - 2] = offset;
    i32[at - 1] = length;
    i32[at + POSITION] = from;
    i32[at + START_END] = -1;
    let begin = from;
    let colon = -1;
    let odd = -1;
    for (let i = from; i < length; i++) {
      const byte = u8[offset + i];
      if (byte !== LF) {
        if (byte === COLON && colon < 0) colon = i;
        if (((byte < SP && byte !== HTAB) || byte === DEL) && odd < 0) odd = i;
        continue;
      }
      const crlf = i > begin && u8[offset + i - 1] === CR;
      const end = crlf ? i - 1 : i;
      // The CR of the line end is the only odd byte that a line may have.
      const bad = odd >= 0 && odd < end;
      if (i32[at + START_END] < 0) {
        i32[at + START_END] = end;
        i32[at + START_FLAGS] = ((crlf ? fields.CANONICAL : 0) | (bad ? fields.BAD : 0)) << 8;
        i32[at + START_PLAIN] = plainPart(offset, begin);
        i32[at + POSITION] = i + 1;
        if (end === begin) return;
      } else if (end === begin) {
        i32[at + COMPLETE] = 1;
        i32[at + POSITION] = i + 1;
        return;
      } else if (i32[at + COUNT] === capacity) {
        i32[at + FULL] = 1;
        return;
      } else {
        describe(offset, begin, colon, end, i + 1, bad);
        i32[at + POSITION] = i + 1;
      }
      begin = i + 1;
      colon = -1;
      odd = -1;
    }
  };
}

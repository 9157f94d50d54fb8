/**
 * The contract of the line scanner, and a plain one in TypeScript.
 *
 * A scanner finds the line structure of a message head (line ends, first colons, bytes
 * that no field may hold) and nothing of its meaning. The parsers run on the native
 * scanner; the one here is the reference that it is compared with, and needs no addon.
 */

import { COLON, CR, DEL, HTAB, isBlank, LF, SP } from './bytes.js';

/** Flag of a line: its LF is preceded by CR. */
export const LINE_CRLF = 1;
/** Flag of a line: it holds NUL, a control byte but HTAB, DEL, or a CR that is not followed by LF. */
export const LINE_BAD = 2;
/** Flag of a line: it holds a byte >= 0x80. */
export const LINE_HIGH = 4;
/** Flag of a line: it begins with SP or HTAB. */
export const LINE_INDENTED = 8;

/** Int32 entries per line in the table: line end (index of the LF), first colon or -1, flags. */
export const LINE_ENTRIES = 3;

/**
 * Scans [offset + from, offset + length) and writes one entry per line that ends there
 * to the Int32 table at byte `tableOffset`; positions are relative to `offset`. Stops
 * behind the first empty line or after `capacity` entries. `from` is the beginning of a
 * line. Result: the number of entries. See `NativeBinding.scanLines`.
 */
export type LineScanner = (
  offset: number,
  length: number,
  from: number,
  tableOffset: number,
  capacity: number,
) => number;

/** The memory that heads are parsed in: the arena, or any buffer in tests. */
export interface HeadMemory {
  readonly u8: Uint8Array;
  /** The same memory. */
  readonly i32: Int32Array;
  readonly scanLines: LineScanner;
  /** Byte offset (a multiple of 4) of room for the scanner's entries. In use only while a `parse` runs. */
  readonly tableOffset: number;
  /** Lines that the table holds; at least 1. More lines only mean more calls. */
  readonly tableLines: number;
}

/** A line scanner over the given views of one buffer, byte by byte. */
export function scanLinesTs(u8: Uint8Array, i32: Int32Array): LineScanner {
  return (offset, length, from, tableOffset, capacity) => {
    let entry = tableOffset >> 2;
    let count = 0;
    let begin = from;
    let colon = -1;
    let flags = 0;
    for (let at = from; at < length && count < capacity; at++) {
      const byte = u8[offset + at];
      if (byte === LF) {
        const first = u8[offset + begin];
        if (at > begin && u8[offset + at - 1] === CR) flags |= LINE_CRLF;
        if (isBlank(first)) flags |= LINE_INDENTED;
        i32[entry] = at;
        i32[entry + 1] = colon;
        i32[entry + 2] = flags;
        entry += LINE_ENTRIES;
        count++;
        if (at === begin || (at === begin + 1 && first === CR)) break;
        begin = at + 1;
        colon = -1;
        flags = 0;
      } else if (byte === COLON) {
        if (colon < 0) colon = at;
      } else if (byte >= 0x80) {
        flags |= LINE_HIGH;
      } else if (byte === CR) {
        if (at + 1 < length && u8[offset + at + 1] !== LF) flags |= LINE_BAD;
      } else if ((byte < SP && byte !== HTAB) || byte === DEL) {
        flags |= LINE_BAD;
      }
    }
    return count;
  };
}

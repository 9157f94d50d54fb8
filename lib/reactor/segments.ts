/**
 * Lists of arena ranges as writev takes them: Int32 pairs [offset, length], one behind the
 * other, at a byte offset of the arena.
 */
import { host } from '../native/host.js';

/** Ranges that one write can have. */
export const MAX_SEGMENTS = 64;

const { i32, layout } = host;

/** This room's own list: at the end of the table, behind all that accept and the scanner use of it. */
const OWN = layout.table + (layout.tableCapacity - 4) * 4;

/** Makes a list of one or two ranges, valid until the next call; result: its byte offset. */
export function setSegments(offset1: number, length1: number, offset2: number, length2: number): number {
  const at = OWN >> 2;
  i32[at] = offset1;
  i32[at + 1] = length1;
  i32[at + 2] = offset2;
  i32[at + 3] = length2;
  return OWN;
}

/** Arena offset of range number `index` of the list. */
export function segmentOffset(pairs: number, index: number): number {
  return i32[(pairs >> 2) + index * 2];
}

/** Length of range number `index` of the list. */
export function segmentLength(pairs: number, index: number): number {
  return i32[(pairs >> 2) + index * 2 + 1];
}

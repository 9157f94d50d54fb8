/**
 * The hot calls of the addon in the usual form. Arguments travel through the registers of
 * the arena, since Node-API takes longer to read three integers than the call has to do.
 * "| 0" tells the compiler that a number is one: without it each store goes by way of a double.
 */
import { host } from './host.js';
import { native } from './index.js';

const { i32, layout } = host;
const { receive, receiveFields, send, gather, join, scanFields, compose, composeLine } = native;
const R = layout.registers >> 2;

/** recv into the arena. > 0 bytes, 0 end of stream, -EAGAIN drained, another -errno. */
export function receiveBytes(handle: number, offset: number, length: number): number {
  i32[R] = handle | 0;
  i32[R + 1] = offset | 0;
  i32[R + 2] = length | 0;
  receive();
  return i32[R];
}

/** As {@link receiveBytes}; what came is also scanned as by {@link scanBytes} from 0. */
export function receiveHead(handle: number, offset: number, length: number): number {
  i32[R] = handle | 0;
  i32[R + 1] = offset | 0;
  i32[R + 2] = length | 0;
  receiveFields();
  return i32[R];
}

/** send from the arena. Result: bytes taken, possibly fewer; -EAGAIN for none. */
export function sendBytes(handle: number, offset: number, length: number): number {
  i32[R] = handle | 0;
  i32[R + 1] = offset | 0;
  i32[R + 2] = length | 0;
  send();
  return i32[R];
}

/** sendmsg of `count` (at most 64) Int32 pairs [offset, length] at byte offset `pairs` of the arena. As {@link sendBytes}. */
export function sendGathered(handle: number, pairs: number, count: number): number {
  i32[R] = handle | 0;
  i32[R + 1] = pairs | 0;
  i32[R + 2] = count | 0;
  gather();
  return i32[R];
}

/** Copies two ranges of the arena behind each other to `to`, which overlaps neither. Result: 0 or -EFAULT. */
export function joinBytes(
  to: number,
  offset1: number,
  length1: number,
  offset2: number,
  length2: number,
): number {
  i32[R] = to | 0;
  i32[R + 1] = offset1 | 0;
  i32[R + 2] = length1 | 0;
  i32[R + 3] = offset2 | 0;
  i32[R + 4] = length2 | 0;
  join();
  return i32[R];
}

/** Scans [offset + from, offset + length) for a start line and fields. Result: 0 or -EFAULT. */
export function scanBytes(offset: number, length: number, from: number): number {
  i32[R] = offset | 0;
  i32[R + 1] = length | 0;
  i32[R + 2] = from | 0;
  scanFields();
  return i32[R];
}

/** Slots that compose has: Int32 pairs [offset, length] from {@link COMPOSE_SLOTS} (an index) on. */
export const MAX_COMPOSE_SLOTS = 448;
export const COMPOSE_SLOTS = R + 64;

/**
 * Writes a message head to [to, to + capacity) by `stepCount` steps at byte offset `steps`.
 * Its source of fields: `recordCount` records at byte offset `records` of a head at `base`;
 * left out is what has one of `dropFlags` (as in records), or whose id has a 1 in the 256
 * bytes at `drop`. With `handle` >= 0 the head is also sent there, see {@link composedSent}.
 * Result: its length, -ENOBUFS when it does not fit, -EFAULT.
 */
export function composeHead(
  steps: number,
  stepCount: number,
  to: number,
  capacity: number,
  records: number,
  recordCount: number,
  base: number,
  dropFlags: number,
  drop: number,
  handle: number,
): number {
  i32[R] = steps | 0;
  i32[R + 1] = stepCount | 0;
  i32[R + 2] = to | 0;
  i32[R + 3] = capacity | 0;
  i32[R + 4] = records | 0;
  i32[R + 5] = recordCount | 0;
  i32[R + 6] = base | 0;
  i32[R + 7] = dropFlags | 0;
  i32[R + 8] = drop | 0;
  i32[R + 9] = handle | 0;
  compose();
  return i32[R];
}

/** What `sendBytes` would have returned for the head that {@link composeHead} has just written and sent. */
export function composedSent(): number {
  return i32[R + 1];
}

/** In place of a slot's length, for {@link composeLogLine}: there is no value. */
export const SLOT_UNSET = -1;
/** Likewise: the slot's offset is a number, written in decimal. */
export const SLOT_NUMBER = -2;

/**
 * Writes a line of a log to [to, to + capacity): `count` steps at byte offset `steps`, then LF. A
 * step is four Int32: offset and length of a constant; what stands behind it, a slot (-1: nothing),
 * or, when that is not 0, the first field with an id, of the `recordCount` records at byte offset
 * `records` of a head at `base`, whose ids below 32 are in `seen`. `escape`: 0 values as they are,
 * 1 \xHH, 2 for JSON. Result: its length, or -ENOBUFS when it might not fit with everything
 * escaped; -EFAULT.
 */
export function composeLogLine(
  steps: number,
  count: number,
  to: number,
  capacity: number,
  escape: number,
  records: number,
  recordCount: number,
  base: number,
  seen: number,
): number {
  i32[R] = steps | 0;
  i32[R + 1] = count | 0;
  i32[R + 2] = to | 0;
  i32[R + 3] = capacity | 0;
  i32[R + 4] = escape | 0;
  i32[R + 5] = records | 0;
  i32[R + 6] = recordCount | 0;
  i32[R + 7] = base | 0;
  i32[R + 8] = seen | 0;
  composeLine();
  return i32[R];
}

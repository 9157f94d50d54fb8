/**
 * The memory of heads in production: the environment's arena with the native scanner.
 */
import { host } from '../native/host.js';
import { native } from '../native/index.js';
import { LINE_ENTRIES, type HeadMemory } from './scan.js';

/** Lines found by one call of the scanner; nearly every head has fewer. */
const MAX_LINES = 256;

/** What `RequestHead` and `ResponseHead` of this thread parse in. */
export const arenaMemory: HeadMemory = {
  u8: host.u8,
  i32: host.i32,
  scanLines: (offset, length, from, tableOffset, capacity) =>
    native.scanLines(offset, length, from, tableOffset, capacity),
  tableOffset: host.layout.table,
  tableLines: Math.min(MAX_LINES, Math.floor(host.layout.tableCapacity / LINE_ENTRIES)),
};

/**
 * The memory of heads in production: the environment's arena with the native scanner,
 * which is told the names here.
 */
import { host } from '../native/host.js';
import { joinBytes, scanBytes } from '../native/hot.js';
import { native } from '../native/index.js';
import { HOP_IDS, KNOWN_HEADER_COUNT, knownHeaderName, LAST_SPECIAL } from './known-headers.js';
import type { HeadMemory } from './scan.js';

/** Int32 entries in front of the report among the registers. */
const REPORT_AT = 16;

let names = '';
for (let id = 1; id < KNOWN_HEADER_COUNT; id++) names += `${knownHeaderName(id)}\n`;
const marked = HOP_IDS.reduce((mask, id) => mask | (1 << id), 0);
if (native.setNames(names, LAST_SPECIAL, marked) < 0) throw new Error('the scanner takes no such names');

/** What `RequestHead` and `ResponseHead` of this thread parse in. */
export const arenaMemory: HeadMemory = {
  u8: host.u8,
  i32: host.i32,
  scan: scanBytes,
  join: joinBytes,
  records: host.layout.table,
  report: host.layout.registers + REPORT_AT * 4,
};

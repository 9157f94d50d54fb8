/**
 * The memory that heads are parsed in: the environment's arena, with the native scanner,
 * which is told the names here.
 *
 * The parsers take these as constants of their own modules, so that the compiler knows
 * where the memory lies: an access is then one instruction instead of ten. Tests that need
 * no addon put a module of the same exports in this one's place.
 */
import { host } from '../native/host.js';
import { joinBytes, scanBytes } from '../native/hot.js';
import { native } from '../native/index.js';
import { HOP_IDS, KNOWN_HEADER_COUNT, knownHeaderName, LAST_SPECIAL } from './known-headers.js';

/** Int32 entries in front of the report among the registers. */
const REPORT_AT = 16;

let names = '';
for (let id = 1; id < KNOWN_HEADER_COUNT; id++) names += `${knownHeaderName(id)}\n`;
const marked = HOP_IDS.reduce((mask, id) => mask | (1 << id), 0);
if (native.setNames(names, LAST_SPECIAL, marked) < 0) throw new Error('the scanner takes no such names');

export const { u8, i32 } = host;
/** The same bytes, for comparing four at a time. */
export const view: DataView = new DataView(u8.buffer, u8.byteOffset, u8.byteLength);
/** Index of the first record among the Int32. */
export const RECORDS: number = host.layout.table >> 2;
/** Index of the report among the Int32; in front of it stands the range that it was made of. */
export const REPORT: number = (host.layout.registers >> 2) + REPORT_AT;

/** See scan.ts. */
export const scanFields: (offset: number, length: number, from: number) => void = scanBytes;
/** Copies two ranges behind each other to `to`, which overlaps neither. */
export const join: (to: number, offset1: number, length1: number, offset2: number, length2: number) => void =
  joinBytes;

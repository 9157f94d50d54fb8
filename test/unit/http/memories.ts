/**
 * The memories that heads are parsed in: a plain buffer with the TypeScript scanner, and
 * the arena with the native one where the addon is built.
 */
import { REPORT_ENTRIES, scanFieldsTs, STRIDE, type HeadMemory } from '../../../lib/http/scan.js';

/** A memory, and where in it bytes may be put. */
export interface TestMemory {
  readonly name: string;
  readonly memory: HeadMemory;
  readonly start: number;
  readonly size: number;
}

const RECORDS = 10_000;
/** In front of the report lies the range it was made of. */
const REPORT = 64;
const RECORDS_AT = REPORT + REPORT_ENTRIES * 4 + 64;
const START = RECORDS_AT + RECORDS * STRIDE * 4;
const SIZE = 2 << 20;

/** A buffer of its own, with the scanner that is given. */
export function plainMemory(scanner = scanFieldsTs): TestMemory {
  const buffer = new ArrayBuffer(SIZE);
  const u8 = new Uint8Array(buffer);
  const memory: HeadMemory = {
    u8,
    i32: new Int32Array(buffer),
    scan: scanner(buffer, RECORDS_AT, RECORDS, REPORT),
    join(to, offset1, length1, offset2, length2) {
      u8.copyWithin(to, offset1, offset1 + length1);
      u8.copyWithin(to + length1, offset2, offset2 + length2);
    },
    records: RECORDS_AT,
    report: REPORT,
  };
  return { name: 'TypeScript scanner', memory, start: START, size: SIZE - START };
}

/** The arena; undefined, with a printed reason, when the addon cannot be loaded. */
export async function arenaTestMemory(): Promise<TestMemory | undefined> {
  try {
    const { arenaMemory } = await import('../../../lib/http/arena.js');
    const { host } = await import('../../../lib/native/host.js');
    const { window, windowSize } = host.layout;
    return { name: 'native scanner', memory: arenaMemory, start: window, size: windowSize };
  } catch (error) {
    console.warn(`the native scanner is not tested: ${String(error)}`);
    return undefined;
  }
}

/** Every memory there is. */
export async function memories(): Promise<[TestMemory, ...TestMemory[]]> {
  const arena = await arenaTestMemory();
  return [plainMemory(), ...(arena === undefined ? [] : [arena])];
}

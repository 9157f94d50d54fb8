/**
 * The memories that heads are parsed in: a plain buffer with the TypeScript scanner, and
 * the arena with the native one where the addon is built.
 */
import { scanLinesTs, type HeadMemory } from '../../../lib/http/scan.js';

/** A memory, and where in it bytes may be put. */
export interface TestMemory {
  readonly name: string;
  readonly memory: HeadMemory;
  readonly start: number;
  readonly size: number;
}

const TABLE_BYTES = 12 * 1024;
const SIZE = 1 << 20;

/** A buffer of its own. `tableLines` lines fit in the table. */
export function plainMemory(tableLines = 64): TestMemory {
  const buffer = new ArrayBuffer(SIZE);
  const u8 = new Uint8Array(buffer);
  const i32 = new Int32Array(buffer);
  const scanLines = scanLinesTs(u8, i32);
  return {
    name: `TypeScript scanner, table of ${tableLines}`,
    memory: { u8, i32, scanLines, tableOffset: 0, tableLines },
    start: TABLE_BYTES,
    size: SIZE - TABLE_BYTES,
  };
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
export async function memories(): Promise<TestMemory[]> {
  const arena = await arenaTestMemory();
  return [plainMemory(), plainMemory(1), plainMemory(3), ...(arena === undefined ? [] : [arena])];
}

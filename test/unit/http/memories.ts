/**
 * Where tests put the bytes of a head: the arena's receive window, or, for a build of the
 * parsers that needs no addon, the buffer that is its memory.
 */
import { host } from '../../../lib/native/host.js';

/** A memory, and where in it bytes may be put. */
export interface TestMemory {
  readonly name: string;
  readonly u8: Uint8Array;
  readonly start: number;
  readonly size: number;
}

const { window, windowSize } = host.layout;

/** What the parsers of lib/http read. */
export const arenaTestMemory: TestMemory = {
  name: 'native scanner',
  u8: host.u8,
  start: window,
  size: windowSize,
};

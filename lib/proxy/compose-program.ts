/**
 * How the heads of one kind are written, compiled once: constants, places for the values
 * of one message, and where the received fields go. Native code runs it (`HeadComposer`).
 */
import { MAX_COMPOSE_SLOTS } from '../native/hot.js';
import type { ArenaConstants } from './memory.js';

/** Int32 entries of a step: kind, offset and length of a constant, slot. */
const STEP = 4;
const RANGE = 0;
const SLOT = 1;
const LINE = 2;
const FIELDS = 3;

interface Step {
  readonly kind: number;
  text: string;
  readonly slot: number;
}

export class ComposeProgram {
  /** Byte offset of the steps in the arena. */
  readonly offset: number;
  readonly count: number;

  constructor(offset: number, count: number) {
    this.offset = offset;
    this.count = count;
  }
}

/** Collects the steps of a program in their order. */
export class ProgramBuilder {
  readonly #steps: Step[] = [];
  #slots = 0;

  /** Another one that has the same steps so far, with the same slots. */
  fork(): ProgramBuilder {
    const other = new ProgramBuilder();
    other.#steps.push(...this.#steps.map((step) => ({ ...step })));
    other.#slots = this.#slots;
    return other;
  }

  /** A text that is always the same; neighbours become one step. */
  constant(text: string): this {
    const last = this.#steps.at(-1);
    if (last?.kind === RANGE) last.text += text;
    else this.#steps.push({ kind: RANGE, text, slot: 0 });
    return this;
  }

  /** A place for a value. Result: the number of its slot. */
  slot(): number {
    return this.#add(SLOT, '');
  }

  /** "name: " and a value, or nothing when that is empty. Result: the number of its slot. */
  line(name: string): number {
    return this.#add(LINE, `${name}: `);
  }

  /** The received fields that are passed on. At most one of these in a program. */
  fields(): this {
    this.#steps.push({ kind: FIELDS, text: '', slot: 0 });
    return this;
  }

  /** Places the program among the constants of a configuration. Throws when the arena is exhausted. */
  build(constants: ArenaConstants, i32: Int32Array): ComposeProgram {
    const { length } = this.#steps;
    const offset = constants.reserve(Math.max(1, length) * STEP * 4);
    this.#steps.forEach(({ kind, text, slot }, i) => {
      const range = constants.intern(text);
      i32.set([kind, range.offset, range.length, slot], (offset >> 2) + i * STEP);
    });
    return new ComposeProgram(offset, length);
  }

  #add(kind: number, text: string): number {
    if (this.#slots === MAX_COMPOSE_SLOTS)
      throw new Error(`more than ${MAX_COMPOSE_SLOTS} values in one head`);
    const slot = this.#slots++;
    this.#steps.push({ kind, text, slot });
    return slot;
  }
}

/**
 * Gathers the lines of one log in the arena, until they are written to the file together.
 *
 *     block ├─ line ─┬─ line ─┬─ line under way ─┤        room       │
 *           start             line               at                  limit
 *
 * A line is composed by one native call (`compose`, for a {@link LinePlan}), or value by value
 * (`begin` to `end`): slower, but of any length. A block of the arena is held only while lines are
 * pending. When it is full the lines in it are written; one line that needs more than a block
 * goes out in pieces.
 */
import { u8 as bytes } from '../http/memory.js';
import type { MessageHead } from '../http/message-head.js';
import { host } from '../native/host.js';
import { composeLogLine } from '../native/hot.js';
import { native } from '../native/index.js';

// As in message-head.ts: constants of this module are folded, imported ones are not.
const u8 = bytes;

/** How values are escaped: not at all. */
const NONE = 0;
/** Quote, backslash, control and non-ASCII bytes become \xHH. */
const DEFAULT = 1;
/** What JSON does not allow inside a string. */
const JSON_STRING = 2;

/** The modes of {@link LogLines.begin} and {@link LogLines.compose}. */
export const LOG_ESCAPES = { none: NONE, default: DEFAULT, json: JSON_STRING } as const;

const BLOCK_BYTES = 64 * 1024;
/** Bytes that one may become: \u00HH. */
const MAX_ESCAPED = 6;

const LF = 0x0a;
const BACKSLASH = 0x5c;
const DASH = 0x2d;
const LOWER_U = 0x75;
const LOWER_X = 0x78;
const ZERO = 0x30;

/** The modes, as bits, in which a byte is escaped. */
const UNSAFE = new Uint8Array(256);
for (let byte = 0; byte < 256; byte++) {
  const always = byte < 0x20 || byte === 0x22 || byte === BACKSLASH;
  UNSAFE[byte] = always ? DEFAULT | JSON_STRING : byte >= 0x7f ? DEFAULT : 0;
}

const HEX = Uint8Array.from('0123456789ABCDEF', (char) => char.charCodeAt(0));

/** What stands behind the backslash in JSON; 0 where there is no short form. */
const JSON_SHORT = new Uint8Array(256);
for (const [char, short] of ['""', '\\\\', '\nn', '\rr', '\tt', '\bb', '\ff']) {
  JSON_SHORT[char.charCodeAt(0)] = short.charCodeAt(0);
}

/** For a block when the arena is exhausted: nothing is being composed there while a line is. */
const SPARE = host.layout.scratch;

/** Where lines go. */
export interface LogOutput {
  /** Writes [offset, offset + length) of the arena before it returns. */
  writeRange(offset: number, length: number): void;
  /** A line is complete: {@link LogLines.flush} is to be called before long. */
  lineEnded(): void;
}

export class LogLines {
  readonly #output: LogOutput;
  #block = -1;
  /** Of bytes that were not written yet. */
  #start = 0;
  /** Behind the last complete line. */
  #line = 0;
  #at = 0;
  /** With room for a line end behind it. */
  #limit = 0;
  #escape = NONE;

  constructor(output: LogOutput) {
    this.#output = output;
  }

  /**
   * Appends a line made of `count` steps at byte offset `steps`, of the slots, and of the fields of
   * `head` (`composeLogLine`). False, and nothing is appended: it is too long.
   */
  compose(steps: number, count: number, escape: number, head: MessageHead): boolean {
    if (this.#block < 0) this.#acquire();
    let length = this.#compose(steps, count, escape, head);
    if (length < 0) {
      if (this.#line === this.#block) return false;
      this.#writeLines();
      length = this.#compose(steps, count, escape, head);
      if (length < 0) return false;
    }
    this.#line = (this.#line + length) | 0;
    this.#ended();
    return true;
  }

  #compose(steps: number, count: number, escape: number, head: MessageHead): number {
    const line = this.#line;
    return composeLogLine(
      steps,
      count,
      line,
      this.#limit - line,
      escape,
      head.recordsOffset,
      head.fieldCount,
      head.base,
      head.seenIds,
    );
  }

  /** Begins a line; one of {@link LOG_ESCAPES}. Up to its `end` nothing but this line may be written. */
  begin(escape: number): void {
    if (this.#block < 0) this.#acquire();
    this.#at = this.#line;
    this.#escape = escape;
  }

  /** Ends the line. */
  end(): void {
    u8[this.#at] = LF;
    this.#at++;
    this.#line = this.#at;
    this.#ended();
  }

  /** Writes the lines that there are, and gives the block back. Repeated calls do nothing. */
  flush(): void {
    if (this.#block < 0) return;
    const length = this.#line - this.#start;
    if (length > 0) this.#output.writeRange(this.#start, length);
    if (this.#block !== SPARE) native.releaseBlock(this.#block, BLOCK_BYTES);
    this.#block = -1;
  }

  /** A value that is not set. */
  unset(): void {
    if (this.#escape === DEFAULT) this.#byte(DASH);
  }

  /** A text of the form itself: not escaped. */
  constant(text: string): void {
    for (let i = 0; i < text.length; i++) this.#byte(text.charCodeAt(i));
  }

  /** A value, a byte string. */
  text(text: string): void {
    for (let i = 0; i < text.length; i++) this.#value(text.charCodeAt(i) & 0xff);
  }

  #acquire(): void {
    const block = native.acquireBlock(BLOCK_BYTES);
    this.#block = block < 0 ? SPARE : block;
    this.#start = this.#block;
    this.#line = this.#block;
    this.#limit = this.#block + BLOCK_BYTES - 1;
  }

  #ended(): void {
    if (this.#block === SPARE) this.flush();
    else this.#output.lineEnded();
  }

  /** Writes the lines that are complete; the next one begins at the head of the block. */
  #writeLines(): void {
    if (this.#line > this.#start) this.#output.writeRange(this.#start, this.#line - this.#start);
    this.#start = this.#block;
    this.#line = this.#block;
  }

  /** Makes sure of room for one byte as it may be written. */
  #reserve(): void {
    if (this.#at + MAX_ESCAPED <= this.#limit) return;
    const from = this.#line;
    const left = this.#at - from;
    this.#writeLines();
    u8.copyWithin(this.#block, from, this.#at);
    this.#at = this.#block + left;
    if (this.#at + MAX_ESCAPED <= this.#limit) return;
    this.#output.writeRange(this.#block, left);
    this.#at = this.#block;
  }

  #byte(byte: number): void {
    this.#reserve();
    this.#store(byte);
  }

  /** A byte of a value. */
  #value(byte: number): void {
    this.#reserve();
    if ((UNSAFE[byte] & this.#escape) === 0) this.#store(byte);
    else this.#storeEscaped(byte);
  }

  #store(byte: number): void {
    u8[this.#at] = byte;
    this.#at++;
  }

  #storeEscaped(byte: number): void {
    this.#store(BACKSLASH);
    if (this.#escape === JSON_STRING) {
      const short = JSON_SHORT[byte];
      if (short !== 0) {
        this.#store(short);
        return;
      }
      this.#store(LOWER_U);
      this.#store(ZERO);
      this.#store(ZERO);
    } else {
      this.#store(LOWER_X);
    }
    this.#store(HEX[byte >> 4]);
    this.#store(HEX[byte & 15]);
  }
}

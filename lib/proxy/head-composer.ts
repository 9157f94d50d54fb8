/**
 * Fills the slots of a {@link ComposeProgram} for one message, and has it written.
 *
 *     set(0, request line) · open(1), value.write(composer) · … · compose(program, source, drop)
 *
 * A value that lies in the arena already is only pointed to; what is made of strings or of
 * several pieces is put together in a text area. One composer serves the whole worker: what
 * it wrote is sent (or queued by copying) before anything else runs.
 */
import type { MessageHead } from '../http/message-head.js';
import { host } from '../native/host.js';
import { COMPOSE_SLOTS, composedSent, composeHead, SLOT_NUMBER, SLOT_UNSET } from '../native/hot.js';
import { native } from '../native/index.js';
import type { ComposeProgram } from './compose-program.js';
import type { ArenaBytes, HeadOutput } from './segment-writer.js';

const { u8, i32 } = host;
const CR = 0x0d;
const LF = 0x0a;

/**
 * Texts, then the heads, in a block of their own: variables of modules are asked while a head is
 * put together, and what those write to a connection goes through the scratch region.
 */
const BLOCK_BYTES = 128 * 1024;
const TEXT = native.acquireBlock(BLOCK_BYTES);
const TEXT_BYTES = 32 * 1024;
const OUTPUT = TEXT + TEXT_BYTES;
const OUTPUT_BYTES = BLOCK_BYTES - TEXT_BYTES;
const SLOTS = COMPOSE_SLOTS;

export class HeadComposer implements HeadOutput {
  /** Index of the slot that is being filled. */
  #slot = SLOTS;
  #text = TEXT;
  #unsafe = false;
  #overflowed = false;
  #filling = false;

  /** Where `compose` writes. */
  readonly output = OUTPUT;

  /** Forgets the values of the last message; every slot of the program is to be filled. */
  begin(): void {
    this.#text = TEXT;
    this.#overflowed = false;
    this.#filling = true;
  }

  /** Every slot is filled; `compose` implies it. */
  filled(): void {
    this.#filling = false;
  }

  /** Since `begin`, slots are being filled. A variable that is asked for one may end another exchange: its line must not go through here. */
  get filling(): boolean {
    return this.#filling;
  }

  /** Fills a slot with a range of the arena. */
  set(slot: number, offset: number, length: number): void {
    const at = SLOTS + slot * 2;
    i32[at] = offset | 0;
    i32[at + 1] = length | 0;
  }

  /** Fills a slot with a constant. */
  setConstant(slot: number, { offset, length }: ArenaBytes): void {
    this.set(slot, offset, length);
  }

  /** Of a line of a log: its slot has no value. */
  unset(slot: number): void {
    i32[SLOTS + slot * 2 + 1] = SLOT_UNSET;
  }

  /** Of a line of a log: fills a slot with an integer from 0 to 2^31 - 1. */
  number(slot: number, value: number): void {
    const at = SLOTS + slot * 2;
    i32[at] = value | 0;
    i32[at + 1] = SLOT_NUMBER;
  }

  /** Empties a slot, and appends to it from now on. */
  open(slot: number): void {
    this.#slot = SLOTS + slot * 2;
    i32[this.#slot] = this.#text;
    i32[this.#slot + 1] = 0;
    this.#unsafe = false;
  }

  /** Since `open`, a text held a line end or NUL: it must not become part of a head. */
  get unsafe(): boolean {
    return this.#unsafe;
  }

  /** Texts did not fit. */
  get overflowed(): boolean {
    return this.#overflowed;
  }

  /** Bytes of text that still fit. */
  get room(): number {
    return TEXT + TEXT_BYTES - this.#text;
  }

  copy(offset: number, length: number): void {
    const slot = this.#slot;
    const before = i32[slot + 1];
    if (before === 0) {
      i32[slot] = offset;
      i32[slot + 1] = length;
    } else if (this.#own(length)) {
      const at = this.#text;
      if (length > 48) u8.copyWithin(at, offset, offset + length);
      else for (let i = 0; i < length; i++) u8[at + i] = u8[offset + i];
      this.#wrote(length);
    }
  }

  constant({ offset, length }: ArenaBytes): void {
    this.copy(offset, length);
  }

  bytes(bytes: Uint8Array): void {
    const { length } = bytes;
    if (!this.#own(length)) return;
    const at = this.#text;
    if (length > 48) u8.set(bytes, at);
    else for (let i = 0; i < length; i++) u8[at + i] = bytes[i];
    this.#wrote(length);
  }

  /** A value that may come from outside: CR, LF or NUL in it marks it as {@link unsafe}. */
  text(text: string): void {
    const { length } = text;
    if (!this.#own(length)) return;
    const at = this.#text;
    for (let i = 0; i < length; i++) {
      // One byte is written of each character, so that is what has to be looked at.
      const code = text.charCodeAt(i) & 0xff;
      if (code <= CR && (code === CR || code === LF || code === 0)) this.#unsafe = true;
      u8[at + i] = code;
    }
    this.#wrote(length);
  }

  uint(value: number, digits = 1): void {
    this.raw(String(value).padStart(digits, '0'));
  }

  /** Text of the program's own, line ends included. */
  raw(text: string): void {
    const { length } = text;
    if (!this.#own(length)) return;
    const at = this.#text;
    for (let i = 0; i < length; i++) u8[at + i] = text.charCodeAt(i);
    this.#wrote(length);
  }

  /**
   * Writes the head to `output`. `source` gives the received fields (null: none); left out
   * is what has a flag in `dropFlags` (fields.ts), or an id with a 1 in the table at `drop`.
   * With `sendTo` (a connection's `directHandle`) it is also sent, and {@link sent} says what
   * the kernel took. Result: its length, or -1 when it does not fit.
   */
  compose(
    program: ComposeProgram,
    source: MessageHead | null,
    dropFlags: number,
    drop: number,
    sendTo = -1,
  ): number {
    this.#filling = false;
    if (this.#overflowed) return -1;
    const length =
      source === null
        ? composeHead(program.offset, program.count, OUTPUT, OUTPUT_BYTES, 0, 0, 0, 0, drop, sendTo)
        : composeHead(
            program.offset,
            program.count,
            OUTPUT,
            OUTPUT_BYTES,
            source.recordsOffset,
            source.fieldCount,
            source.base,
            dropFlags << 8,
            drop,
            sendTo,
          );
    return length < 0 ? -1 : length;
  }

  /** Bytes that the kernel took of the head that was composed and sent last, or -errno. */
  get sent(): number {
    return composedSent();
  }

  /** Makes what the slot holds end where text is written, with room for `length` bytes more. */
  #own(length: number): boolean {
    const slot = this.#slot;
    const offset = i32[slot];
    const before = i32[slot + 1];
    const moved = before > 0 && offset + before !== this.#text ? before : 0;
    if (this.#text + moved + length > TEXT + TEXT_BYTES) {
      this.#overflowed = true;
      return false;
    }
    if (moved > 0) {
      u8.copyWithin(this.#text, offset, offset + moved);
      i32[slot] = this.#text;
      this.#text += moved;
    } else if (before === 0) {
      i32[slot] = this.#text;
    }
    return true;
  }

  #wrote(length: number): void {
    this.#text += length;
    i32[this.#slot + 1] += length;
  }
}

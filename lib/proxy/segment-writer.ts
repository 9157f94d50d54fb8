/**
 * Composes what one writev sends, without copying what already lies in the arena.
 *
 * A head is a list of segments [offset, length]: constants of the configuration,
 * runs of the received head that go on as they are, and text written here into the
 * scratch region. Neighbouring segments are joined. One writer serves the whole
 * worker: what is composed is sent (or queued by copying) before anything else runs.
 *
 *     HTTP/1.1 200 OK\r\n | Server:..Date:..\r\n | <12 received lines> | Connection: keep-alive\r\n\r\n | <body>
 *        received                constant               received                constant                received
 */
import type { ByteWriter } from '../module-api/index.js';

/** A constant of the configuration, placed in the arena once. */
export interface ArenaBytes {
  readonly offset: number;
  readonly length: number;
}

/** What a head, or a part of one, is written to: the {@link SegmentWriter}, or a slot of the composer. */
export interface HeadOutput extends ByteWriter {
  constant(bytes: ArenaBytes): void;
  /** A text of which every byte is meant, line ends included. */
  raw(text: string): void;
  /** Bytes of text that still fit. */
  readonly room: number;
}

/** Segments that one native call takes; a longer list is flattened into the scratch region first. */
const MAX_SEGMENTS = 60;

export class SegmentWriter implements HeadOutput {
  readonly #u8: Uint8Array;
  readonly #i32: Int32Array;
  readonly #pairs: number;
  readonly #textStart: number;
  readonly #textLimit: number;
  readonly #flatStart: number;
  readonly #flatSize: number;
  #text = 0;
  #count = 0;
  #total = 0;
  #end = -1;
  #overflowed = false;

  /**
   * `pairsOffset`: byte offset (multiple of 4) of room for 64 Int32 pairs.
   * The scratch region is split: its first half holds text, its second half flattened segments.
   */
  constructor(
    u8: Uint8Array,
    i32: Int32Array,
    pairsOffset: number,
    scratchOffset: number,
    scratchSize: number,
  ) {
    this.#u8 = u8;
    this.#i32 = i32;
    this.#pairs = pairsOffset >> 2;
    this.#textStart = scratchOffset;
    this.#textLimit = scratchOffset + (scratchSize >> 1);
    this.#flatStart = this.#textLimit;
    this.#flatSize = scratchSize - (scratchSize >> 1);
    this.#text = this.#textStart;
  }

  /** Forgets everything composed so far. */
  reset(): void {
    this.#text = this.#textStart;
    this.#count = 0;
    this.#total = 0;
    this.#end = -1;
    this.#overflowed = false;
  }

  /** Byte offset of the pairs. */
  get pairsOffset(): number {
    return this.#pairs << 2;
  }

  get count(): number {
    return this.#count;
  }

  /** Bytes composed so far. */
  get total(): number {
    return this.#total;
  }

  /** Bytes of text that still fit. */
  get room(): number {
    return this.#textLimit - this.#text;
  }

  /** True when the text did not fit: what was composed is incomplete and must not be sent. */
  get overflowed(): boolean {
    return this.#overflowed;
  }

  /** Marks it as {@link overflowed}: what belongs here did not fit elsewhere. */
  fail(): void {
    this.#overflowed = true;
  }

  copy(offset: number, length: number): void {
    if (length <= 0) return;
    this.#total += length;
    const i32 = this.#i32;
    if (offset === this.#end) {
      this.#end += length;
      const last = this.#pairs + this.#count * 2 - 1;
      i32[last] = i32[last] + length;
      return;
    }
    if (this.#count === MAX_SEGMENTS) this.#flatten();
    const at = this.#pairs + this.#count * 2;
    i32[at] = offset;
    i32[at + 1] = length;
    this.#end = offset + length;
    this.#count++;
  }

  constant(bytes: ArenaBytes): void {
    this.copy(bytes.offset, bytes.length);
  }

  bytes(bytes: Uint8Array): void {
    const { length } = bytes;
    const start = this.#text;
    if (start + length > this.#textLimit) {
      this.#overflowed = true;
      return;
    }
    if (length > 48) {
      this.#u8.set(bytes, start);
    } else {
      const u8 = this.#u8;
      for (let i = 0; i < length; i++) u8[start + i] = bytes[i];
    }
    this.#text = start + length;
    this.copy(start, length);
  }

  text(text: string): void {
    this.raw(text);
  }

  /** Text of the program's own, line ends included. */
  raw(text: string): void {
    const { length } = text;
    const start = this.#text;
    if (start + length > this.#textLimit) {
      this.#overflowed = true;
      return;
    }
    const u8 = this.#u8;
    for (let i = 0; i < length; i++) u8[start + i] = text.charCodeAt(i);
    this.#text = start + length;
    this.copy(start, length);
  }

  uint(value: number, digits = 1): void {
    if (value < 10 && digits === 1) {
      if (this.#text >= this.#textLimit) {
        this.#overflowed = true;
        return;
      }
      this.#u8[this.#text] = 48 + value;
      this.copy(this.#text++, 1);
    } else {
      this.raw(String(value).padStart(digits, '0'));
    }
  }

  /** The composed bytes as a copy; for tests and tools. */
  toBuffer(): Buffer {
    const parts: Uint8Array[] = [];
    for (let i = 0; i < this.#count; i++) {
      const at = this.#pairs + i * 2;
      const offset = this.#i32[at];
      parts.push(this.#u8.subarray(offset, offset + this.#i32[at + 1]));
    }
    return Buffer.concat(parts);
  }

  /** Too many segments: copies them into one, in the second half of the scratch region. */
  #flatten(): void {
    const first = this.#i32[this.#pairs];
    // The flat region grows behind itself when it is the first segment already.
    const again = first === this.#flatStart;
    let at = this.#flatStart + (again ? this.#i32[this.#pairs + 1] : 0);
    for (let i = again ? 1 : 0; i < this.#count; i++) {
      const pair = this.#pairs + i * 2;
      const offset = this.#i32[pair];
      const length = this.#i32[pair + 1];
      if (at + length > this.#flatStart + this.#flatSize) {
        this.#overflowed = true;
        break;
      }
      this.#u8.copyWithin(at, offset, offset + length);
      at += length;
    }
    this.#i32[this.#pairs] = this.#flatStart;
    this.#i32[this.#pairs + 1] = at - this.#flatStart;
    this.#count = 1;
    this.#end = -1;
  }
}

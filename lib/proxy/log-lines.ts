/**
 * Composes the lines of one log as bytes of the arena, values escaped on their way, until
 * they are written to the file together.
 *
 *     block ├─ line ─┬─ line ─┬─ line under way ─┤        room       │
 *           start             line               at                  limit
 *
 * A block of the arena is held only while lines are pending. When it is full the lines
 * in it are written; one line that needs more than a block goes out in pieces.
 *
 * Values are copied four bytes at a time: whether one of the four has to be escaped is
 * arithmetic on the word (docs/performance.md). The bytes are looked at one by one only
 * where that says yes, and at the end of a value.
 */
import { u8 as bytes, view as words } from '../http/memory.js';
import type { ByteWriter } from '../module-api/index.js';
import { host } from '../native/host.js';
import { native } from '../native/index.js';

// As in message-head.ts: constants of this module are folded, imported ones are not.
const u8 = bytes;
const view = words;

/** How values are escaped: not at all. */
const NONE = 0;
/** Quote, backslash, control and non-ASCII bytes become \xHH. */
const DEFAULT = 1;
/** What JSON does not allow inside a string. */
const JSON_STRING = 2;

/** The modes of {@link LogLines.begin}. */
export const LOG_ESCAPES = { none: NONE, default: DEFAULT, json: JSON_STRING } as const;

const BLOCK_BYTES = 64 * 1024;
/** Room behind the limit: a word may be stored where one byte is meant, and the line end follows. */
const SLACK_BYTES = 16;
/** A value is taken in parts of this size, each of which fits a block when all of it is escaped. */
const PART_BYTES = 4096;
/** Bytes that one may become: \u00HH. */
const MAX_ESCAPED = 6;
/** A text that is written again and again is kept as bytes up to this length. */
const MAX_REPEATED = 256;
/** Longer texts are turned into bytes by a native call, which is then cheaper than a loop. */
const SHORT_TEXT = 32;

const ONES = 0x01010101;
const SPACES = 0x20202020;
const QUOTES = 0x22222222;
const BACKSLASHES = 0x5c5c5c5c;
/** 0x80 in each byte. */
const HIGH = 0x80808080 | 0;

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

/** "000" to "999" as little-endian words. */
const THOUSANDS = new Int32Array(1000);
for (let i = 0; i < 1000; i++) {
  const text = String(i).padStart(3, '0');
  THOUSANDS[i] = text.charCodeAt(0) | (text.charCodeAt(1) << 8) | (text.charCodeAt(2) << 16);
}

const HEX = Uint8Array.from('0123456789ABCDEF', (char) => char.charCodeAt(0));

/** What stands behind the backslash in JSON; 0 where there is no short form. */
const JSON_SHORT = new Uint8Array(256);
for (const [char, short] of ['""', '\\\\', '\nn', '\rr', '\tt', '\bb', '\ff']) {
  JSON_SHORT[char.charCodeAt(0)] = short.charCodeAt(0);
}

/**
 * The scratch region, where nothing is being composed while a line is: for a block when the
 * arena is exhausted, and behind that for texts.
 */
const SPARE = host.layout.scratch;
const TEXT = SPARE + BLOCK_BYTES;
const arena = Buffer.from(u8.buffer, u8.byteOffset, u8.byteLength);

/** Where lines go. */
export interface LogOutput {
  /** Writes [offset, offset + length) of the arena before it returns. */
  writeRange(offset: number, length: number): void;
  /** A line is complete: {@link LogLines.flush} is to be called before long. */
  lineEnded(): void;
}

/** A byte string as words, for being copied often. */
export class PreparedText {
  readonly words: number[] = [];
  length = 0;

  constructor(text = '') {
    this.length = text.length;
    for (let i = 0; i < text.length; i += 4) {
      let word = 0;
      for (let k = 0; k < 4 && i + k < text.length; k++) word |= (text.charCodeAt(i + k) & 0xff) << (8 * k);
      this.words.push(word);
    }
  }
}

/** The value that was written last at some place of a format, and its bytes when it came twice. */
export class LastText {
  text = '';
  /** As escaped; of no text yet where `ready` is not set. */
  readonly prepared = new PreparedText();
  ready = false;
}

export class LogLines implements ByteWriter {
  readonly #output: LogOutput;
  #block = -1;
  /** Of bytes that were not written yet. */
  #start = 0;
  /** Behind the last complete line. */
  #line = 0;
  #at = 0;
  #limit = 0;
  #escape = NONE;
  /** Between `begin` and `end`. */
  #open = false;
  /** A part of the line under way was written already. */
  #begun = false;

  constructor(output: LogOutput) {
    this.#output = output;
  }

  /** Begins a line; one of {@link LOG_ESCAPES}. A line that was begun and not ended is dropped, or ends where it was cut when a part of it was written. */
  begin(escape: number): void {
    if (this.#block < 0) this.#acquire();
    // Of the line before, a part is in the file: the next one must not continue it.
    if (this.#begun) this.#endLine(this.#line);
    this.#at = this.#line;
    this.#escape = escape;
    this.#open = true;
  }

  /** Ends the line. */
  end(): void {
    this.#endLine(this.#at);
    this.#open = false;
    if (this.#block === SPARE) this.flush();
    else this.#output.lineEnded();
  }

  #endLine(at: number): void {
    u8[at] = LF;
    this.#line = (at + 1) | 0;
    this.#begun = false;
  }

  /** Writes the lines that are complete, and gives the block back unless a line is under way. Repeated calls do nothing. */
  flush(): void {
    if (this.#block < 0) return;
    const start = this.#start;
    const length = this.#line - start;
    this.#start = this.#line;
    if (length > 0) this.#output.writeRange(start, length);
    if (this.#open) return;
    if (this.#block !== SPARE) native.releaseBlock(this.#block, BLOCK_BYTES);
    this.#block = -1;
  }

  /** A value that is not set. */
  unset(): void {
    if (this.#escape === DEFAULT) this.#byte(DASH);
  }

  /** A text of the format itself: not escaped. `word` holds up to four bytes. */
  short(word: number, length: number): void {
    const at = this.#at | 0;
    view.setInt32(at, word, true);
    this.#at = (at + length) | 0;
    // The slack is enough for this one, not for any number of them.
    if (this.#at > this.#limit) this.#makeRoom(0);
  }

  /** A longer text of the format itself. */
  constant({ words, length }: PreparedText): void {
    for (let from = 0; from < length; from += PART_BYTES) {
      const part = Math.min(PART_BYTES, length - from);
      this.#reserve(part);
      this.#copyWords(part === length ? words : words.slice(from / 4, (from + part + 3) >> 2), part);
    }
  }

  /** As `text`, for a value that is often the same as before at this place. */
  repeated(text: string, last: LastText): void {
    if (text !== last.text) {
      last.text = text;
      last.ready = false;
      this.text(text);
      return;
    }
    const { prepared } = last;
    if (last.ready === true) {
      this.#reserve(prepared.length);
      this.#copyWords(prepared.words, prepared.length);
      return;
    }
    if (text.length > MAX_REPEATED) {
      this.text(text);
      return;
    }
    this.#reserve(text.length * MAX_ESCAPED);
    const from = this.#at;
    this.text(text);
    prepared.length = this.#at - from;
    prepared.words.length = 0;
    for (let at = from; at < this.#at; at += 4) prepared.words.push(view.getInt32(at, true));
    last.ready = true;
  }

  copy(offset: number, length: number): void {
    let from = offset | 0;
    let left = length | 0;
    while (left > PART_BYTES) {
      this.#copyPart(from, PART_BYTES);
      from = (from + PART_BYTES) | 0;
      left = (left - PART_BYTES) | 0;
    }
    if (left > 0) this.#copyPart(from, left);
  }

  bytes(bytes: Uint8Array): void {
    for (let from = 0; from < bytes.length; from += PART_BYTES) {
      const part = bytes.subarray(from, from + PART_BYTES);
      u8.set(part, TEXT);
      this.#copyPart(TEXT, part.length);
    }
  }

  text(text: string): void {
    const { length } = text;
    if (length > SHORT_TEXT) {
      for (let from = 0; from < length; from += PART_BYTES) {
        const part = length <= PART_BYTES ? text : text.slice(from, from + PART_BYTES);
        arena.write(part, TEXT, 'latin1');
        this.#copyPart(TEXT, part.length);
      }
      return;
    }
    this.#reserve(length * MAX_ESCAPED);
    for (let i = 0; i < length; i++) {
      const byte = text.charCodeAt(i) & 0xff;
      if ((UNSAFE[byte] & this.#escape) === 0) this.#store(byte);
      else this.#storeEscaped(byte);
    }
  }

  uint(value: number, digits = 1): void {
    if (!(value >= 0 && value < 1_000_000 && digits <= 3)) {
      this.text(String(value).padStart(digits, '0'));
      return;
    }
    this.#reserve(6);
    const number = value | 0;
    const upper = (number / 1000) | 0;
    let width = digits;
    if (upper > 0) {
      this.#group(upper, 1);
      width = 3;
    }
    this.#group((number - upper * 1000) | 0, width);
  }

  #acquire(): void {
    const block = native.acquireBlock(BLOCK_BYTES);
    this.#block = block < 0 ? SPARE : block;
    this.#start = this.#block;
    this.#line = this.#block;
    this.#limit = this.#block + BLOCK_BYTES - SLACK_BYTES;
  }

  /** Makes sure of room for `length` bytes, at most PART_BYTES * MAX_ESCAPED. */
  #reserve(length: number): void {
    if (this.#at + length > this.#limit) this.#makeRoom(length);
  }

  #makeRoom(length: number): void {
    const block = this.#block;
    if (this.#line > this.#start) this.#output.writeRange(this.#start, this.#line - this.#start);
    const left = this.#at - this.#line;
    u8.copyWithin(block, this.#line, this.#at);
    this.#start = block;
    this.#line = block;
    this.#at = block + left;
    if (this.#at + length <= this.#limit) return;
    this.#output.writeRange(block, left);
    this.#at = block;
    this.#begun = true;
  }

  #byte(byte: number): void {
    this.#reserve(1);
    this.#store(byte);
  }

  #store(byte: number): void {
    const at = this.#at | 0;
    u8[at] = byte;
    this.#at = (at + 1) | 0;
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

  /** A number below 1000 with at least `width` digits. */
  #group(number: number, width: number): void {
    const needed = number < 10 ? 1 : number < 100 ? 2 : 3;
    const digits = needed < width ? width : needed;
    const at = this.#at | 0;
    view.setInt32(at, THOUSANDS[number] >> (8 * (3 - digits)), true);
    this.#at = (at + digits) | 0;
  }

  /** At most PART_BYTES of the arena. */
  #copyPart(offset: number, length: number): void {
    this.#reserve(length * MAX_ESCAPED);
    const escape = this.#escape | 0;
    const high = escape === NONE ? 0 : HIGH;
    const above = escape === DEFAULT ? -1 : 0;
    let from = offset | 0;
    const end = (from + length) | 0;
    let at = this.#at | 0;
    const shift = (at - from) | 0;
    while (end - from >= 8) {
      const word = view.getInt32(from, true) | 0;
      const next = view.getInt32((from + 4) | 0, true) | 0;
      if (((oddBytes(word, above) | oddBytes(next, above)) & high) !== 0) break;
      view.setInt32(at, word, true);
      view.setInt32((at + 4) | 0, next, true);
      from = (from + 8) | 0;
      at = (at + 8) | 0;
    }
    while (from < end) {
      let stop = end;
      if (end - from < 4 && length >= 4 && at - from === shift) {
        // Nothing was escaped so far: the last four bytes once more, instead of the rest one by one.
        from = (end - 4) | 0;
        at = (from + shift) | 0;
      }
      if (end - from >= 4) {
        const word = view.getInt32(from, true) | 0;
        if ((oddBytes(word, above) & high) === 0) {
          view.setInt32(at, word, true);
          from = (from + 4) | 0;
          at = (at + 4) | 0;
          continue;
        }
        stop = (from + 4) | 0;
      }
      for (; from < stop; from++) {
        const byte = u8[from];
        if ((UNSAFE[byte] & escape) === 0) {
          u8[at] = byte;
          at = (at + 1) | 0;
        } else {
          this.#at = at;
          this.#storeEscaped(byte);
          at = this.#at | 0;
        }
      }
    }
    this.#at = at;
  }

  #copyWords(words: readonly number[], length: number): void {
    const at = this.#at | 0;
    for (let i = 0; i < words.length; i++) view.setInt32((at + i * 4) | 0, words[i] | 0, true);
    this.#at = (at + length) | 0;
  }
}

/**
 * Bit 7 of a byte is set where that is a control, quote or backslash, which leave a borrow there;
 * or, with `above` -1 and not 0, above 0x7e. What stands behind such a byte may be marked as well.
 */
function oddBytes(word: number, above: number): number {
  const quotes = ((word ^ QUOTES) - ONES) | ((word ^ BACKSLASHES) - ONES);
  return (((word - SPACES) | quotes) & ~word) | ((word | (word + ONES)) & above);
}

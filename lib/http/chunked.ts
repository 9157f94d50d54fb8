/**
 * The chunked transfer coding (RFC 9112 section 7.1), decoded without copying: the
 * decoder walks over the bytes and says which ranges are data.
 *
 *     size [ext] CRLF data CRLF ... 0 [ext] CRLF [trailer lines CRLF] CRLF
 *
 * Line ends are CR LF and nothing else. What a sender can make us hold or skip is
 * bounded: digits, extensions and trailers.
 */
import * as bytes from './bytes.js';
import { isBlank, latin1 } from './bytes.js';
import { TOKEN } from './fields.js';
import { identifyHeader, KNOWN_HEADER_COUNT, knownHeaderId } from './known-headers.js';

// As in message-head.ts: constants of this module are folded, imported ones are not.
const { COLON, CR, DEL, HTAB, LF, SEMICOLON, SP } = bytes;

/** Default limit for extensions and for trailers. */
const DEFAULT_LIMIT_BYTES = 16 * 1024;
/** Digits of one size, leading zeros included. */
const MAX_SIZE_DIGITS = 32;
/** One digit more must still be a safe integer. */
const MAX_SIZE_BEFORE_DIGIT = Math.floor((Number.MAX_SAFE_INTEGER - 15) / 16);

/** Before the first digit of a size. */
const SIZE_START = 0;
const SIZE = 1;
const EXTENSION = 2;
/** Behind the CR of a size line. */
const SIZE_LF = 3;
const DATA = 4;
/** Behind the data of a chunk. */
const DATA_CR = 5;
const DATA_LF = 6;
/** In the trailer section, at the beginning of a line. */
const TRAILER_START = 7;
const TRAILER_NAME = 8;
const TRAILER_VALUE = 9;
/** Behind the CR of a trailer line. */
const TRAILER_LF = 10;
/** Behind the CR of the last, empty line. */
const LAST_LF = 11;
const DONE = 12;
const FAILED = 13;
/** In blanks behind a size: an extension or the line end must follow. */
const SIZE_BLANK = 14;

/** Result of {@link ChunkedDecoder.next} for bytes that are not chunked coding. */
export const CHUNKED_ERROR = -1;

/** 1 for what must not come as a trailer: framing, routing, what belongs to one hop (RFC 9110 section 6.5.1). */
const FORBIDDEN_TRAILERS = new Uint8Array(KNOWN_HEADER_COUNT);
for (const name of [
  'authorization',
  'connection',
  'content-encoding',
  'content-length',
  'content-range',
  'content-type',
  'host',
  'keep-alive',
  'proxy-connection',
  'set-cookie',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]) {
  FORBIDDEN_TRAILERS[knownHeaderId(name)] = 1;
}

/** Before the first trailer. */
const EMPTY = new Uint8Array(0);

export class ChunkedDecoder {
  /** The data that the last call of `next` came upon; empty when both are equal. */
  dataStart = 0;
  dataEnd = 0;
  /** The body has ended, its trailers are valid. */
  done = false;
  /** What was wrong, for the log. */
  errorReason = '';
  readonly #maxExtensionBytes: number;
  readonly #maxTrailerBytes: number;
  #state = SIZE_START;
  /** Bytes of data left in the chunk; the size while it is being read. */
  #left = 0;
  #digits = 0;
  #extensionBytes = 0;
  /** Lines of the trailers that may be passed on, and the one being read. */
  #trailers = EMPTY;
  #trailerBytes = 0;
  /** Received of the trailer section, with what was left out. */
  #trailerReceived = 0;
  /** Of the trailer line being read, within `#trailers`. */
  #lineStart = 0;
  #nameEnd = 0;

  /** Bounds in bytes: of all extensions of one body, and of its trailer section. */
  constructor(maxExtensionBytes = DEFAULT_LIMIT_BYTES, maxTrailerBytes = DEFAULT_LIMIT_BYTES) {
    this.#maxExtensionBytes = maxExtensionBytes;
    this.#maxTrailerBytes = maxTrailerBytes;
  }

  /** Before every body. */
  reset(): void {
    this.dataStart = 0;
    this.dataEnd = 0;
    this.done = false;
    this.errorReason = '';
    this.#state = SIZE_START;
    this.#left = 0;
    this.#digits = 0;
    this.#extensionBytes = 0;
    this.#trailerBytes = 0;
    this.#trailerReceived = 0;
  }

  /**
   * Reads on at `from`, up to `end` or to the end of the first range of data. Result: the
   * position up to which the bytes are consumed, with `dataStart`, `dataEnd` and `done`
   * set, or {@link CHUNKED_ERROR}. Call again while the result is before `end` and the
   * body is not done; what lies behind a done body is not touched.
   */
  next(u8: Uint8Array, from: number, end: number): number {
    let at = from;
    this.dataStart = from;
    this.dataEnd = from;
    while (at < end) {
      if (this.#state === DATA) {
        const stop = end - at < this.#left ? end : at + this.#left;
        this.dataStart = at;
        this.dataEnd = stop;
        this.#left -= stop - at;
        if (this.#left === 0) this.#state = DATA_CR;
        return stop;
      }
      if (!this.#step(u8[at])) return CHUNKED_ERROR;
      at++;
      if (this.done) break;
    }
    this.dataStart = at;
    this.dataEnd = at;
    return at;
  }

  /** Whether there are fields behind a body that is done. */
  get hasTrailers(): boolean {
    return this.#trailerBytes > 0;
  }

  /**
   * The trailer fields that may be passed on, as lines that end in CRLF; "" when there
   * are none, or the body is not done. Fields of framing and of one hop are left out,
   * and so are `names` (lower case): those that the message's Connection lists.
   */
  trailerText(names: readonly string[] = []): string {
    if (!this.done || this.#trailerBytes === 0) return '';
    const text = latin1(this.#trailers, 0, this.#trailerBytes);
    if (names.length === 0) return text;
    const lines = text.split('\r\n');
    lines.pop();
    const kept = lines.filter((line) => !names.includes(line.slice(0, line.indexOf(':')).toLowerCase()));
    return kept.map((line) => `${line}\r\n`).join('');
  }

  /** Takes one byte of framing; false when it is wrong. */
  #step(byte: number): boolean {
    switch (this.#state) {
      case SIZE_START:
        this.#left = 0;
        this.#digits = 0;
        if (hexDigit(byte) < 0) return this.#fail('a chunk size is missing');
        this.#state = SIZE;
        return this.#size(byte);
      case SIZE:
        return this.#size(byte);
      case SIZE_BLANK:
        return this.#behindSize(byte);
      case EXTENSION:
        if (byte === CR) this.#state = SIZE_LF;
        else if (isControl(byte) || ++this.#extensionBytes > this.#maxExtensionBytes) {
          return this.#fail('bad or too long chunk extensions');
        }
        return true;
      case SIZE_LF:
        if (byte !== LF) return this.#fail('a chunk size does not end in CR LF');
        this.#state = this.#left === 0 ? TRAILER_START : DATA;
        return true;
      case DATA_CR:
        if (byte !== CR) return this.#fail('a chunk is longer than its size');
        this.#state = DATA_LF;
        return true;
      case DATA_LF:
        if (byte !== LF) return this.#fail('a chunk is longer than its size');
        this.#state = SIZE_START;
        return true;
      case LAST_LF:
        if (byte !== LF) return this.#fail('the trailers do not end in CR LF');
        this.#state = DONE;
        this.done = true;
        return true;
      default:
        return this.#trailer(byte);
    }
  }

  /** A byte of the size, or the one behind it. */
  #size(byte: number): boolean {
    const digit = hexDigit(byte);
    if (digit >= 0) {
      if (this.#left > MAX_SIZE_BEFORE_DIGIT || ++this.#digits > MAX_SIZE_DIGITS) {
        return this.#fail('a chunk size is too large');
      }
      this.#left = this.#left * 16 + digit;
      return true;
    }
    return this.#behindSize(byte);
  }

  /** The line end, an extension, or blanks before either; anything else could be read as a part of the size. */
  #behindSize(byte: number): boolean {
    if (byte === CR) {
      this.#state = SIZE_LF;
      return true;
    }
    if (byte !== SEMICOLON && !isBlank(byte)) return this.#fail('a bad chunk size');
    this.#state = byte === SEMICOLON ? EXTENSION : SIZE_BLANK;
    if (++this.#extensionBytes > this.#maxExtensionBytes)
      return this.#fail('bad or too long chunk extensions');
    return true;
  }

  /** A byte of the trailer section; the states are TRAILER_*. */
  #trailer(byte: number): boolean {
    switch (this.#state) {
      case TRAILER_START:
        if (byte === CR) {
          this.#state = LAST_LF;
          return true;
        }
        this.#lineStart = this.#trailerBytes;
        this.#state = TRAILER_NAME;
        return this.#trailerName(byte);
      case TRAILER_NAME:
        return this.#trailerName(byte);
      case TRAILER_VALUE:
        if (byte === CR) this.#state = TRAILER_LF;
        else if (isControl(byte)) return this.#fail('a bad trailer field');
        return this.#keep(byte);
      case TRAILER_LF:
        if (byte !== LF) return this.#fail('a bad trailer field');
        this.#state = TRAILER_START;
        if (!this.#keep(byte)) return false;
        if (this.#forbidden()) this.#trailerBytes = this.#lineStart;
        return true;
      default:
        return this.#fail('bytes behind the end');
    }
  }

  #trailerName(byte: number): boolean {
    if (byte === COLON && this.#trailerBytes > this.#lineStart) {
      this.#nameEnd = this.#trailerBytes;
      this.#state = TRAILER_VALUE;
    } else if (TOKEN[byte] !== 1) {
      return this.#fail('a bad trailer field');
    }
    return this.#keep(byte);
  }

  /** The trailers outlive the bytes that they came in. */
  #keep(byte: number): boolean {
    if (++this.#trailerReceived > this.#maxTrailerBytes) return this.#fail('the trailers are too long');
    if (this.#trailerBytes === this.#trailers.length) {
      const larger = new Uint8Array(Math.max(256, this.#trailers.length * 2));
      larger.set(this.#trailers);
      this.#trailers = larger;
    }
    this.#trailers[this.#trailerBytes++] = byte;
    return true;
  }

  /** Whether the line that just ended must not be passed on. */
  #forbidden(): boolean {
    const view = new DataView(this.#trailers.buffer);
    const id = identifyHeader(view, this.#lineStart, this.#nameEnd);
    return FORBIDDEN_TRAILERS[id] === 1;
  }

  #fail(reason: string): boolean {
    this.errorReason = reason;
    this.#state = FAILED;
    return false;
  }
}

/** The head of a chunk: its size and CRLF. `size` > 0; a chunk of size 0 ends the body. */
export function chunkHead(size: number): string {
  return `${size.toString(16)}\r\n`;
}

/** Control bytes but HTAB. */
function isControl(byte: number): boolean {
  return (byte < SP && byte !== HTAB) || byte === DEL;
}

/** Value of a hexadecimal digit, -1 for anything else. */
function hexDigit(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}

/**
 * The head of a response: status line, fields, and how its body is framed (RFC 9112
 * section 6.3). Strict: what is framed badly is an error, never a guess.
 *
 * One object serves many responses: `begin`, then `parse` until it returns something
 * other than 0.
 */
import * as bytes from './bytes.js';
import * as known from './known-headers.js';
import * as fields from './fields.js';
import { FIELDS_BAD, FIELDS_TOO_LONG, FIELDS_TOO_MANY, MessageHead } from './message-head.js';
import * as scan from './scan.js';
import * as memory from './memory.js';

// As in message-head.ts: constants of this module are folded, imported ones are not.
const { u8, i32, REPORT } = memory;
const { CR, SP } = bytes;
const { CONTENT_LENGTH, TRANSFER_ENCODING } = known;
const { COMPLETE, START_END, START_FLAGS } = scan;
const BAD = fields.BAD << 8;

/** Result of `parse` for a head that is bad. */
export const BAD_RESPONSE = -502;

/** "HTTP/1." */
const HTTP1 = Uint8Array.from('HTTP/1.', (char) => char.charCodeAt(0));

export class ResponseHead extends MessageHead {
  status = 0;
  /** Begin of the three digits. */
  statusStart = 0;
  /** The reason phrase as received; empty when there is none. */
  reasonStart = 0;
  reasonEnd = 0;
  /**
   * Content-Length as sent, -1 without one: also of an answer that has no body (HEAD,
   * 304). `contentLength` says what follows: bytes, -1 chunked, -2 until close.
   */
  announcedLength = -1;
  #maxHeadBytes = 65536;
  #maxFields = 1000;

  /** The status line is exactly "HTTP/1.1 NNN reason CRLF": it can be passed on as it stands. */
  get isCanonicalLine(): boolean {
    const { base } = this;
    return (
      this.statusStart === 9 &&
      this.reasonStart === 13 &&
      u8[base + 7] === 0x31 &&
      u8[base + this.reasonEnd] === CR
    );
  }

  /** Forgets the last response. Called before the first `parse` of every head, interim ones too. */
  begin(maxHeadBytes = 65536, maxFields = 1000): void {
    this.clear();
    this.underscores = true;
    this.ignoreInvalid = false;
    this.#maxHeadBytes = maxHeadBytes;
    this.#maxFields = maxFields;
  }

  protected override clear(): void {
    super.clear();
    this.status = 0;
    this.statusStart = 0;
    this.reasonStart = 0;
    this.reasonEnd = 0;
    this.announcedLength = -1;
  }

  /**
   * Reads a head; as `RequestHead.parse`. `requestMethod` decides whether a body follows.
   * Result: > 0 the length of the head, 0 more bytes are needed, {@link BAD_RESPONSE}
   * with the reason in `errorReason`.
   */
  parse(base: number, available: number, requestMethod: string): number {
    this.base = base;
    if (available === 0) return 0;
    if (this.seen > 0) {
      if (!this.lineArrived(available)) return this.#incomplete(available);
      this.clear();
    }
    this.scanLines(0, available);
    const end = i32[REPORT + START_END];
    if (end < 0) return this.#incomplete(available);
    if (end >= this.#maxHeadBytes) return this.#tooLarge();
    if ((i32[REPORT + START_FLAGS] & BAD) !== 0 || !this.#statusLine(0, end)) {
      return this.#fail('upstream sent no valid HTTP/1.0 header');
    }
    const result = this.examine(this.#maxHeadBytes, this.#maxHeadBytes, this.#maxFields);
    if (result !== 0) return this.#refused(result);
    return i32[REPORT + COMPLETE] === 1
      ? this.#finish(this.position, requestMethod)
      : this.#incomplete(available);
  }

  #incomplete(available: number): number {
    this.seen = available;
    this.forgetFields();
    return available >= this.#maxHeadBytes ? this.#tooLarge() : 0;
  }

  #refused(result: number): number {
    if (result === FIELDS_BAD) return this.#fail('upstream sent invalid header');
    if (result === FIELDS_TOO_LONG) return this.#tooLarge();
    if (result === FIELDS_TOO_MANY) return this.#fail('upstream sent too many header lines');
    return result;
  }

  #tooLarge(): number {
    return this.#fail('upstream sent too big header');
  }

  #fail(reason: string): number {
    this.errorReason = reason;
    this.keepAlive = false;
    return BAD_RESPONSE;
  }

  /** "HTTP/1.1 200 OK"; the reason and the space before it may be missing. */
  #statusLine(start: number, end: number): boolean {
    const { base } = this;
    const stop = base + end;
    let at = base + start;
    for (let i = 0; i < HTTP1.length; i++) if (u8[at + i] !== HTTP1[i]) return false;
    at += HTTP1.length;
    const minor = u8[at] - 0x30;
    if (minor < 0 || minor > 9 || u8[at + 1] !== SP) return false;
    this.version = minor === 0 ? 10 : 11;
    for (at++; at < stop && u8[at] === SP; at++);
    if (at + 3 > stop) return false;
    this.statusStart = at - base;
    let status = 0;
    for (const digits = at + 3; at < digits; at++) {
      const digit = u8[at] - 0x30;
      if (digit < 0 || digit > 9) return false;
      status = status * 10 + digit;
    }
    if (status < 100 || (at < stop && u8[at] !== SP)) return false;
    this.status = status;
    this.reasonStart = Math.min(at + 1, stop) - base;
    this.reasonEnd = end;
    return true;
  }

  protected override special(id: number, index: number): number {
    if (id === CONTENT_LENGTH) {
      if (this.lengthField >= 0) return this.#fail('upstream sent duplicate header line: "Content-Length"');
      this.lengthField = index;
    } else if (id === TRANSFER_ENCODING) {
      if (this.codingField >= 0)
        return this.#fail('upstream sent duplicate header line: "Transfer-Encoding"');
      this.codingField = index;
    }
    return 0;
  }

  #finish(length: number, requestMethod: string): number {
    const { status } = this;
    if (this.codingField >= 0) {
      if (this.version === 10)
        return this.#fail('upstream sent HTTP/1.0 response with "Transfer-Encoding" header');
      if (this.lengthField >= 0) {
        return this.#fail('upstream sent "Content-Length" and "Transfer-Encoding" headers at the same time');
      }
      if (!this.isChunked()) return this.#fail('upstream sent unknown "Transfer-Encoding"');
    } else if (this.lengthField >= 0) {
      this.announcedLength = this.announced();
      if (this.announcedLength < 0) return this.#fail('upstream sent invalid "Content-Length" header');
    }
    if (!this.applyConnection()) return this.#fail('upstream sent too many connection options');
    this.keepAlive = !this.saysClose && (this.version === 11 || this.saysKeepAlive);
    if (requestMethod === 'HEAD' || status < 200 || status === 204 || status === 304) this.contentLength = 0;
    else if (this.codingField >= 0) this.contentLength = -1;
    else if (this.lengthField >= 0) this.contentLength = this.announcedLength;
    else this.contentLength = -2;
    if (this.contentLength === -2) this.keepAlive = false;
    this.length = length;
    this.complete = true;
    return length;
  }
}

/**
 * The head of a request: request line, fields, framing; strict (RFC 9112 sections 3, 5
 * and 6), and as nginx decides where the RFC leaves room.
 *
 * One object serves many requests: `begin`, then `parse` until it returns something
 * other than 0. Nothing is allocated and no string is made unless somebody asks.
 */
import * as bytes from './bytes.js';
import * as known from './known-headers.js';
import { FIELD_IGNORED } from './message-head.js';
import { METHOD_CONNECT, METHOD_TRACE } from './methods.js';
import { FORM_ORIGIN, RequestLine } from './request-line.js';
import * as scan from './scan.js';

// As in message-head.ts: constants of this module are folded, imported ones are not.
const { CR, LF } = bytes;
const { CONTENT_LENGTH, EXPECT, HOST, LAST_SPECIAL, TRANSFER_ENCODING } = known;
const { LINE_BAD, LINE_CRLF, LINE_ENTRIES } = scan;

/** Bounds and rules for a head; what is not given is nginx's default. */
export interface RequestLimits {
  /** Of the request line with its line end; more is 414. */
  readonly maxRequestLineBytes?: number;
  /** Of one field line with its line end; more is 494. */
  readonly maxFieldBytes?: number;
  /** Of the whole head; more is 494. */
  readonly maxHeadBytes?: number;
  /** Of fields; more is 494. */
  readonly maxFields?: number;
  /** '_' counts as a letter in names (`underscores_in_headers`). */
  readonly underscores?: boolean;
  /** Fields whose names hold more than letters, digits and '-' are left out (`ignore_invalid_headers`). */
  readonly ignoreInvalid?: boolean;
  /** "//" in a path counts as "/" (`merge_slashes`). */
  readonly mergeSlashes?: boolean;
  /** CONNECT is let through instead of being refused with 405. */
  readonly allowConnect?: boolean;
}

const BAD_REQUEST = 400;
const METHOD_NOT_ALLOWED = 405;
const URI_TOO_LONG = 414;
/** nginx's own status for a head that is too large: logged as 494, shown to the client as 400. */
const HEAD_TOO_LARGE = 494;
const NOT_IMPLEMENTED = 501;

export class RequestHead extends RequestLine {
  /** contentLength: 0 without a body, -1 when chunked. */
  hasBody = false;
  chunked = false;
  /** The client waits for 100 (Continue) before it sends its body. */
  expectContinue = false;
  #maxRequestLineBytes = 8192;
  #maxFieldBytes = 8192;
  #maxHeadBytes = 32768;
  #maxFields = 1000;
  #allowConnect = false;
  #inFields = false;
  #hosts = 0;

  /** Forgets the last request. Called before the first `parse` of every head. */
  begin(limits: RequestLimits = {}): void {
    this.clear();
    this.hasBody = false;
    this.chunked = false;
    this.expectContinue = false;
    this.#inFields = false;
    this.#hosts = 0;
    this.#maxRequestLineBytes = limits.maxRequestLineBytes ?? 8192;
    this.#maxFieldBytes = limits.maxFieldBytes ?? 8192;
    this.#maxHeadBytes = limits.maxHeadBytes ?? 32768;
    this.#maxFields = limits.maxFields ?? 1000;
    this.#allowConnect = limits.allowConnect ?? false;
    this.underscores = limits.underscores ?? false;
    this.ignoreInvalid = limits.ignoreInvalid ?? true;
    this.mergeSlashes = limits.mergeSlashes ?? true;
  }

  /**
   * Reads on. The head's bytes so far lie at [base, base + available) of the memory;
   * they may have been moved since the last call, but begin with the same byte.
   *
   * Result: > 0, the length of the head, which is complete and valid; 0, more bytes are
   * needed; < 0, -(HTTP status) with the reason in `errorReason`, after which only
   * `begin` may follow. The result does not depend on how the bytes were split.
   */
  parse(base: number, available: number): number {
    this.base = base;
    if (!this.#inFields) {
      const skipped = this.#skipEmptyLines(available);
      if (skipped !== 0) return skipped < 0 ? skipped : 0;
    }
    if (this.seen > this.position && !this.lineArrived(available)) return this.#incomplete(available);
    const { i32, scanLines, tableOffset, tableLines } = this.memory;
    for (;;) {
      const count = scanLines(base, available, this.position, tableOffset, tableLines);
      let entry = tableOffset >> 2;
      for (let i = 0; i < count; i++) {
        const result = this.#line(i32[entry], i32[entry + 1], i32[entry + 2]);
        if (result !== 0) return result;
        entry += LINE_ENTRIES;
      }
      if (count < tableLines) return this.#incomplete(available);
    }
  }

  /** Empty lines before a request line are skipped. Result: 0 at the request line, 1 when bytes are missing, -status. */
  #skipEmptyLines(available: number): number {
    const { u8, base } = this;
    let at = this.position;
    while (at < available) {
      const byte = u8[base + at];
      if (byte === LF) {
        at++;
      } else if (byte === CR) {
        if (at + 1 === available) break;
        if (u8[base + at + 1] !== LF) return this.fail(BAD_REQUEST, 'client sent invalid method');
        at += 2;
      } else {
        this.position = at;
        return at > this.#maxRequestLineBytes
          ? this.fail(BAD_REQUEST, 'client sent too many empty lines')
          : 0;
      }
    }
    this.position = at;
    return at > this.#maxRequestLineBytes ? this.fail(BAD_REQUEST, 'client sent too many empty lines') : 1;
  }

  /** The unfinished line may be too long already. */
  #incomplete(available: number): number {
    this.seen = available;
    return this.#tooLarge(available + 1);
  }

  /** Whether a line that ends before `next` (relative to the base) is within the limits. Result: 0 or -status. */
  #tooLarge(next: number): number {
    const { position } = this;
    if (!this.#inFields) {
      if (next - position <= this.#maxRequestLineBytes) return 0;
      return this.fail(URI_TOO_LONG, 'client sent too long URI');
    }
    if (next - position <= this.#maxFieldBytes && next <= this.#maxHeadBytes) return 0;
    return this.fail(
      HEAD_TOO_LARGE,
      position + this.#maxFieldBytes <= this.#maxHeadBytes
        ? 'client sent too long header line'
        : 'client sent too large request',
    );
  }

  /** One complete line. Result: as of `parse`. */
  #line(lf: number, colon: number, flags: number): number {
    const start = this.position;
    const next = lf + 1;
    const large = this.#tooLarge(next);
    if (large !== 0) return large;
    const end = (flags & LINE_CRLF) !== 0 ? lf - 1 : lf;
    this.position = next;
    if (this.#inFields)
      return end === start ? this.#finish(next) : this.#field(start, colon, end, next, flags);
    this.#inFields = true;
    if ((flags & LINE_BAD) !== 0) return this.fail(BAD_REQUEST, 'client sent invalid request');
    return this.parseRequestLine(start, end);
  }

  #field(start: number, colon: number, end: number, next: number, flags: number): number {
    const id = this.addField(start, colon, end, next, flags);
    if (id > LAST_SPECIAL && this.fieldCount <= this.#maxFields) return 0;
    if (id < 0) {
      if (id === FIELD_IGNORED) return 0;
      return this.fail(BAD_REQUEST, 'client sent invalid header line');
    }
    if (this.fieldCount > this.#maxFields) {
      return this.fail(HEAD_TOO_LARGE, 'client sent too many header lines');
    }
    return this.#special(id);
  }

  /** The field that was just added has a meaning here. */
  #special(id: number): number {
    const index = this.fieldCount - 1;
    switch (id) {
      case HOST:
        if (++this.#hosts > 1) return this.fail(BAD_REQUEST, 'client sent duplicate host header');
        return this.#host(index);
      case CONTENT_LENGTH:
        if (this.lengthField >= 0) {
          return this.fail(BAD_REQUEST, 'client sent duplicate header line: "Content-Length"');
        }
        this.lengthField = index;
        return 0;
      case TRANSFER_ENCODING:
        if (this.codingField >= 0) {
          return this.fail(BAD_REQUEST, 'client sent duplicate header line: "Transfer-Encoding"');
        }
        this.codingField = index;
        return 0;
      case EXPECT:
        this.expectContinue = this.version === 11 && this.valueIs(index, '100-continue');
        return 0;
      default:
        return 0;
    }
  }

  /** An authority in the target takes precedence (RFC 9112 section 3.2.2); Host must be valid all the same. */
  #host(index: number): number {
    const { hostStart, hostEnd, hostPort } = this;
    if (!this.setHost(this.base + this.valueStart(index), this.base + this.valueEnd(index))) {
      return this.fail(BAD_REQUEST, 'client sent invalid host header');
    }
    if (this.targetForm !== FORM_ORIGIN && hostStart >= 0) {
      this.hostStart = hostStart;
      this.hostEnd = hostEnd;
      this.hostPort = hostPort;
    }
    return 0;
  }

  /** The empty line was read: what follows from all fields together. */
  #finish(length: number): number {
    if (this.#hosts === 0 && this.version === 11) {
      return this.fail(BAD_REQUEST, 'client sent HTTP/1.1 request without "Host" header');
    }
    if (this.lengthField >= 0 || this.codingField >= 0) {
      const result = this.#framing();
      if (result !== 0) return result;
    }
    if (this.methodId === METHOD_TRACE) {
      return this.fail(METHOD_NOT_ALLOWED, 'client sent TRACE method');
    }
    if (this.methodId === METHOD_CONNECT) {
      if (!this.#allowConnect || this.version === 10) {
        return this.fail(METHOD_NOT_ALLOWED, 'client sent CONNECT method');
      }
      if (this.hasBody) return this.fail(BAD_REQUEST, 'client sent CONNECT request with body');
    }
    if (!this.applyConnection()) {
      return this.fail(BAD_REQUEST, 'client sent too many connection options');
    }
    this.keepAlive = !this.saysClose && (this.version === 11 || this.saysKeepAlive);
    this.length = length;
    this.complete = true;
    return length;
  }

  #framing(): number {
    if (this.codingField >= 0) {
      if (this.version === 10) {
        return this.fail(BAD_REQUEST, 'client sent HTTP/1.0 request with "Transfer-Encoding" header');
      }
      if (this.lengthField >= 0) {
        return this.fail(
          BAD_REQUEST,
          'client sent "Content-Length" and "Transfer-Encoding" headers at the same time',
        );
      }
      if (!this.isChunked()) {
        return this.fail(NOT_IMPLEMENTED, 'client sent unknown "Transfer-Encoding"');
      }
      this.chunked = true;
      this.hasBody = true;
      this.contentLength = -1;
      return 0;
    }
    const announced = this.announced();
    if (announced < 0) return this.fail(BAD_REQUEST, 'client sent invalid "Content-Length" header');
    this.contentLength = announced;
    this.hasBody = announced > 0;
    return 0;
  }
}

/**
 * The head of a request: request line, fields, framing; strict (RFC 9112 sections 3, 5
 * and 6), and as nginx decides where the RFC leaves room.
 *
 * One object serves many requests: `begin`, then `parse` until it returns something
 * other than 0. Nothing is allocated and no string is made unless somebody asks.
 */
import * as bytes from './bytes.js';
import * as known from './known-headers.js';
import { FIELDS_BAD, FIELDS_TOO_LONG, FIELDS_TOO_MANY } from './message-head.js';
import * as fields from './fields.js';
import { METHOD_CONNECT, METHOD_TRACE } from './methods.js';
import { FORM_ORIGIN, RequestLine } from './request-line.js';
import * as scan from './scan.js';
import * as memory from './memory.js';

// As in message-head.ts: constants of this module are folded, imported ones are not.
const { u8, i32, REPORT } = memory;
const { CR, LF } = bytes;
const { CONTENT_LENGTH, EXPECT, FIRST_SINGULAR, HOST, LAST_SINGULAR, TRANSFER_ENCODING } = known;
const { COMPLETE, START_END, START_FLAGS } = scan;
const BAD = fields.BAD << 8;
const CRLF = fields.CANONICAL << 8;
/** Fields that a request has once, in the manner of `repeatedIds`. */
const SINGULAR = (2 << LAST_SINGULAR) - (1 << FIRST_SINGULAR) + (1 << EXPECT);

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
  #limits: RequestLimits | undefined;
  #inFields = false;
  #hosts = 0;

  /** Forgets the last request. Called before the first `parse` of every head. */
  begin(limits: RequestLimits = {}): void {
    this.clear();
    if (limits === this.#limits) return;
    this.#limits = limits;
    this.#maxRequestLineBytes = limits.maxRequestLineBytes ?? 8192;
    this.#maxFieldBytes = limits.maxFieldBytes ?? 8192;
    this.#maxHeadBytes = limits.maxHeadBytes ?? 32768;
    this.#maxFields = limits.maxFields ?? 1000;
    this.#allowConnect = limits.allowConnect ?? false;
    this.underscores = limits.underscores ?? false;
    this.ignoreInvalid = limits.ignoreInvalid ?? true;
    this.mergeSlashes = limits.mergeSlashes ?? true;
  }

  protected override clear(): void {
    super.clear();
    this.hasBody = false;
    this.chunked = false;
    this.expectContinue = false;
    this.#inFields = false;
    this.#hosts = 0;
  }

  /**
   * Reads a head. Its bytes so far lie at [base, base + available) of the memory; at each
   * call it is read from its beginning, so they may have been moved since the last one.
   *
   * Result: > 0, the length of the head, which is complete and valid; 0, more bytes are
   * needed; < 0, -(HTTP status) with the reason in `errorReason`, after which only
   * `begin` may follow. The result does not depend on how the bytes were split.
   */
  parse(base: number, available: number): number {
    this.base = base;
    if (available === 0) return 0;
    if (this.seen > 0) {
      // Only a line that has ended since then makes a difference, or what follows a CR.
      if (!this.lineArrived(available) && u8[base + this.seen - 1] !== CR) return this.#incomplete(available);
      this.clear();
    }
    let from = 0;
    if (u8[base] <= CR) {
      from = this.#skipEmptyLines(available);
      if (from < 0) return from;
    }
    this.scanLines(from, available);
    const end = i32[REPORT + START_END];
    this.position = from;
    if (end < 0) return this.#incomplete(available);
    const flags = i32[REPORT + START_FLAGS];
    const next = (flags & CRLF) !== 0 ? end + 2 : end + 1;
    if (next - from > this.#maxRequestLineBytes) return this.#uriTooLong();
    if ((flags & BAD) !== 0) return this.fail(BAD_REQUEST, 'client sent invalid request');
    const verdict = this.parseRequestLine(from, end);
    if (verdict !== 0) return verdict;
    this.#inFields = true;
    const result = this.examine(this.#maxFieldBytes, this.#maxHeadBytes, this.#maxFields);
    if (result !== 0) return this.#refused(result);
    return i32[REPORT + COMPLETE] === 1 ? this.#finish(this.position) : this.#incomplete(available);
  }

  /** Empty lines before a request line are skipped. Result: where the first other byte is, or -status. */
  #skipEmptyLines(available: number): number {
    const { base } = this;
    let at = 0;
    while (at < available) {
      const byte = u8[base + at];
      if (byte === LF) {
        at++;
      } else if (byte === CR) {
        if (at + 1 === available) break;
        if (u8[base + at + 1] !== LF) return this.fail(BAD_REQUEST, 'client sent invalid method');
        at += 2;
      } else {
        break;
      }
    }
    return at > this.#maxRequestLineBytes ? this.fail(BAD_REQUEST, 'client sent too many empty lines') : at;
  }

  /** The unfinished line may be too long already. */
  #incomplete(available: number): number {
    this.seen = available;
    this.forgetFields();
    const { position } = this;
    const length = available + 1 - position;
    if (!this.#inFields) return length > this.#maxRequestLineBytes ? this.#uriTooLong() : 0;
    return length > this.#maxFieldBytes || available + 1 > this.#maxHeadBytes ? this.#headTooLarge() : 0;
  }

  #uriTooLong(): number {
    return this.fail(URI_TOO_LONG, 'client sent too long URI');
  }

  /** The line at `position` makes it so: by itself, or with what was before it. */
  #headTooLarge(): number {
    return this.fail(
      HEAD_TOO_LARGE,
      this.position + this.#maxFieldBytes <= this.#maxHeadBytes
        ? 'client sent too long header line'
        : 'client sent too large request',
    );
  }

  #refused(result: number): number {
    if (result === FIELDS_BAD) return this.fail(BAD_REQUEST, 'client sent invalid header line');
    if (result === FIELDS_TOO_LONG) return this.#headTooLarge();
    if (result === FIELDS_TOO_MANY) return this.fail(HEAD_TOO_LARGE, 'client sent too many header lines');
    return result;
  }

  protected override special(id: number, index: number): number {
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

  /** Which of two conditions, or credentials, would count is a matter of taste: as nginx we refuse. */
  #duplicate(): number {
    for (let i = this.fieldCount - 1; i >= 0; i--) {
      const id = this.fieldId(i);
      if (id < 32 && (this.repeatedIds & SINGULAR & (1 << id)) !== 0) {
        return this.fail(BAD_REQUEST, `client sent duplicate header line: "${this.fieldName(i)}"`);
      }
    }
    return 0;
  }

  /** An authority in the target takes precedence (RFC 9112 section 3.2.2); Host must be valid all the same. */
  #host(index: number): number {
    const { hostStart, hostEnd, hostPort, hostHasUpper } = this;
    if (!this.setHost(this.base + this.valueStart(index), this.base + this.valueEnd(index))) {
      return this.fail(BAD_REQUEST, 'client sent invalid host header');
    }
    if (this.targetForm !== FORM_ORIGIN && hostStart >= 0) {
      this.hostStart = hostStart;
      this.hostEnd = hostEnd;
      this.hostPort = hostPort;
      this.hostHasUpper = hostHasUpper;
    }
    return 0;
  }

  /** The empty line was read: what follows from all fields together. */
  #finish(length: number): number {
    if (this.#hosts === 0 && this.version === 11) {
      return this.fail(BAD_REQUEST, 'client sent HTTP/1.1 request without "Host" header');
    }
    if ((this.repeatedIds & SINGULAR) !== 0) return this.#duplicate();
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

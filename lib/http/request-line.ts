/**
 * The request line (RFC 9112 section 3), as nginx reads it: several spaces between the
 * parts and after the version are taken, bytes >= 0x80 in the target too, control bytes
 * and HTTP/0.9 are not.
 *
 *     GET  /a/b?c=d#e  HTTP/1.1          GET  http://host:81/a?b  HTTP/1.1
 *          ├──┘ ├─┘                               ├─────┘├┘ ├┘
 *          path args                              host     path, args
 *          ├───────┘ target                  ├────────────────┘ target
 */
import * as bytes from './bytes.js';
import { latin1 } from './bytes.js';
import { checkHost } from './host-field.js';
import * as hosts from './host-field.js';
import { MessageHead } from './message-head.js';
import {
  identifyMethod,
  METHOD_CONNECT,
  METHOD_GET,
  METHOD_OPTIONS,
  METHOD_OTHER,
  methodName,
} from './methods.js';
import * as scan from './scan.js';
import { normalizePath } from './uri.js';
import * as memory from './memory.js';

// As in message-head.ts: constants of this module are folded, imported ones are not.
const { u8, i32, view, REPORT } = memory;
const { BAD_HOST, HOST_UPPER, PORT_BITS } = hosts;
const { START_PLAIN } = scan;
const { ASTERISK, COLON, DEL, DOT, HASH, PERCENT, QUESTION, SLASH, SP } = bytes;

/** "/path?args" */
export const FORM_ORIGIN = 1;
/** "http://host/path?args" */
export const FORM_ABSOLUTE = 2;
/** "*", only with OPTIONS. */
export const FORM_ASTERISK = 3;
/** "host:port", only with CONNECT. */
export const FORM_AUTHORITY = 4;

const BAD_REQUEST = 400;
const VERSION_NOT_SUPPORTED = 505;

/** Classes of bytes in a target; 0 for the many that mean nothing. */
const PLAIN = 0;
const STOP = 1;
const SLASH_BYTE = 2;
const PERCENT_BYTE = 3;
const TARGET_CLASS = new Uint8Array(256);
for (let byte = 0; byte <= SP; byte++) TARGET_CLASS[byte] = STOP;
TARGET_CLASS[DEL] = STOP;
TARGET_CLASS[QUESTION] = STOP;
TARGET_CLASS[HASH] = STOP;
TARGET_CLASS[SLASH] = SLASH_BYTE;
TARGET_CLASS[PERCENT] = PERCENT_BYTE;

/** 1 for the bytes that end the arguments. */
const ARGS_STOP = TARGET_CLASS.map((kind, byte) => (kind === STOP && byte !== QUESTION ? 1 : 0));

/** Upper-case letters, '_' and '-'. */
const METHOD_BYTE = new Uint8Array(256).map((_, byte) => (/[A-Z_-]/.test(String.fromCharCode(byte)) ? 1 : 0));

/** "GET ", "HTTP" and "/1.1" as little-endian numbers. */
const GET_SP = 0x20544547;
const HTTP = 0x50545448;
const SLASH_1_1 = 0x312e312f;
/** "HTTP/1." */
const HTTP1 = Uint8Array.from('HTTP/1.', (char) => char.charCodeAt(0));

export class RequestLine extends MessageHead {
  /** See methods.ts; 0 for a method without a number. */
  methodId = METHOD_OTHER;
  methodStart = 0;
  methodEnd = 0;
  /** FORM_*; 0 until known. */
  targetForm = 0;
  targetStart = 0;
  targetEnd = 0;
  /** The path as received; empty for "http://host" and for the authority form. */
  pathStart = 0;
  pathEnd = 0;
  /** Behind the '?', up to a '#' or the end; -1 without '?'. */
  argsStart = -1;
  argsEnd = -1;
  /** The path is normalised as it stands. */
  pathIsPlain = false;
  /** Host without port and without a dot at the end; of the target if that names one, else of Host. -1 when there is none. */
  hostStart = -1;
  hostEnd = -1;
  /** 0 when none is given. */
  hostPort = 0;
  /** There is an upper-case letter in the host: it is not in its normal form. */
  hostHasUpper = false;
  /** "//" in a path counts as "/". */
  protected mergeSlashes = true;

  /** The method's name, "" before it is known. */
  get method(): string {
    return methodName(this.methodId) ?? this.text(this.methodStart, this.methodEnd);
  }

  /** The path decoded once, without dot segments, as a byte string; "*" for the asterisk form, "" for one that was refused. */
  normalizedPath(): string {
    const { base } = this;
    const start = base + this.pathStart;
    const end = base + this.pathEnd;
    if (this.pathIsPlain || this.targetForm === FORM_ASTERISK) return latin1(u8, start, end);
    return normalizePath(u8, start, end, this.mergeSlashes) ?? '';
  }

  protected override clear(): void {
    super.clear();
    this.methodId = METHOD_OTHER;
    this.methodStart = 0;
    this.methodEnd = 0;
    this.targetForm = 0;
    this.targetStart = 0;
    this.targetEnd = 0;
    this.pathStart = 0;
    this.pathEnd = 0;
    this.argsStart = -1;
    this.argsEnd = -1;
    this.pathIsPlain = false;
    this.hostStart = -1;
    this.hostEnd = -1;
    this.hostPort = 0;
    this.hostHasUpper = false;
  }

  /** Notes why the head is bad. Result: -status. */
  protected fail(status: number, reason: string): number {
    this.errorReason = reason;
    this.keepAlive = false;
    return -status;
  }

  /** Reads the line at [start, end), which holds no control bytes but HTAB. Result: 0 or -status. */
  protected parseRequestLine(start: number, end: number): number {
    const base = this.base | 0;
    const stop = (base + end) | 0;
    const from = (base + start) | 0;
    let at = from;
    if (stop - at > 4 && view.getInt32(at, true) === GET_SP) {
      at = (at + 3) | 0;
      this.methodId = METHOD_GET;
    } else {
      while (at < stop && METHOD_BYTE[u8[at]] === 1) at++;
      if (at === from || at === stop || u8[at] !== SP) {
        return this.fail(BAD_REQUEST, 'client sent invalid method');
      }
      this.methodId = identifyMethod(u8, from, at);
    }
    this.methodStart = start;
    this.methodEnd = at - base;
    while (at < stop && u8[at] === SP) at++;
    this.targetStart = at - base;
    at = this.#target(at, stop);
    if (at < 0) return this.fail(BAD_REQUEST, 'client sent invalid request');
    this.targetEnd = at - base;
    return this.#version(at, stop);
  }

  /** Reads the target at `at`. Result: the position behind it, where a space is; -1 when it is bad. */
  #target(at: number, stop: number): number {
    if (this.methodId === METHOD_CONNECT) return this.#authority(at, stop);
    if (at === stop) return -1;
    const first = u8[at];
    if (first === SLASH) {
      this.targetForm = FORM_ORIGIN;
      return this.#path(at, stop);
    }
    if (first === ASTERISK && this.methodId === METHOD_OPTIONS && u8[at + 1] === SP) {
      this.targetForm = FORM_ASTERISK;
      this.pathStart = at - this.base;
      this.pathEnd = this.pathStart + 1;
      return at + 1;
    }
    return this.#absolute(at, stop);
  }

  /** Path, arguments and fragment. */
  #path(from: number, to: number): number {
    const base = this.base | 0;
    const stop = to | 0;
    let plain = true;
    let at = from | 0;
    // The scanner has looked at what follows the first space.
    const plainEnd = (base + i32[REPORT + START_PLAIN]) | 0;
    const last = u8[plainEnd];
    if (plainEnd > at && at === ((base + this.methodEnd + 1) | 0) && (last === SP || last === QUESTION)) {
      at = plainEnd;
    } else {
      for (; at < stop; at++) {
        const kind = TARGET_CLASS[u8[at]];
        if (kind === PLAIN) continue;
        if (kind === STOP) break;
        if (kind === SLASH_BYTE) {
          // Behind the last byte there is a line end, so this looks at nothing foreign.
          const next = u8[at + 1];
          if (next === DOT || next === SLASH) plain = false;
        } else {
          plain = false;
        }
      }
    }
    this.pathStart = from - base;
    this.pathEnd = at - base;
    this.pathIsPlain = plain && at > from;
    if (at < stop && u8[at] === QUESTION) {
      this.argsStart = at + 1 - base;
      for (at++; at < stop && ARGS_STOP[u8[at]] === 0; at++);
      this.argsEnd = at - base;
    }
    if (at < stop && u8[at] === HASH) {
      for (at++; at < stop && u8[at] > SP; at++);
    }
    if (at === stop || u8[at] !== SP) return -1;
    if (!plain && normalizePath(u8, from, base + this.pathEnd, this.mergeSlashes) === undefined) return -1;
    return at;
  }

  /** "scheme://host[:port]" and what follows; any scheme, as in nginx. */
  #absolute(from: number, stop: number): number {
    let at = from;
    while (at < stop && isSchemeByte(u8[at], at > from)) at++;
    if (at === from || at + 2 >= stop) return -1;
    if (u8[at] !== COLON || u8[at + 1] !== SLASH || u8[at + 2] !== SLASH) return -1;
    const host = at + 3;
    at = host;
    while (at < stop && TARGET_CLASS[u8[at]] !== STOP && u8[at] !== SLASH) at++;
    if (!this.setHost(host, at)) return -1;
    this.targetForm = FORM_ABSOLUTE;
    return this.#path(at, stop);
  }

  /** "host:port". */
  #authority(from: number, stop: number): number {
    const { base } = this;
    let at = from;
    while (at < stop && u8[at] > SP) at++;
    if (at === stop || !this.setHost(from, at) || this.hostPort === 0) return -1;
    this.targetForm = FORM_AUTHORITY;
    this.pathStart = at - base;
    this.pathEnd = this.pathStart;
    return at;
  }

  /** Takes the host at [start, end), absolute positions; false when it is none. */
  protected setHost(start: number, end: number): boolean {
    const packed = checkHost(start, end);
    if (packed === BAD_HOST) return false;
    this.hostStart = start - this.base;
    this.hostEnd = this.hostStart + (packed >> PORT_BITS);
    this.hostPort = packed & 0xffff;
    this.hostHasUpper = (packed & HOST_UPPER) !== 0;
    return true;
  }

  /** " HTTP/1.x", with spaces before and behind. */
  #version(from: number, stop: number): number {
    let at = from;
    while (at < stop && u8[at] === SP) at++;
    let end = stop;
    while (end > at && u8[end - 1] === SP) end--;
    // The version is 11 unless something else is said.
    if (end - at === 8 && view.getInt32(at, true) === HTTP && view.getInt32(at + 4, true) === SLASH_1_1)
      return 0;
    for (let i = 0; i < HTTP1.length; i++) {
      if (u8[at + i] !== HTTP1[i]) return this.#otherVersion(at, end);
    }
    at += HTTP1.length;
    let minor = 0;
    const digits = end - at;
    for (; at < end; at++) {
      const digit = u8[at] - 0x30;
      if (digit < 0 || digit > 9) return this.fail(BAD_REQUEST, 'client sent invalid request');
      minor = minor * 10 + digit;
    }
    if (digits < 1 || digits > 3) return this.fail(BAD_REQUEST, 'client sent invalid request');
    this.version = minor === 0 ? 10 : 11;
    return 0;
  }

  #otherVersion(start: number, end: number): number {
    const text = latin1(u8, start, Math.min(end, start + 16));
    return /^HTTP\/(?:[2-9]|1\d)/.test(text)
      ? this.fail(VERSION_NOT_SUPPORTED, 'client sent invalid version')
      : this.fail(BAD_REQUEST, 'client sent invalid request');
  }
}

function isSchemeByte(byte: number, notFirst: boolean): boolean {
  const lower = byte | 0x20;
  if (lower >= 0x61 && lower <= 0x7a) return true;
  // Digits, '+', '-', '.'.
  return notFirst && ((byte >= 0x30 && byte <= 0x39) || byte === 0x2b || byte === 0x2d || byte === 0x2e);
}

/**
 * The value of Host, or an authority: `uri-host [ ":" port ]`, as nginx accepts it.
 */

import * as bytes from './bytes.js';
import * as memory from './memory.js';

// As in message-head.ts.
const { u8 } = memory;
const { COLON, DOT, PERCENT } = bytes;

/** Result of {@link checkHost} for what is no host. */
const BAD_HOST = -1;
/** {@link checkHost} packs two numbers and a flag: the length lies above this many bits, the flag and the port below. */
const PORT_BITS = 17;
/** The flag: there is an upper-case letter in the host. */
const HOST_UPPER = 1 << 16;

/** No host is that long, and the packed number stays a small integer. */
const MAX_HOST_BYTES = 0x3fff;
const MAX_PORT = 0xffff;

/** Bytes of a host (RFC 3986 section 3.2.2) that need no look at their neighbours. */
const PLAIN = 0;
/** '.', not twice in a row. */
const DOT_BYTE = 1;
/** '%', only outside of an IP literal. */
const PERCENT_BYTE = 2;
/** ':', within an IP literal, or before the port. */
const COLON_BYTE = 3;
const UPPER = 4;
const OTHER = 5;
const HOST_CLASS = new Uint8Array(256).map((_, byte) =>
  /[A-Za-z0-9_~!$&'()*+,;=-]/.test(String.fromCharCode(byte)) ? PLAIN : OTHER,
);
for (let byte = 0x41; byte <= 0x5a; byte++) HOST_CLASS[byte] = UPPER;
HOST_CLASS[DOT] = DOT_BYTE;
HOST_CLASS[PERCENT] = PERCENT_BYTE;
HOST_CLASS[COLON] = COLON_BYTE;
const BRACKET = 0x5b;
const BRACKET_END = 0x5d;

/**
 * Checks the host at [from, to) of the memory. Result: {@link BAD_HOST}, or the length of the host
 * without its port and without a dot at the end, shifted by {@link PORT_BITS}, plus the
 * port (0 when there is none), and {@link HOST_UPPER}. An empty host, empty brackets, two dots in a row and a
 * port beyond 65535 are bad.
 */
export function checkHost(from: number, to: number): number {
  // Integers, says "| 0" to the compiler: without it the loop counts in tagged numbers.
  const start = from | 0;
  const end = to | 0;
  if (start >= end || end - start > MAX_HOST_BYTES) return BAD_HOST;
  const literal = u8[start] === BRACKET;
  let at = literal ? start + 1 : start;
  let upper = 0;
  for (; at < end; at++) {
    const kind = HOST_CLASS[u8[at]];
    if (kind === PLAIN) continue;
    if (kind === UPPER) {
      upper = HOST_UPPER;
    } else if (kind === DOT_BYTE) {
      if (at > start && u8[at - 1] === DOT) return BAD_HOST;
    } else if (kind !== (literal ? COLON_BYTE : PERCENT_BYTE)) {
      break;
    }
  }
  if (literal) {
    if (at === start + 1 || at === end || u8[at] !== BRACKET_END) return BAD_HOST;
    at++;
  }
  let length = at - start;
  if (!literal && length > 0 && u8[at - 1] === DOT) length--;
  if (length === 0) return BAD_HOST;
  const packed = (length << PORT_BITS) | upper;
  if (at === end) return packed;
  if (u8[at] !== COLON) return BAD_HOST;
  let port = 0;
  for (at++; at < end; at++) {
    const digit = u8[at] - 0x30;
    if (digit < 0 || digit > 9) return BAD_HOST;
    port = port * 10 + digit;
    if (port > MAX_PORT) return BAD_HOST;
  }
  return packed | port;
}

// An exported binding is read through a cell by its own module too: what is exported are copies.
const badHost = BAD_HOST;
const hostUpper = HOST_UPPER;
const portBits = PORT_BITS;
export { badHost as BAD_HOST, hostUpper as HOST_UPPER, portBits as PORT_BITS };

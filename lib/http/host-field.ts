/**
 * The value of Host, or an authority: `uri-host [ ":" port ]`, as nginx accepts it.
 */

import * as bytes from './bytes.js';

const { COLON, DOT, PERCENT } = bytes;

/** Result of {@link checkHost} for what is no host. */
export const BAD_HOST = -1;
/** {@link checkHost} packs two numbers: the length lies above this many bits, the port below. */
export const PORT_BITS = 16;

/** No host is that long, and the packed number stays a small integer. */
const MAX_HOST_BYTES = 0x7fff;
const MAX_PORT = 0xffff;

/** Bytes of a host (RFC 3986 section 3.2.2) that need no look at their neighbours. */
const PLAIN = 0;
/** '.', not twice in a row. */
const DOT_BYTE = 1;
/** '%', only outside of an IP literal. */
const PERCENT_BYTE = 2;
/** ':', within an IP literal, or before the port. */
const COLON_BYTE = 3;
const OTHER = 4;
const HOST_CLASS = new Uint8Array(256).map((_, byte) =>
  /[A-Za-z0-9_~!$&'()*+,;=-]/.test(String.fromCharCode(byte)) ? PLAIN : OTHER,
);
HOST_CLASS[DOT] = DOT_BYTE;
HOST_CLASS[PERCENT] = PERCENT_BYTE;
HOST_CLASS[COLON] = COLON_BYTE;
const BRACKET = 0x5b;
const BRACKET_END = 0x5d;

/**
 * Checks the host at [start, end). Result: {@link BAD_HOST}, or the length of the host
 * without its port and without a dot at the end, shifted by {@link PORT_BITS}, plus the
 * port (0 when there is none). An empty host, empty brackets, two dots in a row and a
 * port beyond 65535 are bad.
 */
export function checkHost(u8: Uint8Array, start: number, end: number): number {
  if (start >= end || end - start > MAX_HOST_BYTES) return BAD_HOST;
  const literal = u8[start] === BRACKET;
  let at = literal ? start + 1 : start;
  for (; at < end; at++) {
    const kind = HOST_CLASS[u8[at]];
    if (kind === PLAIN) continue;
    if (kind === DOT_BYTE) {
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
  if (at === end) return length << PORT_BITS;
  if (u8[at] !== COLON) return BAD_HOST;
  let port = 0;
  for (at++; at < end; at++) {
    const digit = u8[at] - 0x30;
    if (digit < 0 || digit > 9) return BAD_HOST;
    port = port * 10 + digit;
    if (port > MAX_PORT) return BAD_HOST;
  }
  return (length << PORT_BITS) | port;
}

/**
 * The value of Host, or an authority: `uri-host [ ":" port ]`, as nginx accepts it.
 */

import * as bytes from './bytes.js';

const { COLON, DOT, PERCENT } = bytes;

/** Result of {@link checkHost} for what is no host. */
export const BAD_HOST = -1;
/** {@link checkHost} packs two numbers: length * PORT_RANGE + port. */
export const PORT_RANGE = 65536;

/** Bytes of a registered name (RFC 3986 section 3.2.2) but '.' and ':', and of an IP literal. */
const HOST_BYTE = new Uint8Array(256).map((_, byte) =>
  /[A-Za-z0-9_~!$&'()*+,;=-]/.test(String.fromCharCode(byte)) ? 1 : 0,
);
const BRACKET = 0x5b;
const BRACKET_END = 0x5d;

/**
 * Checks the host at [start, end). Result: {@link BAD_HOST}, or the length of the host
 * without its port and without a dot at the end, times {@link PORT_RANGE}, plus the port (0
 * when there is none). An empty host, two dots in a row and a port beyond 65535 are bad.
 */
export function checkHost(u8: Uint8Array, start: number, end: number): number {
  const literal = u8[start] === BRACKET && start < end;
  let at = literal ? start + 1 : start;
  for (; at < end; at++) {
    const byte = u8[at];
    if (HOST_BYTE[byte] === 1) continue;
    if (byte === DOT) {
      if (at > start && u8[at - 1] === DOT) return BAD_HOST;
    } else if (literal ? byte !== COLON : byte !== PERCENT) {
      break;
    }
  }
  if (literal) {
    if (at === end || u8[at] !== BRACKET_END) return BAD_HOST;
    at++;
  }
  let length = at - start;
  if (!literal && length > 0 && u8[at - 1] === DOT) length--;
  if (length === 0) return BAD_HOST;
  if (at === end) return length * PORT_RANGE;
  if (u8[at] !== COLON) return BAD_HOST;
  let port = 0;
  for (at++; at < end; at++) {
    const digit = u8[at] - 0x30;
    if (digit < 0 || digit > 9) return BAD_HOST;
    port = port * 10 + digit;
    if (port >= PORT_RANGE) return BAD_HOST;
  }
  return length * PORT_RANGE + port;
}

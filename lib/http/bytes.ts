/**
 * Bytes that mean something in HTTP, and the small questions that are asked of ranges of bytes.
 */

export const HTAB = 0x09;
export const LF = 0x0a;
export const CR = 0x0d;
export const SP = 0x20;
export const HASH = 0x23;
export const PERCENT = 0x25;
export const ASTERISK = 0x2a;
export const COMMA = 0x2c;
export const DOT = 0x2e;
export const SLASH = 0x2f;
export const ZERO = 0x30;
export const COLON = 0x3a;
export const SEMICOLON = 0x3b;
export const QUESTION = 0x3f;
export const DEL = 0x7f;

/** Texts up to this length are built char by char, which is faster than asking Buffer. */
const SHORT_TEXT = 12;

/** The bytes at [start, end) as a byte string. */
export function latin1(u8: Uint8Array, start: number, end: number): string {
  const length = end - start;
  if (length <= 0) return '';
  if (length > SHORT_TEXT) return Buffer.from(u8.buffer, u8.byteOffset + start, length).toString('latin1');
  let text = '';
  for (let i = start; i < end; i++) text += String.fromCharCode(u8[i]);
  return text;
}

/** A decimal length at [start, end): -1 when it is empty, holds anything but digits, or exceeds 2^53 - 1. */
export function parseLength(u8: Uint8Array, start: number, end: number): number {
  if (start === end) return -1;
  let value = 0;
  const last = end | 0;
  for (let i = start | 0; i < last; i++) {
    const digit = u8[i] - 0x30;
    if (digit < 0 || digit > 9) return -1;
    value = value * 10 + digit;
    if (value > Number.MAX_SAFE_INTEGER) return -1;
  }
  return value;
}

/** Whether [start, end) is the lower-cased ASCII text, in any case. */
export function equalsLower(u8: Uint8Array, start: number, end: number, lowerText: string): boolean {
  const { length } = lowerText;
  if (end - start !== length) return false;
  for (let i = 0; i < length; i++) {
    if (lowerCase(u8[start + i]) !== lowerText.charCodeAt(i)) return false;
  }
  return true;
}

/** Folds A to Z; every other byte is itself. */
export function lowerCase(byte: number): number {
  return byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte;
}

/** SP or HTAB. */
export function isBlank(byte: number): boolean {
  return byte === SP || byte === HTAB;
}

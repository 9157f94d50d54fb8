/**
 * Paths of request targets: normalised for matching, escaped for sending on.
 *
 * Both work on byte strings (one char per byte); nothing here interprets UTF-8.
 */
import { DOT, latin1, PERCENT, SLASH } from './bytes.js';

/** Where paths are put together; grows to the longest path seen. */
let scratch = new Uint8Array(1024);

/**
 * The path at [start, end) of `u8`, decoded once, without dot segments and, when
 * `mergeSlashes`, without repeated slashes: "/a/./b//%63/.." becomes "/a/b/". An empty
 * path is "/". Decoded "%2F" and "%2E" count as slash and dot, as in nginx. Undefined
 * when an escape is broken or NUL, or when dot segments lead above the root.
 */
export function normalizePath(
  u8: Uint8Array,
  start: number,
  end: number,
  mergeSlashes: boolean,
): string | undefined {
  if (end - start + 1 > scratch.length) scratch = new Uint8Array((end - start + 1) * 2);
  const out = scratch;
  let length = 0;
  for (let at = start; at < end; at++) {
    let byte = u8[at];
    if (byte === PERCENT) {
      byte = at + 2 < end ? hex(u8[at + 1]) * 16 + hex(u8[at + 2]) : -1;
      if (byte <= 0) return undefined;
      at += 2;
    }
    if (byte !== SLASH) {
      out[length++] = byte;
      continue;
    }
    const closed = closeSegment(out, length);
    if (closed < 0) return undefined;
    // What a dot segment leaves ends in a slash already.
    if (closed === length && !(mergeSlashes && length > 0 && out[length - 1] === SLASH))
      out[length++] = SLASH;
    else length = closed;
  }
  length = closeSegment(out, length);
  if (length < 0) return undefined;
  return length === 0 ? '/' : latin1(out, 0, length);
}

/**
 * A normalised path as it is sent on: bytes that a path cannot hold, and '%', '?' and
 * '#', become "%XX" (nginx's NGX_ESCAPE_URI).
 */
export function escapeUri(path: string): string {
  return path.replace(/[\x00-\x20"#%?<>\\^`{|}\x7f-\xff]/g, escapeByte);
}

/** A segment ".." */
const PARENT = /(?:^|\/)\.\.(?:\/|$)/;

/**
 * A path with its query as a backend names it: decoded once. Undefined when it is empty,
 * leads upwards (also by escapes) or holds NUL.
 */
export function unsafeUri(text: string): { path: string; args: string } | undefined {
  const question = text.indexOf('?');
  const raw = question < 0 ? text : text.slice(0, question);
  const path = raw.replace(/%([0-9A-Fa-f]{2})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 16)),
  );
  if (path === '' || PARENT.test(raw) || PARENT.test(path) || path.includes('\0')) return undefined;
  return { path, args: question < 0 ? '' : text.slice(question + 1) };
}

function escapeByte(char: string): string {
  return `%${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`;
}

/** Applies a "." or ".." at the end of what was written. Result: the new length; -1 above the root. */
function closeSegment(out: Uint8Array, length: number): number {
  if (length < 2 || out[length - 1] !== DOT) return length;
  if (out[length - 2] === SLASH) return length - 1;
  if (length < 3 || out[length - 2] !== DOT || out[length - 3] !== SLASH) return length;
  let at = length - 4;
  while (at >= 0 && out[at] !== SLASH) at--;
  return at < 0 ? -1 : at + 1;
}

/** Value of a hexadecimal digit; a large negative number for anything else. */
function hex(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -0x1000;
}

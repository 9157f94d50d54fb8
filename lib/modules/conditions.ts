/**
 * Conditional requests (RFC 9110 section 13): whether a file is sent, or 304, or 412.
 */
import type { Request } from '../module-api/index.js';

/** What a file is known by. */
export interface Validators {
  readonly modifiedSeconds: number;
  /** The same as an HTTP date. */
  readonly lastModified: string;
  /** With its quotes; undefined when none is sent. */
  readonly etag: string | undefined;
}

/**
 * 412 when If-Unmodified-Since or If-Match fails; 304 when every one of
 * If-Modified-Since and If-None-Match that is there says "not modified", as in nginx;
 * else 200.
 */
export function evaluateConditions(
  request: Request,
  file: Validators,
  mode: 'off' | 'exact' | 'before',
): 200 | 304 | 412 {
  const unmodifiedSince = request.header('if-unmodified-since');
  if (unmodifiedSince !== undefined && !((parseHttpDate(unmodifiedSince) ?? -1) >= file.modifiedSeconds))
    return 412;
  const match = request.header('if-match');
  if (match !== undefined && !matchesTag(match, file.etag, false)) return 412;
  const modifiedSince = request.header('if-modified-since');
  const noneMatch = request.header('if-none-match');
  if (modifiedSince === undefined && noneMatch === undefined) return 200;
  if (modifiedSince !== undefined && isModified(modifiedSince, file.modifiedSeconds, mode)) return 200;
  if (noneMatch !== undefined && !matchesTag(noneMatch, file.etag, true)) return 200;
  return 304;
}

function isModified(since: string, modifiedSeconds: number, mode: 'off' | 'exact' | 'before'): boolean {
  if (mode === 'off') return true;
  const seconds = parseHttpDate(since);
  if (seconds === undefined) return true;
  return mode === 'exact' ? seconds !== modifiedSeconds : seconds < modifiedSeconds;
}

/** Whether a list of entity tags (or "*") holds the tag; the weak comparison ignores "W/". */
function matchesTag(list: string, etag: string | undefined, weak: boolean): boolean {
  if (list.trim() === '*') return true;
  if (etag === undefined) return false;
  for (const [tag] of list.matchAll(/(?:W\/)?"[^"]*"/g)) {
    if (tag === etag || (weak && tag.replace(/^W\//, '') === etag.replace(/^W\//, ''))) return true;
  }
  return false;
}

const MONTHS = 'jan feb mar apr may jun jul aug sep oct nov dec'.split(' ');
/** "Sun, 06 Nov 1994 08:49:37 GMT". */
const IMF_FIXDATE = /^[a-z]{3}, (\d{2}) ([a-z]{3}) (\d{4}) (\d{2}):(\d{2}):(\d{2}) gmt$/i;
/** "Sunday, 06-Nov-94 08:49:37 GMT". */
const RFC850 = /^[a-z]{6,9}, (\d{2})-([a-z]{3})-(\d{2}) (\d{2}):(\d{2}):(\d{2}) gmt$/i;
/** "Sun Nov  6 08:49:37 1994". */
const ASCTIME = /^[a-z]{3} ([a-z]{3}) ([ \d]\d) (\d{2}):(\d{2}):(\d{2}) (\d{4})$/i;

/** Seconds since 1970 of an HTTP date in any of its three forms; undefined for anything else. */
export function parseHttpDate(text: string): number | undefined {
  const usual = IMF_FIXDATE.exec(text) ?? RFC850.exec(text);
  if (usual !== null) {
    const [, day, month, year, hours, minutes, secs] = usual;
    return toSeconds(year, month, day, hours, minutes, secs);
  }
  const old = ASCTIME.exec(text);
  if (old === null) return undefined;
  const [, month, day, hours, minutes, secs, year] = old;
  return toSeconds(year, month, day, hours, minutes, secs);
}

function toSeconds(
  year = '',
  monthName = '',
  day = '',
  hours = '',
  minutes = '',
  secs = '',
): number | undefined {
  const month = MONTHS.indexOf(monthName.toLowerCase());
  if (month < 0) return undefined;
  const short = Number(year);
  // Two digits: this century up to 69, as in nginx.
  const full = year.length > 2 ? short : short < 70 ? 2000 + short : 1900 + short;
  const date = new Date(Date.UTC(full, month, Number(day), Number(hours), Number(minutes), Number(secs)));
  const isReal =
    date.getUTCMonth() === month && Number(hours) < 24 && Number(minutes) < 60 && Number(secs) <= 60;
  return isReal ? date.getTime() / 1000 : undefined;
}

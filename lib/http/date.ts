/**
 * Dates as HTTP writes them: IMF-fixdate, "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110
 * section 5.6.7). Always 29 bytes.
 */

/** Length of every formatted date. */
export const HTTP_DATE_LENGTH = 29;

let cachedSecond = NaN;
let cachedText = '';

/** Formats ms since 1970; the last second's text is kept, since nearly every call asks for it again. */
export function formatHttpDate(timeMs: number): string {
  const second = Math.floor(timeMs / 1000);
  if (second !== cachedSecond) {
    cachedText = new Date(second * 1000).toUTCString();
    cachedSecond = second;
  }
  return cachedText;
}

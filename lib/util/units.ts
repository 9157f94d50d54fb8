/**
 * Sizes, times and flags as nginx writes them. A text that is not one gives undefined;
 * the caller composes the message, because only it knows the directive and the place.
 */

const SIZE = /^([0-9]+)([kKmMgG]?)$/;

/**
 * A size in bytes: digits and at most one of k, m, g in either case ("64k", "1G").
 * Undefined for anything else, and for more than 2^53 - 1 bytes.
 */
export function parseSize(text: string): number | undefined {
  const match = SIZE.exec(text);
  if (match === null) return undefined;
  const shift = { '': 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 }[(match[2] ?? '').toLowerCase()];
  const bytes = Number(match[1]) * (shift ?? Number.NaN);
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

/** Units from the largest to the smallest, in seconds. A smaller one must not precede a larger one. */
const TIME_UNITS: readonly (readonly [letter: string, seconds: number])[] = [
  ['y', 365 * 86_400],
  ['M', 30 * 86_400],
  ['w', 7 * 86_400],
  ['d', 86_400],
  ['h', 3_600],
  ['m', 60],
  ['s', 1],
];

/**
 * A time, always given in milliseconds: "60", "1h30m", "1h 30m", "500ms".
 *
 * `unit` is the resolution of the directive in nginx's tables, and decides what may be
 * written: 's' takes years and months but no "ms"; 'ms', the default, takes "ms" but no years
 * and months. Units stand in descending order, each at most once; a last number
 * without a unit is seconds. Undefined for anything else.
 */
export function parseTimeMs(text: string, unit: 's' | 'ms' = 'ms'): number | undefined {
  const part = /([0-9]*)(ms|[yMwdhms]| |$) */y;
  let next = unit === 's' ? 0 : 2;
  let totalMs = 0;
  let seen = false;
  while (part.lastIndex < text.length) {
    const match = part.exec(text);
    if (match === null) return undefined;
    const value = Number(match[1]);
    if (match[1] !== '') seen = true;
    const letter = match[2] ?? '';
    if (letter === 'ms') {
      if (unit === 's' || next > 7) return undefined;
      next = 8;
      totalMs += value;
    } else if (letter === '' || letter === ' ') {
      // A bare number is seconds; nothing may follow one that is followed by a space.
      if (letter === ' ' && next > 6) return undefined;
      if (letter === ' ') next = 9;
      totalMs += value * 1000;
    } else {
      const rank = TIME_UNITS.findIndex(([name]) => name === letter);
      if (rank < next) return undefined;
      next = rank + 1;
      totalMs += value * (TIME_UNITS[rank]?.[1] ?? 0) * 1000;
    }
  }
  return seen && Number.isSafeInteger(totalMs) ? totalMs : undefined;
}

/** "on" and "off" in any case; undefined otherwise (nginx: `it must be "on" or "off"`). */
export function parseFlag(text: string): boolean | undefined {
  const lower = text.toLowerCase();
  return lower === 'on' ? true : lower === 'off' ? false : undefined;
}

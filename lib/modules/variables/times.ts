/**
 * Times as logs write them. A line per request asks for the same second over and over,
 * so each form keeps the text of the last second it made.
 */
import type { ByteWriter } from '../../module-api/index.js';

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

function cached(make: (date: Date) => string): (wallMs: number) => string {
  let second = Number.NaN;
  let text = '';
  return (wallMs) => {
    const now = Math.floor(wallMs / 1000);
    if (now !== second) {
      second = now;
      text = make(new Date(now * 1000));
    }
    return text;
  };
}

const two = (value: number): string => String(value).padStart(2, '0');

const clock = (date: Date): string =>
  `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;

function zone(date: Date, separator: string): string {
  const minutes = -date.getTimezoneOffset();
  const size = Math.abs(minutes);
  return `${minutes < 0 ? '-' : '+'}${two(Math.floor(size / 60))}${separator}${two(size % 60)}`;
}

/** "21/Nov/2026:02:35:15 +0000", in local time; `wallMs` is ms since 1970. */
export const localTime = cached(
  (date) =>
    `${two(date.getDate())}/${MONTHS[date.getMonth()] ?? ''}/${date.getFullYear()}:${clock(date)} ${zone(date, '')}`,
);

/** "2026-11-21T02:35:15+00:00", in local time. */
export const isoTime = cached(
  (date) =>
    `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}T${clock(date)}${zone(date, ':')}`,
);

/** "2026/11/21 02:35:15", in local time: what begins a line of the error log. */
export const errorTime = cached(
  (date) => `${date.getFullYear()}/${two(date.getMonth() + 1)}/${two(date.getDate())} ${clock(date)}`,
);

/** Milliseconds as seconds with three decimals: 1234 is "1.234". Negative ones are "0.000". */
export function seconds(ms: number): string {
  const whole = Math.max(0, Math.floor(ms));
  return `${Math.floor(whole / 1000)}.${String(whole % 1000).padStart(3, '0')}`;
}

/** Appends what {@link seconds} gives. */
export function writeSeconds(ms: number, out: ByteWriter): boolean {
  const whole = Math.max(0, Math.floor(ms));
  out.uint(Math.floor(whole / 1000));
  out.text('.');
  out.uint(whole % 1000, 3);
  return true;
}

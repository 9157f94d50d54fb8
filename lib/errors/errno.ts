/**
 * errno numbers and their names, for the platform this process runs on.
 *
 * Native reports errors as `-errno`; TypeScript names them here, once, when somebody
 * wants to read them.
 */
import { constants } from 'node:os';
import { getSystemErrorMap } from 'node:util';
import { ERROR_TABLE } from './error-table.js';

const numbers: Record<string, number> = { ...constants.errno };
const names = new Map<number, string>();

// EAGAIN and EWOULDBLOCK, ENOTSUP and EOPNOTSUPP share a number: the first name stays.
for (const [name, number] of Object.entries(numbers)) if (!names.has(number)) names.set(number, name);

// libuv knows a few that node:os leaves out (EHOSTDOWN), and some of its own below -4000.
for (const [negative, [name]] of getSystemErrorMap()) {
  if (negative <= -1000 || names.has(-negative)) continue;
  names.set(-negative, name);
  numbers[name] ??= -negative;
}

/** The number of a name on this platform (`errno.ECONNRESET`), undefined when it has none. */
export const errno: Readonly<Record<string, number>> = Object.freeze(numbers);

/** The name of a positive errno: "ECONNRESET"; "E" and the number when the platform does not know it. */
export function errnoCode(number: number): string {
  return names.get(number) ?? `E${number}`;
}

/** What strerror(3) says: "Connection reset by peer". Never empty. */
export function errnoText(number: number): string {
  const row = ERROR_TABLE[errnoCode(number)];
  if (row !== undefined) return row.text;
  const known = getSystemErrorMap().get(-number);
  return known === undefined ? `Unknown error ${number}` : known[1];
}

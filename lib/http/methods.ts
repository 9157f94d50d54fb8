/**
 * Small numbers for the methods that have a meaning here or are common.
 */

/** Id of any other method. */
export const METHOD_OTHER = 0;
export const METHOD_GET = 1;
export const METHOD_HEAD = 2;
export const METHOD_POST = 3;
export const METHOD_CONNECT = 4;
export const METHOD_TRACE = 5;
export const METHOD_OPTIONS = 6;

/** Names in the order of their ids. */
const NAMES: readonly string[] = [
  '',
  'GET',
  'HEAD',
  'POST',
  'CONNECT',
  'TRACE',
  'OPTIONS',
  'PUT',
  'DELETE',
  'PATCH',
  'PROPFIND',
  'PROPPATCH',
  'MKCOL',
  'COPY',
  'MOVE',
  'LOCK',
  'UNLOCK',
];

const IDS = new Map(NAMES.map((name, id) => [name, id]));

/** Id of a method by its name; methods are case-sensitive. */
export function methodId(name: string): number {
  return IDS.get(name) ?? METHOD_OTHER;
}

/** The name of an id; undefined for {@link METHOD_OTHER}. */
export function methodName(id: number): string | undefined {
  return id === METHOD_OTHER ? undefined : NAMES[id];
}

/** Id of the method at [start, end) of `u8`. Makes no string. */
export function identifyMethod(u8: Uint8Array, start: number, end: number): number {
  const length = end - start;
  // "GET"
  if (length === 3 && u8[start] === 0x47 && u8[start + 1] === 0x45 && u8[start + 2] === 0x54)
    return METHOD_GET;
  for (let id = METHOD_HEAD; id < NAMES.length; id++) {
    const name = NAMES[id];
    if (name.length === length && same(u8, start, name)) return id;
  }
  return METHOD_OTHER;
}

function same(u8: Uint8Array, start: number, name: string): boolean {
  for (let i = 0; i < name.length; i++) {
    if (u8[start + i] !== name.charCodeAt(i)) return false;
  }
  return true;
}

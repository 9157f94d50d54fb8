/**
 * Small numbers for the names of common fields, so that the hot path compares integers.
 *
 * A name is looked up by its length and its first and last letters; what is found is
 * then compared, four bytes at a time.
 */

/** Ends a chain. */
const NONE = 0;
/** Id of a name that is not in the table. */
export const UNKNOWN = NONE;
export const HOST = 1;
export const CONNECTION = 2;
export const CONTENT_LENGTH = 3;
export const TRANSFER_ENCODING = 4;
export const EXPECT = 5;
export const UPGRADE = 6;
export const TE = 7;
export const KEEP_ALIVE = 8;
export const PROXY_CONNECTION = 9;
/** Ids up to this one are looked at by the parsers. */
export const LAST_SPECIAL = 9;
/** These and Expect may be in a request once. */
export const FIRST_SINGULAR = 10;
export const LAST_SINGULAR = 16;
export const TRAILER = 17;
export const X_FORWARDED_FOR = 18;

/** Fields of one hop (RFC 9110 section 7.6.1); all of them below 32. */
export const HOP_IDS: readonly number[] = [
  CONNECTION,
  TRANSFER_ENCODING,
  UPGRADE,
  TE,
  KEEP_ALIVE,
  PROXY_CONNECTION,
];

/** Names in the order of their ids; lower case. Of those with an id below 32 a head says whether it has them. */
const NAMES: readonly string[] = [
  '',
  'host',
  'connection',
  'content-length',
  'transfer-encoding',
  'expect',
  'upgrade',
  'te',
  'keep-alive',
  'proxy-connection',
  'authorization',
  'content-range',
  'if-match',
  'if-modified-since',
  'if-none-match',
  'if-range',
  'if-unmodified-since',
  'trailer',
  'x-forwarded-for',
  'accept-ranges',
  'content-type',
  'date',
  'etag',
  'expires',
  'last-modified',
  'location',
  'refresh',
  'server',
  'set-cookie',
  'cookie',
  'referer',
  'user-agent',
  'accept',
  'accept-charset',
  'accept-encoding',
  'accept-language',
  'access-control-allow-headers',
  'access-control-allow-methods',
  'access-control-allow-origin',
  'age',
  'allow',
  'alt-svc',
  'cache-control',
  'content-disposition',
  'content-encoding',
  'content-language',
  'content-location',
  'content-security-policy',
  'dnt',
  'forwarded',
  'http2-settings',
  'link',
  'origin',
  'pragma',
  'priority',
  'proxy-authenticate',
  'proxy-authorization',
  'range',
  'referrer-policy',
  'retry-after',
  'sec-ch-ua',
  'sec-ch-ua-mobile',
  'sec-ch-ua-platform',
  'sec-fetch-dest',
  'sec-fetch-mode',
  'sec-fetch-site',
  'sec-fetch-user',
  'sec-websocket-accept',
  'sec-websocket-extensions',
  'sec-websocket-key',
  'sec-websocket-protocol',
  'sec-websocket-version',
  'status',
  'strict-transport-security',
  'upgrade-insecure-requests',
  'vary',
  'via',
  'warning',
  'www-authenticate',
  'x-accel-buffering',
  'x-accel-charset',
  'x-accel-expires',
  'x-accel-limit-rate',
  'x-accel-redirect',
  'x-content-type-options',
  'x-forwarded-host',
  'x-forwarded-port',
  'x-forwarded-proto',
  'x-frame-options',
  'x-pad',
  'x-powered-by',
  'x-real-ip',
  'x-request-id',
  'x-requested-with',
];

/** One more than the largest id: the size of a table by id. */
export const KNOWN_HEADER_COUNT = NAMES.length;

const SLOTS = 512;
const LENGTHS = Uint8Array.from(NAMES, (name) => name.length);
/** All names, one behind the other. */
const BYTES = new DataView(Uint8Array.from(NAMES.join(''), (char) => char.charCodeAt(0)).buffer);
const STARTS = new Uint16Array(NAMES.length);
/** Slot → first id; {@link NEXT} → further ids of the same slot. 0 ends the chain. */
const FIRST = new Uint8Array(SLOTS);
const NEXT = new Uint8Array(NAMES.length);
const IDS = new Map<string, number>();

function slotOf(length: number, first: number, last: number): number {
  return (length * 19 + (first | 0x20) * 3 + (last | 0x20) * 37) & (SLOTS - 1);
}

let position = 0;
NAMES.forEach((name, id) => {
  STARTS[id] = position;
  position += name.length;
  if (id === UNKNOWN) return;
  IDS.set(name, id);
  const slot = slotOf(name.length, name.charCodeAt(0), name.charCodeAt(name.length - 1));
  NEXT[id] = FIRST[slot];
  FIRST[slot] = id;
});

/** Id of a lower-cased name, or {@link UNKNOWN}. */
export function knownHeaderId(lowerName: string): number {
  return IDS.get(lowerName) ?? UNKNOWN;
}

/** The lower-cased name of an id; "" for {@link UNKNOWN}. */
export function knownHeaderName(id: number): string {
  return NAMES[id] ?? '';
}

/**
 * Id of the name at [start, end) of `view`, in any case; {@link UNKNOWN} when there is
 * none. The bytes must hold no control bytes, which folding to lower case could turn
 * into letters. A name with an id is a valid token.
 */
export function identifyHeader(view: DataView, start: number, end: number): number {
  const length = end - start;
  if (length <= 0) return NONE;
  let id = FIRST[slotOf(length, view.getUint8(start), view.getUint8(end - 1))];
  while (id !== NONE) {
    if (LENGTHS[id] === length && sameName(view, start, STARTS[id], length)) return id;
    id = NEXT[id];
  }
  return NONE;
}

/** Folding leaves '-' and digits as they are. The last four bytes may be compared a second time. */
function sameName(view: DataView, start: number, at: number, length: number): boolean {
  if (length < 4) {
    for (let i = 0; i < length; i++) {
      if ((view.getUint8(start + i) | 0x20) !== BYTES.getUint8(at + i)) return false;
    }
    return true;
  }
  const last = length - 4;
  for (let i = 0; i < last; i += 4) {
    if ((view.getInt32((start + i) | 0, true) | 0x20202020) !== BYTES.getInt32((at + i) | 0, true))
      return false;
  }
  return (view.getInt32((start + last) | 0, true) | 0x20202020) === BYTES.getInt32((at + last) | 0, true);
}

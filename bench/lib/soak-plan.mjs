/**
 * What the soak sends and expects. Everything follows from a seed and the number of
 * a request, so that a failure can be looked at again with the same seed, whatever
 * the order in which things happened.
 */

/** Ways in which the backend misbehaves; "none" is most of them. */
export const FAULTS = /** @type {const} */ ([
  'none',
  'before', // closes after the request, before a byte of the answer
  'reset-before',
  'in-head',
  'in-body',
  'reset-in-body',
  'after', // answers whole without "Connection: close", and closes
  'reset-after',
  'late', // as after, a few milliseconds later: on the kept connection
]);

/** @typedef {(typeof FAULTS)[number]} Fault */

/** Where a client leaves. In a tunnel it leaves after its bytes came back. */
export const STAGES = /** @type {const} */ (['in-head', 'in-body', 'awaiting', 'in-answer', 'tunnel']);

/** How it leaves. */
export const MANNERS = /** @type {const} */ (['close', 'reset', 'half-close']);

/** @typedef {(typeof STAGES)[number]} Stage */
/** @typedef {(typeof MANNERS)[number]} Manner */

/**
 * @typedef {object} Abort
 * @property {Stage} stage
 * @property {Manner} manner
 * @property {number} share of the head or the body that is sent before
 * @property {number} delayMs between the last byte and the departure
 */

/**
 * @typedef {object} Plan
 * @property {number} id
 * @property {string} target
 * @property {Buffer} upload body of the request; empty means GET
 * @property {boolean} uploadChunked
 * @property {Buffer} body what a right answer brings
 * @property {'length' | 'chunked' | 'close'} framing of the answer
 */

/**
 * A small generator of pseudo-random numbers in [0, 1) (mulberry32).
 * @param {number} seed
 * @returns {() => number}
 */
export function generator(seed) {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/**
 * Bytes that belong to one request id and to no other.
 * @param {number} id
 * @param {number} length
 */
function bytesOf(id, length) {
  return Buffer.from(`<${id}>`.repeat(Math.ceil(length / (`${id}`.length + 2))).slice(0, length), 'latin1');
}

/**
 * What request number `id` is.
 * @param {number} seed
 * @param {number} id
 * @returns {Plan}
 */
export function planOf(seed, id) {
  const random = generator(seed * 1_000_003 + id);
  const size = () => Math.floor(random() < 0.9 ? random() * 4000 : random() * 60_000);
  const upload = random() < 0.3 ? bytesOf(id, size() + 1) : Buffer.alloc(0);
  const uploadChunked = random() < 0.3;
  const body = bytesOf(id, size());
  const pick = random();
  const framing = pick < 0.6 ? 'length' : pick < 0.9 ? 'chunked' : 'close';
  return { id, target: `/${id}`, upload, uploadChunked, body, framing };
}

/**
 * What the backend does at its `attempt`-th sight of request `id`.
 * @param {number} seed
 * @param {number} id
 * @param {number} attempt 0 for the first
 * @returns {Fault}
 */
export function faultOf(seed, id, attempt) {
  const random = generator(seed * 7_919 + id * 31 + attempt * 1_000_000_007);
  if (random() < 0.8) return 'none';
  return FAULTS[1 + Math.floor(random() * (FAULTS.length - 1))] ?? 'none';
}

/**
 * Whether and how the client leaves request `id`.
 * @param {number} seed
 * @param {number} id
 * @param {number} aborts share of the requests that are left
 * @returns {Abort | undefined}
 */
export function abortOf(seed, id, aborts) {
  if (aborts === 0) return undefined;
  const random = generator(seed * 15_485_863 + id * 17);
  if (random() >= aborts) return undefined;
  const stage = STAGES[Math.floor(random() * STAGES.length)] ?? 'awaiting';
  const manner = MANNERS[Math.floor(random() * MANNERS.length)] ?? 'close';
  const share = random();
  return { stage, manner, share, delayMs: random() < 0.5 ? 0 : random() * 20 };
}

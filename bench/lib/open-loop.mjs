/**
 * Load at a constant rate: `node open-loop.mjs PORT RATE SECONDS CONNECTIONS PATH`. Request
 * number i is due at its own time, start + i / RATE, whether or not earlier ones were
 * answered; when every connection is busy it waits here. Latency counts from the time at
 * which a request was due, so a proxy that stalls pays for everything that should have
 * been sent meanwhile (no coordinated omission).
 *
 * The first second does not count: the load itself is not compiled yet, and falls behind by
 * fifty milliseconds.
 *
 * Node wakes up once a millisecond at best: requests leave in small bursts, and latency
 * holds up to a millisecond of that for every proxy alike. It is reported as `lag`.
 *
 * Prints JSON: {@link OpenLoop}.
 */
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { HttpReader } from './http-reader.mjs';

/**
 * @typedef {object} OpenLoop
 * @property {number} requests that were due and counted
 * @property {number} errors not answered, or not with 2xx
 * @property {number} perSecond answered
 * @property {number} p50Ms
 * @property {number} p99Ms
 * @property {number} p999Ms
 * @property {number} maxMs
 * @property {number} lagP99Ms how late the load itself was for requests that had a free connection
 */

const [port = 0, rate = 1, seconds = 1, connections = 64] = process.argv.slice(2, 6).map(Number);
const path = process.argv[6] ?? '/1k';
const request = Buffer.from(`GET ${path} HTTP/1.1\r\nHost: bench.example\r\n\r\n`);
const WARM_UP_SECONDS = 1;
/** After the last request was due. */
const GRACE_MS = 5000;

const warmUp = Math.floor(rate * WARM_UP_SECONDS);
const total = warmUp + Math.floor(rate * seconds);
const latencies = new Float64Array(total);
const lags = new Float64Array(total);
let lagCount = 0;
/** Of those that count. */
let answered = 0;
let done = 0;
/** When the first request is due that counts. */
let countFromMs = Infinity;
/** When the requests are due that no connection was free for, in ms; from `waitingAt` on. */
const waiting = new Float64Array(total);
let waitingAt = 0;
let waitingEnd = 0;

/** @type {Client[]} */
const free = [];

class Client {
  #socket;
  #reader = new HttpReader();
  /** Bytes of a whole answer, once one was seen: most answers then need no reading. */
  #usualLength = 0;
  #dueMs = -1;

  constructor() {
    this.#socket = this.#open();
  }

  #open() {
    this.#reader = new HttpReader();
    const socket = connect({ host: '127.0.0.1', port, noDelay: true });
    socket.on('connect', () => this.#finish());
    socket.on('data', (chunk) => this.#read(chunk));
    socket.on('error', () => {});
    socket.on('close', () => {
      const at = free.indexOf(this);
      if (at >= 0) free.splice(at, 1);
      if (this.#dueMs >= 0) done++;
      this.#dueMs = -1;
      this.#socket = this.#open();
    });
    return socket;
  }

  /** @param {number} dueMs */
  send(dueMs) {
    this.#dueMs = dueMs;
    this.#socket.write(request);
  }

  /** @param {Buffer} chunk */
  #read(chunk) {
    // 50 is "2", the first digit of the status.
    if (this.#reader.pending === 0 && chunk.length === this.#usualLength && chunk[9] === 50) {
      return this.#answer(200);
    }
    this.#reader.push(chunk);
    const message = this.#reader.next();
    if (message === undefined) return undefined;
    this.#usualLength = message.head.length + 4 + message.body.length;
    return this.#answer(message.status);
  }

  /** @param {number} status */
  #answer(status) {
    done++;
    if (status >= 200 && status < 300 && this.#dueMs >= countFromMs) {
      latencies[answered++] = performance.now() - this.#dueMs;
    }
    this.#finish();
  }

  #finish() {
    this.#dueMs = -1;
    if (waitingAt < waitingEnd) this.send(waiting[waitingAt++] ?? 0);
    else free.push(this);
  }
}

for (let i = 0; i < connections; i++) new Client();
for (let i = 0; i < 500 && free.length < connections; i++) await sleep(10);

const startMs = performance.now() + 10;
countFromMs = startMs + (warmUp * 1000) / rate;
let issued = 0;
while (issued < total) {
  const now = performance.now();
  for (; issued < total; issued++) {
    const dueMs = startMs + (issued * 1000) / rate;
    if (dueMs > now) break;
    const client = free.pop();
    if (client === undefined) waiting[waitingEnd++] = dueMs;
    else {
      if (dueMs >= countFromMs) lags[lagCount++] = performance.now() - dueMs;
      client.send(dueMs);
    }
  }
  await sleep(1);
}
const limit = performance.now() + GRACE_MS;
while (done < total && performance.now() < limit) await sleep(5);
const lastMs = performance.now();

/** @type {(values: Float64Array, share: number) => number} */
const quantile = (values, share) =>
  values[Math.min(values.length - 1, Math.floor(values.length * share))] ?? NaN;
const sorted = latencies.subarray(0, answered).sort();
const lag = lags.subarray(0, lagCount).sort();
console.log(
  JSON.stringify({
    requests: total - warmUp,
    errors: total - warmUp - answered,
    perSecond: answered / ((lastMs - countFromMs) / 1000),
    p50Ms: quantile(sorted, 0.5),
    p99Ms: quantile(sorted, 0.99),
    p999Ms: quantile(sorted, 0.999),
    maxMs: quantile(sorted, 1),
    lagP99Ms: quantile(lag, 0.99),
  }),
);
process.exit(0);

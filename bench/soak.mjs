/**
 * Soak: many requests through the proxy to a backend that closes at random, before,
 * during and after its answers. Every client must get the right body for its own
 * request or a visible error, within a time. With --aborts a share of the requests is left
 * by the client, at any stage and in every manner, tunnels among them; the backend must see
 * each departure.
 *
 * Descriptors and resident memory have to return: both are read after some requests of the
 * same kind and a quiet time, and once more after the load and as long a quiet time.
 *
 *   node bench/soak.mjs [--requests 200000] [--connections 64] [--aborts 0.33] [--seed N]
 *                       [--warm-up 20000] [--quiet 15] [--json]
 *   node bench/soak.mjs --target PORT,PID --backend-port PORT     any running proxy
 *
 * Exit code 1 when something was wrong. The seed is printed: the same seed plays the
 * same faults.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { descriptorCount, residentBytes } from './lib/process-meter.mjs';
import { stopAll } from './lib/processes.mjs';
import { KINDS, startContestant } from './lib/proxies.mjs';
import { startSoakBackend } from './lib/soak-backend.mjs';
import { newTally, runClient } from './lib/soak-client.mjs';

const { values } = parseArgs({
  options: {
    requests: { type: 'string', default: '200000' },
    connections: { type: 'string', default: '64' },
    aborts: { type: 'string', default: '0' },
    'warm-up': { type: 'string', default: '20000' },
    quiet: { type: 'string', default: '15' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 1e9)) },
    contestant: { type: 'string', default: 'millrace' },
    target: { type: 'string' },
    'backend-port': { type: 'string', default: '0' },
    json: { type: 'boolean', default: false },
  },
});
const requests = Number(values.requests);
const connections = Number(values.connections);
const seed = Number(values.seed);
const aborts = Number(values.aborts);
/** From a departure to the end of the backend's connection; the instrument itself is busy. */
const NOTICE_LIMIT_MS = 5000;
/** Seconds in which what the load has left is given back. */
const quiet = Number(values.quiet);
/**
 * What resident memory may have more than before: code that was compiled meanwhile, and how
 * pages happen to be filled. At a million requests this is 8 bytes for each.
 */
const MEMORY_TOLERANCE_BYTES = 8 * 1024 * 1024;
/** Without a quiet time: also the young generation, which V8 enlarges under load. */
const YOUNG_BYTES = 32 * 1024 * 1024;
const say = (/** @type {string} */ line) => (values.json ? undefined : console.log(line));

/**
 * Waits until connections that are being closed are gone, and then for the quiet time. Kept
 * connections to the backend are not counted.
 * @param {import('./lib/proxies.mjs').Contestant | { pid: number }} proxy
 * @param {import('./lib/soak-backend.mjs').SoakBackend} backend
 * @param {number} expected descriptors
 */
async function rest({ pid }, backend, expected) {
  const descriptors = () => descriptorCount(pid) - backend.open();
  for (let i = 0; i < 100 && (descriptors() > expected || backend.held() > 0); i++) await sleep(100);
  await sleep(quiet * 1000);
  return { descriptors: descriptors(), residentBytes: residentBytes(pid) };
}

/** @param {number[]} list */
function percentiles(list) {
  const sorted = list.toSorted((a, b) => a - b);
  const at = (/** @type {number} */ share) => {
    return (
      Math.round((sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0) * 10) / 10
    );
  };
  return { p50: at(0.5), p99: at(0.99), max: at(1) };
}

async function main() {
  /** @type {Map<number, number>} */
  const departures = new Map();
  const backend = await startSoakBackend({
    ...{ seed, aborts, departures },
    port: Number(values['backend-port']),
  });
  const kind = KINDS.find(({ name }) => name === values.contestant);
  if (kind === undefined) throw new Error(`unknown contestant "${values.contestant}"`);
  const ports = { fast: [backend.port], check: [backend.port] };
  const [port = 0, pid = 0] = (values.target ?? '').split(',').map(Number);
  const proxy =
    values.target === undefined
      ? await startContestant(kind, ports, { startMs: 60_000 })
      : { name: 'target', port, pid, stop: async () => {} };
  say(
    `soak of ${proxy.name}: ${requests} requests, ${connections} connections, aborts ${aborts}, seed ${seed}`,
  );
  const tally = newTally();
  const play = (/** @type {() => number | undefined} */ take) => {
    const clients = { port: proxy.port, seed, aborts, tally, departures, take };
    return Promise.all(Array.from({ length: connections }, () => runClient(clients)));
  };
  const warmUp = Number(values['warm-up']);
  let warm = 0;
  // Numbers that the load does not use.
  await play(() => (warm < warmUp ? requests + warm++ : undefined));
  const before = await rest(proxy, backend, Infinity);
  let taken = 0;
  /** @type {number[]} resident memory after each twentieth of the requests */
  const memory = [];
  const delay = monitorEventLoopDelay({ resolution: 10 });
  delay.enable();
  const started = Date.now();
  await play(() => {
    if (taken >= requests) return undefined;
    if (taken % Math.ceil(requests / 20) === 0) memory.push(residentBytes(proxy.pid));
    return taken++;
  });
  const seconds = (Date.now() - started) / 1000;
  memory.push(residentBytes(proxy.pid));
  const after = await rest(proxy, backend, before.descriptors);
  const held = backend.held();
  const twice = [...backend.deliveries.values()].filter((count) => count > 1).length;
  backend.close();
  await proxy.stop();

  const slow = Number(process.env.MILLRACE_TEST_SLOW ?? '1');
  const growth = after.residentBytes - before.residentBytes;
  // Builds with sanitizers (MILLRACE_TEST_SLOW) keep what was freed for a while.
  const tolerance = (MEMORY_TOLERANCE_BYTES + (quiet > 0 ? 0 : YOUNG_BYTES)) * slow;
  const left = Object.values(tally.aborted).reduce((sum, one) => sum + one, 0);
  const answered = tally.right + tally.refused + tally.broken + tally.closed + left;
  const wrong = [...tally.failures, ...backend.wrong];
  const all = requests + warmUp;
  if (answered !== all) wrong.push(`${all - answered} requests without a counted end`);
  if (after.descriptors > before.descriptors) {
    wrong.push(`${after.descriptors - before.descriptors} descriptors more than before`);
  }
  if (held > 0) wrong.push(`${held} backend connections outlived their clients`);
  const noticed = percentiles(backend.noticed);
  // What the instrument itself stood still is not the proxy's.
  const stoodMs = Math.round(delay.max / 1e6);
  if (noticed.max > NOTICE_LIMIT_MS * slow + stoodMs) {
    wrong.push(`the departure of request ${backend.slowest.id} was noticed after ${noticed.max} ms`);
  }
  if (twice > 0) wrong.push(`${twice} uploads arrived whole more than once`);
  if (growth > tolerance) wrong.push(`resident memory does not return: ${growth} bytes more than before`);
  const mb = (/** @type {number} */ bytes) => Math.round(bytes / 1024 / 102.4) / 10;
  const result = {
    ...{ seed, requests, warmUp, seconds, ...tally, faults: backend.faults },
    ...(aborts > 0 ? { left, noticedMs: noticed, stoodMs } : {}),
    descriptors: { before: before.descriptors, after: after.descriptors },
    underLoadMb: memory.map(mb),
    residentMb: {
      ...{ before: mb(before.residentBytes), after: mb(after.residentBytes) },
      ...{ quietSeconds: quiet, tolerance: mb(tolerance) },
    },
    failures: wrong,
  };
  if (values.json) console.log(JSON.stringify(result));
  else console.dir(result, { depth: 3, maxArrayLength: 30 });
  return wrong.length === 0;
}

try {
  if (!(await main())) process.exitCode = 1;
} finally {
  await stopAll();
}

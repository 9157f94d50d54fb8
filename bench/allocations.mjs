/**
 * What millrace allocates for a request in V8's heap, in which functions, and how long the
 * collector stops it.
 *
 *   node bench/allocations.mjs [--workloads a,h,x] [--warm-up 5] [--requests 300000] [--top 12]
 *
 * --warm-up is in seconds. Bytes are what V8's sampling profiler saw (one sample in 4 KB, those
 * that were collected included) in one load; pauses are what performance hooks report in
 * another one, without the profiler. A pause meets a request when it begins while that is
 * under way.
 */
import { parseArgs } from 'node:util';
import { startFastBackend } from './lib/backends.mjs';
import { shortName } from './lib/callgrind.mjs';
import { Inspector } from './lib/inspector.mjs';
import { runLoad, runRequests, TOOLS } from './lib/load.mjs';
import { freePort, stopAll } from './lib/processes.mjs';
import { KINDS, startContestant } from './lib/proxies.mjs';
import { cell, table } from './lib/report.mjs';
import { LOADS } from './lib/workloads.mjs';

const { values } = parseArgs({
  options: {
    workloads: { type: 'string', default: 'a,h,x' },
    'warm-up': { type: 'string', default: '5' },
    requests: { type: 'string', default: '300000' },
    top: { type: 'string', default: '12' },
  },
});
const SAMPLE_BYTES = 4096;

/** Notes every pause of the collector in the process. */
const OBSERVE = `
  globalThis.pauses = [];
  const { PerformanceObserver } = process.getBuiltinModule('node:perf_hooks');
  globalThis.observer = new PerformanceObserver((list) => {
    for (const { duration, detail } of list.getEntries()) pauses.push([detail.kind, duration]);
  });
  observer.observe({ entryTypes: ['gc'] });
`;
const KINDS_OF_PAUSE = new Map([
  [1, 'scavenge'],
  [4, 'mark and compact'],
  [8, 'incremental marking'],
  [16, 'weak callbacks'],
]);

/** @typedef {{ selfSize: number, callFrame: { functionName: string, url: string }, children: Node[] }} Node */

/**
 * Bytes by function.
 * @param {Node} node
 * @param {Map<string, number>} bytes
 */
function sum({ selfSize, callFrame: { functionName, url }, children }, bytes) {
  const name = url === '' ? functionName : shortName(`JS:${functionName} ${url}`);
  bytes.set(name, (bytes.get(name) ?? 0) + selfSize);
  for (const child of children) sum(child, bytes);
}

/**
 * @param {import('./lib/workloads.mjs').Workload} workload
 * @param {import('./lib/proxies.mjs').Backends} backends
 */
async function measure(workload, backends) {
  const kind = KINDS.find(({ name }) => name === 'millrace');
  if (kind === undefined) throw new Error('there is no contestant "millrace"');
  const inspect = await freePort();
  const { scenario } = workload;
  const wrap = ['env', `NODE_OPTIONS=--inspect=127.0.0.1:${inspect}`];
  const one = await startContestant(kind, backends, { wrap, scenario });
  const inspector = await Inspector.connect(inspect);
  const requests = Number(values.requests);
  try {
    const load = { ...workload, port: one.port };
    await runLoad(TOOLS[0] ?? '', { ...load, seconds: Number(values['warm-up']) });
    await inspector.call('HeapProfiler.startSampling', {
      samplingInterval: SAMPLE_BYTES,
      includeObjectsCollectedByMajorGC: true,
      includeObjectsCollectedByMinorGC: true,
    });
    await runRequests(load, requests);
    const { profile } = await inspector.call('HeapProfiler.stopSampling');
    /** @type {Map<string, number>} */
    const bytes = new Map();
    sum(profile.head, bytes);
    await inspector.evaluate(OBSERVE);
    const began = performance.now();
    await runRequests(load, requests);
    const tookMs = performance.now() - began;
    const pauses = /** @type {[number, number][]} */ (await inspector.evaluate('pauses'));
    return { bytes: [...bytes].sort(([, a], [, b]) => b - a), pauses, tookMs };
  } finally {
    inspector.close();
    await one.stop();
  }
}

async function main() {
  const fast = await startFastBackend({});
  const backends = { fast: fast.ports, check: fast.ports };
  const requests = Number(values.requests);
  const rows = [];
  for (const workload of LOADS.filter(({ letter }) => values.workloads.split(',').includes(letter))) {
    const { bytes, pauses, tookMs } = await measure(workload, backends);
    const each = bytes.reduce((total, [, size]) => total + size, 0) / requests;
    console.log(`\n${workload.letter}: ${each.toFixed(0)} bytes a request`);
    for (const [name, size] of bytes.slice(0, Number(values.top))) {
      console.log(`${(size / requests).toFixed(1).padStart(8)}  ${name}`);
    }
    const counts = new Map();
    for (const [type] of pauses) {
      const name = KINDS_OF_PAUSE.get(type) ?? String(type);
      counts.set(name, (counts.get(name) ?? 0) + 1);
    }
    console.log(`pauses: ${[...counts].map(([name, count]) => `${count} ${name}`).join(', ') || 'none'}`);
    const stopped = pauses.reduce((total, [, duration]) => total + duration, 0);
    const longest = Math.max(0, ...pauses.map(([, duration]) => duration));
    rows.push([
      workload.letter,
      each.toFixed(0),
      String(pauses.length),
      cell(longest, 2),
      cell((stopped / tookMs) * 100, 3),
    ]);
  }
  console.log(`\n${requests} requests`);
  console.log(table([['', 'bytes/req', 'pauses', 'longest ms', '% of the time'], ...rows]));
  await fast.stop();
}

try {
  await main();
} finally {
  await stopAll();
}

/**
 * The workloads that are measured in rounds: contestants take turns within each.
 */
import { countInstructions, countSystemCalls } from './counters.mjs';
import { runLoad, TOOLS } from './load.mjs';
import { cpuBetween, cpuTime, residentBytes } from './process-meter.mjs';
import { isInstalled } from './processes.mjs';
import { costOf, loadTable, median, summarise } from './report.mjs';

/** @typedef {import('./contestants.mjs').Bench} Bench */
/** @typedef {import('./proxies.mjs').Contestant} Contestant */
/** @typedef {import('./report.mjs').Measurement} Measurement */
/** @typedef {import('./workloads.mjs').Workload} Workload */

/** Rounds of a workload that ran beside another are numbered from here. */
const BESIDE = 1000;

/** The tool that is trusted most here. */
const FIRST_TOOL = TOOLS[0] ?? 'autocannon';

/**
 * One round of one workload on one contestant.
 * @param {Bench} bench
 * @param {Contestant} one
 * @param {Workload} workload
 * @param {{ tool?: string, round?: number, seconds?: number }} [options]
 * @returns {Promise<Measurement>}
 */
export async function measure(bench, one, workload, options = {}) {
  const { tool = FIRST_TOOL, round = -1, seconds = bench.seconds } = options;
  const load = { ...workload, port: one.port, seconds, cpu: bench.cpuLoad };
  const before = cpuTime(one.pid);
  const counted =
    bench.noInstructions === undefined
      ? await countInstructions(one.pid, () => runLoad(tool, load))
      : undefined;
  const outcome = counted?.result ?? (await runLoad(tool, load));
  const { totalNs, userNs, systemNs } = cpuBetween(before, cpuTime(one.pid));
  const { requests } = outcome;
  return {
    ...{ workload: workload.letter, contestant: one.name, tool, round, ...outcome },
    cpuUs: totalNs / 1000 / requests,
    userUs: userNs / 1000 / requests,
    systemUs: systemNs / 1000 / requests,
    instructions:
      counted === undefined
        ? undefined
        : { user: counted.user / requests, kernel: counted.kernel / requests },
    residentBytes: residentBytes(one.pid),
  };
}

/**
 * System calls per request under a workload, by name, the most frequent first.
 * @param {Bench} bench
 * @param {Contestant} one
 * @param {Workload} workload
 * @returns {Promise<Record<string, number>>}
 */
async function systemCalls(bench, one, workload) {
  const load = { ...workload, port: one.port, seconds: Math.min(2, bench.seconds), cpu: bench.cpuLoad };
  const { calls, result } = await countSystemCalls(one.pid, () => runLoad(FIRST_TOOL, load));
  const each = Object.entries(calls).map(
    ([name, count]) => /** @type {const} */ ([name, count / result.requests]),
  );
  return Object.fromEntries(each.sort(([, a], [, b]) => b - a));
}

/**
 * All rounds of a workload, then its table.
 * @param {Bench} bench
 * @param {readonly Contestant[]} contestants
 * @param {Workload} workload
 * @param {{ syscalls: boolean, beside?: { workload: Workload, contestants: readonly Contestant[] } | undefined }} options
 *   `beside` is measured directly before, in each round, on the contestant of the same name:
 *   what the two are compared by
 * @returns {Promise<{ measurements: Measurement[], calls: Record<string, Record<string, number>> }>}
 */
export async function runWorkload(bench, contestants, workload, { syscalls, beside }) {
  const { say, rounds } = bench;
  say(`\n${workload.letter}: ${workload.what}`);
  /** @type {Measurement[]} */
  const measurements = [];
  /** @type {Record<string, Record<string, number>>} */
  const calls = {};
  // A round that nobody counts: code is compiled, pools are filled.
  for (const one of contestants) await measure(bench, one, workload, { seconds: Math.min(2, bench.seconds) });
  for (let round = 0; round < rounds; round++) {
    for (const one of contestants) {
      const same = beside?.contestants.find(({ name }) => name === one.name);
      if (beside !== undefined && same !== undefined) {
        measurements.push(await measure(bench, same, beside.workload, { round: BESIDE + round }));
      }
      measurements.push(await measure(bench, one, workload, { round }));
    }
  }
  // autocannon as a second witness; one round, for it costs more than any proxy.
  if (FIRST_TOOL !== 'autocannon') {
    for (const one of contestants) {
      measurements.push(await measure(bench, one, workload, { tool: 'autocannon', round: 0 }));
    }
  }
  for (const one of syscalls && isInstalled('strace') ? contestants : []) {
    calls[one.name] = await systemCalls(bench, one, workload);
  }
  const sums = new Map(
    Object.entries(calls).map(([name, each]) => [name, Object.values(each).reduce((sum, n) => sum + n, 0)]),
  );
  for (const tool of TOOLS) {
    const own = measurements.filter((row) => row.workload === workload.letter && row.tool === tool);
    if (own.length === 0) continue;
    const rows = summarise(own);
    say(`${tool}, median of ${rows[0]?.rounds ?? 0}`);
    say(loadTable(rows, sums));
  }
  for (const [name, each] of Object.entries(calls)) {
    const often = Object.entries(each).filter(([, count]) => count >= 0.01);
    say(`system calls of ${name}: ${often.map(([call, count]) => `${call} ${count.toFixed(2)}`).join(', ')}`);
  }
  if (beside !== undefined) sayBeside(bench, measurements, workload.letter, beside.workload.letter);
  return { measurements, calls };
}

/**
 * Says what a workload costs of the one that ran beside it.
 * @param {Bench} bench
 * @param {readonly Measurement[]} measurements
 * @param {string} letter
 * @param {string} other
 */
function sayBeside({ say }, measurements, letter, other) {
  const shares = besideShares(measurements, letter, other);
  const text = Object.entries(shares).map(([name, share]) => `${name} ${share.toFixed(2)}`);
  if (text.length > 0) say(`CPU time of ${letter} over that of ${other}, same round: ${text.join(', ')}`);
}

/**
 * CPU time (instructions where they were counted) of a workload over that of the one beside it,
 * the median of the rounds, by contestant.
 * @param {readonly Measurement[]} measurements
 * @param {string} letter
 * @param {string} other
 * @returns {Record<string, number>}
 */
export function besideShares(measurements, letter, other) {
  /** @type {Record<string, number[]>} */
  const shares = {};
  for (const one of measurements.filter(({ workload }) => workload === letter)) {
    const pair = measurements.find(
      ({ workload, contestant, tool, round }) =>
        workload === other &&
        contestant === one.contestant &&
        tool === one.tool &&
        round === one.round + BESIDE,
    );
    if (pair !== undefined) (shares[one.contestant] ??= []).push(costOf(one) / costOf(pair));
  }
  return Object.fromEntries(Object.entries(shares).map(([name, list]) => [name, median(list)]));
}

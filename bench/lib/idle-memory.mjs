/**
 * Workload f: what an idle client costs in resident memory.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { residentBytes } from './process-meter.mjs';
import { start } from './processes.mjs';
import { startContestant } from './proxies.mjs';
import { table } from './report.mjs';
import { measure } from './rounds.mjs';
import { WARM_UP } from './workloads.mjs';

/** @typedef {{ count: number, before: number, after: number, perClient: number }} IdleMemory */

/**
 * Resident bytes with idle clients less those without them.
 * @param {import('./contestants.mjs').Bench} bench
 * @param {import('./proxies.mjs').Contestant} one
 * @param {number} count
 * @returns {Promise<IdleMemory>}
 */
async function idleMemory({ cpuLoad }, one, count) {
  const script = new URL('./idle.mjs', import.meta.url).pathname;
  await sleep(1000);
  const before = residentBytes(one.pid);
  const clients = start(process.execPath, [script, String(one.port), String(count)], { cpu: cpuLoad });
  const limit = Date.now() + 60_000;
  while (!clients.output().includes('ready')) {
    if (clients.child.exitCode !== null || Date.now() > limit) {
      await clients.stop();
      throw new Error(`${one.name}: idle clients failed: ${clients.output()}`);
    }
    await sleep(50);
  }
  await sleep(1500);
  const after = residentBytes(one.pid);
  await clients.stop();
  return { count, before, after, perClient: (after - before) / count };
}

/**
 * Measures each kind on a fresh process, warm from one workload alone: what other workloads
 * left behind would be counted as free before. A target that runs already cannot be started
 * anew and does not take part.
 * @param {import('./contestants.mjs').Bench} bench
 * @param {readonly import('./proxies.mjs').Kind[]} kinds
 * @param {number} count clients, or as many as the contestant takes
 */
export async function runIdle(bench, kinds, count) {
  const { say, backends, cpuProxy } = bench;
  say(`\nf: ${count} idle clients, or as many as it takes, each after one request`);
  /** @type {Record<string, IdleMemory>} */
  const idle = {};
  for (const kind of kinds) {
    const fresh = await startContestant(kind, backends, { cpu: cpuProxy });
    for (let i = 0; i < 2; i++) await measure(bench, fresh, WARM_UP);
    idle[kind.name] = await idleMemory(bench, fresh, Math.min(count, fresh.clients));
    await fresh.stop();
  }
  const mb = (/** @type {number} */ bytes) => (bytes / 1024 / 1024).toFixed(1);
  const rows = Object.entries(idle).map(([name, { count: clients, before, after, perClient }]) => [
    ...[name, String(clients), perClient.toFixed(0), mb(before), mb(after)],
  ]);
  say(table([['', 'clients', 'bytes each', 'RSS MB before', 'RSS MB with them'], ...rows]));
  return idle;
}

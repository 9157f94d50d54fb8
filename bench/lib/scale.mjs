/**
 * Workload w: what a second process on the same port (reuseport) adds. Every process has
 * the same budget: a processor of its own where there are four, else a small share of one
 * by the kernel's cpu controller, so that load and backend are not what is scarce.
 */
import { cpus } from 'node:os';
import { createBudget, whyNoBudget } from './cpu-budget.mjs';
import { startFastBackend } from './backends.mjs';
import { runLoad, TOOLS } from './load.mjs';
import { cpuTime } from './process-meter.mjs';
import { freePort, processTree } from './processes.mjs';
import { startContestant } from './proxies.mjs';
import { cell, median, table } from './report.mjs';
import { socketCounts } from './sockets.mjs';
import { WARM_UP } from './workloads.mjs';

/** Of one processor, for each proxy process. */
const SHARE = 0.2;
/** Many, for the kernel deals them out by hash. */
const CONNECTIONS = 256;

/**
 * @typedef {object} Scale one round of one contestant
 * @property {number} one requests a second of one process
 * @property {number} two of two
 * @property {number} cpuUsOne CPU time per request of one process, microseconds
 * @property {number} cpuUsTwo of two
 * @property {number} budgetUsed by two: 1 when they, and nothing else, set the rate
 * @property {readonly [number, number]} cpuShare of the two, together 1
 * @property {readonly [number, number]} clients connections that each had in the middle of the round
 */

/** Why w cannot be measured here; undefined when it can. */
export function whyNoScale() {
  if (cpus().length >= 4) return undefined;
  const why = whyNoBudget();
  return why === undefined ? undefined : `fewer than four processors, and ${why}`;
}

/**
 * Starts `count` processes of a kind on one port.
 * @param {import('./contestants.mjs').Bench} bench
 * @param {import('./proxies.mjs').Kind} kind
 * @param {import('./proxies.mjs').Backends} backends
 * @param {number} count
 */
async function startOn({ cpuProxy }, kind, backends, count) {
  const listen = await freePort();
  const own = cpus().length >= 4;
  const running = [];
  for (let i = 0; i < count; i++) {
    const cpu = own ? cpus().length - 1 - i : cpuProxy;
    const one = await startContestant(kind, backends, { cpu, listen, scenario: 'shared' });
    const budget = own ? undefined : createBudget(SHARE);
    for (const pid of processTree(one.pid)) budget?.add(pid);
    running.push({ ...one, budget });
  }
  const stop = async () => {
    for (const one of running) await one.stop();
    for (const one of running) await one.budget?.remove();
  };
  return { listen, pids: running.map(({ pid }) => pid), stop };
}

/**
 * One round with one or two processes.
 * @param {import('./contestants.mjs').Bench} bench
 * @param {import('./proxies.mjs').Kind} kind
 * @param {import('./proxies.mjs').Backends} backends
 * @param {number} count
 */
async function round(bench, kind, backends, count) {
  const { seconds } = bench;
  const { listen, pids, stop } = await startOn(bench, kind, backends, count);
  const cpu = cpus().length >= 4 ? 1 : undefined;
  const load = { ...WARM_UP, connections: CONNECTIONS, cpu, port: listen };
  const tool = TOOLS[0] ?? '';
  // With a fifth of a processor, compiling and filling pools takes its time.
  await runLoad(tool, { ...load, seconds: 2 * seconds });
  const before = pids.map((pid) => cpuTime(pid).totalNs);
  /** @type {number[]} */
  let clients = [];
  const look = () => (clients = socketCounts(pids, listen, 'established'));
  const timer = setTimeout(look, (seconds * 1000) / 3);
  const { perSecond, requests } = await runLoad(tool, { ...load, seconds });
  clearTimeout(timer);
  const usedNs = pids.map((pid, i) => cpuTime(pid).totalNs - (before[i] ?? 0));
  await stop();
  const cpuUs = usedNs.reduce((sum, ns) => sum + ns, 0) / 1000 / requests;
  return { perSecond, cpuUs, usedNs, clients };
}

/**
 * @param {import('./contestants.mjs').Bench} bench
 * @param {readonly import('./proxies.mjs').Kind[]} kinds
 * @returns {Promise<Record<string, Scale[]> | undefined>} undefined where it cannot be measured
 */
export async function runScale(bench, kinds) {
  const { say, seconds, rounds } = bench;
  const why = whyNoScale();
  if (why !== undefined) {
    say(`\nw: not measured: ${why}`);
    return undefined;
  }
  const own = cpus().length >= 4;
  say(`\nw: each process ${own ? 'on its own processor' : `with ${SHARE} of a processor`}`);
  const able = kinds.filter(({ reusePort }) => reusePort);
  const unable = kinds.filter(({ reusePort }) => !reusePort).map(({ name }) => name);
  if (unable.length > 0) say(`not measured, for they cannot share a port: ${unable.join(', ')}`);
  const fast = await startFastBackend({ cpu: own ? 0 : undefined });
  const backends = { fast: fast.ports, check: bench.backends.check };
  /** @type {Record<string, Scale[]>} */
  const results = {};
  for (let i = 0; i < rounds; i++) {
    for (const kind of able) {
      const [one, two] = [await round(bench, kind, backends, 1), await round(bench, kind, backends, 2)];
      const sum = two.usedNs.reduce((total, ns) => total + ns, 0);
      (results[kind.name] ??= []).push({
        ...{ one: one.perSecond, two: two.perSecond, cpuUsOne: one.cpuUs, cpuUsTwo: two.cpuUs },
        budgetUsed: sum / (2 * seconds * 1e9 * (own ? 1 : SHARE)),
        cpuShare: [(two.usedNs[0] ?? NaN) / sum, (two.usedNs[1] ?? NaN) / sum],
        clients: [two.clients[0] ?? NaN, two.clients[1] ?? NaN],
      });
    }
  }
  await fast.stop();
  say(scaleTable(results));
  return results;
}

/** @type {readonly [title: string, of: (one: Scale) => number, digits: number][]} */
const COLUMNS = [
  ['two of one', ({ one, two }) => two / one, 2],
  ['by CPU/req', ({ cpuUsOne, cpuUsTwo }) => (2 * cpuUsOne) / cpuUsTwo, 2],
  ['budget used', ({ budgetUsed }) => budgetUsed, 2],
  ['req/s of one', ({ one }) => one, 0],
  ['of two', ({ two }) => two, 0],
];

/** @param {Record<string, Scale[]>} results */
function scaleTable(results) {
  const rows = Object.entries(results).map(([name, list]) => [
    name,
    ...COLUMNS.map(([, of, digits]) => cell(median(list.map(of)), digits)),
    list.map(({ cpuShare: [share] }) => `${(share * 100).toFixed(0)}%`).join(' '),
    list.map(({ clients: [first, second] }) => `${first}+${second}`).join(' '),
  ]);
  return table([['', ...COLUMNS.map(([title]) => title), "first one's CPU", 'clients of each'], ...rows]);
}

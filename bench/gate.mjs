/**
 * The gate: what workloads a, h and e cost us, relative to nginx in the same run, against
 * the figures in bench/baseline.json. Fails beyond 3 % and says which functions grew.
 *
 *   npm run bench:gate -- [--measure perf|callgrind|emulator] [--workloads a,h,e] [--update] [--ci]
 *
 * --update writes the figures of this run as the baseline of its measure. --ci takes only
 * measures that need seconds, and where there is none says so and passes.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { startCheckingBackend, startFastBackend } from './lib/backends.mjs';
import { assemble } from './lib/contestants.mjs';
import { countSystemCalls } from './lib/counters.mjs';
import { compact, growers, judge, LIMIT, steadyCalls } from './lib/gate.mjs';
import { runRequests } from './lib/load.mjs';
import { MEASURES } from './lib/measures.mjs';
import { isInstalled, machine, stopAll } from './lib/processes.mjs';
import { KINDS, startContestant } from './lib/proxies.mjs';
import { cell, table } from './lib/report.mjs';
import { LOADS } from './lib/workloads.mjs';

const FILE = new URL('./baseline.json', import.meta.url);
/** Requests under strace, which is slow: enough that 64 connections do not count. */
const TRACED = 10_000;
const GROWERS = 10;

const { values } = parseArgs({
  options: {
    measure: { type: 'string' },
    workloads: { type: 'string', default: 'a,h,e' },
    update: { type: 'boolean', default: false },
    ci: { type: 'boolean', default: false },
  },
});
const say = console.log;

/** @typedef {import('./lib/gate.mjs').Figures} Figures */
/** @typedef {import('./lib/gate.mjs').Baseline} Baseline */

/** @returns {Record<string, Baseline>} by measure */
const readBaselines = () => (existsSync(FILE) ? JSON.parse(readFileSync(FILE, 'utf8')) : {});

/** The measure to count with, or why there is none. */
function chooseMeasure() {
  const wanted = MEASURES.filter(({ name, quick }) =>
    values.measure === undefined ? quick || !values.ci : name === values.measure,
  );
  if (wanted.length === 0) throw new Error(`unknown measure "${values.measure}"`);
  const able = wanted.find(({ whyNot }) => whyNot() === undefined);
  return able ?? wanted.map(({ name, whyNot }) => `${name}: ${whyNot()}`).join('; ');
}

/** @param {string} name */
function kindOf(name) {
  const kind = KINDS.find((one) => one.name === name);
  if (kind?.version() === undefined) throw new Error(`${name} is not installed`);
  return kind;
}

/**
 * System calls per request of ours, where strace can say.
 * @param {import('./lib/workloads.mjs').Workload} workload
 * @param {import('./lib/proxies.mjs').Backends} backends
 */
async function ourCalls(workload, backends) {
  if (!isInstalled('strace')) return undefined;
  const one = await startContestant(kindOf('millrace'), backends);
  const load = { ...workload, port: one.port };
  await runRequests(load, TRACED);
  const { calls } = await countSystemCalls(one.pid, () => runRequests(load, TRACED));
  await one.stop();
  const each = Object.entries(calls).map(([name, count]) => [name, count / TRACED]);
  return steadyCalls(Object.fromEntries(each));
}

/**
 * @param {import('./lib/measures.mjs').Measure} measure
 * @param {import('./lib/workloads.mjs').Workload} workload
 * @param {import('./lib/proxies.mjs').Backends} backends
 * @returns {Promise<Figures>}
 */
async function figuresOf(measure, workload, backends) {
  const nginx = await measure.count(kindOf('nginx'), workload, backends);
  const ours = await measure.count(kindOf('millrace'), workload, backends);
  const calls = await ourCalls(workload, backends);
  return { instructions: ours.perRequest, nginx: nginx.perRequest, calls, functions: ours.functions };
}

/** @param {import('./lib/proxies.mjs').Backends} backends @param {import('./lib/backends.mjs').Captured[]} captured */
async function proveBoth(backends, captured) {
  const bench = { say, backends, captured };
  const both = await assemble(bench, [kindOf('millrace'), kindOf('nginx')], [], 'plain');
  await Promise.all(both.fit.map((one) => one.stop()));
  if (both.unfit.length > 0) throw new Error(`not the same work: ${both.unfit.join(', ')}`);
}

/**
 * Says what a workload costs against the baseline.
 * @param {string} letter
 * @param {Figures} now
 * @param {Figures | undefined} then
 * @returns {string[]} failures
 */
function report(letter, now, then) {
  if (then === undefined) {
    say(`${letter}: no figures in the baseline`);
    return [];
  }
  const { failures, growth, callGrowth } = judge(now, then);
  const share = ({ instructions, nginx }) => cell(instructions / nginx, 3);
  say(
    table([
      [letter, 'baseline', 'now'],
      ['instructions', cell(then.instructions, 0), cell(now.instructions, 0)],
      ["nginx's", cell(then.nginx, 0), cell(now.nginx, 0)],
      ['of nginx', share(then), share(now)],
      ['system calls', cell(then.calls, 2), cell(now.calls, 2)],
    ]),
  );
  const change = (/** @type {number} */ value) => `${value > 0 ? '+' : ''}${(value * 100).toFixed(1)}%`;
  const calls = callGrowth === undefined ? '' : `, system calls ${change(callGrowth)}`;
  say(`${failures.length > 0 ? 'FAILED' : 'passed'}: of nginx ${change(growth)}${calls}`);
  for (const one of growers(now.functions, then.functions, GROWERS)) {
    say(`  ${(one.now - one.then).toFixed(0).padStart(6)} more (${one.now.toFixed(0)})  ${one.name}`);
  }
  return failures.map((failure) => `${letter}: ${failure}`);
}

async function main() {
  const measure = chooseMeasure();
  const baselines = readBaselines();
  const baseline = typeof measure === 'string' ? undefined : baselines[measure.name];
  const missing =
    typeof measure === 'string'
      ? measure
      : !isInstalled('nginx')
        ? 'nginx is not installed'
        : baseline === undefined && !values.update
          ? `bench/baseline.json has no figures by ${measure.name}`
          : undefined;
  if (typeof measure === 'string' || missing !== undefined) {
    say(`gate: did not run: ${missing}`);
    return values.ci;
  }
  say(`gate: ${measure.what}`);
  const { cpu, node } = machine();
  const nginx = kindOf('nginx').version() ?? '';
  if (baseline !== undefined && (baseline.nginx !== nginx || baseline.node !== node)) {
    say(`the baseline is of ${baseline.nginx} and Node ${baseline.node}, this is ${nginx} and Node ${node}`);
  }
  const fast = await startFastBackend({});
  const check = await startCheckingBackend();
  const backends = { fast: fast.ports, check: check.ports };
  await proveBoth(backends, check.captured);

  /** @type {Record<string, Figures>} */
  const workloads = {};
  const failures = [];
  for (const workload of LOADS.filter(({ letter }) => values.workloads.split(',').includes(letter))) {
    const { letter } = workload;
    const then = values.update ? undefined : baseline?.workloads[letter];
    let now = await figuresOf(measure, workload, backends);
    if (then !== undefined && judge(now, then).failures.length > 0) {
      say(`${letter}: beyond ${LIMIT * 100}%, counted once more`);
      now = await figuresOf(measure, workload, backends);
    }
    workloads[letter] = compact(now);
    if (!values.update) failures.push(...report(letter, now, then));
    else say(`${letter}: ${now.instructions.toFixed(0)}, nginx ${now.nginx.toFixed(0)}`);
  }
  if (values.update) {
    const date = new Date().toISOString().slice(0, 10);
    const merged = { ...baseline?.workloads, ...workloads };
    baselines[measure.name] = { date, machine: cpu, node, nginx, workloads: merged };
    writeFileSync(FILE, `${JSON.stringify(baselines, undefined, 2)}\n`);
    say('written: bench/baseline.json');
  }
  say(failures.length > 0 ? `gate: failed: ${failures.join('; ')}` : 'gate: passed');
  check.stop();
  await fast.stop();
  return failures.length === 0;
}

try {
  if (!(await main())) process.exitCode = 1;
} finally {
  await stopAll();
}

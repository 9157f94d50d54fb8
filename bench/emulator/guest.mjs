/**
 * Runs inside the emulated machine: starts the backend, puts one contestant after another
 * in front of it, and reads from /proc how many instructions each executed (the machine's
 * clock is its instructions: see machine.mjs). Writes what it found as JSON.
 *
 *   node bench/emulator/guest.mjs PLAN FOLDER
 *
 * One load runs for each measurement, and what is measured are windows in the midst of it:
 * nothing of how a load begins and ends is in them.
 */
import {
  copyFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startFastBackend } from '../lib/backends.mjs';
import { runLoad } from '../lib/load.mjs';
import { processTree, start, stopAll } from '../lib/processes.mjs';
import { KINDS, startContestant } from '../lib/proxies.mjs';
import { LOADS, WARM_UP } from '../lib/workloads.mjs';

/**
 * @typedef {object} Plan
 * @property {string[]} contestants
 * @property {string[]} workloads
 * @property {number} warmUp requests before V8 has compiled what is hot
 * @property {number} windows to measure
 * @property {boolean} profile
 */

/**
 * @typedef {object} Window a thousand million instructions of the machine
 * @property {number} requests
 * @property {number} main instructions for each, of the first thread of each process
 * @property {number} others likewise, of all other threads (V8's compilers and collectors)
 */

/**
 * @typedef {object} Measured
 * @property {string} contestant
 * @property {string} version
 * @property {string} workload
 * @property {number} errors
 * @property {Window} total of the measured windows
 * @property {Window[]} windows that were measured
 * @property {Window[]} before during the warm-up
 */

const WINDOW_MS = 1000;

/** Windows after which a warm-up ends also with fewer requests. */
const LONGEST_WARM_UP = 8;

/**
 * Requests to measure for each connection, at least: one is under way on each when a window
 * begins and ends, and how much of it the proxy has done by then is not known.
 */
const REQUESTS_EACH = 60;

/** Long answers are few in a window: they are measured after a warm-up with short ones. */
const LONG_ANSWERS = /^\/(64k|1m)$/;

/** Contestants that are compiled before they start: a twentieth warms them up. */
const NATIVE = /^(nginx|haproxy)/;

const [, , planFile = '', folder = ''] = process.argv;

/** @type {Plan} */
const plan = JSON.parse(readFileSync(planFile, 'utf8'));

/** What all threads of a process tree executed so far. @param {number} pid */
function executed(pid) {
  const sum = { main: 0, others: 0 };
  for (const one of processTree(pid)) {
    for (const thread of readdirSync(`/proc/${one}/task`)) {
      const [ns] = readFileSync(`/proc/${one}/task/${thread}/schedstat`, 'utf8').split(' ');
      sum[Number(thread) === one ? 'main' : 'others'] += Number(ns);
    }
  }
  return sum;
}

/** The load tool among the descendants of this process, once it is there. */
async function loadTool() {
  for (;;) {
    const isTool = (/** @type {number} */ pid) => readFileSync(`/proc/${pid}/comm`, 'utf8') === 'wrk\n';
    const found = processTree(process.pid).find(isTool);
    if (found !== undefined) return found;
    await sleep(10);
  }
}

/** Bytes that a process wrote so far. @param {number} pid */
function written(pid) {
  return Number(/^wchar: ([0-9]+)$/m.exec(readFileSync(`/proc/${pid}/io`, 'utf8'))?.[1]);
}

/** Length of a request as wrk sends it. @param {import('../lib/workloads.mjs').Workload} workload */
function requestBytes({ path, fields, upload }) {
  const all =
    upload > 0
      ? [`POST ${path} HTTP/1.1`, ...fields, `Content-Length: ${upload}`]
      : [`GET ${path} HTTP/1.1`, ...fields];
  return all.map((line) => line.length + 2).reduce((sum, one) => sum + one) + 2 + upload;
}

/** @param {readonly Window[]} windows @returns {Window} */
function together(windows) {
  const requests = windows.reduce((sum, one) => sum + one.requests, 0);
  const mean = (/** @type {'main' | 'others'} */ key) =>
    windows.reduce((sum, one) => sum + one[key] * one.requests, 0) / requests;
  return { requests, main: mean('main'), others: mean('others') };
}

/**
 * Samples a process tree for some time, and leaves what names its functions beside it.
 * @param {number} pid
 * @param {string} name
 */
async function profile(pid, name) {
  const pids = processTree(pid);
  // Not into the folder itself: waiting for the host would be in the profile.
  const output = '/run/perf.data';
  const args = ['record', '-B', '-N', '-e', 'cpu-clock', '-c', '100000', '-p', pids.join(','), '-o', output];
  rmSync(output, { force: true });
  // It begins by reading all symbols of the kernel, and must not share the processor for that.
  const perf = start('nice', ['-n', '-19', 'perf', ...args]);
  while (perf.child.exitCode === null && !(existsSync(output) && statSync(output).size > 0)) await sleep(50);
  await sleep(WINDOW_MS * plan.windows);
  await perf.stop();
  if (!existsSync(output)) throw new Error(`perf recorded nothing: ${perf.output()}`);
  copyFileSync(output, join(folder, `${name}.perf`));
  for (const each of pids.filter((one) => existsSync(`/tmp/perf-${one}.map`))) {
    copyFileSync(`/tmp/perf-${each}.map`, join(folder, `${name}.${each}.map`));
  }
  // Not by copyFileSync: a file of /proc says that it is empty.
  writeFileSync(join(folder, 'kallsyms'), readFileSync('/proc/kallsyms'));
}

/**
 * A load on a contestant, from which windows are taken while it runs.
 * @param {import('../lib/proxies.mjs').Contestant} one
 * @param {import('../lib/workloads.mjs').Workload} workload
 */
async function startLoad(one, workload) {
  const ended = runLoad('wrk', { ...workload, port: one.port, seconds: 3600 });
  const tool = await loadTool();
  const bytes = requestBytes(workload);
  const read = () => ({ ...executed(one.pid), requests: written(tool) / bytes });
  let last = read();
  const takeWindow = async () => {
    await sleep(WINDOW_MS);
    const now = read();
    const requests = now.requests - last.requests;
    if (requests < 1) throw new Error(`${one.name} answers nothing under workload ${workload.letter}`);
    const main = (now.main - last.main) / requests;
    const others = (now.others - last.others) / requests;
    last = now;
    console.log(`  ${one.name} ${workload.letter}: ${main.toFixed(0)} + ${others.toFixed(0)}`);
    return { requests, main, others };
  };
  const stop = async () => {
    const sent = written(tool) / bytes;
    process.kill(tool, 'SIGINT');
    const { requests, errors } = await ended;
    // It goes on for a tenth of a second; more would mean that its requests look otherwise.
    if (Math.abs(sent - requests) > 0.05 * requests + 1000) {
      throw new Error(`wrk sent ${sent.toFixed(0)} requests and reports ${requests}`);
    }
    return errors;
  };
  return { takeWindow, stop };
}

/**
 * Windows until so many requests were sent.
 * @param {() => Promise<Window>} takeWindow
 * @param {number} wanted
 */
async function warmUp(takeWindow, wanted) {
  /** @type {Window[]} */
  const windows = [];
  for (let done = 0; done < wanted && windows.length < LONGEST_WARM_UP;) {
    const window = await takeWindow();
    windows.push(window);
    done += window.requests;
  }
  return windows;
}

/**
 * @param {import('../lib/proxies.mjs').Kind} kind
 * @param {import('../lib/proxies.mjs').Backends} backends
 * @param {import('../lib/workloads.mjs').Workload} workload
 * @returns {Promise<Measured>}
 */
async function measure(kind, backends, workload) {
  const one = await startContestant(kind, backends, { startMs: 60_000, scenario: workload.scenario });
  const wanted = plan.warmUp / (NATIVE.test(kind.name) ? 20 : 1);
  const long = LONG_ANSWERS.test(workload.path);
  if (long) {
    const short = await startLoad(one, WARM_UP);
    await warmUp(short.takeWindow, wanted);
    await short.stop();
  }
  const load = await startLoad(one, workload);
  const before = await warmUp(load.takeWindow, long ? wanted / 20 : wanted);
  const windows = [];
  for (let done = 0; windows.length < plan.windows || done < workload.connections * REQUESTS_EACH;) {
    const window = await load.takeWindow();
    windows.push(window);
    done += window.requests;
  }
  if (plan.profile) await profile(one.pid, `${kind.name}-${workload.letter}`);
  const errors = await load.stop();
  await one.stop();
  return {
    contestant: kind.name,
    version: one.version,
    workload: workload.letter,
    errors,
    total: together(windows),
    windows,
    before,
  };
}

async function main() {
  const fast = await startFastBackend({ cpu: undefined, port: undefined });
  const backends = { fast: fast.ports, check: fast.ports };
  /** @type {Measured[]} */
  const all = [];
  for (const kind of KINDS.filter(({ name }) => plan.contestants.includes(name))) {
    if (kind.version() === undefined) {
      console.log(`absent: ${kind.name}`);
      continue;
    }
    for (const workload of LOADS.filter(({ letter }) => plan.workloads.includes(letter))) {
      const one = await measure(kind, backends, workload);
      all.push(one);
      const { main, others } = one.total;
      console.log(
        `${one.contestant} ${one.workload}: ${main.toFixed(0)} + ${others.toFixed(0)} instructions`,
      );
      writeFileSync(join(folder, 'result.json'), JSON.stringify(all));
    }
  }
  await fast.stop();
}

try {
  await main();
} finally {
  await stopAll();
}

/**
 * User-mode instructions per request and function, by valgrind's callgrind: exact where
 * the processor's counters cannot be read, and the same on a busy machine. The kernel's
 * half is not in it.
 *
 * Only the first thread is counted, the one that serves: V8's compiler and collector
 * threads do what they do whenever they get to it. The proxy runs uncounted, at a third of its
 * speed, until V8 has compiled what is hot; then a first load is counted and thrown away,
 * for what it sets off when the instrumentation begins; then the one that counts.
 */
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { runLoad, runRequests, TOOLS } from './load.mjs';
import { isInstalled, processTree, run } from './processes.mjs';
import { startContestant } from './proxies.mjs';

/** Requests of the load that is thrown away. */
const SETTLING = 10_000;

/** @typedef {{ from: number, to: number, name: string }} Compiled code of V8 */

/** Why nothing can be counted here; undefined when it can. */
export function whyNoCallgrind() {
  return isInstalled('valgrind') ? undefined : 'valgrind is not installed';
}

/** The name of a function of V8's map, without its tier, its line and our directory. */
export function shortName(/** @type {string} */ text) {
  const match = /^(?:JS|LazyCompile|Function|Script|Eval):[~*^+']*(.*) (\S+?)(?::[0-9]+)*$/.exec(text);
  if (match === null) return text.replace(/^\w+:/, '');
  const file = (match[2] ?? '').replace(/^file:\/\//, '').replace(/^.*\/dist\//, '');
  return `${match[1] === '' ? '(anonymous)' : match[1]} ${file}`;
}

/** The name of a native function, without parameters and what the compiler made of it. */
export function plainName(/** @type {string} */ text) {
  const name = text.replaceAll('(anonymous namespace)::', '').replaceAll('::operator()', '');
  return name.replace(/(?<=.)\(.*$/, '');
}

/**
 * V8's map of compiled code (--perf-basic-prof), as lines "address size name", hexadecimal;
 * what is written later lies where older code was thrown away.
 * @param {string} text
 * @returns {(address: number) => string | undefined}
 */
export function readMap(text) {
  /** @type {Compiled[]} */
  const all = [];
  for (const line of text.split('\n')) {
    const match = /^([0-9a-f]+) ([0-9a-f]+) (.*)$/.exec(line);
    if (match === null) continue;
    const from = Number.parseInt(match[1] ?? '', 16);
    all.push({ from, to: from + Number.parseInt(match[2] ?? '', 16), name: shortName(match[3] ?? '') });
  }
  all.reverse();
  /** @type {Map<number, string | undefined>} */
  const known = new Map();
  return (address) => {
    if (!known.has(address)) {
      known.set(address, all.find(({ from, to }) => address >= from && address < to)?.name);
    }
    return known.get(address);
  };
}

/**
 * Instructions by function in a dump of callgrind made with --dump-instr=yes and without
 * compression. What a call cost is not counted again at the caller.
 * @param {string} text
 * @param {(address: number) => string | undefined} compiled names compiled code
 * @returns {Map<string, number>}
 */
export function readDump(text, compiled) {
  /** @type {Map<string, number>} */
  const costs = new Map();
  let object = '';
  let name = '';
  let isCall = false;
  for (const line of text.split('\n')) {
    const [, key, value = ''] = /^(\w+)=(.*)$/.exec(line) ?? [];
    if (key === 'ob') object = value;
    else if (key === 'fn') name = value;
    else if (key === 'calls') isCall = true;
    else if (/^0x[0-9a-f]+ /.test(line)) {
      if (!isCall) {
        const [address = '', , cost] = line.split(' ');
        const file = object.replace(/^.*\//, '');
        const label =
          object === '???' ? (compiled(Number(address)) ?? '(compiled)') : `${plainName(name)} ${file}`;
        costs.set(label, (costs.get(label) ?? 0) + Number(cost));
      }
      isCall = false;
    }
  }
  return costs;
}

/**
 * The dump of the first thread number `number` that callgrind wrote.
 * @param {string} folder
 * @param {number} number
 */
function readFirstThread(folder, number) {
  const file = readdirSync(folder).find((name) => name.endsWith(`.${number}-01`));
  if (file === undefined) throw new Error('callgrind wrote nothing: does callgrind_control reach it?');
  return readFileSync(join(folder, file), 'utf8');
}

/**
 * @typedef {object} Counted
 * @property {number} perRequest
 * @property {Record<string, number>} functions instructions per request of those that have any, the most costly first
 */

/**
 * Counts one contestant under one workload.
 * @param {import('./proxies.mjs').Kind} kind
 * @param {import('./proxies.mjs').Backends} backends
 * @param {import('./workloads.mjs').Workload} workload
 * @param {{ warmUpSeconds: number, requests: number, keep?: string | undefined }} options
 *   `keep` is a folder in which callgrind's files and V8's map (perf.map) stay
 * @returns {Promise<Counted>}
 */
export async function countWithCallgrind(kind, backends, workload, { warmUpSeconds, requests, keep }) {
  const folder =
    keep === undefined
      ? mkdtempSync(join(tmpdir(), 'millrace-callgrind-'))
      : join(keep, `${kind.name}-${workload.letter}`);
  mkdirSync(folder, { recursive: true });
  const wrap = ['env', 'NODE_OPTIONS=--perf-basic-prof', 'valgrind', '--tool=callgrind', '--quiet'];
  wrap.push('--instr-atstart=no', '--smc-check=all-non-file', '--trace-children=yes');
  wrap.push('--separate-threads=yes', '--dump-instr=yes', '--compress-strings=no', '--compress-pos=no');
  wrap.push(`--callgrind-out-file=${folder}/out.%p`);
  const { scenario } = workload;
  const one = await startContestant(kind, backends, { wrap, scenario, startMs: 120_000 });
  const pid = String(processTree(one.pid).at(-1) ?? one.pid);
  const map = join(tmpdir(), `perf-${pid}.map`);
  try {
    const load = { ...workload, port: one.port };
    await runLoad(TOOLS[0] ?? '', { ...load, seconds: warmUpSeconds });
    for (const count of [SETTLING, requests]) {
      await run('callgrind_control', ['-i', 'on', pid]);
      await runRequests(load, count);
      await run('callgrind_control', ['-i', 'off', pid]);
      await run('callgrind_control', ['-d', pid]);
      await sleep(500);
    }
    const compiled = kind.onNode ? readMap(readFileSync(map, 'utf8')) : () => undefined;
    const costs = readDump(readFirstThread(folder, 2), compiled);
    const sorted = [...costs].sort(([, a], [, b]) => b - a);
    return {
      perRequest: sorted.reduce((sum, [, cost]) => sum + cost, 0) / requests,
      functions: Object.fromEntries(sorted.map(([name, cost]) => [name, cost / requests])),
    };
  } finally {
    await one.stop();
    if (keep !== undefined && kind.onNode) copyFileSync(map, join(folder, 'perf.map'));
    rmSync(map, { force: true });
    if (keep === undefined) rmSync(folder, { recursive: true, force: true });
  }
}

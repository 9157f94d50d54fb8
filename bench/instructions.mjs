/**
 * User-mode instructions per proxied request, counted by valgrind's callgrind: exact
 * where the processor's own counters cannot be read, and the same on a busy machine.
 * The kernel's half is not in it, and the proxy runs some thirty times slower.
 *
 *   node bench/instructions.mjs [--contestants millrace,nginx,haproxy] [--workloads a,h,e]
 *                               [--warm-up 200000] [--requests 10000] [--keep FOLDER]
 *
 * --keep leaves callgrind's files there, for callgrind_annotate: which function grew.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { startFastBackend } from './lib/backends.mjs';
import { runRequests } from './lib/load.mjs';
import { isInstalled, processTree, run, stopAll } from './lib/processes.mjs';
import { KINDS, startContestant } from './lib/proxies.mjs';
import { table } from './lib/report.mjs';
import { LOADS } from './lib/workloads.mjs';

const { values } = parseArgs({
  options: {
    contestants: { type: 'string', default: 'millrace,nginx,haproxy' },
    workloads: { type: 'string', default: 'a,h,e' },
    'warm-up': { type: 'string', default: '200000' },
    requests: { type: 'string', default: '10000' },
    keep: { type: 'string' },
  },
});
const requests = Number(values.requests);

/** The contestant's process that serves: a worker when there is one. @param {number} pid */
function servingProcess(pid) {
  return processTree(pid).at(-1) ?? pid;
}

/**
 * The total of the `number`-th dump that callgrind wrote; each dump starts from zero.
 * @param {string} folder
 * @param {number} number
 */
function dumpedTotal(folder, number) {
  const file = readdirSync(folder).find((name) => name.endsWith(`.${number}`));
  if (file === undefined) throw new Error('callgrind wrote nothing: does callgrind_control reach it?');
  return Number(/^totals: ([0-9]+)/m.exec(readFileSync(join(folder, file), 'utf8'))?.[1]);
}

/**
 * @param {import('./lib/proxies.mjs').Kind} kind
 * @param {import('./lib/proxies.mjs').Backends} backends
 * @param {import('./lib/workloads.mjs').Workload} workload
 * @returns {Promise<number>} instructions per request
 */
async function count(kind, backends, workload) {
  const folder =
    values.keep === undefined
      ? mkdtempSync(join(tmpdir(), 'millrace-callgrind-'))
      : join(values.keep, `${kind.name}-${workload.letter}`);
  mkdirSync(folder, { recursive: true });
  const wrap = ['valgrind', '--tool=callgrind', '--instr-atstart=no', '--smc-check=all-non-file'];
  wrap.push(`--callgrind-out-file=${folder}/out.%p`, '--trace-children=yes', '--quiet');
  const one = await startContestant(kind, backends, { wrap, startMs: 60_000 });
  const load = { ...workload, port: one.port };
  await runRequests(load, Number(values['warm-up']));
  const pid = String(servingProcess(one.pid));
  // Two counts of different length: what a load costs when it begins and ends, compilations
  // that it sets off among it, is in both and falls out of the difference.
  const totals = [];
  for (const times of [1, 3]) {
    await run('callgrind_control', ['-i', 'on', pid]);
    await runRequests(load, requests * times);
    await run('callgrind_control', ['-i', 'off', pid]);
    await run('callgrind_control', ['-d', pid]);
    await sleep(300);
    totals.push(dumpedTotal(folder, totals.length + 1));
  }
  await one.stop();
  if (values.keep === undefined) rmSync(folder, { recursive: true, force: true });
  return ((totals[1] ?? NaN) - (totals[0] ?? NaN)) / (2 * requests);
}

async function main() {
  if (!isInstalled('valgrind')) throw new Error('valgrind is not installed');
  const fast = await startFastBackend({ cpu: undefined, port: undefined });
  const kinds = KINDS.filter(({ name }) => values.contestants.split(',').includes(name));
  const workloads = LOADS.filter(({ letter }) => values.workloads.split(',').includes(letter));
  const rows = [];
  for (const kind of kinds.filter((one) => one.version() !== undefined)) {
    const cells = [];
    for (const workload of workloads) {
      const each = await count(kind, { fast: fast.ports, check: fast.ports }, workload);
      cells.push((each / 1000).toFixed(1));
    }
    rows.push([kind.name, ...cells]);
  }
  console.log('thousands of user-mode instructions per request');
  console.log(table([['', ...workloads.map(({ letter }) => letter)], ...rows]));
  await fast.stop();
}

try {
  await main();
} finally {
  await stopAll();
}

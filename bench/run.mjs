/**
 * The bench: what a proxied request costs, beside the peers that are installed, in
 * interleaved rounds on pinned processors.
 *
 *   npm run bench -- [--workloads a,h,e,f] [--contestants millrace,nginx,haproxy,node]
 *                    [--rounds 5] [--seconds 4] [--idle 10000] [--json FILE] [--no-syscalls]
 *                    [--cpu-proxy N] [--cpu-load N]     the last processor for both by default
 *                    [--target NAME=PORT,PID] [--backend-port N] [--check-port N]
 *
 * --target adds a proxy that runs already. It must pass /check to the check port and
 * everything else to the backend port, as bench/conf/proxy.nginx.conf does.
 * What is measured and how to read it: docs/benchmarks.md.
 */
import { writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { startCheckingBackend, startFastBackend } from './lib/backends.mjs';
import { countInstructions, countSystemCalls, whyNoInstructions } from './lib/counters.mjs';
import { runLoad, TOOLS } from './lib/load.mjs';
import { cpuBetween, cpuTime, residentBytes } from './lib/process-meter.mjs';
import { isInstalled, machine, start, stopAll } from './lib/processes.mjs';
import { prove } from './lib/proof.mjs';
import { KINDS, startContestant } from './lib/proxies.mjs';
import { loadTable, summarise, table } from './lib/report.mjs';
import { IDLE, LOADS } from './lib/workloads.mjs';

const { values } = parseArgs({
  options: {
    workloads: { type: 'string', default: 'a,h,e,f' },
    contestants: { type: 'string', default: KINDS.map(({ name }) => name).join(',') },
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '4' },
    idle: { type: 'string', default: '10000' },
    json: { type: 'string', default: 'bench-result.json' },
    'no-syscalls': { type: 'boolean', default: false },
    'cpu-proxy': { type: 'string', default: String(cpus().length - 1) },
    'cpu-load': { type: 'string', default: String(cpus().length - 1) },
    target: { type: 'string', multiple: true, default: [] },
    'backend-port': { type: 'string' },
    'check-port': { type: 'string' },
  },
});
const wanted = values.workloads.split(',');
const rounds = Number(values.rounds);
const seconds = Number(values.seconds);
const cpuProxy = Number(values['cpu-proxy']);
const cpuLoad = Number(values['cpu-load']);
const noInstructions = whyNoInstructions();
const say = console.log;

/** @typedef {import('./lib/proxies.mjs').Contestant} Contestant */

/** Starts what is installed and asked for, and takes in what runs already. */
async function assemble(/** @type {import('./lib/proxies.mjs').Backends} */ backends) {
  /** @type {Contestant[]} */
  const contestants = [];
  for (const kind of KINDS.filter(({ name }) => values.contestants.split(',').includes(name))) {
    if (kind.version() === undefined) say(`absent: ${kind.name} is not installed`);
    else {
      const one = await startContestant(kind, backends, { cpu: cpuProxy }).catch((error) =>
        say(String(error)),
      );
      if (one !== undefined) contestants.push(one);
    }
  }
  for (const target of values.target) {
    const match = /^([^=]+)=([0-9]+),([0-9]+)$/.exec(target);
    if (match === null) throw new Error(`--target is NAME=PORT,PID, not "${target}"`);
    const [, name = '', port, pid] = match;
    contestants.push({
      name,
      version: 'runs already',
      port: Number(port),
      pid: Number(pid),
      stop: async () => {},
    });
  }
  return contestants;
}

/** Leaves those who pass every proof. */
async function sift(
  /** @type {Contestant[]} */ contestants,
  /** @type {import('./lib/backends.mjs').Captured[]} */ captured,
) {
  const fit = [];
  for (const one of contestants) {
    const proofs = await prove({ port: one.port, captured });
    const failed = proofs.filter(({ ok }) => !ok);
    say(`proof of ${one.name} (${one.version}): ${proofs.length - failed.length} of ${proofs.length}`);
    for (const { what, detail } of failed) say(`  NOT MEASURED for ${what}: ${detail}`);
    if (failed.length === 0) fit.push(one);
  }
  return fit;
}

/** One round of one workload. @returns {Promise<import('./lib/report.mjs').Measurement>} */
async function measure(
  /** @type {Contestant} */ one,
  /** @type {import('./lib/workloads.mjs').Workload} */ { letter, connections, fields },
  /** @type {string} */ tool,
  /** @type {number} */ round,
) {
  const load = { port: one.port, connections, fields, seconds, cpu: cpuLoad };
  const before = cpuTime(one.pid);
  const counted =
    noInstructions === undefined ? await countInstructions(one.pid, () => runLoad(tool, load)) : undefined;
  const outcome = counted?.result ?? (await runLoad(tool, load));
  const { totalNs, userNs, systemNs } = cpuBetween(before, cpuTime(one.pid));
  const { requests } = outcome;
  return {
    ...{ workload: letter, contestant: one.name, tool, round, ...outcome },
    cpuUs: totalNs / 1000 / requests,
    userUs: userNs / 1000 / requests,
    systemUs: systemNs / 1000 / requests,
    instructions: counted === undefined ? undefined : (counted.user + counted.kernel) / requests,
    residentBytes: residentBytes(one.pid),
  };
}

/** System calls per request under a workload, by name. */
async function systemCalls(
  /** @type {Contestant} */ one,
  /** @type {import('./lib/workloads.mjs').Workload} */ { connections, fields },
) {
  const load = { port: one.port, connections, fields, seconds: 2, cpu: cpuLoad };
  const { calls, result } = await countSystemCalls(one.pid, () => runLoad(TOOLS[0] ?? '', load));
  const each = Object.entries(calls).map(
    ([name, count]) => /** @type {const} */ ([name, count / result.requests]),
  );
  return new Map(each.sort(([, a], [, b]) => b - a));
}

/** Memory per idle client: resident bytes with them less without them. */
async function idleMemory(/** @type {Contestant} */ one, /** @type {number} */ count) {
  const script = new URL('./lib/idle.mjs', import.meta.url).pathname;
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

async function main() {
  const { cpu, kernel, node, date } = machine();
  say(
    `${date}, ${cpu}, ${kernel}, Node ${node}; proxies on processor ${cpuProxy}, load and backend on ${cpuLoad}`,
  );
  if (noInstructions !== undefined) say(`${noInstructions}: judged by CPU time per request`);
  const ports = { port: values['backend-port'], check: values['check-port'] };
  const optional = (/** @type {string | undefined} */ text) =>
    text === undefined ? undefined : Number(text);
  const fast = await startFastBackend({ cpu: cpuLoad, port: optional(ports.port) });
  const check = await startCheckingBackend({ port: optional(ports.check) });
  say(`backend: ${fast.program} on ${fast.port}; checking backend on ${check.port}`);
  const all = await assemble({ fast: fast.port, check: check.port });
  const contestants = await sift(all, check.captured);

  /** @type {import('./lib/report.mjs').Measurement[]} */
  const measurements = [];
  /** @type {Record<string, Record<string, Record<string, number>>>} */
  const calls = {};
  for (const workload of LOADS.filter(({ letter }) => wanted.includes(letter))) {
    say(`\n${workload.letter}: ${workload.what}`);
    // A round that nobody counts: code is compiled, pools are filled.
    for (const one of contestants) await measure(one, workload, TOOLS[0] ?? '', -1);
    for (let round = 0; round < rounds; round++) {
      for (const one of contestants) measurements.push(await measure(one, workload, TOOLS[0] ?? '', round));
    }
    // autocannon as a second witness; one round, for it costs more than any proxy.
    if (TOOLS[0] !== 'autocannon') {
      for (const one of contestants) measurements.push(await measure(one, workload, 'autocannon', 0));
    }
    /** @type {Map<string, number>} */
    const sums = new Map();
    calls[workload.letter] = {};
    for (const one of !values['no-syscalls'] && isInstalled('strace') ? contestants : []) {
      const each = await systemCalls(one, workload);
      sums.set(
        one.name,
        [...each.values()].reduce((sum, count) => sum + count, 0),
      );
      Object.assign(calls[workload.letter] ?? {}, { [one.name]: Object.fromEntries(each) });
    }
    for (const tool of TOOLS) {
      const rows = summarise(measurements).filter(
        (row) => row.workload === workload.letter && row.tool === tool,
      );
      say(`${tool}, median of ${rows[0]?.rounds ?? 0}`);
      say(loadTable(rows, sums));
    }
    for (const [name, each] of Object.entries(calls[workload.letter] ?? {})) {
      const often = Object.entries(each).filter(([, count]) => count >= 0.01);
      say(
        `system calls of ${name}: ${often.map(([call, count]) => `${call} ${count.toFixed(2)}`).join(', ')}`,
      );
    }
  }

  /** @type {Record<string, Awaited<ReturnType<typeof idleMemory>>>} */
  const idle = {};
  if (wanted.includes(IDLE.letter)) {
    const count = Number(values.idle);
    say(`\nf: ${IDLE.what} (${count} or as many as it takes, each after one request)`);
    for (const { name, clients } of contestants) {
      const kind = KINDS.find((one) => one.name === name);
      // A fresh process, warm from the first workload alone: what the others left behind would
      // be counted as free before, and a target that runs already cannot be started anew.
      if (kind === undefined) continue;
      const fresh = await startContestant(kind, { fast: fast.port, check: check.port }, { cpu: cpuProxy });
      const [load] = LOADS;
      for (let i = 0; i < 2 && load !== undefined; i++) await measure(fresh, load, TOOLS[0] ?? '', -1);
      idle[name] = await idleMemory(fresh, Math.min(count, clients));
      await fresh.stop();
    }
    const mb = (/** @type {number} */ bytes) => (bytes / 1024 / 1024).toFixed(1);
    const rows = Object.entries(idle).map(([name, { count, before, after, perClient }]) => [
      ...[name, String(count), perClient.toFixed(0), mb(before), mb(after)],
    ]);
    say(table([['', 'clients', 'bytes each', 'RSS MB before', 'RSS MB with them'], ...rows]));
  }

  const setting = { rounds, seconds, cpuProxy, cpuLoad, command: process.argv.slice(2).join(' ') };
  const result = { machine: machine(), setting, noInstructions, measurements, calls, idle };
  writeFileSync(values.json, `${JSON.stringify(result, undefined, 1)}\n`);
  say(`\nwritten: ${values.json}`);
  check.stop();
  await Promise.all([...all, fast].map((one) => one.stop()));
  if (contestants.length < all.length) process.exitCode = 1;
}

try {
  await main();
} finally {
  await stopAll();
}

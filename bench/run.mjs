/**
 * The bench: what a proxied request costs, beside the peers that are installed, in
 * interleaved rounds on pinned processors.
 *
 *   npm run bench -- [--quick] [--workloads a,b,h,...] [--contestants millrace,nginx,...]
 *                    [--rounds 3] [--seconds 3] [--idle 10000] [--json FILE] [--svg FILE]
 *                    [--no-syscalls] [--cpu-proxy N] [--cpu-load N]   the last processor for both by default
 *                    [--target NAME=PORT,PID] [--backend-port N] [--check-port N]
 *
 * --target adds a proxy that runs already. It must pass /check to the check port and
 * everything else to the backend port, as bench/conf/proxy.nginx.conf does.
 * What is measured and how to read it: docs/benchmarks.md.
 */
import { writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { startCheckingBackend, startFastBackend } from './lib/backends.mjs';
import { drawChart } from './lib/chart.mjs';
import { assemble, installed, parseTarget } from './lib/contestants.mjs';
import { whyNoInstructions } from './lib/counters.mjs';
import { runIdle } from './lib/idle-memory.mjs';
import { runLatency } from './lib/latency.mjs';
import { TOOLS } from './lib/load.mjs';
import { machine, stopAll } from './lib/processes.mjs';
import { KINDS } from './lib/proxies.mjs';
import { relativeTable, summarise } from './lib/report.mjs';
import { besideShares, runWorkload } from './lib/rounds.mjs';
import { runScale } from './lib/scale.mjs';
import { LETTERS, LOADS, TITLES, WARM_UP } from './lib/workloads.mjs';

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    workloads: { type: 'string', default: LETTERS.join(',') },
    contestants: { type: 'string', default: KINDS.map(({ name }) => name).join(',') },
    rounds: { type: 'string' },
    seconds: { type: 'string' },
    idle: { type: 'string' },
    json: { type: 'string', default: 'bench-result.json' },
    svg: { type: 'string', default: 'bench-result.svg' },
    'no-syscalls': { type: 'boolean', default: false },
    'cpu-proxy': { type: 'string', default: String(cpus().length - 1) },
    'cpu-load': { type: 'string', default: String(cpus().length - 1) },
    target: { type: 'string', multiple: true, default: [] },
    'backend-port': { type: 'string' },
    'check-port': { type: 'string' },
  },
});
const wanted = values.workloads.split(',');
const say = console.log;

/** @type {(text: string | undefined) => number | undefined} */
const optional = (text) => (text === undefined ? undefined : Number(text));

async function main() {
  const unknown = wanted.filter((letter) => !LETTERS.includes(letter));
  if (unknown.length > 0) throw new Error(`unknown workload "${unknown.join('", "')}"`);
  const noInstructions = whyNoInstructions();
  const setting = {
    rounds: optional(values.rounds) ?? (values.quick ? 1 : 3),
    seconds: optional(values.seconds) ?? (values.quick ? 1 : 3),
    cpuProxy: Number(values['cpu-proxy']),
    cpuLoad: Number(values['cpu-load']),
  };
  const { cpu, kernel, node, date } = machine();
  say(
    `${date}, ${cpus().length} x ${cpu}, ${kernel}, Node ${node}; ` +
      `proxies on processor ${setting.cpuProxy}, load and backend on ${setting.cpuLoad}`,
  );
  if (noInstructions !== undefined) say(`${noInstructions}: judged by CPU time per request`);
  const fast = await startFastBackend({ cpu: setting.cpuLoad, port: optional(values['backend-port']) });
  const check = await startCheckingBackend({ port: optional(values['check-port']) });
  say(`backend: ${fast.program} on ${fast.ports[0]}; checking backend on ${check.ports[0]}`);
  const backends = { fast: fast.ports, check: check.ports };
  const bench = { ...setting, say, backends, captured: check.captured, noInstructions };

  const kinds = installed(bench, values.contestants.split(','));
  const targets = values.target.map(parseTarget);
  const plain = await assemble(bench, kinds, targets, 'plain');
  const full = wanted.includes('x') ? await assemble(bench, kinds, [], 'full') : { fit: [], unfit: [] };
  const teams = { plain: plain.fit, full: full.fit, shared: [] };

  /** @type {import('./lib/report.mjs').Measurement[]} */
  const measurements = [];
  /** @type {Record<string, Record<string, Record<string, number>>>} */
  const calls = {};
  for (const workload of LOADS.filter(({ letter }) => wanted.includes(letter))) {
    const beside = workload.letter === 'x' ? { workload: WARM_UP, contestants: plain.fit } : undefined;
    const options = { syscalls: !values['no-syscalls'], beside };
    const result = await runWorkload(bench, teams[workload.scenario], workload, options);
    measurements.push(...result.measurements);
    calls[workload.letter] = result.calls;
  }
  await Promise.all([...plain.fit, ...full.fit].map((one) => one.stop()));

  const proven = kinds.filter(({ name }) => plain.fit.some((one) => one.name === name));
  const idleClients = optional(values.idle) ?? (values.quick ? 1000 : 10_000);
  const idle = wanted.includes('f') ? await runIdle(bench, proven, idleClients) : undefined;
  const latency = wanted.includes('l') ? await runLatency(bench, proven) : undefined;
  const scale = wanted.includes('w') ? await runScale(bench, proven) : undefined;

  const summary = summarise(measurements).filter(({ tool }) => tool === TOOLS[0]);
  const measure = noInstructions === undefined ? 'instructions' : 'CPU time';
  if (summary.length > 0) say(`\n${measure} per request, nginx's is 1\n${relativeTable(summary)}`);
  const result = {
    machine: { ...machine(), processors: cpus().length },
    setting: { ...setting, idleClients, command: process.argv.slice(2).join(' ') },
    contestants: Object.fromEntries([...kinds, ...targets].map((one) => [one.name, versionOf(one)])),
    ...{ measure, noInstructions, summary, calls, idle, latency, scale },
    xOverA: besideShares(measurements, 'x', 'a'),
    measurements,
  };
  writeFileSync(values.json, `${JSON.stringify(result, undefined, 1)}\n`);
  if (summary.length > 0) writeFileSync(values.svg, drawChart(result, TITLES));
  say(`\nwritten: ${values.json}${summary.length > 0 ? ` and ${values.svg}` : ''}`);
  check.stop();
  await fast.stop();
  if (plain.unfit.length + full.unfit.length > 0) process.exitCode = 1;
}

/** @type {(one: { version: string | (() => string | undefined) }) => string | undefined} */
function versionOf({ version }) {
  return typeof version === 'string' ? version : version();
}

try {
  await main();
} finally {
  await stopAll();
}

/**
 * Workload l: latency at half of nginx's peak rate. The proxy has its processor to itself,
 * load and backend are on another, where there is one: on a shared processor the scheduler
 * would be measured.
 */
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { startFastBackend } from './backends.mjs';
import { runLoad, TOOLS } from './load.mjs';
import { run } from './processes.mjs';
import { startContestant } from './proxies.mjs';
import { cell, median, table } from './report.mjs';
import { WARM_UP } from './workloads.mjs';

const SCRIPT = fileURLToPath(new URL('./open-loop.mjs', import.meta.url));

/** @typedef {import('./open-loop.mjs').OpenLoop} OpenLoop */

/**
 * @param {import('./contestants.mjs').Bench} bench
 * @param {readonly import('./proxies.mjs').Kind[]} kinds
 * @returns {Promise<{ rate: number, rounds: Record<string, OpenLoop[]> } | undefined>} undefined without nginx
 */
export async function runLatency(bench, kinds) {
  const { say, cpuProxy, seconds } = bench;
  const nginx = kinds.find(({ name }) => name === 'nginx');
  if (nginx === undefined) {
    say('\nl: not measured, for nginx sets the rate and does not take part');
    return undefined;
  }
  const cpu = cpus().length > 1 ? (cpuProxy === 0 ? 1 : 0) : cpuProxy;
  const fast = await startFastBackend({ cpu });
  const backends = { fast: fast.ports, check: bench.backends.check };
  /** @type {import('./proxies.mjs').Contestant[]} */
  const contestants = [];
  for (const kind of kinds) contestants.push(await startContestant(kind, backends, { cpu: cpuProxy }));
  const load = { ...WARM_UP, seconds, cpu };
  let peak = 0;
  for (const one of contestants) {
    const { perSecond } = await runLoad(TOOLS[0] ?? '', { ...load, port: one.port });
    if (one.name === nginx.name) peak = perSecond;
  }
  const rate = Math.floor(peak / 2);
  say(`\nl: ${rate} requests a second, half of nginx's peak, on ${WARM_UP.connections} connections`);
  /** @type {Record<string, OpenLoop[]>} */
  const rounds = {};
  for (let round = 0; round < bench.rounds; round++) {
    for (const { name, port } of contestants) {
      const args = [SCRIPT, ...[port, rate, seconds, WARM_UP.connections, WARM_UP.path].map(String)];
      const output = String(await run(process.execPath, args, { cpu }));
      (rounds[name] ??= []).push(JSON.parse(output));
    }
  }
  await Promise.all([...contestants, fast].map((one) => one.stop()));
  say(latencyTable(rate, rounds));
  return { rate, rounds };
}

/**
 * Medians of the rounds; who did not keep up with the rate is marked.
 * @param {number} rate
 * @param {Record<string, OpenLoop[]>} rounds
 */
function latencyTable(rate, rounds) {
  const titles = ['p50 ms', 'p99 ms', 'p99.9 ms', 'max ms', 'p99 of nginx', "load's lag p99", 'req/s'];
  const rows = Object.entries(rounds).map(([name, list]) => {
    const middle = (/** @type {(one: OpenLoop) => number} */ of) => median(list.map(of));
    const shares = list.map((one, i) => one.p99Ms / (rounds['nginx']?.[i]?.p99Ms ?? NaN));
    const perSecond = middle((one) => one.perSecond);
    return [
      name,
      ...['p50Ms', 'p99Ms', 'p999Ms', 'maxMs'].map((key) =>
        cell(
          middle((one) => one[/** @type {keyof OpenLoop} */ (key)]),
          2,
        ),
      ),
      cell(median(shares), 2),
      cell(
        middle((one) => one.lagP99Ms),
        2,
      ),
      cell(perSecond, 0),
      ...(perSecond < rate * 0.97 ? ['DID NOT KEEP UP'] : []),
    ];
  });
  return table([['', ...titles], ...rows]);
}

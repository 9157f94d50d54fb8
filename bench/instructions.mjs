/**
 * User-mode instructions per proxied request, counted by valgrind's callgrind, and the
 * functions that they are spent in.
 *
 *   node bench/instructions.mjs [--contestants millrace,nginx,haproxy] [--workloads a,h,e]
 *                               [--warm-up 20] [--requests 30000] [--top 15] [--keep FOLDER]
 *
 * --warm-up is in seconds. --keep leaves callgrind's files there, for callgrind_annotate.
 */
import { parseArgs } from 'node:util';
import { startFastBackend } from './lib/backends.mjs';
import { countWithCallgrind, whyNoCallgrind } from './lib/callgrind.mjs';
import { installed } from './lib/contestants.mjs';
import { stopAll } from './lib/processes.mjs';
import { table } from './lib/report.mjs';
import { LOADS } from './lib/workloads.mjs';

const { values } = parseArgs({
  options: {
    contestants: { type: 'string', default: 'millrace,nginx,haproxy' },
    workloads: { type: 'string', default: 'a,h,e' },
    'warm-up': { type: 'string', default: '20' },
    requests: { type: 'string', default: '30000' },
    top: { type: 'string', default: '15' },
    keep: { type: 'string' },
  },
});
const say = console.log;

async function main() {
  const why = whyNoCallgrind();
  if (why !== undefined) throw new Error(why);
  const fast = await startFastBackend({});
  const backends = { fast: fast.ports, check: fast.ports };
  const workloads = LOADS.filter(({ letter }) => values.workloads.split(',').includes(letter));
  const options = {
    warmUpSeconds: Number(values['warm-up']),
    requests: Number(values.requests),
    keep: values.keep,
  };
  const rows = [];
  for (const kind of installed({ say }, values.contestants.split(','))) {
    const cells = [];
    for (const workload of workloads) {
      const { perRequest, functions } = await countWithCallgrind(kind, backends, workload, options);
      cells.push((perRequest / 1000).toFixed(1));
      say(`${kind.name}, ${workload.letter}: ${perRequest.toFixed(0)}`);
      const top = Object.entries(functions).slice(0, Number(values.top));
      for (const [name, each] of top) say(`  ${each.toFixed(0).padStart(6)}  ${name}`);
    }
    rows.push([kind.name, ...cells]);
  }
  say('\nthousands of user-mode instructions per request');
  say(table([['', ...workloads.map(({ letter }) => letter)], ...rows]));
  await fast.stop();
}

try {
  await main();
} finally {
  await stopAll();
}

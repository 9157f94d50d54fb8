/**
 * Instructions per proxied request, user and kernel mode together, counted in a machine
 * under software emulation: exact where the processor's own counters cannot be read, and
 * the same on a busy machine.
 *
 *   node bench/emulated.mjs [--contestants millrace,nginx,haproxy] [--workloads a,h,e] [--profile]
 *                           [--checkout DIR] [--warm-up 25000] [--windows 2] [--json FILE] [--limit 30]
 *
 * --profile adds a load under perf's samples and says which functions the instructions went to,
 * --checkout measures the millrace of another working tree, --limit ends it after that many
 * minutes. A window is a thousand million instructions of everything that runs there; --warm-up
 * counts requests.
 */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { DEFAULT_PLAN, measureInMachine, whyNotEmulated } from './emulator/measure.mjs';
import { table } from './lib/report.mjs';

const { values } = parseArgs({
  options: {
    contestants: { type: 'string', default: 'millrace,nginx,haproxy' },
    workloads: { type: 'string', default: 'a,h,e' },
    checkout: { type: 'string' },
    profile: { type: 'boolean', default: false },
    'warm-up': { type: 'string', default: String(DEFAULT_PLAN.warmUp) },
    windows: { type: 'string', default: String(DEFAULT_PLAN.windows) },
    json: { type: 'string' },
    limit: { type: 'string', default: '30' },
  },
});

/** Functions of a profile that are printed. */
const FUNCTIONS = 40;

/** @typedef {import('./emulator/measure.mjs').Result} Result */

const thousands = (/** @type {number} */ count) => (count / 1000).toFixed(1);

/** @param {readonly Result[]} all */
function printProfiles(all) {
  console.log('\nthe same, with repeated instructions counted once as a processor does');
  const rows = all.flatMap(({ contestant, workload, total: { main, others }, profile }) => {
    if (profile === undefined) return [];
    const total = main + others;
    const user = 1 - profile.kernel - profile.repeated;
    const parts = [user, profile.kernel, user + profile.kernel, profile.repeated];
    return [
      [contestant, workload, ...parts.map((share) => thousands(total * share)), String(profile.samples)],
    ];
  });
  console.log(table([['', '', 'user', 'kernel', 'both', 'repeats', 'samples'], ...rows]));
  for (const { contestant, workload, total, profile } of all) {
    console.log(`\n${contestant} ${workload}, thousands for each request:`);
    for (const [name, share] of profile?.functions.slice(0, FUNCTIONS) ?? []) {
      console.log(`${(((total.main + total.others) * share) / 1000).toFixed(2).padStart(8)}  ${name}`);
    }
  }
}

async function main() {
  const missing = whyNotEmulated(values.profile);
  if (missing !== undefined) throw new Error(missing);
  const plan = {
    contestants: values.contestants.split(','),
    workloads: values.workloads.split(','),
    warmUp: Number(values['warm-up']),
    windows: Number(values.windows),
    profile: values.profile,
  };
  const began = Date.now();
  const all = await measureInMachine(plan, {
    ...(values.checkout === undefined ? {} : { checkout: values.checkout }),
    limitMs: Number(values.limit) * 60_000,
    say: (line) => console.error(`${((Date.now() - began) / 1000).toFixed(0).padStart(5)} s  ${line}`),
  });
  const rows = plan.contestants.map((name) => [
    name,
    ...plan.workloads.map((letter) => {
      const one = all.find(({ contestant, workload }) => contestant === name && workload === letter);
      if (one === undefined) return '';
      const { main, others } = one.total;
      const helpers = others >= 50 ? ` + ${thousands(others)}` : '';
      return `${thousands(main)}${helpers}${one.errors > 0 ? ` (${one.errors} errors)` : ''}`;
    }),
  ]);
  console.log('thousands of instructions per request, user and kernel mode; behind "+" of helper threads');
  console.log(table([['', ...plan.workloads], ...rows]));
  if (values.profile) printProfiles(all);
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(all, null, 2)}\n`);
}

await main();

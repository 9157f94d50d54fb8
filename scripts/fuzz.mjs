// A fuzzing campaign: `npm run fuzz -- --cases 1000000 --seed 1 [--proxied 100000]`. So many
// cases in all, of which the last number goes through a running proxy (a tenth by default) and
// the others through the parsers. The same seed finds the same cases again.
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const { values } = parseArgs({
  options: {
    cases: { type: 'string', default: '100000' },
    seed: { type: 'string', default: String(Date.now() % 0x7fffffff) },
    proxied: { type: 'string' },
  },
});
const cases = Number(values.cases);
const proxied = Number(values.proxied ?? Math.round(cases / 10));
if (!Number.isInteger(cases) || !Number.isInteger(proxied) || proxied > cases || proxied < 0) {
  console.error('--cases and --proxied are whole numbers, and not more are proxied than there are');
  process.exit(2);
}
const { status } = spawnSync(
  process.execPath,
  [join(root, 'node_modules/vitest/vitest.mjs'), 'run', 'test/fuzz', '-t', 'messages|conversations'],
  {
    cwd: root,
    stdio: 'inherit',
    env: {
      ...process.env,
      MILLRACE_FUZZ_CASES: String(cases - proxied),
      MILLRACE_FUZZ_PROXIED: String(proxied),
      MILLRACE_FUZZ_SEED: values.seed,
    },
  },
);
process.exit(status ?? 1);

/**
 * Ways to count what a request costs, for the gate. A measure is an object of five; its name is
 * the key under which bench/baseline.json keeps figures, for those of two measures cannot
 * be compared. The first in MEASURES that works on a machine is taken.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DEFAULT_PLAN, measureInMachine, whyNotEmulated } from '../emulator/measure.mjs';
import { countWithCallgrind, whyNoCallgrind } from './callgrind.mjs';
import { countInstructions, whyNoInstructions } from './counters.mjs';
import { functionShares } from './cpu-profile.mjs';
import { runLoad, TOOLS } from './load.mjs';
import { startContestant } from './proxies.mjs';
import { median } from './report.mjs';

/**
 * @typedef {object} Measure
 * @property {string} name
 * @property {string} what it counts, for people
 * @property {boolean} quick whether it takes seconds: what CI can afford
 * @property {() => string | undefined} whyNot why it cannot count here
 * @property {(kind: import('./proxies.mjs').Kind, workload: import('./workloads.mjs').Workload, backends: import('./proxies.mjs').Backends) => Promise<import('./callgrind.mjs').Counted>} count
 *   instructions per request of one contestant under one workload, and the functions that
 *   they were spent in, as far as they are known
 */

const SECONDS = 3;
const ROUNDS = 3;

/**
 * Each function's share of the time, by V8's sampling profiler. The contestant's command is a
 * script of Node.
 * @param {import('./proxies.mjs').Kind} kind
 * @param {import('./workloads.mjs').Workload} workload
 * @param {import('./proxies.mjs').Backends} backends
 */
async function profile(kind, { scenario, ...load }, backends) {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-profile-'));
  const wrap = [process.execPath, '--cpu-prof', `--cpu-prof-dir=${folder}`];
  const one = await startContestant(kind, backends, { wrap, scenario });
  await runLoad(TOOLS[0] ?? '', { ...load, port: one.port, seconds: SECONDS });
  await one.stop();
  const file = readdirSync(folder).find((name) => name.endsWith('.cpuprofile'));
  const text = file === undefined ? undefined : readFileSync(join(folder, file), 'utf8');
  rmSync(folder, { recursive: true, force: true });
  return text === undefined ? {} : functionShares(text);
}

/** @type {Measure} */
const perf = {
  name: 'perf',
  what: "user-mode and kernel instructions by the processor's counters (perf)",
  quick: true,
  whyNot: whyNoInstructions,
  count: async (kind, workload, backends) => {
    const one = await startContestant(kind, backends, { scenario: workload.scenario });
    const load = { ...workload, port: one.port, seconds: SECONDS };
    await runLoad(TOOLS[0] ?? '', load);
    const each = [];
    for (let round = 0; round < ROUNDS; round++) {
      const { user, kernel, result } = await countInstructions(one.pid, () => runLoad(TOOLS[0] ?? '', load));
      each.push((user + kernel) / result.requests);
    }
    await one.stop();
    const perRequest = median(each);
    const shares = kind.name === 'millrace' ? await profile(kind, workload, backends) : {};
    const scaled = Object.entries(shares).map(([name, share]) => [name, share * perRequest]);
    return { perRequest, functions: Object.fromEntries(scaled) };
  },
};

/** @type {Measure} */
const callgrind = {
  name: 'callgrind',
  what: "user-mode instructions of the serving thread (callgrind); the kernel's are not counted",
  quick: false,
  whyNot: whyNoCallgrind,
  count: (kind, workload, backends) =>
    countWithCallgrind(kind, backends, workload, {
      warmUpSeconds: kind.onNode ? 20 : 2,
      requests: 30_000,
    }),
};

/** @type {Measure} */
const emulator = {
  name: 'emulator',
  what: 'user-mode and kernel instructions in an emulated machine (QEMU)',
  quick: false,
  whyNot: () => whyNotEmulated(true),
  count: async ({ name }, { letter }) => {
    const plan = { ...DEFAULT_PLAN, contestants: [name], workloads: [letter], profile: true };
    const [one] = await measureInMachine(plan);
    if (one === undefined) throw new Error(`nothing was counted of ${name}`);
    // A repeated instruction counts once for a processor, for the machine as often as it repeats.
    const total = one.total.main + one.total.others;
    const named = (one.profile?.functions ?? []).map(([text, share]) => [text, share * total]);
    return {
      perRequest: total * (1 - (one.profile?.repeated ?? 0)),
      functions: Object.fromEntries(named),
    };
  },
};

/** @type {readonly Measure[]} */
export const MEASURES = [perf, callgrind, emulator];

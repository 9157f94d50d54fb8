/**
 * Measures contestants in the emulated machine, from outside of it: what guest.mjs is told
 * there, and what becomes of the files that it leaves.
 */
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isInstalled } from '../lib/processes.mjs';
import { runInMachine, whyNot } from './machine.mjs';
import { readProfile } from './profile.mjs';

const GUEST = fileURLToPath(new URL('./guest.mjs', import.meta.url));

/** Requests of a warm-up and windows of a measurement: enough, and not more. */
export const DEFAULT_PLAN = { warmUp: 25_000, windows: 2 };

const CHECKOUT = fileURLToPath(new URL('../..', import.meta.url));

/** @typedef {import('./guest.mjs').Measured & { profile?: import('./profile.mjs').Profile }} Result */

/** A word for the shell. @param {string} text */
const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

/**
 * What is missing on this host, as a person would put it, or undefined.
 * @param {boolean} profile whether functions are to be named
 */
export function whyNotEmulated(profile) {
  const programs = profile ? ['wrk', 'chrt', 'perf'] : ['wrk', 'chrt'];
  const missing = programs.find((name) => !isInstalled(name));
  return missing === undefined ? whyNot() : `${missing} is not installed`;
}

/**
 * Runs the plan in the machine.
 * @param {import('./guest.mjs').Plan} plan
 * @param {object} [options]
 * @param {string} [options.checkout] working tree whose Millrace is measured, built there; else this
 * @param {number} [options.limitMs] half an hour unless given
 * @param {(line: string) => void} [options.say] gets what the machine says
 * @returns {Promise<Result[]>}
 */
export async function measureInMachine(
  plan,
  { checkout = CHECKOUT, limitMs = 1_800_000, say = () => {} } = {},
) {
  const command = [
    `export MILLRACE_BINARY=${quoted(join(resolve(checkout), 'bin/millrace'))}`,
    `export PATH=${quoted(process.env['PATH'] ?? '')} HOME=/run TMPDIR=/run`,
    ...(plan.profile ? ['export NODE_OPTIONS=--perf-basic-prof'] : []),
    `echo ${quoted(JSON.stringify(plan))} > /run/plan`,
    // Batch: who is woken does not push aside who runs. One processor then works as several
    // would under full load, and each process finds as many events as have come together.
    `chrt --batch 0 ${quoted(process.execPath)} ${quoted(GUEST)} /run/plan /results`,
  ].join('\n');
  const files = await runInMachine({ command, limitMs, say });
  const result = files.get('result.json');
  if (result === undefined) throw new Error('nothing was measured');
  return JSON.parse(String(result)).map((/** @type {Result} */ one) => {
    const name = `${one.contestant}-${one.workload}`;
    const [data, kallsyms] = [files.get(`${name}.perf`), files.get('kallsyms')];
    if (data === undefined || kallsyms === undefined) return one;
    const maps = [...files].filter(([file]) => file.startsWith(`${name}.`) && file.endsWith('.map'));
    const texts = maps.map(([, map]) => map);
    return { ...one, profile: readProfile(data, kallsyms, texts) };
  });
}

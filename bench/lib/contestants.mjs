/**
 * Who takes part: what is installed and asked for, and what runs already; after the proof.
 */
import { prove } from './proof.mjs';
import { KINDS, startContestant } from './proxies.mjs';
import { SCENARIOS } from './scenarios.mjs';

/** @typedef {import('./proxies.mjs').Contestant} Contestant */
/** @typedef {import('./scenarios.mjs').ScenarioName} ScenarioName */

/**
 * @typedef {object} Bench what every measurement needs
 * @property {(line: string) => void} say
 * @property {import('./proxies.mjs').Backends} backends
 * @property {import('./backends.mjs').Captured[]} captured by the checking backend
 * @property {number} rounds
 * @property {number} seconds
 * @property {number} cpuProxy
 * @property {number} cpuLoad
 * @property {string | undefined} noInstructions why they are not counted
 */

/**
 * The kinds of these names that are installed; the others are named.
 * @param {Pick<Bench, 'say'>} bench
 * @param {readonly string[]} names
 */
export function installed({ say }, names) {
  const unknown = names.filter((name) => KINDS.every((kind) => kind.name !== name));
  if (unknown.length > 0) throw new Error(`unknown contestant "${unknown.join('", "')}"`);
  const wanted = KINDS.filter(({ name }) => names.includes(name));
  for (const { name, version } of wanted) {
    if (version() === undefined) say(`absent: ${name} is not installed`);
  }
  return wanted.filter(({ version }) => version() !== undefined);
}

/**
 * A proxy that runs already, from "NAME=PORT,PID".
 * @param {string} text
 * @returns {Contestant}
 */
export function parseTarget(text) {
  const match = /^([^=]+)=([0-9]+),([0-9]+)$/.exec(text);
  if (match === null) throw new Error(`--target is NAME=PORT,PID, not "${text}"`);
  const [, name = '', port, pid] = match;
  return {
    name,
    version: 'runs already',
    port: Number(port),
    pid: Number(pid),
    clients: Infinity,
    log: undefined,
    stop: async () => {},
  };
}

/**
 * Starts the kinds in a scenario and leaves those who pass every proof; the others are
 * stopped, or left alone when they ran already.
 * @param {Bench} bench
 * @param {readonly import('./proxies.mjs').Kind[]} kinds
 * @param {readonly Contestant[]} targets
 * @param {ScenarioName} scenario
 * @returns {Promise<{ fit: Contestant[], unfit: string[] }>}
 */
export async function assemble(bench, kinds, targets, scenario) {
  const { say, backends, captured, cpuProxy } = bench;
  /** @type {Contestant[]} */
  const fit = [];
  /** @type {string[]} */
  const unfit = [];
  const all = [...kinds, ...targets];
  for (const kind of all) {
    const one =
      'prepare' in kind
        ? await startContestant(kind, backends, { cpu: cpuProxy, scenario }).catch(String)
        : kind;
    if (typeof one === 'string') {
      say(`NOT MEASURED: ${kind.name} did not start: ${one}`);
      unfit.push(kind.name);
      continue;
    }
    const proofs = await prove({ port: one.port, captured, scenario: SCENARIOS[scenario], log: one.log });
    const failed = proofs.filter(({ ok }) => !ok);
    say(`proof of ${one.name} (${one.version}): ${proofs.length - failed.length} of ${proofs.length}`);
    for (const { what, detail } of failed) say(`  NOT MEASURED for ${what}: ${detail}`);
    if (failed.length === 0) fit.push(one);
    else {
      unfit.push(one.name);
      await one.stop();
    }
  }
  return { fit, unfit };
}

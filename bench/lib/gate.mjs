/**
 * The gate's judgement: figures of now against those of the baseline. No file, no process.
 */

/** What a cost may grow by before the gate fails. */
export const LIMIT = 0.03;

/** Calls whose number depends on how many events wait at a time, not on the code. */
const BATCHED = new Set(['epoll_wait', 'epoll_pwait', 'epoll_pwait2', 'futex', 'sched_yield']);

/** Functions below this many instructions per request are not worth a line in the baseline. */
const SMALLEST = 20;

/**
 * @typedef {object} Figures of one workload
 * @property {number} instructions per request, ours
 * @property {number} nginx likewise, of the same run
 * @property {number | undefined} calls system calls per request, ours
 * @property {Record<string, number>} functions instructions per request of ours, by name
 */

/**
 * @typedef {object} Baseline figures of one measure
 * @property {string} date
 * @property {string} machine
 * @property {string} node
 * @property {string} nginx version
 * @property {Record<string, Figures>} workloads by letter
 */

/**
 * System calls per request that tell something about the code.
 * @param {Record<string, number>} calls by name
 */
export function steadyCalls(calls) {
  return Object.entries(calls).reduce((sum, [name, count]) => (BATCHED.has(name) ? sum : sum + count), 0);
}

/**
 * Figures as they are kept: rounded, without the small functions.
 * @param {Figures} figures
 * @returns {Figures}
 */
export function compact({ instructions, nginx, calls, functions }) {
  const kept = Object.entries(functions).filter(([, cost]) => cost >= SMALLEST);
  return {
    instructions: Math.round(instructions),
    nginx: Math.round(nginx),
    calls: calls === undefined ? undefined : Math.round(calls * 100) / 100,
    functions: Object.fromEntries(kept.map(([name, cost]) => [name, Math.round(cost)])),
  };
}

/**
 * @typedef {object} Verdict on one workload
 * @property {number} growth of the cost relative to nginx: 0.01 is one percent more
 * @property {number | undefined} callGrowth of system calls per request
 * @property {string[]} failures empty when it passed
 */

/**
 * @param {Figures} now
 * @param {Figures} then
 * @returns {Verdict}
 */
export function judge(now, then) {
  const growth = now.instructions / now.nginx / (then.instructions / then.nginx) - 1;
  const callGrowth =
    now.calls === undefined || then.calls === undefined ? undefined : now.calls / then.calls - 1;
  const percent = (/** @type {number} */ share) => `${(share * 100).toFixed(1)}%`;
  const failures = [];
  if (!(growth <= LIMIT)) failures.push(`instructions grew by ${percent(growth)}`);
  if (callGrowth !== undefined && !(callGrowth <= LIMIT)) {
    failures.push(`system calls grew by ${percent(callGrowth)}`);
  }
  return { growth, callGrowth, failures };
}

/**
 * The functions that grew most, in instructions per request.
 * @param {Record<string, number>} now
 * @param {Record<string, number>} then
 * @param {number} count
 * @returns {{ name: string, now: number, then: number }[]}
 */
export function growers(now, then, count) {
  return Object.entries(now)
    .map(([name, cost]) => ({ name, now: cost, then: then[name] ?? 0 }))
    .filter((one) => one.now - one.then >= SMALLEST)
    .sort((a, b) => b.now - b.then - (a.now - a.then))
    .slice(0, count);
}

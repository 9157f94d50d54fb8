/**
 * What a profile of V8's sampling profiler (--cpu-prof) says of each function.
 */
import { shortName } from './callgrind.mjs';

/** Time that nothing was done in. */
const IDLE = new Set(['(idle)', '(program)', '(root)']);

/**
 * Each function's own share of the busy time, the greatest first; together 1.
 * @param {string} text of a .cpuprofile
 * @returns {Record<string, number>}
 */
export function functionShares(text) {
  /** @type {{ nodes: { id: number, callFrame: { functionName: string, url: string } }[], samples: number[] }} */
  const { nodes, samples } = JSON.parse(text);
  const names = new Map(
    nodes.map(({ id, callFrame: { functionName, url } }) => [
      id,
      IDLE.has(functionName) || url === '' ? functionName : shortName(`JS:${functionName} ${url}`),
    ]),
  );
  /** @type {Map<string, number>} */
  const counts = new Map();
  for (const id of samples) {
    const name = names.get(id) ?? '';
    if (!IDLE.has(name)) counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  const sum = [...counts.values()].reduce((total, count) => total + count, 0);
  const sorted = [...counts].sort(([, a], [, b]) => b - a);
  return Object.fromEntries(sorted.map(([name, count]) => [name, count / sum]));
}

/**
 * Draws the chart of a result:
 *
 *   node bench/chart.mjs [bench-result.json [bench-result.svg]]
 *   node bench/chart.mjs --about "when, where" RESULT.json [RESULT.json ...] CHART.svg
 *
 * The second form is for results of emulated.mjs, which may come from several runs: what
 * is counted there does not depend on the machine at hand.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { drawChart, drawEmulated } from './lib/chart.mjs';
import { TITLES } from './lib/workloads.mjs';

const { values, positionals } = parseArgs({
  options: { about: { type: 'string' } },
  allowPositionals: true,
});

/** @type {(file: string) => any} */
const read = (file) => JSON.parse(readFileSync(file, 'utf8'));

let to;
if (values.about === undefined) {
  const [from = 'bench-result.json', target = from.replace(/(\.json)?$/, '.svg')] = positionals;
  to = target;
  writeFileSync(to, drawChart(read(from), TITLES));
} else {
  to = positionals.at(-1);
  const results = positionals.slice(0, -1).flatMap(read);
  if (to === undefined || results.length === 0) throw new Error('no results: RESULT.json ... CHART.svg');
  writeFileSync(to, drawEmulated(results, values.about, TITLES));
}
console.log(`written: ${to}`);

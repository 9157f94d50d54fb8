/**
 * Draws the chart of a result: `node bench/chart.mjs [bench-result.json [bench-result.svg]]`.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { drawChart } from './lib/chart.mjs';
import { TITLES } from './lib/workloads.mjs';

const [from = 'bench-result.json', to = from.replace(/(\.json)?$/, '.svg')] = process.argv.slice(2);
writeFileSync(to, drawChart(JSON.parse(readFileSync(from, 'utf8')), TITLES));
console.log(`written: ${to}`);

/**
 * Times one operation of our own code: warmed up, then several rounds, of which the best
 * and the median are shown (other work on the machine only ever adds), and instructions for
 * each operation where perf counts them.
 *
 *   npm run build && node bench/micro/NAME.mjs [COUNT [ROW]]
 *
 * COUNT is the number of operations in a round; ROW picks the rows that contain it. Without
 * counters, instructions can be had from valgrind: run one row under
 *   valgrind --tool=callgrind --smc-check=all-non-file node --single-threaded bench/micro/NAME.mjs COUNT ROW
 * with two counts past 30,000, so that the code is compiled, and divide the difference of
 * "Collected" by ROUNDS + WARM_UPS times the difference of COUNT.
 */
import { countInstructions, whyNoInstructions } from '../lib/counters.mjs';
import { median } from '../lib/report.mjs';

const ROUNDS = 7;
const WARM_UPS = 2;

const count = Number(process.argv[2] ?? 300_000);
const only = process.argv[3];
const counted = whyNoInstructions() === undefined;

/** What the last operation returned: exported, so that no operation can be left out. @type {unknown} */
export let kept;

/**
 * Measures and prints a row.
 * @param {string} name
 * @param {(i: number) => unknown} run one operation
 * @param {{ bytes?: number }} [options] how many bytes an operation goes through
 */
export async function measure(name, run, { bytes } = {}) {
  if (only !== undefined && !name.includes(only)) return;
  const round = () => {
    const start = process.hrtime.bigint();
    for (let i = 0; i < count; i++) kept = run(i);
    return Number(process.hrtime.bigint() - start) / count;
  };
  for (let i = 0; i < WARM_UPS; i++) round();
  const times = Array.from({ length: ROUNDS }, round);
  const best = Math.min(...times);
  const cells = [
    name.padEnd(34),
    `${best.toFixed(1).padStart(8)} ns`,
    `${median(times).toFixed(1).padStart(8)} ns median`,
  ];
  if (bytes !== undefined) cells.push(`${(best / bytes).toFixed(2).padStart(6)} ns/byte of ${bytes}`);
  if (counted) {
    const { user } = await countInstructions(process.pid, async () => round());
    cells.push(`${(user / count).toFixed(0).padStart(6)} instructions`);
  }
  console.log(cells.join(' '));
}

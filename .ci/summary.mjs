// Adds up the reports of vitest in a folder, with one failure for each stage that failed
// without a failed test to show for it. Prints "N passed, N failed" as its last line.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const folder = process.argv[2];
const stages = readFileSync(join(folder, 'failed-stages'), 'utf8').split('\n').filter(Boolean);
let [passed, failed, skipped] = [0, 0, 0];

for (const name of readdirSync(folder).filter((each) => each.endsWith('.json'))) {
  const report = JSON.parse(readFileSync(join(folder, name), 'utf8'));
  // A file that could not be loaded has no tests to count: it counts as one.
  const unloaded = report.testResults.filter(
    (file) => file.status === 'failed' && !file.assertionResults.some((test) => test.status === 'failed'),
  ).length;
  passed += report.numPassedTests;
  failed += report.numFailedTests + unloaded;
  skipped += report.numPendingTests + report.numTodoTests;
  console.log(
    `${name.replace('.json', '')}: ${report.numPassedTests} passed, ` +
      `${report.numFailedTests + unloaded} failed, ${report.numPendingTests} skipped`,
  );
}
// The native tests: what ctest said at the end of each run.
const native = join(folder, 'native.txt');
if (existsSync(native)) {
  for (const [, bad, all] of readFileSync(native, 'utf8').matchAll(/(\d+) tests failed out of (\d+)/g)) {
    console.log(`native: ${all - bad} passed, ${bad} failed`);
    passed += all - bad;
    failed += Number(bad);
  }
}
if (stages.length > 0) console.log(`failed stages: ${stages.join('; ')}`);
failed = Math.max(failed, stages.length);
if (skipped > 0) console.log(`${skipped} skipped`);
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 && passed > 0 ? 0 : 1);

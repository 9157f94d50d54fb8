/**
 * Writes docs/directives.md from the tables of the modules. Run it after
 * `npm run build:ts` when a directive or a variable was added or changed:
 *
 *     node scripts/docs-directives.mjs          writes the page
 *     node scripts/docs-directives.mjs --check  exits with 1 when the page is out of date
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { renderReference } from '../dist/lib/config/reference.js';
import { builtinModules } from '../dist/lib/modules/index.js';

const page = new URL('../docs/directives.md', import.meta.url);
const text = renderReference(builtinModules);

if (process.argv.includes('--check')) {
  if (readFileSync(page, 'utf8') !== text) {
    console.error('docs/directives.md is out of date: run node scripts/docs-directives.mjs');
    process.exitCode = 1;
  }
} else {
  writeFileSync(page, text);
}

/** docs/errors.md lists every code with what the table says about it, in the table's order. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { ERROR_TABLE } from '../../../lib/errors/error-table.js';

test('docs/errors.md is the table', () => {
  const text = readFileSync(new URL('../../../docs/errors.md', import.meta.url), 'utf8');
  const rows = [...text.matchAll(/^\| `([A-Z_0-9]+)` \| (\w+) \| (\d+) \| ([\w-]+) \| (.+) \|$/gm)];
  expect(rows.map((row) => row.slice(1))).toEqual(
    Object.entries(ERROR_TABLE).map(([code, row]) => [
      code,
      row.class,
      String(row.status),
      row.retry,
      row.text,
    ]),
  );
});

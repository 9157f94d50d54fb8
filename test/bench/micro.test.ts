/** The micro benchmarks reach into dist/: that they still find there what they measure. */
import { execFile } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';

const FOLDER = fileURLToPath(new URL('../../bench/micro/', import.meta.url));
const scripts = readdirSync(FOLDER).filter((name) => name !== 'harness.mjs');

describe('micro benchmarks', () => {
  it.each(scripts)('%s runs', { timeout: 60_000 }, async (script) => {
    const { stdout } = await promisify(execFile)(process.execPath, [`${FOLDER}${script}`, '50']);
    const rows = stdout.trim().split('\n');
    expect(rows.length).toBeGreaterThan(3);
    for (const row of rows) expect(row).toMatch(/^\S.* +[0-9.]+ ns/);
  });
});

/** The pid file: written whole, read with care, removed only by its owner. */
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { readPidFile, removePidFile, writePidFile } from '../../../lib/process/pid-file.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

test('is written, read and removed', () => {
  const path = join(folder, 'x.pid');
  writePidFile(path);
  expect(readFileSync(path, 'utf8')).toBe(`${process.pid}\n`);
  expect(readPidFile(path)).toBe(process.pid);
  removePidFile(path);
  expect(readdirSync(folder)).toEqual([]);
});

test('replaces a stale one', () => {
  const path = join(folder, 'x.pid');
  writeFileSync(path, '1\n');
  writePidFile(path);
  expect(readPidFile(path)).toBe(process.pid);
});

test('of somebody else stays', () => {
  const path = join(folder, 'x.pid');
  writeFileSync(path, '1\n');
  removePidFile(path);
  expect(readPidFile(path)).toBe(1);
});

test('that cannot be written says so in one line and leaves nothing behind', () => {
  expect(() => writePidFile(join(folder, 'gone', 'x.pid'))).toThrow(
    /^open\(\) ".*x\.pid" failed \(2: No such file or directory\)$/,
  );
  mkdirSync(join(folder, 'taken'));
  expect(() => writePidFile(join(folder, 'taken'))).toThrow(/^open\(\) ".*taken" failed \(/);
  expect(readdirSync(folder)).toEqual(['taken']);
});

test('that holds no number is refused', () => {
  const path = join(folder, 'x.pid');
  for (const text of ['', '0', '-1', '12x', '99999999999']) {
    writeFileSync(path, text);
    expect(() => readPidFile(path)).toThrow('invalid PID number');
  }
  expect(() => readPidFile(join(folder, 'none'))).toThrow('2: No such file or directory');
});

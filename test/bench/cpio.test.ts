/**
 * The archive that the emulated machine of bench/ starts from: field by field as the
 * kernel's buffer-format.rst has it.
 */
import { expect, test } from 'vitest';
import { archive } from '../../bench/emulator/cpio.mjs';

interface Member {
  readonly name: string;
  readonly mode: number;
  readonly device: readonly [number, number];
  readonly content: string;
}

const aligned = (offset: number): number => (offset + 3) & ~3;

/** Reads an archive as the kernel does. */
function members(bytes: Buffer): Member[] {
  const all: Member[] = [];
  for (let at = 0; at < bytes.length;) {
    expect(bytes.toString('latin1', at, at + 6)).toBe('070701');
    const field = (i: number): number =>
      Number.parseInt(bytes.toString('latin1', at + 6 + i * 8, at + 14 + i * 8), 16);
    const [mode, size, nameSize] = [field(1), field(6), field(11)];
    const begin = aligned(at + 110 + nameSize);
    expect(bytes[at + 110 + nameSize - 1]).toBe(0);
    all.push({
      name: bytes.toString('latin1', at + 110, at + 110 + nameSize - 1),
      mode,
      device: [field(9), field(10)],
      content: bytes.toString('latin1', begin, begin + size),
    });
    at = aligned(begin + size);
  }
  return all;
}

test('an archive holds its members in order, each aligned, and says where it ends', () => {
  const bytes = archive([
    { path: 'dev', kind: 'directory' },
    { path: 'dev/console', kind: 'device', device: [5, 1] },
    { path: 'init', kind: 'file', content: Buffer.from('hello') },
    { path: 'empty', kind: 'file' },
  ]);
  expect(members(bytes)).toEqual([
    { name: 'dev', mode: 0o040755, device: [0, 0], content: '' },
    { name: 'dev/console', mode: 0o020600, device: [5, 1], content: '' },
    { name: 'init', mode: 0o100755, device: [0, 0], content: 'hello' },
    { name: 'empty', mode: 0o100755, device: [0, 0], content: '' },
    { name: 'TRAILER!!!', mode: 0o100755, device: [0, 0], content: '' },
  ]);
  expect(bytes.length % 4).toBe(0);
});

test('a member without content begins where the one before ends', () => {
  for (const length of [0, 1, 2, 3, 4]) {
    const name = 'x'.repeat(length + 1);
    const bytes = archive([{ path: name, kind: 'file', content: Buffer.alloc(length, 'y') }]);
    expect(members(bytes).map((one) => one.name)).toEqual([name, 'TRAILER!!!']);
  }
});

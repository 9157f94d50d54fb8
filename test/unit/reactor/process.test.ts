/** When a process with a reactor ends, and how (needs dist/). */
import { afterEach, describe, expect, test } from 'vitest';
import { endPrograms, Program } from './program.js';

afterEach(endPrograms);

const fixture = (name: string): Program => new Program(new URL(`./fixtures/${name}.mjs`, import.meta.url));

describe('a process', () => {
  test('ends by itself when nothing is left to do', async () => {
    expect(await fixture('ends-by-itself').outcome).toEqual({
      code: 0,
      stdout: 'x\n2\nmain is over\nexit 0\n',
      stderr: '',
    });
  });

  test('lives as long as tasks and timers wait', async () => {
    expect(await fixture('stays-alive').outcome).toEqual({ code: 0, stdout: 'task\ntimer\n', stderr: '' });
  });

  test('ends when a callback throws and nobody catches it', async () => {
    const { code, stderr } = await fixture('throws').outcome;
    expect(code).toBe(1);
    expect(stderr).toContain('nobody catches me');
    expect(stderr).toContain('throws.mjs');
  });

  test('survives worker threads that are terminated, and exits with live handles', async () => {
    expect(await fixture('terminated-worker').outcome).toEqual({
      code: 7,
      stdout: 'terminated 1\nterminated 1\nterminated 1\ny\n',
      stderr: '',
    });
  });
});

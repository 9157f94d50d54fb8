/**
 * examples/interleaving.mjs, started as a reader would start it: the timeline must show
 * two slow clients served side by side, and a quick one between them. Needs dist/.
 */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const SCRIPT = fileURLToPath(new URL('../../examples/interleaving.mjs', import.meta.url));

test('a slow sender, a slow receiver and a quick client are served side by side', async () => {
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [SCRIPT, '200']);
  expect(stderr).toBe('');
  const lines = stdout.trimEnd().split('\n');
  const told = lines.map((line) => line.replace(/^ *[0-9]+ ms +/, '').replace(/ +/g, ' '));
  const at = (what: string): number => {
    const index = told.findIndex((line) => line.startsWith(what));
    if (index < 0) throw new Error(`nobody told "${what}" in:\n${stdout}`);
    return index;
  };
  // Each piece reaches the backend before the next one is sent: nothing is held back.
  for (let i = 1; i <= 5; i++) {
    expect(at(`backend got piece ${i}`)).toBeGreaterThan(at(`sender sends piece ${i}`));
    if (i < 5) expect(at(`backend got piece ${i}`)).toBeLessThan(at(`sender sends piece ${i + 1}`));
  }
  // The sender does not wait for the receiver, nor the receiver for the sender, nor a third for either.
  expect(at('receiver has 5.')).toBeLessThan(at('sender is answered: 5 pieces'));
  expect(at('sender sends piece 3')).toBeLessThan(at('receiver has 25.'));
  expect(at('quick asks and is answered within a step')).toBeLessThan(at('receiver has 25.'));
  // The backend is held back by the receiver: it cannot get rid of everything at once.
  expect(at('backend got rid of the whole download')).toBeGreaterThan(at('receiver has 5.'));
  expect(told.at(-1)).toBe('proxy served three clients in one thread');
});

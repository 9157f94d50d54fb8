/** Whether the bench's proof notices a contestant that does less than the others. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startCheckingBackend, startFastBackend } from '../../bench/lib/backends.mjs';
import { prove } from '../../bench/lib/proof.mjs';
import { SCENARIOS } from '../../bench/lib/scenarios.mjs';
import { portOf, startCheat, type Cheat } from './cheat.js';

const folder = mkdtempSync(join(tmpdir(), 'millrace-proof-'));
let fast: Awaited<ReturnType<typeof startFastBackend>>;

beforeAll(async () => {
  fast = await startFastBackend({});
});

afterAll(async () => {
  await fast.stop();
  rmSync(folder, { recursive: true });
});

/** What was not proved of a proxy with this cheat in the fullest scenario, and what was. */
async function proofs(cheat: Cheat | undefined, wanted?: (what: string) => boolean) {
  const check = await startCheckingBackend();
  const log = join(folder, `${cheat ?? 'honest'}.log`);
  const server = await startCheat({ cheat, fast: fast.ports[0] ?? 0, check: check.ports, log });
  const under = { port: portOf(server), captured: check.captured, scenario: SCENARIOS.full, log };
  const results = await prove(under, wanted);
  server.closeAllConnections();
  server.close();
  check.stop();
  const those = (good: boolean): string[] => results.filter(({ ok }) => ok === good).map(({ what }) => what);
  return { passed: those(true), failed: those(false) };
}

describe('the proof', () => {
  it('finds nothing wrong with an honest proxy', { timeout: 60_000 }, async () => {
    const { passed, failed } = await proofs(undefined);
    expect(failed).toEqual([]);
    expect(passed).toHaveLength(11);
  });

  it.concurrent.each<[Cheat, string]>([
    ['drops a field', 'forwarded head'],
    ['joins repeated fields', 'forwarded head'],
    ['answers from a cache', 'every request reaches the backend'],
    ['has no limit of a body', 'client_max_body_size'],
    ['has no deadline', 'client_header_timeout'],
    ['keeps no connection', 'kept connections to the backend'],
    ['uses one peer', 'every peer of the upstream'],
    ['writes no log', 'access log'],
    ['cuts a reply', 'bodies of replies'],
    ['answers an upload itself', 'bodies of uploads'],
  ])('notices one that %s', { timeout: 60_000 }, async (cheat, what) => {
    expect((await proofs(cheat, (name) => name === what)).failed).toEqual([what]);
  });
});

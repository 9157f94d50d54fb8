/**
 * Small soaks with a backend that closes at random, and with clients that leave at
 * random; bench/soak.mjs is the large one.
 * The seed of a failure is in its message: `node bench/soak.mjs --seed N` plays it again.
 */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { BINARY, IS_MILLRACE } from './support/proxy.js';

const SOAK = fileURLToPath(new URL('../../bench/soak.mjs', import.meta.url));

/** What bench/soak.mjs --json prints, as far as it is looked at here. */
interface SoakResult {
  readonly seed: number;
  readonly right: number;
  readonly refused: number;
  readonly broken: number;
  readonly closed: number;
  readonly aborted: Readonly<Record<string, number>>;
  readonly tunnels: number;
  readonly faults: Readonly<Record<string, number>>;
  readonly failures: readonly string[];
}

function runSoak(requests: number, ...more: readonly string[]): Promise<SoakResult> {
  const contestant = IS_MILLRACE ? 'millrace' : 'nginx';
  const seed = process.env['MILLRACE_E2E_SEED'] ?? String(Math.floor(Math.random() * 1e9));
  const args = [SOAK, '--json', '--requests', String(requests), '--seed', seed, '--contestant', contestant];
  // Too few to say anything about memory.
  args.push('--warm-up', '0', '--quiet', '0', ...more);
  const child = spawn(process.execPath, args, {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...(IS_MILLRACE ? { MILLRACE_BINARY: BINARY } : {}) },
  });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  return new Promise((resolve, reject) => {
    child.once('close', () => {
      try {
        resolve(JSON.parse(output) as SoakResult);
      } catch {
        reject(new Error(`the soak with seed ${seed} ended without a result: ${output}`));
      }
    });
  });
}

test('5,000 requests to a backend that closes at random', { timeout: 90_000 }, async () => {
  const requests = 5000;
  const result = await runSoak(requests);
  console.log(
    `soak with seed ${result.seed}: ${result.right} right, ${result.refused} refused, ` +
      `${result.broken} broken, ${result.closed} closed`,
  );
  expect({ seed: result.seed, failures: result.failures }).toEqual({ seed: result.seed, failures: [] });
  expect(result.right + result.refused + result.broken + result.closed).toBe(requests);
  // Every fault was played, and most requests had none.
  expect(Object.keys(result.faults)).toHaveLength(9);
  expect(result.right).toBeGreaterThan(requests * 0.8);
});

// nginx has no tunnels without configuration, and keeps a backend while a body is sent to it.
test.runIf(IS_MILLRACE)(
  '2,000 requests, a third of them left by the client',
  { timeout: 90_000 },
  async () => {
    const requests = 2000;
    const result = await runSoak(requests, '--aborts', '0.33');
    const left = Object.values(result.aborted).reduce((sum, one) => sum + one, 0);
    console.log(`soak with seed ${result.seed}: ${left} left, ${result.tunnels} tunnels`);
    expect({ seed: result.seed, failures: result.failures }).toEqual({ seed: result.seed, failures: [] });
    expect(result.right + result.refused + result.broken + result.closed + left).toBe(requests);
    // At every stage and in every manner: 5 × 3 of them.
    expect(Object.keys(result.aborted)).toHaveLength(15);
    expect(left).toBeGreaterThan(requests / 4);
    expect(result.tunnels).toBeGreaterThan(requests / 40);
  },
);

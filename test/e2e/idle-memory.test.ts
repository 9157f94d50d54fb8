/**
 * The command gives back what a burst has left in the heap, once nothing happens; V8 itself
 * says when it collected, and why.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { Peer } from './support/peer.js';
import { BINARY, freePort, IS_MILLRACE } from './support/proxy.js';

/** Each holds an exchange: more than is worth a collection in all. */
const CLIENTS = 2500;

/** Builds with sanitizers are too slow to be quiet. */
const QUIET = IS_MILLRACE && (process.env['MILLRACE_TEST_SLOW'] ?? '1') === '1';

/** What V8 writes of a collection that was asked for. */
const ASKED = /Mark-Compact.* testing/;

/** Runs the command through a burst and so many quiet seconds at most. Result: whether it has collected. */
async function collects(seconds: number, env: Readonly<Record<string, string>>): Promise<boolean> {
  const prefix = mkdtempSync(join(tmpdir(), 'millrace-idle-'));
  const port = await freePort();
  writeFileSync(
    join(prefix, 'nginx.conf'),
    `daemon off; pid ${prefix}/pid; events { worker_connections 4096; }
     http { access_log off; server { listen 127.0.0.1:${port} backlog=4096; location / { return 200 ok; } } }`,
  );
  const args = ['--trace-gc', BINARY, '-p', `${prefix}/`, '-c', 'nginx.conf', '-e', 'error.log'];
  const child = spawn(process.execPath, args, {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...env },
  });
  let said = '';
  child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
  const ended = new Promise((resolve) => child.once('exit', resolve));
  try {
    while (!existsSync(join(prefix, 'pid'))) await sleep(20);
    const clients: Peer[] = [];
    while (clients.length < CLIENTS) {
      const some = await Promise.all(Array.from({ length: 100 }, () => Peer.connect(port)));
      for (const client of some) client.send('GET / HTTP/1.1\r\nHost: a\r\n');
      clients.push(...some);
    }
    for (const client of clients) client.close();
    said = '';
    for (let i = 0; i < seconds * 10 && !ASKED.test(said); i++) await sleep(100);
    return ASKED.test(said);
  } finally {
    child.kill('SIGTERM');
    await ended;
    rmSync(prefix, { recursive: true, force: true });
  }
}

test.runIf(QUIET)('what a burst leaves is collected', { timeout: 60_000 }, async () => {
  expect(await collects(30, {})).toBe(true);
});

test.runIf(QUIET)('it is not where the operator says so', { timeout: 60_000 }, async () => {
  expect(await collects(9, { MILLRACE_IDLE_COLLECTION: 'off' })).toBe(false);
});

/**
 * `npm start`: the demo starts, does what it says one should try, and stops cleanly. Its
 * ports are fixed, as its text names them: where one is taken the test skips and says so.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';

const SCRIPT = fileURLToPath(new URL('../../examples/start.mjs', import.meta.url));
const PROXY = 'http://127.0.0.1:8080';

interface Demo {
  readonly child: ChildProcess;
  readonly output: () => string;
  readonly ended: Promise<number | null>;
}

let demo: Demo | undefined;

function startDemo(): Demo {
  const child = spawn(process.execPath, [SCRIPT], { stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  let output = '';
  child.stdout?.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr?.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  demo = { child, output: () => output, ended };
  return demo;
}

/** As a terminal does it: the signal goes to the demo and to the proxy that it started. */
function signalAll({ child }: Demo, signal: NodeJS.Signals): void {
  try {
    process.kill(-(child.pid ?? 0), signal);
  } catch {
    // Ended already.
  }
}

function isTaken(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}

async function takenPort(): Promise<number | undefined> {
  for (const port of [8080, 3001, 3002, 3999]) if (await isTaken(port)) return port;
  return undefined;
}

beforeEach(async (context) => {
  const port = await takenPort();
  if (port !== undefined) context.skip(`port ${port} is taken by another program`);
});
afterEach(async () => {
  if (demo === undefined) return;
  signalAll(demo, 'SIGKILL');
  await demo.ended;
  demo = undefined;
  rmSync(fileURLToPath(new URL('../../examples/access.log', import.meta.url)), { force: true });
});

test('everything it says one should try works, and Ctrl-C stops all of it', async () => {
  const { output, ended } = startDemo();
  await expect.poll(output, { timeout: 15_000 }).toContain('Ctrl-C stops everything');

  const names = new Set<string | null>();
  for (let i = 0; i < 3; i++) names.add((await fetch(PROXY)).headers.get('x-backend'));
  expect([...names].sort()).toEqual(['backend one', 'backend two']);

  expect(await (await fetch(`${PROXY}/api/users`)).text()).toContain('GET /users\n');
  expect(await (await fetch(`${PROXY}/site/`)).text()).toContain('<h1>Millrace</h1>');
  expect(
    await (await fetch(`${PROXY}/upload`, { method: 'POST', body: 'x'.repeat(100_000) })).text(),
  ).toContain('100000 bytes arrived');
  const events = await fetch(`${PROXY}/events`);
  const first = await events.body?.getReader().read();
  expect(Buffer.from(first?.value ?? []).toString()).toMatch(/^data: backend (one|two) 1\n\n$/);

  const dead = await fetch(`${PROXY}/dead`);
  expect(dead.status).toBe(502);
  expect(await dead.text()).toContain('Nobody answers there');
  expect((await fetch(`${PROXY}/old/x`, { redirect: 'manual' })).headers.get('location')).toBe(
    `${PROXY}/site/`,
  );

  if (demo !== undefined) signalAll(demo, 'SIGINT');
  expect(await ended).toBe(0);
  expect(await takenPort()).toBe(undefined);
}, 30_000);

test.each([
  [3001, /^npm start: port 3001 is taken, and a demo backend needs it\n$/],
  [8080, /^millrace: \[emerg\] bind\(\) to 127\.0\.0\.1:8080 failed \(\d+: Address already in use\)\n$/],
])('port %i taken: one line', async (port, line) => {
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(port, '127.0.0.1', resolve));
  const { output, ended } = startDemo();
  expect(await ended).toBe(1);
  expect(output()).toMatch(line);
  await new Promise((resolve) => other.close(resolve));
});

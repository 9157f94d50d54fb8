/** Runs a scenario over fixtures/mini.cjs in a process of its own and reports how it ended. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** Where the small reactor for scenarios is. */
export const MINI = fileURLToPath(new URL('./fixtures/mini.cjs', import.meta.url));

/** Multiplies every time limit for builds that run slower (sanitizers). */
export const SLOW = Number(process.env['MILLRACE_TEST_SLOW'] ?? '1');

/** How a scenario ended. */
export interface Outcome {
  /** Exit code, or null when a signal ended it. */
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

/**
 * Runs `script` with `m` = fixtures/mini.cjs (the host is open) and `setup` done before.
 * A scenario that has not ended after 10 s is killed, which shows as signal SIGKILL.
 */
export function runScenario(script: string): Promise<Outcome> {
  const source = `const m = require(${JSON.stringify(MINI)});\n${script}`;
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['-e', source], { stdio: ['ignore', 'pipe', 'pipe'] });
    let stdout = '';
    let stderr = '';
    const limit = setTimeout(() => child.kill('SIGKILL'), 10_000 * SLOW);
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    child.on('error', reject);
    child.on('close', (code, signal) => {
      clearTimeout(limit);
      resolve({ code, signal, stdout, stderr });
    });
  });
}

/** A listener and a client that keep each other busy, and the host referenced. */
export const BUSY = `
m.native.ref();
const server = m.echoServer();
const client = m.pingPong(server.port);
`;

/** Sockets, a timer, blocks, all of them idle. */
export const IDLE = `
m.native.ref();
const server = m.echoServer();
const client = { handle: m.native.connect('127.0.0.1', server.port, '') };
m.on(client.handle, () => {});
m.after(60_000, () => {});
m.native.acquireBlock(65536);
`;

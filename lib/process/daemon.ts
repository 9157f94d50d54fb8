/**
 * `daemon on`: the process starts itself once more in a session of its own and leaves
 * when that one is ready, so that whoever started it meets errors in its exit code.
 * The channel between the two is Node's; it is closed as soon as all is said.
 */
import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';

/** Set in the background process. */
const MARK = 'MILLRACE_DAEMON';

/** Whether this process is the one in the background. */
export function isDaemon(): boolean {
  return process.env[MARK] === '1' && process.send !== undefined;
}

/** Starts the background process with this process's arguments; resolves with the exit code for this one. */
export function startDaemon(): Promise<number> {
  const child = spawn(process.execPath, [...process.execArgv, ...process.argv.slice(1)], {
    detached: true,
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    env: { ...process.env, [MARK]: '1' },
  });
  return new Promise((resolve) => {
    child.once('message', () => {
      child.unref();
      resolve(0);
    });
    child.once('exit', (code) => resolve(code ?? 1));
    child.once('error', () => resolve(1));
  });
}

/** In the background process: reports that it is ready and lets go of the terminal. */
export function daemonReady(): Promise<void> {
  return new Promise((resolve) => {
    process.send?.('ready', undefined, undefined, () => {
      process.disconnect();
      // The lowest free number is taken, so each of the three is replaced in place.
      for (const fd of [0, 1, 2]) {
        closeSync(fd);
        openSync('/dev/null', fd === 0 ? 'r' : 'w');
      }
      resolve();
    });
  });
}

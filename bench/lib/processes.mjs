/**
 * Processes of a bench: started pinned to a processor, known by their pid, and ended
 * one by one when the run is over, also when it fails.
 */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/**
 * @typedef {object} Running
 * @property {number} pid
 * @property {import('node:child_process').ChildProcess} child
 * @property {() => string} output what it said so far
 * @property {() => Promise<void>} stop ends it: SIGTERM, after 5 s SIGKILL
 */

/** @type {Set<Running>} */
const running = new Set();

/** Whether a program of this name can be run. */
export function isInstalled(/** @type {string} */ program) {
  return spawnSync('sh', ['-c', `command -v ${program}`], { stdio: 'ignore' }).status === 0;
}

/** First line that a program says to a flag, stdout and stderr together. */
export function versionOf(/** @type {string} */ program, flag = '-v') {
  const { stdout, stderr } = spawnSync(program, [flag], { encoding: 'utf8' });
  return `${stdout ?? ''}${stderr ?? ''}`.trim().split('\n')[0] ?? '';
}

/** A port of 127.0.0.1 that was free a moment ago. @returns {Promise<number>} */
export function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
      server.close(() => resolve(port));
    });
  });
}

/**
 * Starts a program, on one processor when `cpu` is given.
 * @param {string} program
 * @param {readonly string[]} args
 * @param {{ cpu?: number | undefined, env?: NodeJS.ProcessEnv }} [options]
 * @returns {Running}
 */
export function start(program, args, { cpu, env } = {}) {
  const pinned = cpu !== undefined && isInstalled('taskset');
  const command = pinned ? 'taskset' : program;
  const all = pinned ? ['-c', String(cpu), program, ...args] : args;
  const child = spawn(command, all, { stdio: ['ignore', 'pipe', 'pipe'], env: env ?? process.env });
  let said = '';
  child.stdout.on('data', (chunk) => (said += chunk));
  child.stderr.on('data', (chunk) => (said += chunk));
  const exited = new Promise((resolve) => child.once('close', resolve));
  child.once('error', (error) => (said += String(error)));
  const stop = async () => {
    running.delete(one);
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), 5000);
    await exited;
    clearTimeout(timer);
  };
  const one = { pid: child.pid ?? 0, child, output: () => said, stop };
  running.add(one);
  return one;
}

/** Runs a program to its end and returns what it wrote to stdout. */
export function run(
  /** @type {string} */ program,
  /** @type {readonly string[]} */ args,
  /** @type {{ cpu?: number | undefined }} */ { cpu } = {},
) {
  return new Promise((resolve, reject) => {
    const one = start(program, args, { cpu });
    one.child.once('close', (code) => {
      running.delete(one);
      if (code === 0) resolve(one.output());
      else reject(new Error(`${program} ended with ${String(code)}:\n${one.output()}`));
    });
  });
}

/** Ends whatever is still running. */
export async function stopAll() {
  await Promise.all([...running].map((one) => one.stop()));
}

/** Waits until something accepts connections on the port; fails when the process ends before. */
export async function waitForPort(
  /** @type {number} */ port,
  /** @type {Running | undefined} */ one = undefined,
  limitMs = 10_000,
) {
  const limit = Date.now() + limitMs;
  for (;;) {
    const open = await new Promise((resolve) => {
      const socket = connect({ host: '127.0.0.1', port });
      socket.once('connect', () => resolve(true));
      socket.once('error', () => resolve(false));
      socket.once('connect', () => socket.destroy());
    });
    if (open) return;
    const ended = one !== undefined && (one.child.exitCode !== null || one.child.signalCode !== null);
    if (ended || Date.now() > limit) throw new Error(`nothing listens on ${port}:\n${one?.output() ?? ''}`);
    await sleep(20);
  }
}

/** A process and its descendants. @returns {number[]} */
export function processTree(/** @type {number} */ pid) {
  let children = '';
  try {
    children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
  } catch {
    return [];
  }
  return [
    pid,
    ...children
      .split(' ')
      .filter(Boolean)
      .flatMap((child) => processTree(Number(child))),
  ];
}

/** Lines that describe the machine. */
export function machine() {
  const cpu = /model name\s*:\s*(.*)/.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1] ?? 'unknown processor';
  const kernel = execFileSync('uname', ['-sr'], { encoding: 'utf8' }).trim();
  return { cpu, kernel, node: process.version, date: new Date().toISOString().slice(0, 10) };
}

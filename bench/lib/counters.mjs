/**
 * Counters that need a second process beside the one that is measured: instructions by
 * perf, where the processor's counters can be read, and system calls by strace.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isInstalled, processTree, start } from './processes.mjs';

const EVENTS = 'instructions:u,instructions:k';

/** Why instructions cannot be counted here; undefined when they can. */
export function whyNoInstructions() {
  if (!isInstalled('perf')) return 'perf is not installed';
  const { stderr } = spawnSync('perf', ['stat', '-x,', '-e', EVENTS, 'true'], { encoding: 'utf8' });
  if (/^[0-9]+,/m.test(stderr)) return undefined;
  return stderr.includes('<not supported>') ? 'perf counts no instructions on this machine' : stderr.trim();
}

/**
 * Instructions of a process tree while `work` runs.
 * @template T
 * @param {number} pid
 * @param {() => Promise<T>} work
 * @returns {Promise<{ user: number, kernel: number, result: T }>}
 */
export async function countInstructions(pid, work) {
  const perf = start('perf', ['stat', '-x,', '-e', EVENTS, '-p', processTree(pid).join(',')]);
  await sleep(300);
  const result = await work();
  perf.child.kill('SIGINT');
  await new Promise((resolve) => perf.child.once('close', resolve));
  const count = (/** @type {string} */ event) =>
    Number(new RegExp(`^([0-9]+),[^\\n]*${event}`, 'm').exec(perf.output())?.[1]);
  return { user: count('instructions:u'), kernel: count('instructions:k'), result };
}

/**
 * System calls of a process tree while `work` runs. strace slows the process down, so
 * that more events wait at each turn: the count is that of a busy proxy.
 * @template T
 * @param {number} pid
 * @param {() => Promise<T>} work
 * @returns {Promise<{ calls: Record<string, number>, result: T }>}
 */
export async function countSystemCalls(pid, work) {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-strace-'));
  const file = join(folder, 'calls');
  const targets = processTree(pid).flatMap((one) => ['-p', String(one)]);
  const strace = start('strace', ['-c', '-f', '-o', file, ...targets]);
  for (let i = 0; i < 50 && !strace.output().includes('attached'); i++) await sleep(50);
  await sleep(200);
  const result = await work();
  strace.child.kill('SIGINT');
  await new Promise((resolve) => strace.child.once('close', resolve));
  /** @type {Record<string, number>} */
  const calls = {};
  for (const line of readFileSync(file, 'utf8').split('\n')) {
    const match = /^\s*[0-9.]+\s+[0-9.]+\s+[0-9]+\s+([0-9]+)\s+(?:[0-9]+\s+)?(\w+)$/.exec(line);
    if (match !== null && match[2] !== 'total') calls[match[2] ?? ''] = Number(match[1]);
  }
  rmSync(folder, { recursive: true, force: true });
  return { calls, result };
}

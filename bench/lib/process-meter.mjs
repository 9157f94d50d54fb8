/**
 * What a process and its descendants have used, from /proc.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { processTree } from './processes.mjs';

/** Length of a clock tick of utime and stime; the same on every Linux that we know of. */
const TICK_NS = 1e9 / 100;

/**
 * @typedef {object} CpuTime
 * @property {number} totalNs time on a processor: the scheduler's own account, exact
 * @property {number} userNs from utime, in ticks of 10 ms
 * @property {number} systemNs from stime, likewise
 */

/** CPU time of all threads of a process tree so far. @returns {CpuTime} */
export function cpuTime(/** @type {number} */ pid) {
  const sum = { totalNs: 0, userNs: 0, systemNs: 0 };
  for (const one of processTree(pid)) {
    for (const thread of readdirSync(`/proc/${one}/task`)) {
      const schedstat = readFileSync(`/proc/${one}/task/${thread}/schedstat`, 'utf8');
      sum.totalNs += Number(schedstat.split(' ')[0]);
    }
    // The name in brackets may hold spaces: count the fields behind it.
    const stat = readFileSync(`/proc/${one}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    sum.userNs += Number(fields[11]) * TICK_NS;
    sum.systemNs += Number(fields[12]) * TICK_NS;
  }
  return sum;
}

/**
 * CPU time between two readings, with the exact total split in the proportion of the ticks.
 * @param {CpuTime} before
 * @param {CpuTime} after
 * @returns {CpuTime}
 */
export function cpuBetween(before, after) {
  const totalNs = after.totalNs - before.totalNs;
  const userNs = after.userNs - before.userNs;
  const systemNs = after.systemNs - before.systemNs;
  const scale = userNs + systemNs > 0 ? totalNs / (userNs + systemNs) : 0;
  return { totalNs, userNs: userNs * scale, systemNs: systemNs * scale };
}

/** Resident memory of a process tree, bytes. */
export function residentBytes(/** @type {number} */ pid) {
  let sum = 0;
  for (const one of processTree(pid)) {
    const match = /^VmRSS:\s+([0-9]+) kB$/m.exec(readFileSync(`/proc/${one}/status`, 'utf8'));
    sum += Number(match?.[1] ?? 0) * 1024;
  }
  return sum;
}

/** Open descriptors of a process tree. */
export function descriptorCount(/** @type {number} */ pid) {
  return processTree(pid).reduce((sum, one) => sum + readdirSync(`/proc/${one}/fd`).length, 0);
}

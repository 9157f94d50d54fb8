/**
 * The TCP sockets of a process tree on a port of 127.0.0.1, from /proc.
 */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { processTree } from './processes.mjs';

/** State in /proc/net/tcp; see proc(5). */
const STATES = { established: '01', listening: '0A' };

/**
 * How many descriptors for such sockets each process holds, its children included. The table
 * is read once for all: on a busy machine it has tens of thousands of lines.
 * @param {readonly number[]} pids
 * @param {number} port local
 * @param {keyof typeof STATES} state
 */
export function socketCounts(pids, port, state) {
  const local = `0100007F:${port.toString(16).toUpperCase().padStart(4, '0')} `;
  const inodes = new Set(
    readFileSync('/proc/net/tcp', 'latin1')
      .split('\n')
      .filter((line) => line.includes(local))
      .map((line) => line.trim().split(/\s+/))
      .filter((fields) => fields[1] === local.trim() && fields[3] === STATES[state])
      .map((fields) => fields[9]),
  );
  return pids.map((pid) => processTree(pid).reduce((sum, one) => sum + held(one, inodes), 0));
}

/** @type {(pid: number, inodes: ReadonlySet<string | undefined>) => number} */
function held(pid, inodes) {
  let count = 0;
  try {
    for (const descriptor of readdirSync(`/proc/${pid}/fd`)) {
      const inode = /^socket:\[([0-9]+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${descriptor}`))?.[1];
      if (inode !== undefined && inodes.has(inode)) count++;
    }
  } catch {
    // A descriptor was closed, or the process ended, since the folder was read.
  }
  return count;
}

/** What a reactor still owned when it was closed. */
import { Connection } from './connection.js';
import { DatagramSocket } from './datagram-socket.js';
import { countTasks, ownersOf, type Scope } from './dispatch.js';
import { Listener } from './listener.js';

/** Everything is "address:port" where it has one. */
export interface LeftOpen {
  /** Peers of open connections; "" for unix sockets and attempts. */
  readonly connections: readonly string[];
  readonly listeners: readonly string[];
  readonly datagramSockets: readonly string[];
  /** Timers that had not run, sleeps included. */
  readonly timers: number;
  /** Posted tasks that had not run. */
  readonly tasks: number;
  /** Jobs of runBlocking that had not ended. */
  readonly jobs: number;
}

/** Looks at what the scope owns now. */
export function findLeftOpen(scope: Scope, jobs: number): LeftOpen {
  const { descriptors, timers } = ownersOf(scope);
  return {
    connections: descriptors
      .filter((owner) => owner instanceof Connection)
      .map((c) => joinEndpoint(c.remoteAddress, c.remotePort)),
    listeners: descriptors
      .filter((owner) => owner instanceof Listener)
      .map((l) => joinEndpoint(l.address, l.port)),
    datagramSockets: descriptors
      .filter((owner) => owner instanceof DatagramSocket)
      .map((d) => joinEndpoint(d.address, d.port)),
    timers: timers.filter((owner) => !(owner instanceof Connection)).length,
    tasks: countTasks(scope),
    jobs,
  };
}

/** One line, "" when nothing was left open: "2 connections (127.0.0.1:80, ...), 1 timer". */
export function describeLeftOpen(left: LeftOpen): string {
  return [
    countAndNames(left.connections, 'connection'),
    countAndNames(left.listeners, 'listener'),
    countAndNames(left.datagramSockets, 'datagram socket'),
    count(left.timers, 'timer'),
    count(left.tasks, 'task'),
    count(left.jobs, 'blocking job'),
  ]
    .filter((part) => part !== '')
    .join(', ');
}

function countAndNames(names: readonly string[], what: string): string {
  if (names.length === 0) return '';
  const known = names.filter((name) => name !== '');
  const shown = known.slice(0, 3).join(', ') + (known.length > 3 ? ', ...' : '');
  return count(names.length, what) + (shown === '' ? '' : ` (${shown})`);
}

function count(number: number, what: string): string {
  return number === 0 ? '' : `${number} ${what}${number === 1 ? '' : 's'}`;
}

function joinEndpoint(address: string, port: number): string {
  if (port === 0) return address;
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

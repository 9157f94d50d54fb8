/**
 * Rows of the `main` and `events` blocks: the process, its user, its pid file, the
 * number of its connections. What they mean is the business of lib/process and lib/cli.
 */
import { availableParallelism } from 'node:os';
import { directive, type Module } from '../module-api/index.js';
import { argument, flagRow, numberRow, parseNumber, textRow } from './rows.js';

export const workerProcesses = directive<number>({
  name: 'worker_processes',
  contexts: ['main'],
  args: 1,
  parse(node, context) {
    const at = argument(node, 0);
    if (at.text === 'auto') return availableParallelism();
    const count = parseNumber(at.text);
    if (count === undefined) return context.fail(at, `invalid value "${at.text}"`);
    if (count === 0) return context.fail(at, '"worker_processes" must be greater than 0');
    if (count > 1) context.warn(node, `${count} worker processes were asked for, one is run in this version`);
    return count;
  },
  default: 1,
  reload: 'worker',
  syntax: 'number | auto',
  defaultText: '1',
  doc: 'Number of worker processes. This version runs one, and warns when a greater number is written.',
});

export const pid = textRow(
  'pid',
  'logs/nginx.pid',
  'File that holds the process id, written after every socket is bound.',
  {
    contexts: ['main'],
    syntax: 'file',
    reload: 'worker',
  },
);

export const daemon = flagRow(
  'daemon',
  false,
  'Whether to go into the background. Millrace stays in the foreground unless told otherwise.',
  { contexts: ['main'], reload: 'worker' },
);

export const masterProcess = flagRow(
  'master_process',
  true,
  'Whether workers are started. Accepted; in this version one process does everything.',
  { contexts: ['main'], reload: 'worker' },
);

/** Whom the process becomes. */
export interface UserSetting {
  readonly user: string;
  /** Equal to `user` when only one name was given. */
  readonly group: string;
}

export const user = directive<UserSetting | undefined>({
  name: 'user',
  contexts: ['main'],
  args: [1, 2],
  parse(node) {
    const name = argument(node, 0).text;
    return { user: name, group: node.args[1]?.text ?? name };
  },
  default: undefined,
  reload: 'worker',
  syntax: 'user [group]',
  defaultText: '-',
  doc: 'User and group the process changes to when it was started as root.',
});

export const env = directive<readonly string[]>({
  name: 'env',
  contexts: ['main'],
  args: 1,
  repeat: 'append',
  parse(node, _context, previous) {
    return [...(previous ?? []), argument(node, 0).text];
  },
  default: [],
  reload: 'worker',
  syntax: 'variable[=value]',
  defaultText: '-',
  doc: 'An environment variable to keep or set. Accepted; the environment is kept as it is, nothing is set.',
});

export const workerConnections = numberRow(
  'worker_connections',
  512,
  'Greatest number of client connections; more are accepted and closed again.',
  { contexts: ['events'], reload: 'worker' },
);

export const use = directive<string | undefined>({
  name: 'use',
  contexts: ['events'],
  args: 1,
  parse(node, context) {
    const at = argument(node, 0);
    if (!['epoll', 'kqueue', 'poll', 'select', 'eventport', '/dev/poll'].includes(at.text)) {
      return context.fail(at, `invalid event type "${at.text}"`);
    }
    return at.text;
  },
  default: undefined,
  reload: 'worker',
  syntax: 'epoll | kqueue | poll | select | eventport | /dev/poll',
  defaultText: '-',
  doc: "Accepted; the operating system's own poller (epoll, kqueue) is always used.",
});

/** Rows of `main` and `events`. */
export const mainModule: Module = {
  name: 'main',
  directives: [workerProcesses, pid, daemon, masterProcess, user, env, workerConnections, use],
};

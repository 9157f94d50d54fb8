/**
 * How each contestant is started in front of two backends: the fast one, and the
 * checking one below /check. nginx and Millrace read one and the same file.
 */
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort, isInstalled, start, versionOf, waitForPort } from './processes.mjs';

const BENCH = join(dirname(fileURLToPath(import.meta.url)), '..');

/** Descriptors that a process may have, as far as its limit can be raised. */
const DESCRIPTORS = Number(
  /open files\s+\S+\s+([0-9]+)/.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1] ?? 1024,
);

/** Clients that HAProxy takes: it wants two descriptors for each and some more. */
const HAPROXY_MAXCONN = Math.min(20_000, Math.floor((DESCRIPTORS - 200) / 2));

/** Our binary; MILLRACE_BINARY names another. */
export const MILLRACE = process.env['MILLRACE_BINARY'] ?? join(BENCH, '../bin/millrace');

/**
 * @typedef {object} Backends
 * @property {number} fast port
 * @property {number} check port
 */

/**
 * @typedef {object} Contestant
 * @property {string} name
 * @property {string} version
 * @property {number} port
 * @property {number} pid
 * @property {number} clients idle ones that it can hold under the limits of this machine
 * @property {() => Promise<void>} stop
 */

/**
 * Fills the names in doubled braces of a file in bench/conf and writes it to a folder of its own.
 * @param {string} name
 * @param {Record<string, string | number>} values
 * @returns {{ folder: string, path: string }}
 */
export function fillTemplate(name, values) {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-bench-'));
  // A worker that gave up root must be able to look into it.
  chmodSync(folder, 0o755);
  const all = { ...values, PREFIX: folder };
  const text = readFileSync(join(BENCH, 'conf', name), 'utf8').replace(/\{\{([A-Z_]+)\}\}/g, (_, key) => {
    if (!(key in all)) throw new Error(`${name}: no value for ${key}`);
    return String(all[/** @type {keyof typeof all} */ (key)]);
  });
  const path = join(folder, name);
  writeFileSync(path, text);
  return { folder, path };
}

/**
 * @typedef {object} Kind
 * @property {string} name
 * @property {() => string | undefined} version undefined when it is not installed
 * @property {string} template in bench/conf
 * @property {readonly string[]} [single] arguments that make it one process, for tools that follow no other
 * @property {(files: { folder: string, path: string }, ports: Backends & { listen: number }) => [string, string[]]} command
 */

/** @type {(folder: string, path: string) => string[]} */
const nginxArgs = (folder, path) => ['-p', `${folder}/`, '-c', path, '-e', join(folder, 'error.log')];

/** @type {readonly Kind[]} */
export const KINDS = [
  {
    name: 'millrace',
    version: () => (isInstalled(MILLRACE) ? versionOf(MILLRACE) : undefined),
    template: 'proxy.nginx.conf',
    command: ({ folder, path }) => [MILLRACE, nginxArgs(folder, path)],
  },
  {
    name: 'nginx',
    version: () => (isInstalled('nginx') ? versionOf('nginx') : undefined),
    template: 'proxy.nginx.conf',
    command: ({ folder, path }) => ['nginx', nginxArgs(folder, path)],
    single: ['-g', 'master_process off;'],
  },
  {
    name: 'haproxy',
    version: () => (isInstalled('haproxy') ? versionOf('haproxy') : undefined),
    template: 'haproxy.cfg',
    command: ({ path }) => ['haproxy', ['-db', '-f', path]],
  },
  {
    name: 'node',
    version: () => `node:http of ${process.version}`,
    template: 'node-proxy.mjs',
    command: ({ path }, { listen, fast, check }) => [
      process.execPath,
      [path, String(listen), String(fast), String(check)],
    ],
  },
];

/**
 * Starts a contestant on a free port.
 * @param {Kind} kind
 * @param {Backends} backends
 * @param {{ cpu?: number | undefined, wrap?: readonly string[], startMs?: number }} [options]
 *   `wrap` is a command in front of its own; `startMs` how long it may take until it listens
 * @returns {Promise<Contestant>}
 */
export async function startContestant(kind, backends, { cpu, wrap = [], startMs = 10_000 } = {}) {
  const listen = await freePort();
  const files = fillTemplate(kind.template, {
    PORT: listen,
    FAST: backends.fast,
    CHECK: backends.check,
    MAXCONN: HAPROXY_MAXCONN,
  });
  const [program, args] = kind.command(files, { ...backends, listen });
  const command = [...wrap, program, ...args, ...(wrap.length > 0 ? (kind.single ?? []) : [])];
  const one = start('sh', ['-c', 'ulimit -n $(ulimit -Hn); exec "$@"', 'sh', ...command], { cpu });
  await waitForPort(listen, one, startMs);
  const stop = async () => {
    await one.stop();
    rmSync(files.folder, { recursive: true, force: true });
  };
  const clients = kind.name === 'haproxy' ? HAPROXY_MAXCONN - 100 : DESCRIPTORS - 1000;
  return { name: kind.name, version: kind.version() ?? '', port: listen, pid: one.pid, clients, stop };
}

/**
 * How each contestant is started in front of two groups of backends: the fast ones, and
 * the checking ones below /check. nginx and Millrace read one and the same file.
 */
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort, isInstalled, start, versionOf, waitForPort } from './processes.mjs';
import { SCENARIOS } from './scenarios.mjs';
import { socketCounts } from './sockets.mjs';

const BENCH = join(dirname(fileURLToPath(import.meta.url)), '..');

/** Descriptors that a process may have, as far as its limit can be raised. */
const DESCRIPTORS = Number(
  /open files\s+\S+\s+([0-9]+)/.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1] ?? 1024,
);

/** Clients that HAProxy takes: it wants two descriptors for each and some more. */
const HAPROXY_MAXCONN = Math.min(20_000, Math.floor((DESCRIPTORS - 200) / 2));

/** Our binary; MILLRACE_BINARY names another. */
export const MILLRACE = process.env['MILLRACE_BINARY'] ?? join(BENCH, '../bin/millrace');

/** nginx; NGINX_BINARY names another. */
export const NGINX = process.env['NGINX_BINARY'] ?? 'nginx';

/** @typedef {import('./scenarios.mjs').Scenario} Scenario */

/**
 * @typedef {object} Backends
 * @property {readonly number[]} fast ports
 * @property {readonly number[]} check ports
 */

/**
 * @typedef {object} Contestant
 * @property {string} name
 * @property {string} version
 * @property {number} port
 * @property {number} pid
 * @property {number} clients idle ones that it can hold under the limits of this machine
 * @property {string | undefined} log file of the access log
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
 * @typedef {object} Place what a contestant is started with
 * @property {number} listen port
 * @property {Backends} backends as many ports as the scenario has peers
 * @property {Scenario} scenario
 */

/**
 * @typedef {object} Started
 * @property {string} folder of its own
 * @property {[string, ...string[]]} command
 */

/**
 * @typedef {object} Kind
 * @property {string} name
 * @property {() => string | undefined} version undefined when it is not installed
 * @property {readonly string[]} [single] arguments that make it one process, for tools that follow no other
 * @property {boolean} [logsToStdout]
 * @property {boolean} onNode whether V8 runs it
 * @property {boolean} reusePort whether two of it can listen on one port
 * @property {(place: Place) => Started} prepare
 */

/** @type {(list: readonly string[], indent: number) => string} */
const lines = (list, indent) => list.map((line) => `${' '.repeat(indent)}${line}`).join('\n');

/** What stands in both templates of nginx and HAProxy. */
const LOG_NAME = 'access.log';

/**
 * @param {string} program
 * @param {string} tuning file in bench/conf, or nothing
 * @returns {Kind['prepare']}
 */
const likeNginx = (program, tuning) => {
  return ({ listen, backends, scenario }) => {
    const { folder, path } = fillTemplate('proxy.nginx.conf', {
      SCENARIO: `Scenario: ${scenario.name}.`,
      PORT: listen,
      LISTEN: scenario.reusePort || tuning !== '' ? ' reuseport' : '',
      LOG: scenario.log ? `${LOG_NAME} combined` : 'off',
      TUNING: tuning === '' ? '' : readFileSync(join(BENCH, 'conf', tuning), 'utf8'),
      FAST: lines(
        backends.fast.map((port) => `server 127.0.0.1:${port};`),
        8,
      ),
      CHECK: lines(
        backends.check.map((port) => `server 127.0.0.1:${port};`),
        8,
      ),
      LOCATIONS: lines(
        scenario.routes.map(({ prefix, to }) => `location ${prefix} { proxy_pass http://${to}; }`),
        8,
      ),
    });
    return { folder, command: [program, '-p', `${folder}/`, '-c', path, '-e', join(folder, 'error.log')] };
  };
};

/** @type {Kind['prepare']} */
const haproxy = ({ listen, backends, scenario }) => {
  const servers = (/** @type {readonly number[]} */ ports) =>
    lines(
      ports.map((port, i) => `server s${i} 127.0.0.1:${port} pool-max-conn 256`),
      4,
    );
  const { folder, path } = fillTemplate('haproxy.cfg', {
    PORT: listen,
    MAXCONN: HAPROXY_MAXCONN,
    LOG: scenario.log ? '    log stdout format raw local0 info\n    option httplog' : '',
    LOCATIONS: lines(
      scenario.routes.map(({ prefix, to }) => `use_backend ${to} if { path_beg ${prefix} }`),
      4,
    ),
    FAST: servers(backends.fast),
    CHECK: servers(backends.check),
  });
  return { folder, command: ['haproxy', '-db', '-f', path] };
};

/** @param {string} script in bench/conf @returns {Kind['prepare']} */
const onNode = (script) => {
  return ({ listen, backends, scenario }) => {
    const folder = mkdtempSync(join(tmpdir(), 'millrace-bench-'));
    const routes = [{ prefix: '/', to: 'fast' }, { prefix: '/check', to: 'check' }, ...scenario.routes];
    const options = {
      listen,
      routes: routes.map(({ prefix, to }) => ({
        prefix,
        ports: backends[/** @type {keyof Backends} */ (to)],
      })),
      log: scenario.log ? join(folder, LOG_NAME) : null,
    };
    return {
      folder,
      command: [process.execPath, join(BENCH, 'conf', script), JSON.stringify(options)],
    };
  };
};

/** Version of a package of devDependencies. @type {(name: string) => string | undefined} */
function packageVersion(name) {
  try {
    const main = createRequire(import.meta.url).resolve(name);
    const folder = main.slice(0, main.lastIndexOf(`node_modules/${name}`) + `node_modules/${name}`.length);
    return `${name} ${JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')).version}`;
  } catch {
    return undefined;
  }
}

const nginxVersion = () => (isInstalled(NGINX) ? versionOf(NGINX) : undefined);

/** @type {readonly Kind[]} */
export const KINDS = [
  {
    name: 'millrace',
    onNode: true,
    version: () => (isInstalled(MILLRACE) ? versionOf(MILLRACE) : undefined),
    reusePort: true,
    prepare: likeNginx(MILLRACE, ''),
  },
  {
    name: 'nginx',
    onNode: false,
    version: nginxVersion,
    reusePort: true,
    prepare: likeNginx(NGINX, ''),
    single: ['-g', 'master_process off;'],
  },
  {
    name: 'nginx-tuned',
    onNode: false,
    version: nginxVersion,
    reusePort: true,
    prepare: likeNginx(NGINX, 'tuned.nginx.conf'),
    single: ['-g', 'master_process off;'],
  },
  {
    name: 'haproxy',
    onNode: false,
    version: () => (isInstalled('haproxy') ? versionOf('haproxy') : undefined),
    reusePort: true,
    logsToStdout: true,
    prepare: haproxy,
  },
  {
    name: 'node',
    onNode: true,
    version: () => `node:http of ${process.version}`,
    reusePort: false,
    prepare: onNode('node-proxy.mjs'),
  },
  {
    name: 'http-proxy',
    onNode: true,
    version: () => packageVersion('http-proxy'),
    reusePort: false,
    prepare: onNode('http-proxy.mjs'),
  },
  {
    name: 'fastify',
    onNode: true,
    version: () => packageVersion('@fastify/http-proxy'),
    reusePort: false,
    prepare: onNode('fastify-proxy.mjs'),
  },
];

/**
 * @typedef {object} StartOptions
 * @property {number | undefined} [cpu]
 * @property {import('./scenarios.mjs').ScenarioName} [scenario] plain unless said otherwise
 * @property {number} [listen] port; a free one unless given
 * @property {readonly string[]} [wrap] a command in front of its own
 * @property {number} [startMs] how long it may take until it listens
 */

/**
 * Starts a contestant.
 * @param {Kind} kind
 * @param {Backends} backends
 * @param {StartOptions} [options]
 * @returns {Promise<Contestant>}
 */
export async function startContestant(kind, backends, options = {}) {
  const { cpu, wrap = [], startMs = 10_000 } = options;
  const scenario = SCENARIOS[options.scenario ?? 'plain'];
  const listen = options.listen ?? (await freePort());
  const some = {
    fast: backends.fast.slice(0, scenario.peers),
    check: backends.check.slice(0, scenario.peers),
  };
  const { folder, command } = kind.prepare({ listen, backends: some, scenario });
  const log = scenario.log ? join(folder, LOG_NAME) : undefined;
  const all = [...wrap, ...command, ...(wrap.length > 0 ? (kind.single ?? []) : [])];
  const output = kind.logsToStdout === true && log !== undefined ? ` >${log}` : '';
  const one = start('sh', ['-c', `ulimit -n $(ulimit -Hn); exec "$@"${output}`, 'sh', ...all], { cpu });
  await waitForPort(listen, one, startMs);
  // On a shared port it may have been another who answered.
  for (let i = 0; i < 100 && scenario.reusePort; i++) {
    if (socketCounts([one.pid], listen, 'listening')[0] !== 0) break;
    await sleep(100);
  }
  const stop = async () => {
    await one.stop();
    rmSync(folder, { recursive: true, force: true });
  };
  const clients = kind.name === 'haproxy' ? HAPROXY_MAXCONN - 100 : DESCRIPTORS - 1000;
  return { name: kind.name, version: kind.version() ?? '', port: listen, pid: one.pid, clients, log, stop };
}

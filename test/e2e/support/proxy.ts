/**
 * Starts the proxy with a configuration that stands in the test, on free ports, and
 * waits until it is ready, in the manner of nginx's own test suite. The binary is
 * bin/millrace; MILLRACE_E2E_BINARY names another that understands nginx's command
 * line. With nginx there, the tests themselves are tried.
 */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  readFileSync,
  rmSync,
  chmodSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { FOREIGN_ENV } from '../../support/foreign.js';
import { PATIENCE_MS } from './peer.js';

const ROOT = resolve(fileURLToPath(import.meta.url), '../../../..');

/** The binary under test. */
export const BINARY = process.env['MILLRACE_E2E_BINARY'] ?? join(ROOT, 'bin/millrace');

/** Whether it is ours: some tests ask for more than nginx does, or for a version that is not installed. */
export const IS_MILLRACE = !/nginx[^/]*$/.test(BINARY);

/** A port of 127.0.0.1 that was free a moment ago. */
export function freePort(): Promise<number> {
  return new Promise((done, fail) => {
    const server = createServer();
    server.once('error', fail);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => done(port));
    });
  });
}

/** What a proxy is started with, besides the http block. */
export interface ProxyOptions {
  /** Files below the prefix, which is also the default root: name and content. */
  readonly files?: Readonly<Record<string, string>>;
  /** Directives of the main context, added to the usual ones. */
  readonly main?: string;
  /** How many ports to reserve; they are passed to the configuration in order. */
  readonly ports?: number;
}

/** A running proxy. Dispose of it with `await using`. */
export class Proxy implements AsyncDisposable {
  readonly prefix: string;
  readonly ports: readonly number[];
  readonly #child: ChildProcess;
  readonly #exited: Promise<number | null>;

  constructor(prefix: string, ports: readonly number[], child: ChildProcess) {
    this.prefix = prefix;
    this.ports = ports;
    this.#child = child;
    this.#exited = new Promise((done) => child.once('exit', (code) => done(code)));
  }

  /** The first port. */
  get port(): number {
    return this.ports[0] ?? 0;
  }

  /** Process that serves: the only child of a master, else the process that was started. */
  get pid(): number {
    const own = this.#child.pid ?? 0;
    const children = readFileSync(`/proc/${own}/task/${own}/children`, 'utf8').trim().split(' ');
    return children[0] === '' ? own : Number(children[0]);
  }

  /** Resident memory of the serving process, bytes. */
  residentBytes(): number {
    const match = /^VmRSS:\s+([0-9]+) kB$/m.exec(readFileSync(`/proc/${this.pid}/status`, 'utf8'));
    return Number(match?.[1]) * 1024;
  }

  /** Number of open descriptors of the serving process, without pipes: relays keep some for later. */
  descriptors(): number {
    return this.#links().filter((link) => !link.startsWith('pipe:')).length;
  }

  /** Number of ends of pipes that the serving process has. */
  pipes(): number {
    return this.#links().filter((link) => link.startsWith('pipe:')).length;
  }

  /** What its descriptors are. */
  #links(): string[] {
    const folder = `/proc/${this.pid}/fd`;
    return readdirSync(folder).map((name) => {
      try {
        return readlinkSync(`${folder}/${name}`);
      } catch {
        return 'closed meanwhile';
      }
    });
  }

  /** Content of a file below the prefix, '' when it is not there. */
  read(name: string): string {
    const path = join(this.prefix, name);
    return existsSync(path) ? readFileSync(path, 'latin1') : '';
  }

  /** Waits until a file below the prefix matches: logs may be written a moment after the response. */
  async readUntil(name: string, pattern: RegExp): Promise<string> {
    const limit = Date.now() + PATIENCE_MS;
    for (;;) {
      const text = this.read(name);
      if (pattern.test(text)) return text;
      if (Date.now() > limit) throw new Error(`${name} does not match ${String(pattern)}:\n${text}`);
      await sleep(20);
    }
  }

  /** Sends a signal and waits for the end. Returns the exit code, null after a signal. */
  async stop(signal: 'SIGTERM' | 'SIGQUIT' = 'SIGTERM'): Promise<number | null> {
    this.#child.kill(signal);
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), PATIENCE_MS);
    const code = await this.#exited;
    clearTimeout(timer);
    return code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    const log = this.read('error.log');
    rmSync(this.prefix, { recursive: true, force: true });
    const alert = /^.*\[(alert|emerg)\].*$/m.exec(log);
    if (alert !== null) throw new Error(`error.log has: ${alert[0]}`);
  }
}

/**
 * Starts the proxy. `http` makes the content of the http block from the reserved ports.
 *
 * @throws Error with all that the process said, when it ends or is not ready in time
 */
export async function startProxy(
  http: (...ports: number[]) => string,
  options: ProxyOptions = {},
): Promise<Proxy> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await startOnce(http, options);
    } catch (error) {
      // A port that was free a moment ago may be somebody else's now.
      if (attempt === 3 || !String(error).includes('Address already in use')) throw error;
    }
  }
}

async function startOnce(http: (...ports: number[]) => string, options: ProxyOptions): Promise<Proxy> {
  const prefix = mkdtempSync(join(tmpdir(), 'millrace-e2e-'));
  // A worker that gave up root must be able to look into it.
  chmodSync(prefix, 0o755);
  for (const [name, content] of Object.entries(options.files ?? {})) {
    writeFileSync(join(prefix, name), content, 'latin1');
  }
  const ports: number[] = [];
  while (ports.length < (options.ports ?? 1)) {
    const port = await freePort();
    if (!ports.includes(port)) ports.push(port);
  }
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${prefix}/${name}_temp;`,
  );
  const conf = `
daemon off;
pid ${prefix}/nginx.pid;
error_log ${prefix}/error.log info;
${options.main ?? ''}
events { worker_connections 4096; }
http {
  root ${prefix};
  access_log off;
  ${temporary.join('\n  ')}
  ${http(...ports)}
}
`;
  writeFileSync(join(prefix, 'nginx.conf'), conf, 'latin1');
  const child = spawn(BINARY, ['-p', `${prefix}/`, '-c', 'nginx.conf', '-e', 'error.log'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
  const proxy = new Proxy(prefix, ports, child);
  const limit = Date.now() + PATIENCE_MS;
  while (!existsSync(join(prefix, 'nginx.pid'))) {
    if (child.exitCode !== null || child.signalCode !== null || Date.now() > limit) {
      child.kill('SIGKILL');
      throw new Error(`${BINARY} did not start:\n${said}${proxy.read('error.log')}\n${conf}`);
    }
    await sleep(10);
  }
  return proxy;
}

/** Waits until the proxy has no more descriptors than `before`. Result: how many it has then, or when patience ends. */
export async function descriptorsBack(proxy: Proxy, before: number): Promise<number> {
  const limit = Date.now() + PATIENCE_MS;
  while (proxy.descriptors() > before && Date.now() < limit) await sleep(20);
  return proxy.descriptors();
}

/** Whether a program can be run at all. */
export function isInstalled(program: string, flag = '-v'): boolean {
  try {
    execFileSync(program, [flag], { stdio: 'ignore', env: FOREIGN_ENV });
    return true;
  } catch {
    return false;
  }
}

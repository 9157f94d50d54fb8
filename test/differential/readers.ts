/**
 * Other parsers of HTTP/1.1, each made to say how it reads the bytes of one connection:
 * Node's http server, and nginx and HAProxy with a recording backend behind them. Each has
 * lanes, so that what was read belongs to one case.
 */
import { execFileSync, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Lanes } from '../e2e/support/lanes.js';
import { freePort } from '../e2e/support/proxy.js';
import { RecordingBackend } from '../support/http/recording-backend.js';

/** Asks for the end of the connection, behind the bytes of a case. */
const LAST = 'GET /last HTTP/1.1\r\nHost: last\r\nConnection: close\r\n\r\n';
/** When nothing comes for so long, nothing will. */
const QUIET_MS = 1000 * Number(process.env['MILLRACE_TEST_SLOW'] ?? '1');
const START_MS = 10_000;
/** Letters of a method in a reading. */
const METHOD_SHOWN = 20;

/** How bytes were read: "POST 5, last", "refused". A request is its method and the size of its body. */
export type Reading = string;

/** One parser. */
export interface Reader extends AsyncDisposable {
  readonly name: string;
  /** As docs/http-differences.md names it. */
  readonly version: string;
  /** Reads the bytes on a connection of their own; `lane` is not used by two at a time. */
  read(lane: number, bytes: string): Promise<Reading>;
}

/** What came back on a connection: whether a status of 400 and above was among it. */
async function converse(port: number, bytes: string): Promise<{ refused: boolean; waiting: boolean }> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    let received = '';
    let timer: NodeJS.Timeout;
    const finish = (waiting: boolean): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve({ refused: /HTTP\/1\.[01] [45]/.test(received), waiting });
    };
    const again = (): void => {
      clearTimeout(timer);
      timer = setTimeout(() => finish(true), QUIET_MS);
    };
    socket.on('data', (chunk) => {
      received += chunk.toString('latin1');
      again();
    });
    socket.on('error', () => finish(false));
    socket.on('close', () => finish(false));
    socket.write(Buffer.from(bytes + LAST, 'latin1'));
    again();
  });
}

/** One request as a part of a reading. */
export function describeRequest(method: string, target: string, bodyBytes: number): string {
  return target === '/last' ? 'last' : `${method.slice(0, METHOD_SHOWN)} ${bodyBytes}`;
}

function describeReading(requests: readonly string[], refused: boolean, waiting: boolean): Reading {
  const end = refused ? ['refused'] : waiting ? ['waiting'] : [];
  const parts = [...requests, ...end];
  return parts.length === 0 ? 'closed' : parts.join(', ');
}

/** Something that forwards to a recording backend for each lane. */
export class Forwarder implements Reader {
  /** For each lane the bytes of the requests that the last reading forwarded, but for the last one. */
  readonly forwarded: string[][] = [];
  readonly name: string;
  readonly version: string;
  readonly #ports: readonly number[];
  readonly #backends: readonly RecordingBackend[];
  readonly #stop: () => Promise<void>;

  constructor(
    name: string,
    version: string,
    ports: readonly number[],
    backends: readonly RecordingBackend[],
    stop: () => Promise<void>,
  ) {
    this.name = name;
    this.version = version;
    this.#ports = ports;
    this.#backends = backends;
    this.#stop = stop;
  }

  async read(lane: number, bytes: string): Promise<Reading> {
    const backend = this.#backends[lane];
    if (backend === undefined) throw new Error(`no lane ${lane}`);
    const { refused, waiting } = await converse(this.#ports[lane] ?? 0, bytes);
    const requests = backend.requests.map(({ method, target, body }) =>
      describeRequest(method, target, body.length),
    );
    this.forwarded[lane] = backend.raw.filter((_, i) => backend.requests[i]?.target !== '/last');
    // What a strict backend could not read, this one forwarded all the same.
    const odd = backend.errors.length > 0 ? ['not strict'] : [];
    backend.forget();
    return describeReading([...requests, ...odd], refused && odd.length === 0, waiting);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stop();
    for (const backend of this.#backends) await backend[Symbol.asyncDispose]();
  }
}

/** The proxy under test. */
export async function ownReader(count: number): Promise<Forwarder> {
  const { lanes, proxy } = await Lanes.start(count, ['']);
  return new Forwarder(
    'Millrace',
    '',
    lanes.map(({ ports }) => ports.get('') ?? 0),
    lanes.map(({ backend }) => backend),
    () => proxy[Symbol.asyncDispose](),
  );
}

/** Node's own http server, which says itself what it read. */
export async function nodeReader(lanes: number): Promise<Reader> {
  const seen: string[][] = Array.from({ length: lanes }, () => []);
  const servers = Array.from({ length: lanes }, (_, lane) => {
    const server = createServer((request, response) => {
      let bodyBytes = 0;
      request.on('data', (chunk: Buffer) => (bodyBytes += chunk.length));
      request.on('end', () => {
        seen[lane]?.push(describeRequest(request.method ?? '', request.url ?? '', bodyBytes));
        response.end('ok');
      });
    });
    server.on('clientError', (_error, socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'));
    // With a handler of its own these would be no ordinary requests.
    server.on('connect', (_request, socket) => socket.end('HTTP/1.1 405 Not Allowed\r\n\r\n'));
    return server;
  });
  for (const server of servers) await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    name: 'Node',
    version: `${process.versions.node.split('.')[0] ?? ''} (llhttp ${process.versions['llhttp'] ?? ''})`,
    async read(lane, bytes) {
      const { refused, waiting } = await converse((servers[lane]?.address() as AddressInfo).port, bytes);
      const requests = seen[lane] ?? [];
      seen[lane] = [];
      return describeReading(requests, refused, waiting);
    },
    async [Symbol.asyncDispose]() {
      for (const server of servers) {
        server.closeAllConnections();
        await new Promise<void>((resolve) => server.close(() => resolve()));
      }
    },
  };
}

/** Starts a program that listens on `ports`; the result stops it. */
async function start(
  command: string,
  args: readonly string[],
  ports: readonly number[],
): Promise<ChildProcess> {
  const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr?.on('data', (chunk: Buffer) => (said += chunk.toString()));
  const limit = Date.now() + START_MS;
  for (const port of ports) {
    while (!(await isListening(port))) {
      if (child.exitCode !== null || Date.now() > limit)
        throw new Error(`${command} did not start:\n${said}`);
      await sleep(20);
    }
  }
  return child;
}

function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => resolve(false));
    socket.on('connect', () => {
      socket.destroy();
      resolve(true);
    });
  });
}

async function distinctPorts(count: number): Promise<number[]> {
  const ports = new Set<number>();
  while (ports.size < count) ports.add(await freePort());
  return [...ports];
}

async function stop(child: ChildProcess, folder: string): Promise<void> {
  const exited = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await exited;
  rmSync(folder, { recursive: true, force: true });
}

/** What a program prints, stdout and stderr; undefined when it is not installed. */
function versionOf(command: string, pattern: RegExp): string | undefined {
  const { error, stdout, stderr } = spawnSync(command, ['-v'], { encoding: 'utf8' });
  return error === undefined ? pattern.exec(stdout + stderr)?.[1] : undefined;
}

/** nginx as a proxy; undefined when it is not installed. */
export async function nginxReader(lanes: number): Promise<Reader | undefined> {
  const version = versionOf('nginx', /nginx\/([0-9.]+)/);
  if (version === undefined) return undefined;
  const folder = mkdtempSync(join(tmpdir(), 'millrace-nginx-'));
  const backends = await Promise.all(Array.from({ length: lanes }, () => RecordingBackend.start()));
  const ports = await distinctPorts(lanes);
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  const servers = backends.map(
    (backend, i) => `
      upstream lane${i} { server 127.0.0.1:${backend.port}; keepalive 2; }
      server {
        listen 127.0.0.1:${ports[i] ?? 0};
        server_name corpus;
        location / {
          proxy_pass http://lane${i};
          proxy_http_version 1.1;
          proxy_set_header Connection "";
          proxy_set_header Host $host;
        }
      }`,
  );
  writeFileSync(
    join(folder, 'nginx.conf'),
    `daemon off; master_process off; pid ${folder}/pid; error_log ${folder}/error.log crit;
    events {}
    http {
      access_log off; client_max_body_size 64k; lingering_close off;
      ${temporary.map((name) => `${name}_temp_path ${folder}/${name};`).join(' ')}
      ${servers.join('\n')}
    }`,
  );
  const child = await start('nginx', ['-p', folder, '-c', 'nginx.conf', '-e', 'error.log'], ports);
  return new Forwarder('nginx', version, ports, backends, () => stop(child, folder));
}

/** HAProxy; undefined when it is not installed. */
export async function haproxyReader(lanes: number): Promise<Reader | undefined> {
  const version = versionOf('haproxy', /HAProxy version ([0-9.]+)/);
  if (version === undefined) return undefined;
  const folder = mkdtempSync(join(tmpdir(), 'millrace-haproxy-'));
  const backends = await Promise.all(Array.from({ length: lanes }, () => RecordingBackend.start()));
  const ports = await distinctPorts(lanes);
  writeFileSync(
    join(folder, 'haproxy.cfg'),
    `global
  nbthread 1
defaults
  mode http
  timeout client 10s
  timeout server 10s
  timeout connect 5s
${backends
  .map(
    (backend, i) => `listen lane${i}
  bind 127.0.0.1:${ports[i] ?? 0}
  server one 127.0.0.1:${backend.port}
`,
  )
  .join('')}`,
  );
  execFileSync('haproxy', ['-c', '-q', '-f', join(folder, 'haproxy.cfg')]);
  const child = await start('haproxy', ['-db', '-f', join(folder, 'haproxy.cfg')], ports);
  return new Forwarder('HAProxy', version, ports, backends, () => stop(child, folder));
}

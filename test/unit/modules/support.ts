/**
 * What tests of lib/modules share: an exchange without an engine, and settings and
 * handlers made of a piece of nginx.conf.
 */
import { vi } from 'vitest';
import { compileConfig } from '../../../lib/config/compile.js';
import { createParseContext } from '../../../lib/config/parse-context.js';
import { parseConfigText } from '../../../lib/config/parser.js';
import { Registry } from '../../../lib/config/registry.js';
import { buildTree, type Block } from '../../../lib/config/tree.js';
import { DONE, NEXT } from '../../../lib/module-api/index.js';
import type { HeaderName } from '../../../lib/http/header-name.js';
import type {
  ByteWriter,
  ClientInfo,
  Exchange,
  LocationView,
  LogHandler,
  LogLevel,
  PhaseHandler,
  PhaseResult,
  Request,
  Response,
  UpstreamAttempt,
  Value,
} from '../../../lib/module-api/index.js';
import { builtinModules } from '../../../lib/modules/index.js';
import { LogFiles } from '../../../lib/modules/log-files.js';
import type { LineForm } from '../../../lib/proxy/line-plan.js';
import type { LogLines } from '../../../lib/proxy/log-lines.js';
import type { LocationConfig, ProxyPassConfig, ServerConfig } from '../../../lib/proxy/runtime.js';

// The handler of proxy_pass leads to the engine and its addon; here it only has to say what it was given.
vi.mock('../../../lib/proxy/proxy-handler.js', () => ({
  proxyHandler: (config: ProxyPassConfig): PhaseHandler => Object.assign(() => 0, { config }),
}));

// Likewise the plan of a log line: without an engine, a line is written value by value.
vi.mock('../../../lib/proxy/line-plan.js', () => ({
  lineWriter:
    (form: LineForm, lines: LogLines): LogHandler =>
    (exchange) => {
      form.write(exchange, lines);
    },
}));

/** What a FakeExchange begins with; everything has a default. */
export interface FakeRequest {
  readonly method?: string;
  readonly target?: string;
  readonly headers?: readonly (readonly [name: string, value: string])[];
  readonly protocol?: string;
  readonly host?: string;
  readonly client?: Partial<ClientInfo>;
  readonly location?: LocationView;
}

type Headers = (readonly [name: string, value: string])[];

const same = (left: string, right: string): boolean => left.toLowerCase() === right.toLowerCase();

/** Records what a handler does to it. */
export class FakeExchange implements Exchange {
  readonly client: ClientInfo;
  readonly request: Request;
  readonly response: Response & { bytesSent: number; bodyBytesSent: number };
  uri: string;
  args: string;
  scheme = 'http';
  serverName = 'example.com';
  location: LocationView;
  attempts: UpstreamAttempt[] = [];
  requestBody = '';
  requestBodyFile = '';
  startedMs = 1000;
  nowMs = 1234;
  wallMs = Date.UTC(2026, 10, 21, 2, 35, 15, 678);
  completed = true;
  readonly state = new Map<unknown, unknown>();
  captures: readonly (string | undefined)[] | null = null;
  readonly slots: (string | undefined)[] = [];
  readonly sent: Headers = [];
  readonly body: Buffer[] = [];
  readonly messages: string[] = [];
  upstreamHeaders: Headers = [];
  upstreamCookies: Readonly<Record<string, string>> = {};
  upstreamTrailers: Readonly<Record<string, string>> = {};
  contentType: string | undefined;
  contentLength = -1;
  finalized: number | undefined;
  redirected: string | undefined;
  ended = false;
  /** How many writes are taken before one asks to wait; the wait ends by itself, or never when `left`. */
  room = Number.POSITIVE_INFINITY;
  left = false;
  waits = 0;

  constructor(given: FakeRequest = {}) {
    const target = given.target ?? '/';
    const question = target.indexOf('?');
    this.uri = question < 0 ? target : target.slice(0, question);
    this.args = question < 0 ? '' : target.slice(question + 1);
    this.location = given.location ?? { name: '/', root: '/nowhere', serverIndex: 0 };
    this.client = {
      remoteAddress: '192.0.2.7',
      writeRemoteAddress: (out) => out.text('192.0.2.7'),
      remotePort: 40000,
      serverAddress: '127.0.0.1',
      serverPort: 8080,
      serial: 5,
      acceptedMs: 0,
      requests: 2,
      pipelined: false,
      ...given.client,
    };
    this.request = fakeRequest(given, target);
    const { sent } = this;
    const getLength = (): number => this.contentLength;
    const find = (name: string): string | undefined => sent.find(([each]) => same(each, name))?.[1];
    this.response = {
      status: 0,
      headSent: false,
      bytesSent: 0,
      bodyBytesSent: 0,
      get contentLength() {
        return getLength();
      },
      getHeader: find,
      getTrailer: (name) => (name === 'x-sum' ? 'sum' : undefined),
      setHeader(name, value) {
        this.removeHeader(name);
        sent.push([name, value]);
      },
      addHeader: (name, value) => void sent.push([name, value]),
      removeHeader(name) {
        for (let i = sent.length - 1; i >= 0; i -= 1) if (same(sent[i]?.[0] ?? '', name)) sent.splice(i, 1);
      },
    };
  }

  /** The body so far. */
  get text(): string {
    return Buffer.concat(this.body).toString('latin1');
  }

  upstreamCookie(name: string): string | undefined {
    return this.upstreamCookies[name];
  }

  upstreamTrailer(name: string): string | undefined {
    return this.upstreamTrailers[name];
  }

  upstreamHeader(name: string): string | undefined {
    return this.upstreamHeaders.find(([each]) => same(each, name))?.[1];
  }

  respond(status: number, body: string | Uint8Array, contentType?: string): PhaseResult {
    this.begin(status, body.length, contentType);
    this.body.push(Buffer.from(typeof body === 'string' ? Buffer.from(body, 'latin1') : body));
    this.ended = true;
    return DONE;
  }

  begin(status: number, contentLength: number, contentType?: string): void {
    this.response.status = status;
    this.contentLength = contentLength;
    this.contentType = contentType;
  }

  write(bytes: Uint8Array): boolean {
    this.body.push(Buffer.from(bytes));
    this.room -= 1;
    return this.room > 0;
  }

  end(): void {
    this.ended = true;
  }

  drained(): Promise<void> {
    this.waits += 1;
    if (this.left) return Promise.reject(new Error('the client has left'));
    this.room = 1;
    return Promise.resolve();
  }

  finalize(status: number): PhaseResult {
    this.finalized = status;
    return DONE;
  }

  redirectInternally(uri: string): PhaseResult {
    this.redirected = uri;
    return DONE;
  }

  log(level: LogLevel, message: string): void {
    this.messages.push(`[${level}] ${message}`);
  }
}

function fakeRequest(given: FakeRequest, target: string): Request {
  const headers = given.headers ?? [];
  const header = (wanted: string | HeaderName): string | undefined => {
    const name = typeof wanted === 'string' ? wanted : wanted.text;
    const values = headers.filter(([each]) => same(each, name)).map(([, value]) => value);
    return values.length === 0 ? undefined : values.join(same(name, 'cookie') ? '; ' : ', ');
  };
  const method = given.method ?? 'GET';
  const protocol = given.protocol ?? 'HTTP/1.1';
  const line = `${method} ${target} ${protocol}`;
  return {
    method,
    target,
    protocol,
    host: given.host ?? 'example.com',
    givenHost: given.host ?? 'example.com',
    givenPort: 8080,
    writeHost: (out) => out.text(given.host ?? 'example.com'),
    header,
    writeHeader(name, out) {
      const text = header(name);
      if (text !== undefined) out.text(text);
      return text !== undefined;
    },
    line,
    writeLine(out) {
      out.text(line);
      return true;
    },
    headers: () => headers.map(([name, value]): [string, string] => [name, value]),
    contentLength: 0,
    bytesReceived: 321,
    writeTarget: (out) => out.text(target),
  };
}

/** Collects what `Value.write` appends. */
export class TextWriter implements ByteWriter {
  written = '';

  bytes(bytes: Uint8Array): void {
    this.written += Buffer.from(bytes).toString('latin1');
  }

  copy(): void {
    throw new Error('there is no arena here');
  }

  text(text: string): void {
    this.written += text;
  }

  uint(value: number, digits = 1): void {
    this.written += String(value).padStart(digits, '0');
  }
}

const registry = new Registry(builtinModules);

const parseContext = createParseContext({
  registry,
  confDirectory: '/conf',
  prefix: '/prefix',
  onWarning: () => undefined,
});

/** A text with variables, compiled. */
export function value(text: string): Value {
  return parseContext.compileText(text);
}

/** The tree of a text; throws what a mistake in it throws. */
export function tree(text: string, warnings: string[] = []): Block {
  const parse = createParseContext({
    registry,
    confDirectory: '/conf',
    prefix: '/prefix',
    onWarning: (message) => warnings.push(message),
  });
  return buildTree(parseConfigText(Buffer.from(text).toString('latin1'), 'nginx.conf'), registry, parse);
}

/** The innermost first block: `http { server { location / { ... } } }` gives the location's. */
export function innermost(block: Block): Block {
  const [first] = block.blocks;
  return first === undefined ? block : innermost(first);
}

/** A server compiled from what stands inside it, with what stands around it. */
export async function server(
  inside: string,
  around = 'access_log off;',
  logs = new LogFiles('/nonexistent'),
): Promise<ServerConfig> {
  const text = `events {} http { ${around} server { listen 127.0.0.1:8080; ${inside} } }`;
  const nodes = parseConfigText(Buffer.from(text).toString('latin1'), 'nginx.conf');
  const compiled = await compileConfig(
    { nodes, confDirectory: '/conf', prefix: '/prefix' },
    { logs, errorLogPath: 'stderr', onWarning: () => undefined },
  );
  const found = compiled.runtime.listens[0]?.servers[0];
  if (found === undefined) throw new Error('no server');
  return found;
}

/** The first location of a server. */
export async function location(inside: string, around?: string, logs?: LogFiles): Promise<LocationConfig> {
  const [first] = (await server(inside, around, logs)).locations;
  if (first === undefined) throw new Error('no location');
  return first;
}

/** Runs the handlers of a location as the engine does; gives the status it ends with, or undefined when it was answered. */
export async function run(place: LocationConfig, exchange: FakeExchange): Promise<number | undefined> {
  exchange.location = place;
  const handlers = [
    ...place.rewrite,
    ...place.access,
    ...(place.content === undefined ? [] : [place.content]),
  ];
  for (const handler of handlers) {
    const result = await handler(exchange);
    if (result === DONE) return exchange.finalized;
    if (result !== NEXT) return result;
  }
  return undefined;
}

/** Runs the header filters for a response with that status. */
export function filter(place: LocationConfig, exchange: FakeExchange, status: number): void {
  exchange.location = place;
  exchange.response.status = status;
  for (const each of place.headerFilters) each(exchange);
}

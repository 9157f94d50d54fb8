/**
 * What a configuration compiles to: the engine's input. Immutable once built; an
 * exchange keeps the one it began with. The engine knows nothing of nginx.conf: this
 * tree may be built by hand as well (see test/unit/proxy).
 */
import type {
  Exchange,
  HeaderFilter,
  LocationView,
  LogHandler,
  LogLevel,
  Pattern,
  PhaseBuilder,
  PhaseHandler,
  Position,
  TrailerSource,
  Value,
} from '../module-api/index.js';
import type { RequestLimits } from '../http/request-head.js';
import type { LogLines } from './log-lines.js';
import type { MinRate } from './pacer.js';
import type { TempFiles } from './temp-files.js';
import type { UpstreamGroup } from './upstream-group.js';

/** Where errors are written; one per `error_log` in effect. */
export interface ErrorLog {
  /** Whether a message of that level would be written; check before composing one on a hot path. */
  enabled(level: LogLevel): boolean;
  /** One line; the sink adds time, level and pid. `connection` is the serial that follows as `*n`. */
  write(level: LogLevel, message: string, connection?: number): void;
}

/** One `error_page` rule. */
export interface ErrorPage {
  /** Status to answer with: a number, 0 for "what the page's own processing gives" (`=`), undefined to keep the original. */
  readonly status: number | undefined;
  /** "/path", "@named", or an absolute URL that is answered with a redirect. */
  readonly target: Value;
}

/** Bodies that are kept in files. */
export interface BodyFilePolicy {
  readonly directory: TempFiles;
  /**
   * Every body that is read before a backend is asked; those that are too long for memory; or
   * of these only chunked ones for a backend of HTTP/1.0, which has to know the length.
   */
  readonly which: 'all' | 'long' | 'lengthless';
  /** When its name goes: at its creation (what is open stays readable), with its request, or never. */
  readonly removal: 'at once' | 'afterwards' | 'never';
}

/** What takes the place of a location for other methods than these. */
export interface MethodLimit {
  readonly methods: ReadonlySet<string>;
  readonly location: LocationConfig;
}

/** A location, or the part of a server outside its locations. */
export interface LocationConfig extends LocationView {
  readonly name: string;
  readonly kind: 'prefix' | 'exact' | 'regex' | 'named' | 'server';
  readonly root: string;
  readonly serverIndex: number;
  readonly limit: MethodLimit | undefined;
  /** In order; run before `access`. */
  readonly rewrite: readonly PhaseHandler[];
  readonly access: readonly PhaseHandler[];
  readonly content: PhaseHandler | undefined;
  /** The three before this, as `handlersOf` (phases.ts) puts them together. */
  readonly handlers: readonly PhaseHandler[];
  readonly headerFilters: readonly HeaderFilter[];
  readonly trailers: readonly TrailerSource[];
  readonly logHandlers: readonly LogHandler[];
  /** Bytes; 0 is unlimited. */
  readonly clientMaxBodySize: number;
  readonly clientBodyTimeoutMs: number;
  /** Least speed of a body that a client sends, and of a response that it takes. */
  readonly clientBodyMinRate: MinRate | undefined;
  readonly sendMinRate: MinRate | undefined;
  /** Bytes of a body that are kept for another backend. */
  readonly clientBodyBufferSize: number;
  /** Which bodies become files; none where it is undefined. */
  readonly bodyFile: BodyFilePolicy | undefined;
  /** What a backend is sent besides the body may hold the body (`$request_body`). */
  readonly quotesBody: boolean;
  readonly sendTimeoutMs: number;
  /** 0 closes after each response. */
  readonly keepaliveTimeoutMs: number;
  /** Seconds for a `Keep-Alive: timeout=` field; 0 sends none. */
  readonly keepaliveHeaderSeconds: number;
  readonly keepaliveRequests: number;
  /** Greatest age of a connection that is kept. */
  readonly keepaliveTimeMs: number;
  /** How long an idle connection outlives the call to drain. */
  readonly keepaliveMinTimeoutMs: number;
  /** Bits of DISABLE_*. */
  readonly keepaliveDisable: number;
  /** How long what still comes of a request is thrown away, in all and between two pieces. */
  readonly lingeringTimeMs: number;
  readonly lingeringTimeoutMs: number;
  /** Also before a connection is closed. */
  readonly lingers: boolean;
  /** Also where nothing of a request is left. */
  readonly lingersAlways: boolean;
  /** A client that timed out gets a reset instead of an answer or a FIN. */
  readonly resetTimedOut: boolean;
  /** A body of unknown length goes to HTTP/1.1 clients in chunks. */
  readonly chunkedTransferEncoding: boolean;
  /** Content type where nothing else says one. */
  readonly defaultType: string;
  readonly errorPages: ReadonlyMap<number, ErrorPage>;
  readonly errorLog: ErrorLog;
  /** True: "Server: millrace/x.y"; false: "Server: millrace"; else that text, and no field when it is empty. */
  readonly serverTokens: boolean | Value;
}

/** A location and those inside it, where a server has regular expressions: then it matters which stands in which. */
export interface LocationNode {
  readonly location: LocationConfig;
  /** Of a regular expression. */
  readonly pattern: Pattern | undefined;
  /** `^~`: where it is the longest prefix, the expressions beside it are not tried. */
  readonly final: boolean;
  /** In the order of the file. */
  readonly inner: readonly LocationNode[];
}

/** A virtual server. */
export interface ServerConfig {
  /** As written; exact, "*.example.com", "example.*", ".example.com", "", "~expression"; the first is `$server_name`. */
  readonly names: readonly string[];
  /** Those that are regular expressions, in order. */
  readonly patterns: readonly Pattern[];
  readonly index: number;
  /** Phase handlers that run before a location is chosen (`return` in a server). */
  readonly rewrite: readonly PhaseHandler[];
  readonly locations: readonly LocationConfig[];
  /** The same as a tree; only where one of them is a regular expression. */
  readonly locationTree: readonly LocationNode[] | undefined;
  /** What applies where no location matches. */
  readonly fallback: LocationConfig;
  readonly clientHeaderTimeoutMs: number;
  /** How heads are read and bounded; of the default server of a socket only. */
  readonly headLimits: RequestLimits;
}

/** A socket to listen on, and the servers behind it. */
export interface ListenConfig {
  /** Numeric address, or a unix socket's path with port -1. */
  readonly address: string;
  readonly port: number;
  readonly backlog: number;
  readonly reusePort: boolean;
  readonly ipv6Only: boolean;
  readonly deferred: boolean;
  /** The default server first. */
  readonly servers: readonly ServerConfig[];
  /** Where it was written, for messages. */
  readonly position: Position | undefined;
}

/** The whole. */
export interface RuntimeConfig {
  readonly listens: readonly ListenConfig[];
  readonly upstreams: readonly UpstreamGroup[];
  readonly errorLog: ErrorLog;
  /** Upper bound of client connections (`worker_connections`). */
  readonly workerConnections: number;
}

/** Conditions of `proxy_next_upstream`. */
export interface NextUpstream {
  readonly error: boolean;
  readonly timeout: boolean;
  readonly invalidHeader: boolean;
  readonly nonIdempotent: boolean;
  /** Statuses that count as failures: 403, 404, 429, 500, 502, 503, 504. */
  readonly statuses: ReadonlySet<number>;
  /** 0 is as many as there are peers. */
  readonly tries: number;
  /** 0 is without limit. */
  readonly timeoutMs: number;
}

/** A field set by `proxy_set_header`; an empty value drops the client's. */
export interface SetHeader {
  readonly name: string;
  readonly value: Value;
}

/** Where one request goes. */
export interface PassTarget {
  readonly group: UpstreamGroup;
  /** The whole request target, when `proxy_pass` decides about it. */
  readonly uri: string | undefined;
}

/** What becomes of the request on its way to a backend. */
export interface RequestShape {
  /** Instead of the client's method; an empty value keeps it. */
  readonly method: Value | undefined;
  /** Instead of the client's body. */
  readonly body: Value | undefined;
  readonly passFields: boolean;
  readonly passBody: boolean;
}

/** Nothing is changed. */
export const PLAIN_REQUEST: RequestShape = {
  method: undefined,
  body: undefined,
  passFields: true,
  passBody: true,
};

/** The fields of a backend's response, for what rewrites some of them; names are lower-cased. */
export interface UpstreamFields {
  values(name: string): string[];
}

/** Rewrites fields of a backend's response by setting them on the exchange's; asked only when one of `names` is there. */
export interface FieldRewrite {
  /** Lower-cased. */
  readonly names: readonly string[];
  apply(exchange: Exchange, fields: UpstreamFields): void;
}

/** What becomes of the response on its way to the client. */
export interface ResponseShape {
  readonly rewrites: readonly FieldRewrite[];
  /** Statuses from 300 on are answered by `error_page`, where it has a rule for them. */
  readonly interceptErrors: boolean;
  /** X-Accel-Redirect of a backend is obeyed. */
  readonly followRedirect: boolean;
  readonly passTrailers: boolean;
}

/** Everything is passed on. */
export const PLAIN_RESPONSE: ResponseShape = {
  rewrites: [],
  interceptErrors: false,
  followRedirect: true,
  passTrailers: true,
};

/** How connections to backends are made. */
export interface ConnectShape {
  /** "address" or "address:port" to connect from; an empty value lets the system choose. */
  readonly bind: Value | undefined;
  /** SO_KEEPALIVE. */
  readonly keepAlive: boolean;
}

/** The system chooses. */
export const PLAIN_CONNECT: ConnectShape = { bind: undefined, keepAlive: false };

/** A location's `proxy_pass` with everything that shapes it. */
export interface ProxyPassConfig {
  readonly group: UpstreamGroup | undefined;
  /** With variables in the host of `proxy_pass`: chooses for each request. A number is the status to answer with. */
  readonly choose: ((exchange: Exchange) => PassTarget | number) | undefined;
  readonly request: RequestShape;
  readonly response: ResponseShape;
  readonly connect: ConnectShape;
  /** `$proxy_host`: the authority as written in proxy_pass. */
  readonly proxyHost: string;
  /** `$proxy_port`. */
  readonly proxyPort: string;
  /** The URI part of proxy_pass: replaces `locationPrefix` of the normalised URI. Undefined forwards the target as received. */
  readonly uri: string | undefined;
  /** The location's name when `uri` is set ("/a/"). */
  readonly locationPrefix: string;
  /** proxy_pass whose URI part holds variables: the whole target. */
  readonly target: Value | undefined;
  /** In effect, nginx's defaults (Host $proxy_host; Connection close for 1.0) included. */
  readonly setHeaders: readonly SetHeader[];
  /** Lower-cased names of backend fields that do not reach the client. */
  readonly hideHeaders: readonly string[];
  /** A body that fits `clientBodyBufferSize` is read before a backend is asked. */
  readonly requestBuffering: boolean;
  readonly connectTimeoutMs: number;
  readonly sendTimeoutMs: number;
  readonly readTimeoutMs: number;
  /** A client that leaves does not end the backend's work. */
  readonly ignoreClientAbort: boolean;
  readonly httpVersion: '1.0' | '1.1';
  readonly nextUpstream: NextUpstream;
}

/** What built-in modules get on top of a PhaseBuilder: access to the engine's own objects. */
export interface EngineBuilder extends PhaseBuilder {
  /** The location or server that is being built. */
  readonly location: { readonly name: string; readonly kind: LocationConfig['kind'] };
  /** The group of that name, or an implicit one for "host:port" / "unix:/path". Fails with the place when it cannot be resolved. */
  upstreamGroup(authority: string, position: Position): UpstreamGroup;
  /** Finds a group while a request runs: one of the configuration, or one for a numeric address. A text says why there is none. */
  readonly findUpstream: (authority: string) => UpstreamGroup | string;
  /** The error log in effect. */
  readonly errorLog: ErrorLog;
  /** Opens (or shares) a file that log lines are appended to; path relative to the prefix. */
  logFile(path: string): LogSink;
}

/** A file or stream that takes whole lines. Lines of a turn are written together, before the turn's sends are seen by clients where possible, at the latest at its end. */
export interface LogSink {
  /** Where they are composed. */
  readonly lines: LogLines;
}

export type { Exchange };

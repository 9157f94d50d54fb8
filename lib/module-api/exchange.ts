/**
 * What a module sees of one request and its response. The engine's class implements it.
 *
 * Byte strings throughout: one character per byte (latin1). Header names compare
 * without regard to case. Everything here may be used until the `log` phase returns.
 */
import type { HeaderName } from '../http/header-name.js';
import type { ByteWriter } from './variable.js';

/** A module's result in a phase. */
export const NEXT = 0;
/** The handler has produced (or will produce) the response; no later handler of the phases runs. */
export const DONE = 1;
/** NEXT, DONE, or an HTTP status (>= 200) to finalize the exchange with. */
export type PhaseResult = number;

/** Called in its phase. A promise makes the exchange wait; the connection is not read meanwhile. */
export type PhaseHandler = (exchange: Exchange) => PhaseResult | Promise<PhaseResult>;
/** Called when the response head is about to be written. */
export type HeaderFilter = (exchange: Exchange) => void;
/** Adds trailers. */
export interface TrailerSource {
  /** Whether a response with that status may have some: then it is sent in chunks. */
  expects(status: number): boolean;
  /** Called at the end of the body. */
  add(exchange: Exchange, add: (name: string, value: string) => void): void;
}
/** Called once when the exchange is over, whatever became of it. */
export type LogHandler = (exchange: Exchange) => void;

/** The client's connection. */
export interface ClientInfo {
  /** Numeric address, or "unix:". */
  readonly remoteAddress: string;
  /** Appends `remoteAddress`. */
  writeRemoteAddress(out: ByteWriter): void;
  readonly remotePort: number;
  readonly serverAddress: string;
  readonly serverPort: number;
  /** Serial number of the connection in this worker. */
  readonly serial: number;
  /** When the connection was accepted, in ms of the turn's clock. */
  readonly acceptedMs: number;
  /** Requests begun on this connection, this one included. */
  readonly requests: number;
  /** "p" when this request was pipelined, else ".". */
  readonly pipelined: boolean;
}

/** The request as the client sent it. */
export interface Request {
  readonly method: string;
  /** The first line as received, also of a request that is refused; undefined when there is none. */
  readonly line: string | undefined;
  /** Appends `line`. False when there is none. */
  writeLine(out: ByteWriter): boolean;
  /** The request target exactly as received. */
  readonly target: string;
  /** "HTTP/1.0", "HTTP/1.1". */
  readonly protocol: string;
  /** Lower-cased host without port: absolute-form, else Host, else the server's name. */
  readonly host: string;
  /** As `host`, but "" where the request itself names no valid host. */
  readonly givenHost: string;
  /** The port that stands behind that host in the request; 0 when none does. */
  readonly givenPort: number;
  /** Appends `host`. */
  writeHost(out: ByteWriter): void;
  /** First field of that name, or undefined. Several are joined with ", " (Cookie with "; "). */
  header(name: string | HeaderName): string | undefined;
  /** Appends what `header` gives. False when that is undefined. */
  writeHeader(name: string | HeaderName, out: ByteWriter): boolean;
  /** Every field in the order received. */
  headers(): Iterable<[name: string, value: string]>;
  /** Bytes announced; -1 when chunked; 0 without a body. */
  readonly contentLength: number;
  /** Bytes of head and body received so far. */
  readonly bytesReceived: number;
  /** Appends the target as received. */
  writeTarget(out: ByteWriter): void;
}

/** The response that goes to the client; fields can be changed until the head is sent. */
export interface Response {
  status: number;
  /** The field as it stands now. Several are joined with ", ". */
  getHeader(name: string): string | undefined;
  /** A trailer that was sent. Several are joined with ", ". */
  getTrailer(name: string): string | undefined;
  /** Replaces every field of that name. */
  setHeader(name: string, value: string): void;
  /** Adds a field, also if there is one of that name. */
  addHeader(name: string, value: string): void;
  removeHeader(name: string): void;
  /** Announced length; -1 when unknown. */
  readonly contentLength: number;
  readonly headSent: boolean;
  /** Bytes sent to the client, head included. */
  readonly bytesSent: number;
  /** Of these, body bytes without chunk framing. */
  readonly bodyBytesSent: number;
}

/** One attempt at a backend. Times in ms; -1 is "not reached". */
export interface UpstreamAttempt {
  readonly address: string;
  status: number;
  connectTimeMs: number;
  headerTimeMs: number;
  responseTimeMs: number;
  bytesSent: number;
  bytesReceived: number;
  /** Of these, bytes of the body without framing. */
  bodyBytesReceived: number;
}

/** One request and its response. */
export interface Exchange {
  readonly client: ClientInfo;
  readonly request: Request;
  readonly response: Response;
  /** Normalised, decoded path; what locations are matched on. Changes with internal redirects. */
  readonly uri: string;
  /** Query string without "?". */
  readonly args: string;
  readonly scheme: string;
  /** server_name that was chosen (the first of the server when none matched). */
  readonly serverName: string;
  /** The settings of the location that applies now. */
  readonly location: LocationView;
  /** Attempts at backends, in order. */
  readonly attempts: readonly UpstreamAttempt[];
  /** The request's body, where all of it was read for a backend and is still held in memory; "" when there is none. */
  readonly requestBody: string;
  /** Path of the file that the request's body was written to; "" when there is none. */
  readonly requestBodyFile: string;
  /** A field of the backend's response. Several are joined with ", ". */
  upstreamHeader(name: string): string | undefined;
  /** A cookie that the backend sets. */
  upstreamCookie(name: string): string | undefined;
  /** A trailer of the backend's response. */
  upstreamTrailer(name: string): string | undefined;
  /** When the first byte of the request was read, in ms of the turn's clock. */
  readonly startedMs: number;
  /** The turn's clock now, in ms. */
  readonly nowMs: number;
  /** The turn's wall clock now, in ms since 1970. */
  readonly wallMs: number;
  /** Whether the response is complete ("OK" in `$request_completion`). */
  readonly completed: boolean;

  /** Groups of the last regular expression that matched; null before one did. */
  captures: readonly (string | undefined)[] | null;
  /** Values of the variables that the configuration itself declares, by slot. */
  readonly slots: (string | undefined)[];
  /** A place for a module's own state, by its own key (a module-level object or symbol). */
  readonly state: Map<unknown, unknown>;

  /** Answers with a body that is at hand. HEAD and 204/304 send no body. */
  respond(status: number, body: string | Uint8Array, contentType?: string): PhaseResult;
  /** Begins a response whose body follows by `write`; contentLength -1 when unknown. */
  begin(status: number, contentLength: number, contentType?: string): void;
  /** Appends to the body; false: wait for `drained`. The bytes are copied or sent before it returns. */
  write(bytes: Uint8Array): boolean;
  /** Ends a body begun with `begin`. */
  end(): void;
  /** Settles when the client has taken enough for the next write; rejects when it has left. */
  drained(): Promise<void>;
  /** Answers with nginx's page for the status, or what `error_page` says. */
  finalize(status: number): PhaseResult;
  /** Starts again at location matching with another URI ("/a?b=c" or "@name"). At most 10 times. */
  redirectInternally(uri: string): PhaseResult;
  /** Writes to the error log with the context of this exchange, in nginx's words. */
  log(level: LogLevel, message: string): void;
}

/** Levels of `error_log`, most severe last. */
export type LogLevel = 'debug' | 'info' | 'notice' | 'warn' | 'error' | 'crit' | 'alert' | 'emerg';

/** What may be known of a location. */
export interface LocationView {
  /** As written: "/", "/images/", "@fallback". */
  readonly name: string;
  /** `root` or `alias` in effect, as an absolute path (byte string). */
  readonly root: string;
  readonly serverIndex: number;
}

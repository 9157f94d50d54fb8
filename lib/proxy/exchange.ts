/**
 * One request and its response: the state that outlives a callback, and the interface
 * that modules see.
 *
 * The work is done next door: phases.ts runs the handlers, request-body.ts reads the
 * body, response.ts composes heads and bodies, proxy-run.ts talks to backends. An
 * exchange belongs to its Downstream from the first byte of a head until `finish`, and
 * is reused after that unless a module awaited it.
 */
import { RequestHead } from '../http/request-head.js';
import type { ClientInfo, Exchange, LogLevel, PhaseResult, UpstreamAttempt } from '../module-api/index.js';
import { DONE } from '../module-api/index.js';
import { ClientView, RequestView, ResponseView } from './exchange-views.js';
import type { BodyFile } from './body-file.js';
import type { Downstream } from './downstream.js';
import { KeptHead } from './kept-head.js';
import type { EngineContext } from './context.js';
import { findServer, runPhases, startAgain } from './phases.js';
import type { ProxyRun } from './proxy-run.js';
import { RequestBody } from './request-body.js';
import { ResponseWriter } from './response.js';
import { ResponseFields } from './response-fields.js';
import { setCookieOf } from './set-cookie.js';
import type { LocationConfig, ServerConfig } from './runtime.js';

/** Internal redirects of one exchange; a loop ends with 500. */
const MAX_REDIRECTS = 10;

export class ExchangeImpl implements Exchange {
  readonly context: EngineContext;
  readonly head = new RequestHead();
  readonly fields = new ResponseFields();
  readonly body: RequestBody;
  readonly writer: ResponseWriter;
  readonly request: RequestView;
  readonly response: ResponseView;
  readonly client: ClientInfo;
  readonly state = new Map<unknown, unknown>();
  readonly slots: (string | undefined)[] = [];
  captures: readonly (string | undefined)[] | null = null;

  downstream!: Downstream;
  server!: ServerConfig;
  location!: LocationConfig;
  /** Created with the first proxied request of this object. */
  proxy: ProxyRun | null = null;
  /** Where the body is kept, or on its way to, when it becomes a file. */
  bodyFile: BodyFile | null = null;
  startedMs = 0;
  /** Set by error_page and internal redirects: GET instead of the client's method. */
  methodOverride: string | undefined;
  /** The status that error_page wants on the wire instead of the page's own. */
  statusOverride = 0;
  /** Length of the head as received; of a bad one, what there is of it. */
  headLength = 0;
  completed = false;
  /** Position in the flat list of phase handlers; see phases.ts. */
  phase = 0;
  /** Grows with every new start and every answer: a handler loop that finds it changed is obsolete. */
  run = 0;
  /** In the server's own handlers, before a location was chosen. */
  inServerPhases = false;
  /** error_page was applied already. */
  inErrorPage = false;
  /** A module's promise is or was pending: the object is not reused. */
  awaited = false;
  pipelined = false;
  #uri: string | undefined;
  #args: string | undefined;
  #uriReplaced = false;
  #redirects = 0;
  readonly #kept: KeptHead;
  #finished = false;
  #waiters: { resolve: () => void; reject: (error: Error) => void }[] = [];

  constructor(context: EngineContext) {
    this.context = context;
    this.#kept = new KeptHead(context.blocks);
    this.body = new RequestBody(this);
    this.writer = new ResponseWriter(this);
    this.request = new RequestView(this);
    this.response = new ResponseView(this);
    this.client = new ClientView(this);
  }

  // Life

  /** The first bytes of a head have come. */
  open(downstream: Downstream): void {
    this.downstream = downstream;
    const { servers } = downstream;
    this.server = servers.index.defaultServer;
    this.location = this.server.fallback;
    this.head.begin(servers.limits);
    this.startedMs = this.context.nowMs;
    this.headLength = 0;
    this.methodOverride = undefined;
    this.statusOverride = 0;
    this.completed = false;
    this.phase = 0;
    this.inErrorPage = false;
    this.awaited = false;
    this.#uri = undefined;
    this.#args = undefined;
    this.#redirects = 0;
    this.#uriReplaced = false;
    this.#finished = false;
    this.writer.reset();
    this.fields.clear();
    if (this.state.size > 0) this.state.clear();
    if (this.slots.length > 0) this.slots.length = 0;
    this.captures = null;
  }

  /** The head is complete and valid. */
  headComplete(headLength: number): void {
    this.headLength = headLength;
    this.context.requests++;
    this.body.open();
    findServer(this);
    runPhases(this);
  }

  /**
   * The head is bad, or did not come in time: answers and closes. What was read of it is
   * there for logs, but never goes to a backend: a proxied error page is asked for by GET.
   */
  reject(status: number): void {
    const { head } = this;
    const reason = head.errorReason;
    this.log('info', reason === '' ? 'client timed out while reading the request' : reason);
    this.headLength = this.downstream.inputLength;
    if (status === 408 && this.location.resetTimedOut) {
      this.body.none();
      this.#clientLeft(408, true);
      return;
    }
    head.hasBody = false;
    head.chunked = false;
    head.contentLength = 0;
    head.expectContinue = false;
    head.upgrade = false;
    this.methodOverride = head.method === 'HEAD' ? 'HEAD' : 'GET';
    this.body.none();
    this.writer.forceClose();
    this.finalize(status);
  }

  /** The client left before its head was complete; nothing can be answered. */
  abandon(status: number): void {
    this.headLength = this.downstream.inputLength;
    this.response.status = status;
    this.body.none();
    this.downstream.exchange = null;
    this.#end();
  }

  /** Everything of the response is handed to the connection. */
  finish(): void {
    if (this.#finished) return;
    const { downstream } = this;
    const bodyLeft = this.body.left;
    const { keepAlive } = this.writer;
    this.completed = true;
    this.#log();
    if (bodyLeft && keepAlive) this.body.discard();
    if (!downstream.exchangeDone(keepAlive, bodyLeft)) this.#release();
  }

  /** The response cannot be completed: the client must see that, so the connection is cut. */
  abort(): void {
    if (this.#finished) return;
    this.writer.forceClose();
    this.#disconnect(this.response.status === 444);
  }

  /** Somebody wants to know how it ended, or holds it. */
  get reportsEnd(): boolean {
    return this.awaited || this.location.logHandlers.length > 0;
  }

  /** Both sides of an upgraded connection are closed, or nobody will ask about them. */
  tunnelEnded(): void {
    this.completed = true;
    this.#end();
  }

  /** The request's body, thrown away after the answer, has been read to its end. */
  bodyDiscarded(): void {
    this.downstream.discardDone();
    this.#release();
  }

  // What the connection reports

  feedBody(): void {
    this.body.feed();
  }

  onClientEnd(): void {
    // While a backend works for it, or the body is incomplete, a FIN is the client's departure.
    const gone = (this.body.left && this.body.reading) || this.proxy?.active === true;
    if (gone && !this.#outlivesClient() && !this.#hasMoreToRead()) this.#clientLeft(this.#leftStatus());
    else this.writer.forceClose();
  }

  /** Reading is paused: the rest of the body may be there before the FIN, which is met again behind it. */
  #hasMoreToRead(): boolean {
    return this.downstream.connection.paused && this.proxy?.plan.config.ignoreClientAbort === true;
  }

  onClientGone(_errno: number): void {
    if (this.#finished) this.#release();
    else if (this.#outlivesClient()) this.proxy?.onClientDrain();
    else this.#clientLeft(this.#leftStatus());
  }

  /** For the log: 400 when the request is incomplete, else 499; 0 keeps what was sent. */
  #leftStatus(): number {
    if (this.writer.headSent) return 0;
    return this.body.left && this.body.reading ? 400 : 499;
  }

  /** A backend works on a whole request, and `proxy_ignore_client_abort` lets it finish. */
  #outlivesClient(): boolean {
    const { proxy } = this;
    return proxy?.active === true && proxy.plan.config.ignoreClientAbort && !this.body.left;
  }

  onClientDrain(): void {
    this.proxy?.onClientDrain();
    this.#wake();
  }

  #wake(): void {
    if (this.#waiters.length === 0) return;
    for (const waiter of this.#waiters.splice(0)) waiter.resolve();
  }

  onClientDeadline(): void {
    const { connection } = this.downstream;
    if (connection.queuedBytes > 0 || connection.relayedInto) {
      // A relay moves the deadline by itself.
      if (connection.queuedBytes > 0 && this.writer.sendProgressed()) return;
      this.log('info', 'client timed out while sending to client');
      this.#clientLeft(408, true);
    } else if (connection.paused) {
      // The backend is the slow one; its own deadline watches it.
      this.body.watch();
    } else if (this.body.left && this.body.reading) {
      this.onSlowBody('client timed out while reading client request body');
    }
  }

  /** The client sends nothing of its body, or too little: 408, where nothing else was begun. */
  onSlowBody(message: string): void {
    this.log('info', message);
    if (this.writer.headSent || this.location.resetTimedOut) {
      this.#clientLeft(408, true);
      return;
    }
    this.proxy?.cancel();
    this.rejectBody(408);
  }

  /** The body cannot be had as a whole, so no part of it goes anywhere: a proxied error page is asked for by GET. */
  rejectBody(status: number): void {
    this.body.fail();
    this.writer.forceClose();
    this.finalize(status);
  }

  /** The client takes the response too slowly. */
  onSlowClient(message: string): void {
    this.log('info', message);
    this.#clientLeft(408, true);
  }

  /** The client is not there any more, or has timed out: 0 keeps the status that was sent. */
  #clientLeft(status: number, timedOut = false): void {
    if (status !== 0) this.response.status = status;
    this.proxy?.cancel();
    this.#disconnect(timedOut);
  }

  /** Ends the exchange and its connection. `resettable`: as `reset_timedout_connection` says. */
  #disconnect(resettable: boolean): void {
    const { downstream } = this;
    // Where the end of the connection is the end of the body, only a reset tells them apart.
    const reset = this.writer.endsWithConnection || (resettable && this.location.resetTimedOut);
    this.#end();
    downstream.exchange = null;
    if (reset) downstream.connection.reset();
    else downstream.destroy();
  }

  /** Bytes of the response that were handed over, those that a relay has sent included. */
  get sentBytes(): number {
    return this.writer.bytesSent + (this.proxy === null ? 0 : this.proxy.response.relayedBytes);
  }

  // Memory

  /**
   * Copies the head into a block of the exchange, so that it survives the callback: for
   * a backend's answer, a retry, a late variable. Repeated calls do nothing. False when
   * the arena is exhausted.
   */
  retainHead(): boolean {
    return this.#kept.used || this.#kept.keep(this.head, this.headLength);
  }

  /** The head stays for as long as a tunnel is open. */
  shrinkHead(): void {
    if (this.#kept.used) this.#kept.keepSmall(this.head, this.headLength);
  }

  // Module API

  get method(): string {
    return this.methodOverride ?? this.head.method;
  }

  get uri(): string {
    this.#uri ??= this.head.normalizedPath();
    return this.#uri;
  }

  get args(): string {
    if (this.#args === undefined) {
      const { head } = this;
      const args = head.argsStart < 0 ? '' : head.text(head.argsStart, head.argsEnd);
      this.#args = args;
      return args;
    }
    return this.#args;
  }

  /** Whether the location is looked up by `uri` instead of the head's bytes. */
  get uriChanged(): boolean {
    return this.#uriReplaced;
  }

  get scheme(): string {
    return 'http';
  }

  get serverName(): string {
    const name = this.server.names[0] ?? '';
    return name.startsWith('.') ? name.slice(1) : name;
  }

  get attempts(): readonly UpstreamAttempt[] {
    return this.proxy === null || !this.proxy.used ? [] : this.proxy.attempts;
  }

  get requestBody(): string {
    return this.proxy === null || this.body.left ? '' : this.proxy.bodyText;
  }

  get requestBodyFile(): string {
    return this.bodyFile === null ? '' : this.bodyFile.path;
  }

  upstreamHeader(name: string): string | undefined {
    return this.proxy === null || !this.proxy.used ? undefined : this.proxy.header(name);
  }

  upstreamCookie(name: string): string | undefined {
    if (this.proxy === null || !this.proxy.used) return undefined;
    return setCookieOf(this.proxy.response.headers('set-cookie'), name);
  }

  upstreamTrailer(name: string): string | undefined {
    return this.proxy?.response.trailer(name.toLowerCase());
  }

  get nowMs(): number {
    return this.context.nowMs;
  }

  get wallMs(): number {
    return this.context.wallMs;
  }

  respond(status: number, body: string | Uint8Array, contentType?: string): PhaseResult {
    this.writer.respond(status, body, contentType);
    return DONE;
  }

  begin(status: number, contentLength: number, contentType?: string): void {
    this.writer.begin(status, contentLength, contentType);
  }

  write(bytes: Uint8Array): boolean {
    return this.writer.writeBytes(bytes);
  }

  end(): void {
    this.writer.end();
  }

  drained(): Promise<void> {
    if (this.#finished || this.downstream.connection.closed) {
      return Promise.reject(new Error('the client has left'));
    }
    if (!this.downstream.connection.awaitsDrain) return Promise.resolve();
    return new Promise((resolve, reject) => this.#waiters.push({ resolve, reject }));
  }

  finalize(status: number): PhaseResult {
    this.writer.finalize(status);
    return DONE;
  }

  redirectInternally(target: string): PhaseResult {
    if (!target.startsWith('@')) {
      const question = target.indexOf('?');
      if (question < 0) return this.redirectTo(target, '');
      return this.redirectTo(target.slice(0, question), target.slice(question + 1));
    }
    if (this.#mayRedirect(target)) startAgain(this, target);
    return DONE;
  }

  /** As `redirectInternally`, for a path that may hold a "?" itself. */
  redirectTo(path: string, args: string): PhaseResult {
    if (!this.#mayRedirect(path)) return DONE;
    this.#uriReplaced = true;
    this.#uri = path;
    this.#args = args;
    startAgain(this, undefined);
    return DONE;
  }

  #mayRedirect(target: string): boolean {
    if (this.#finished) return false;
    if (++this.#redirects <= MAX_REDIRECTS) return true;
    this.log('error', `rewrite or internal redirection cycle while internally redirecting to "${target}"`);
    this.inErrorPage = true;
    this.finalize(500);
    return false;
  }

  log(level: LogLevel, message: string): void {
    const log = this.location.errorLog;
    if (log.enabled(level)) log.write(level, message + this.about, this.downstream.serial);
  }

  /** Who asked for what, as error logs say it behind a message. */
  get about(): string {
    const { client, head } = this;
    let text = `, client: ${client.remoteAddress}, server: ${this.serverName}`;
    if (head.complete) {
      text += `, request: "${this.method} ${this.request.target} ${this.request.protocol}"`;
      if (this.proxy?.used === true) text += this.proxy.logContext();
      const host = this.request.header('host');
      if (host !== undefined) text += `, host: "${host}"`;
    }
    return text;
  }

  get finished(): boolean {
    return this.#finished;
  }

  /** Logs and releases without telling the connection. */
  #end(): void {
    if (this.#finished) return;
    this.#log();
    for (const waiter of this.#waiters.splice(0)) waiter.reject(new Error('the client has left'));
    this.#release();
  }

  #log(): void {
    this.#finished = true;
    const handlers = this.location.logHandlers;
    for (let i = 0; i < handlers.length; i++) {
      try {
        handlers[i]?.(this);
      } catch (error) {
        this.location.errorLog.write('alert', `a log handler threw: ${String(error)}`);
      }
    }
  }

  #release(): void {
    this.#wake();
    this.#kept.release();
    this.proxy?.close();
    this.body.close();
    if (this.bodyFile !== null) {
      this.bodyFile.close();
      this.bodyFile = null;
    }
    if (this.awaited) this.head.forgetFields();
    else this.context.releaseExchange(this);
  }
}

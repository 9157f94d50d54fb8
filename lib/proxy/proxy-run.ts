/**
 * Proxies one exchange: picks a peer, sends the request, reads the response, tries
 * another peer where that is safe, and relays the body with bounded memory.
 *
 *   pick ──► connect ──► send ──► head ──► body ──► done
 *     ▲         │          │        │        └─ failure: the client sees a cut response
 *     └─ retry ─┴──────────┴────────┘  before the response head was sent
 *
 * Backpressure: when the client's queue is above its high watermark the backend's
 * connection is paused, and the other way round for the request's body.
 */
import { errnoText } from '../errors/errno.js';
import type { EngineContext } from './context.js';
import type { ExchangeImpl } from './exchange.js';
import type { ProxyPlan } from './proxy-plan.js';
import { ReplayBuffer } from './replay-buffer.js';
import type { BodySink } from './request-body.js';
import type { AttemptRecord } from './attempts.js';
import { Attempts } from './attempts.js';
import { openTunnel } from './tunnel.js';
import { UpstreamResponse } from './upstream-response.js';
import { UpstreamConnection } from './upstream-connection.js';
import type { Peer } from './upstream-group.js';

/** Nothing is under way. */
const IDLE = 0;
/** The request is on its way, or being answered; no complete response head yet. */
const HEAD = 1;
/** The body is being relayed. */
const BODY = 2;

/** Why an attempt failed; names of `proxy_next_upstream`. */
type Failure = 'error' | 'timeout' | 'invalid_header';

export class ProxyRun implements BodySink {
  readonly #exchange: ExchangeImpl;
  readonly #context: EngineContext;
  readonly response: UpstreamResponse;
  readonly #replay: ReplayBuffer;
  readonly #attempts = new Attempts();
  readonly #tried: Peer[] = [];
  #plan!: ProxyPlan;
  #state = IDLE;
  #up: UpstreamConnection | null = null;
  #peer: Peer | null = null;
  #attempt!: AttemptRecord;
  #reused = false;
  #freshOnly = false;
  #upgrading = false;
  #startedMs = 0;
  #upstreamPaused = false;
  #clientPaused = false;
  /** The whole request was handed to the connection. */
  #requestSent = false;
  /** The request that goes out has the client's body. */
  #sendsBody = false;

  constructor(exchange: ExchangeImpl) {
    this.#exchange = exchange;
    this.#context = exchange.context;
    this.#replay = new ReplayBuffer(exchange.context);
    this.response = new UpstreamResponse(exchange, this);
  }

  /** Whether this exchange was proxied at all. */
  get used(): boolean {
    return this.#attempts.count > 0;
  }

  /** A backend is working for the exchange. */
  get active(): boolean {
    return this.#state !== IDLE;
  }

  /** Whether that connection is the one it works with now; what others still report is void. */
  uses(up: UpstreamConnection): boolean {
    return this.#up === up;
  }

  /** The response that goes to the client is a backend's. */
  get relaying(): boolean {
    return this.response.begun;
  }

  get plan(): ProxyPlan {
    return this.#plan;
  }

  get attempts(): readonly AttemptRecord[] {
    return this.#attempts.list;
  }

  /** A field of the backend's head. */
  header(name: string): string | undefined {
    return this.response.header(name.toLowerCase());
  }

  /** For the error log. */
  logContext(): string {
    const { address } = this.#attempt;
    const scheme = address.startsWith('unix:') ? `http://${address}:` : `http://${address}`;
    return `, upstream: "${scheme}${this.#exchange.uri}"`;
  }

  /** Begins; the exchange's head must be complete. */
  start(plan: ProxyPlan): void {
    const exchange = this.#exchange;
    const { head } = exchange;
    if (this.#state !== IDLE) this.cancel();
    this.#plan = plan;
    // Setting a length is a call of the runtime, even where nothing changes.
    if (this.#tried.length > 0) this.#tried.length = 0;
    this.#freshOnly = false;
    this.#startedMs = this.#context.nowMs;
    this.#sendsBody = exchange.methodOverride === undefined && head.hasBody;
    if (!exchange.retainHead()) {
      exchange.log('crit', 'the arena is exhausted: no room for the request head');
      exchange.finalize(503);
      return;
    }
    if (!this.#replayable()) {
      // A first backend has had the body; what is left of it must not pass for the whole.
      exchange.log('error', 'the request body was sent already and cannot be sent again');
      exchange.finalize(exchange.statusOverride !== 0 ? exchange.statusOverride : 502);
      return;
    }
    if (this.#sendsBody && head.chunked && plan.config.httpVersion === '1.0') {
      exchange.log('error', 'a chunked request body cannot be sent with proxy_http_version 1.0');
      exchange.finalize(411);
      return;
    }
    this.#connect();
  }

  /** The client has left, or the exchange is answered otherwise: drops the backend's connection. */
  cancel(): void {
    if (this.#state !== IDLE) {
      this.#attempt.responseTimeMs = this.#context.nowMs - this.#attempt.startedMs;
    }
    this.#state = IDLE;
    this.#exchange.body.detach();
    this.#drop(false);
    this.#resumeClient();
  }

  /** The exchange is over; forgets everything. */
  close(): void {
    if (this.#state !== IDLE) this.cancel();
    this.#clientPaused = false;
    this.#upstreamPaused = false;
    this.#attempts.clear();
    this.#replay.clear();
    this.response.clear();
  }

  // What the client's side reports

  onBodyData(offset: number, length: number): void {
    this.#replay.add(offset, length);
    const up = this.#up;
    if (up === null || !this.#sendsBody || up.connection.ended) return;
    let below: boolean;
    if (this.#exchange.head.chunked) {
      const { writer, common } = this.#context;
      writer.reset();
      writer.raw(`${length.toString(16)}\r\n`);
      writer.copy(offset, length);
      writer.constant(common.crlf);
      below = up.connection.writeSegments(writer.pairsOffset, writer.count, writer.total);
      this.#attempt.bytesSent += writer.total;
    } else {
      below = up.connection.writeArena(offset, length);
      this.#attempt.bytesSent += length;
    }
    this.#afterWrite(up, below);
  }

  onBodyEnd(): void {
    const up = this.#up;
    if (up === null || !this.#sendsBody || up.connection.ended) return;
    this.#requestSent = true;
    if (this.#exchange.head.chunked) {
      const { writer } = this.#context;
      writer.reset();
      this.#writeLastChunk();
      up.connection.writeSegments(writer.pairsOffset, writer.count, writer.total);
      this.#attempt.bytesSent += writer.total;
    }
    if (!up.connection.connecting) this.#expectResponse(up);
  }

  onBodyError(status: number): void {
    this.cancel();
    if (this.#exchange.writer.headSent) {
      this.#exchange.abort();
      return;
    }
    this.#exchange.writer.forceClose();
    this.#exchange.finalize(status);
  }

  onClientDrain(): void {
    if (!this.#upstreamPaused) return;
    this.#upstreamPaused = false;
    const up = this.#up;
    if (up === null) return;
    up.connection.resume();
    this.#expectResponse(up);
  }

  // What the backend's side reports

  onConnect(): void {
    const up = this.#up;
    if (up === null) return;
    const { nowMs } = this.#context;
    this.#attempt.connectTimeMs = nowMs - this.#attempt.startedMs;
    // The queue leaves right behind this callback; where it does not, later writes set the deadline for sending.
    up.connection.setDeadline(nowMs + this.#plan.config.readTimeoutMs);
  }

  onUpstreamDrain(): void {
    this.#resumeClient();
    if (this.#up !== null) this.#expectResponse(this.#up);
  }

  onTimeout(): void {
    const up = this.#up;
    if (up === null) return;
    const doing = up.connection.connecting
      ? 'connecting to upstream'
      : this.#state === BODY
        ? 'reading upstream'
        : up.connection.queuedBytes > 0
          ? 'sending request to upstream'
          : 'reading response header from upstream';
    if (
      this.#state === HEAD &&
      !up.connection.connecting &&
      !this.#requestSent &&
      up.connection.queuedBytes === 0
    ) {
      // The client is the slow one; its own deadline watches it.
      this.#expectResponse(up);
      return;
    }
    if (this.#upstreamPaused) {
      this.#expectResponse(up);
      return;
    }
    this.#exchange.log('error', `upstream timed out (110: Connection timed out) while ${doing}`);
    if (this.#state === BODY) this.#cut();
    else this.#fail('timeout', false);
  }

  onEnd(): void {
    if (this.#state === BODY) this.response.ended();
    else this.#died(0);
  }

  onClose(errno: number): void {
    const wasConnecting = this.#up?.connection.connecting === true || this.#attempt.connectTimeMs < 0;
    this.#up = null;
    if (this.#state === IDLE) return;
    if (this.#state === BODY) {
      this.#exchange.log('error', `recv() failed (${errno}: ${errnoText(errno)}) while reading upstream`);
      this.#cut();
      return;
    }
    if (wasConnecting && !this.#reused) {
      this.#exchange.log(
        'error',
        `connect() failed (${errno}: ${errnoText(errno)}) while connecting to upstream`,
      );
      this.#fail('error', true);
    } else {
      this.#died(errno);
    }
  }

  onData(offset: number, length: number): void {
    if (this.#up === null) return;
    this.#attempt.bytesReceived += length;
    this.response.feed(offset, length);
  }

  // Attempts

  #connect(): void {
    const exchange = this.#exchange;
    const context = this.#context;
    const { config } = this.#plan;
    const { group } = config;
    const peer = group.pick(context.nowMs, this.#tried);
    if (peer === undefined) {
      this.#attempts.begin(group.name, context.nowMs);
      this.#attempt = this.#attempts.last;
      this.#attempt.status = 502;
      exchange.log('error', 'no live upstreams while connecting to upstream');
      this.#state = IDLE;
      exchange.body.detach();
      this.#resumeClient();
      exchange.finalize(502);
      return;
    }
    this.#peer = peer;
    this.#attempt = this.#attempts.begin(peer.config.name, context.nowMs);
    this.#state = HEAD;
    this.response.begin(this.#plan);
    const idle = this.#freshOnly ? undefined : (group.takeIdle(peer) as UpstreamConnection | undefined);
    this.#reused = idle !== undefined;
    let up = idle;
    if (up === undefined) {
      up = new UpstreamConnection(context, group, peer);
      up.connection.setDeadline(context.nowMs + config.connectTimeoutMs);
    } else {
      this.#attempt.connectTimeMs = 0;
    }
    up.run = this;
    up.requests++;
    up.connection.expectsHead = true;
    this.#up = up;
    this.#send(up);
  }

  /** Head, what there is of the body, then wait for the rest and for the answer. */
  #send(up: UpstreamConnection): void {
    const exchange = this.#exchange;
    const { writer } = this.#context;
    const { body } = exchange;
    this.#upgrading = this.#plan.compose(exchange);
    if (writer.overflowed) {
      exchange.log('error', 'the request head for the upstream is too large');
      this.cancel();
      exchange.finalize(500);
      return;
    }
    this.#requestSent = true;
    if (this.#sendsBody) {
      // What was read already comes from the replay buffer; with Content-Length, what is there leaves with the head.
      if (body.begun) this.#replay.write(writer, exchange.head.chunked);
      body.takeInline(writer, this.#replay);
      if (body.left) this.#requestSent = false;
      else if (exchange.head.chunked) this.#writeLastChunk();
    }
    this.#attempt.bytesSent = writer.total;
    const below = up.connection.writeSegments(writer.pairsOffset, writer.count, writer.total);
    if (!up.connection.connecting) this.#expectResponse(up);
    if (!below) this.#pauseClient();
    if (this.#sendsBody && body.left && !body.reading) body.start(this);
  }

  #writeLastChunk(): void {
    const { writer } = this.#context;
    writer.raw('0\r\n');
    writer.raw(this.#exchange.body.trailers);
    writer.raw('\r\n');
  }

  #afterWrite(up: UpstreamConnection, below: boolean): void {
    if (!below) this.#pauseClient();
    if (!up.connection.connecting) this.#expectResponse(up);
  }

  /** Starts or renews the deadline: for sending while bytes are queued, else for the answer. */
  #expectResponse(up: UpstreamConnection): void {
    const { config } = this.#plan;
    const timeoutMs = up.connection.queuedBytes > 0 ? config.sendTimeoutMs : config.readTimeoutMs;
    up.connection.setDeadline(this.#context.nowMs + timeoutMs);
  }

  #pauseClient(): void {
    if (this.#clientPaused) return;
    this.#clientPaused = true;
    this.#exchange.downstream.connection.pause();
  }

  #resumeClient(): void {
    if (!this.#clientPaused) return;
    this.#clientPaused = false;
    this.#exchange.downstream.connection.resume();
    this.#exchange.body.watch();
  }

  /** The connection ended before a complete response head. */
  #died(errno: number): void {
    const stale = this.#reused && this.#attempt.bytesReceived === 0;
    if (!stale) {
      const what =
        errno === 0
          ? 'upstream prematurely closed connection'
          : `recv() failed (${errno}: ${errnoText(errno)})`;
      this.#exchange.log('error', `${what} while reading response header from upstream`);
    } else {
      // An idle connection that the backend closed meanwhile (RFC 9112 section 9.3.1): not its failure.
      this.#drop(false);
      if (this.#replayable() && !this.#sentUnsafe()) {
        this.#freshOnly = true;
        this.#connect();
        return;
      }
      this.#exchange.log(
        'error',
        'upstream closed a kept connection while sending a request that must not be sent twice',
      );
    }
    this.#fail('error', false);
  }

  /** An attempt failed before the response head was sent. `unsent`: no byte of the request left. */
  #fail(failure: Failure, unsent: boolean): void {
    const exchange = this.#exchange;
    const { config } = this.#plan;
    const { nextUpstream } = config;
    const status = failure === 'timeout' ? 504 : 502;
    this.#attempt.status = status;
    this.#attempt.responseTimeMs = this.#context.nowMs - this.#attempt.startedMs;
    if (this.#peer !== null) this.#tried.push(this.#peer);
    this.#drop(true);
    const wanted =
      failure === 'error'
        ? nextUpstream.error
        : failure === 'timeout'
          ? nextUpstream.timeout
          : nextUpstream.invalidHeader;
    if (wanted && this.#mayTryNext(unsent)) {
      this.#connect();
      return;
    }
    exchange.body.detach();
    this.#state = IDLE;
    this.#resumeClient();
    exchange.finalize(status);
  }

  /** Whether another attempt is allowed by count, time, method and body; `#tried` holds the one that failed. */
  #mayTryNext(unsent: boolean): boolean {
    const { nextUpstream, group } = this.#plan.config;
    const { tries, timeoutMs } = nextUpstream;
    const limit = tries > 0 ? Math.min(tries, group.usablePeers) : group.usablePeers;
    const inTime = timeoutMs === 0 || this.#context.nowMs - this.#startedMs < timeoutMs;
    const safe = unsent || nextUpstream.nonIdempotent || !this.#sentUnsafe();
    return safe && inTime && this.#tried.length < limit && this.#replayable();
  }

  /** POST, PATCH and LOCK may have had their effect. */
  #sentUnsafe(): boolean {
    const { method } = this.#exchange;
    return (method === 'POST' || method === 'PATCH' || method === 'LOCK') && this.#attempt.connectTimeMs >= 0;
  }

  #replayable(): boolean {
    return !this.#sendsBody || !this.#exchange.body.begun || this.#replay.complete;
  }

  // What the response reports

  /** A final head is complete. True: it counts as a failure, and another peer is being tried. */
  onHead(status: number): boolean {
    const { nextUpstream } = this.#plan.config;
    const attempt = this.#attempt;
    attempt.headerTimeMs = this.#context.nowMs - attempt.startedMs;
    attempt.status = status;
    if (nextUpstream.statuses.size > 0 && nextUpstream.statuses.has(status) && this.#tryNext(status))
      return true;
    this.#state = BODY;
    if (this.#up !== null) this.#up.connection.expectsHead = false;
    this.#resumeClient();
    return false;
  }

  /** A piece of the body was passed on; `below`: the client takes more. */
  onRelayed(below: boolean): void {
    const up = this.#up;
    if (up === null) return;
    if (!below && !this.#upstreamPaused) {
      this.#upstreamPaused = true;
      up.connection.pause();
      up.connection.clearDeadline();
    } else {
      this.#expectResponse(up);
    }
  }

  /** The response is complete. `reusable`: the connection stands at the beginning of another one. */
  onBodyDone(reusable: boolean): void {
    const exchange = this.#exchange;
    const attempt = this.#attempt;
    attempt.responseTimeMs = this.#context.nowMs - attempt.startedMs;
    const up = this.#up;
    this.#state = IDLE;
    this.#up = null;
    this.#releasePeer(false);
    if (up !== null) {
      up.run = null;
      if (this.#upstreamPaused) up.connection.resume();
      this.#upstreamPaused = false;
      if (reusable && this.#requestSent && up.connection.queuedBytes === 0) up.park();
      else up.discard();
    }
    this.#resumeClient();
    exchange.finish();
  }

  /** The head cannot be used. */
  onBadHead(reason: string): void {
    this.#exchange.log('error', `${reason} while reading response header from upstream`);
    this.#fail('invalid_header', false);
  }

  /** The body cannot be used, or broke off: the client must see that. */
  onBadBody(reason: string): void {
    this.#exchange.log('error', `${reason} while reading upstream`);
    this.#cut();
  }

  /** 101: the connection becomes a tunnel. `length` bytes at `offset` came behind the head. */
  onSwitch(offset: number, length: number): void {
    const exchange = this.#exchange;
    const up = this.#up;
    if (up === null) return;
    if (!this.#upgrading || exchange.body.left) {
      this.onBadHead('upstream switched protocols unasked');
      return;
    }
    this.#state = IDLE;
    this.#attempt.status = 101;
    this.#attempt.headerTimeMs = this.#context.nowMs - this.#attempt.startedMs;
    this.#up = null;
    up.run = null;
    this.#resumeClient();
    const peer = this.#peer;
    this.#peer = null;
    openTunnel(exchange, up, this.response.head, this.#plan, offset, length, () => {
      if (peer !== null) this.#plan.config.group.release(peer, false, this.#context.nowMs);
    });
  }

  #cut(): void {
    this.#state = IDLE;
    this.#attempt.responseTimeMs = this.#context.nowMs - this.#attempt.startedMs;
    this.#drop(false);
    this.#resumeClient();
    this.#exchange.abort();
  }

  /** A status that `proxy_next_upstream` names: true when another peer is being tried. */
  #tryNext(status: number): boolean {
    const peer = this.#peer;
    if (peer !== null) this.#tried.push(peer);
    if (!this.#mayTryNext(false)) {
      this.#tried.pop();
      return false;
    }
    this.#attempt.responseTimeMs = this.#context.nowMs - this.#attempt.startedMs;
    // 403 and 404 say nothing against the peer.
    this.#drop(status !== 403 && status !== 404);
    this.#connect();
    return true;
  }

  // Keeping and dropping

  #drop(failed: boolean): void {
    const up = this.#up;
    this.#up = null;
    this.#upstreamPaused = false;
    this.#releasePeer(failed);
    if (up !== null) up.discard();
  }

  #releasePeer(failed: boolean): void {
    const peer = this.#peer;
    if (peer === null) return;
    this.#peer = null;
    this.#plan.config.group.release(peer, failed, this.#context.nowMs);
  }
}

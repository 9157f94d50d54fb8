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
import { ChunkedDecoder } from '../http/chunked.js';
import { ResponseHead } from '../http/response-head.js';
import { errnoText } from '../errors/errno.js';
import type { EngineContext } from './context.js';
import type { ExchangeImpl } from './exchange.js';
import { ByteStash } from './byte-stash.js';
import type { ProxyPlan } from './proxy-plan.js';
import { ReplayBuffer } from './replay-buffer.js';
import type { BodySink } from './request-body.js';
import { AttemptRecord, Attempts } from './attempts.js';
import { openTunnel } from './tunnel.js';
import { UpstreamConnection } from './upstream-connection.js';
import type { Peer } from './upstream-group.js';

/** Nothing is under way. */
const IDLE = 0;
/** The request is on its way, or being answered; no complete response head yet. */
const HEAD = 1;
/** The body is being relayed. */
const BODY = 2;

/** A response head larger than this is "too big". */
const MAX_HEAD_BYTES = 64 * 1024;

/** Why an attempt failed; names of `proxy_next_upstream`. */
type Failure = 'error' | 'timeout' | 'invalid_header';

export class ProxyRun implements BodySink {
  readonly #exchange: ExchangeImpl;
  readonly #context: EngineContext;
  readonly head = new ResponseHead();
  readonly #chunks = new ChunkedDecoder();
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
  /** Response body bytes still to come; -1 chunked, -2 until close. */
  #remaining = 0;
  /** Received part of a response head, between callbacks; or the whole head, kept for late variables. */
  readonly #stash: ByteStash;
  #stashAt = 0;
  #stashLength = 0;
  #upstreamPaused = false;
  #clientPaused = false;
  #requestSent = false;
  #responseBegun = false;

  constructor(exchange: ExchangeImpl) {
    this.#exchange = exchange;
    this.#context = exchange.context;
    this.#replay = new ReplayBuffer(exchange.context);
    this.#stash = new ByteStash(exchange.context.blocks, exchange.context.u8);
  }

  /** Whether this exchange was proxied at all. */
  get used(): boolean {
    return this.#attempts.count > 0;
  }

  /** A backend is working for the exchange. */
  get active(): boolean {
    return this.#state !== IDLE;
  }

  /** The response that goes to the client is a backend's. */
  get relaying(): boolean {
    return this.#responseBegun;
  }

  get plan(): ProxyPlan {
    return this.#plan;
  }

  get attempts(): readonly AttemptRecord[] {
    return this.#attempts.list;
  }

  /** A field of the backend's head. The head is in memory only until its callback returns: copied by `retain`. */
  header(name: string): string | undefined {
    if (!this.head.complete) return undefined;
    const index = this.head.findByName(name.toLowerCase());
    return index < 0 ? undefined : this.head.fieldText(index);
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
    this.#plan = plan;
    this.#tried.length = 0;
    this.#freshOnly = false;
    this.#startedMs = this.#context.nowMs;
    this.#requestSent = false;
    if (!exchange.retainHead()) {
      exchange.log('crit', 'the arena is exhausted: no room for the request head');
      exchange.finalize(503);
      return;
    }
    if (exchange.methodOverride === undefined && exchange.head.chunked && plan.config.httpVersion === '1.0') {
      exchange.log('error', 'a chunked request body cannot be sent with proxy_http_version 1.0');
      exchange.finalize(411);
      return;
    }
    this.#connect();
  }

  /** The client has left, or the exchange is answered otherwise: drops the backend's connection. */
  cancel(): void {
    this.#state = IDLE;
    this.#drop(false);
    this.#resumeClient();
  }

  /** The exchange is over; forgets everything. */
  close(): void {
    if (this.#state !== IDLE) this.cancel();
    this.#attempts.clear();
    this.#replay.clear();
    this.#stash.release();
    this.#responseBegun = false;
    this.head.clear();
  }

  // What the client's side reports

  onBodyData(offset: number, length: number): void {
    this.#replay.add(offset, length);
    const up = this.#up;
    if (up === null || this.#state === IDLE || up.connection.ended) return;
    let below: boolean;
    if (this.#exchange.head.chunked) {
      const { writer, common } = this.#context;
      writer.reset();
      writer.text(`${length.toString(16)}\r\n`);
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
    this.#requestSent = true;
    const up = this.#up;
    if (up === null || this.#state === IDLE) return;
    if (this.#exchange.head.chunked) {
      const { writer, common } = this.#context;
      writer.reset();
      writer.constant(common.lastChunk);
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
    this.#attempt.connectTimeMs = this.#context.nowMs - this.#attempt.startedMs;
    this.#expectResponse(up);
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
    if (this.#state === HEAD && !up.connection.connecting && !this.#requestSent && up.connection.queuedBytes === 0) {
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
    if (this.#state === BODY) {
      if (this.#remaining === -2) {
        this.#bodyDone(false);
        return;
      }
      this.#exchange.log('error', 'upstream prematurely closed connection while reading upstream');
      this.#cut();
      return;
    }
    this.#died(0);
  }

  onClose(errno: number): void {
    const wasConnecting = this.#up?.connection.connecting === true || this.#attempt.connectTimeMs < 0;
    this.#releasePeer(this.#state === HEAD && !this.#reused);
    this.#up = null;
    if (this.#state === IDLE) return;
    if (this.#state === BODY) {
      this.#exchange.log('error', `recv() failed (${errnoText(errno)}) while reading upstream`);
      this.#cut();
      return;
    }
    if (wasConnecting && !this.#reused) {
      this.#exchange.log('error', `connect() failed (${errnoText(errno)}) while connecting to upstream`);
      this.#fail('error', true);
    } else {
      this.#died(errno);
    }
  }

  onData(offset: number, length: number): void {
    const up = this.#up;
    if (up === null) return;
    this.#attempt.bytesReceived += length;
    if (this.#state === BODY) {
      this.#relay(up, offset, length);
      return;
    }
    if (!this.#stash.used) {
      this.#parse(up, offset, length);
      return;
    }
    const joined = this.#stash.join(this.#stashAt, this.#stashLength, offset, length);
    if (joined < 0) {
      this.#tooBig();
      return;
    }
    this.#parse(up, joined, this.#stashLength + length);
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
      exchange.finalize(502);
      return;
    }
    this.#peer = peer;
    this.#attempt = this.#attempts.begin(peer.config.name, context.nowMs);
    this.#state = HEAD;
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
    this.#up = up;
    this.#send(up);
  }

  /** Head, what there is of the body, then wait for the rest and for the answer. */
  #send(up: UpstreamConnection): void {
    const exchange = this.#exchange;
    const { writer, common } = this.#context;
    const { body } = exchange;
    this.#upgrading = this.#plan.compose(exchange);
    if (writer.overflowed) {
      exchange.log('error', 'the request head for the upstream is too large');
      this.cancel();
      exchange.finalize(500);
      return;
    }
    const hasBody = exchange.methodOverride === undefined && exchange.head.hasBody;
    if (!hasBody) {
      this.#requestSent = true;
    } else if (body.reading || !body.left) {
      this.#replay.write(writer, exchange.head.chunked);
      if (!body.left && exchange.head.chunked) writer.constant(common.lastChunk);
    } else {
      // With Content-Length, what came with the head leaves with the head.
      body.takeInline(writer, this.#replay);
      this.#requestSent = !body.left;
    }
    this.#attempt.bytesSent = writer.total;
    const below = up.connection.writeSegments(writer.pairsOffset, writer.count, writer.total);
    if (!up.connection.connecting) this.#expectResponse(up);
    if (!below) this.#pauseClient();
    if (hasBody && body.left && !body.reading) body.start(this);
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
  }

  /** The connection ended before a complete response head. */
  #died(errno: number): void {
    const stale = this.#reused && this.#attempt.bytesReceived === 0;
    if (!stale) {
      const what =
        errno === 0
          ? 'upstream prematurely closed connection'
          : `recv() failed (${errnoText(errno)})`;
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
    this.#stash.release();
    const wanted =
      failure === 'error'
        ? nextUpstream.error
        : failure === 'timeout'
          ? nextUpstream.timeout
          : nextUpstream.invalidHeader;
    const limit = nextUpstream.tries > 0 ? nextUpstream.tries : config.group.peers.length;
    const inTime =
      nextUpstream.timeoutMs === 0 || this.#context.nowMs - this.#startedMs < nextUpstream.timeoutMs;
    const safe = unsent || nextUpstream.nonIdempotent || !this.#sentUnsafe();
    if (wanted && safe && inTime && this.#tried.length < limit && this.#replayable()) {
      this.#connect();
      return;
    }
    this.#state = IDLE;
    this.#resumeClient();
    exchange.finalize(status);
  }

  /** POST, PATCH and LOCK may have had their effect. */
  #sentUnsafe(): boolean {
    const { method } = this.#exchange;
    return (
      (method === 'POST' || method === 'PATCH' || method === 'LOCK') &&
      this.#attempt.connectTimeMs >= 0
    );
  }

  #replayable(): boolean {
    const { head, methodOverride } = this.#exchange;
    return methodOverride !== undefined || !head.hasBody || this.#replay.complete;
  }

  // Response

  #parse(up: UpstreamConnection, offset: number, available: number): void {
    const exchange = this.#exchange;
    const { head } = this;
    let at = offset;
    let left = available;
    for (;;) {
      const result = head.parse(at, left, exchange.methodOverride ?? exchange.head.method);
      if (result === 0) {
        if (left > MAX_HEAD_BYTES || !this.#keep(at, left)) this.#tooBig();
        return;
      }
      if (result < 0) {
        exchange.log('error', `${head.errorReason} while reading response header from upstream`);
        this.#fail('invalid_header', false);
        return;
      }
      at += result;
      left -= result;
      if (head.status >= 200) break;
      if (head.status === 101) {
        this.#switchProtocols(up, at, left);
        return;
      }
      if (head.status !== 100) exchange.writer.interim(head, this.#plan);
      head.begin();
      if (left === 0) {
        this.#stash.release();
        return;
      }
    }
    this.#gotHead(up, at, left);
  }

  #gotHead(up: UpstreamConnection, offset: number, length: number): void {
    const exchange = this.#exchange;
    const { head } = this;
    const { nextUpstream } = this.#plan.config;
    const attempt = this.#attempt;
    attempt.headerTimeMs = this.#context.nowMs - attempt.startedMs;
    attempt.status = head.status;
    if (nextUpstream.statuses.size > 0 && nextUpstream.statuses.has(head.status) && this.#tryNext()) return;
    this.#responseBegun = true;
    this.#state = BODY;
    this.#resumeClient();
    this.#remaining = head.contentLength;
    if (this.#remaining === -1) this.#chunks.reset();
    // Everything that follows reads only the bytes behind the head; late variables read a copy of it.
    const retained = exchange.location.logHandlers.length > 0;
    if (retained) this.#keep(head.base, head.length);
    const announced = head.contentLength === 0 ? head.announcedLength : head.contentLength;
    const known = head.contentLength >= 0 ? announced : -1;
    if (this.#remaining >= 0) {
      const part = Math.min(length, this.#remaining);
      this.#remaining -= part;
      const last = this.#remaining === 0;
      const below = exchange.writer.relayHead(head, this.#plan, known, offset, part, last);
      if (last) {
        this.#bodyDone(length === part);
        return;
      }
      this.#afterRelay(up, below);
    } else {
      const below = exchange.writer.relayHead(head, this.#plan, -1, offset, 0, false);
      if (length > 0) this.#relay(up, offset, length);
      else this.#afterRelay(up, below);
    }
    if (!retained) this.#stash.release();
  }

  #relay(up: UpstreamConnection, offset: number, length: number): void {
    const { writer } = this.#exchange;
    if (this.#remaining >= 0) {
      const part = Math.min(length, this.#remaining);
      this.#remaining -= part;
      const last = this.#remaining === 0;
      const below = writer.relayBody(offset, part, last);
      if (last) this.#bodyDone(length === part);
      else this.#afterRelay(up, below);
    } else if (this.#remaining === -2) {
      this.#afterRelay(up, writer.relayBody(offset, length, false));
    } else {
      this.#relayChunks(up, offset, length);
    }
  }

  #relayChunks(up: UpstreamConnection, offset: number, length: number): void {
    const { writer } = this.#exchange;
    const chunks = this.#chunks;
    const { u8 } = this.#context;
    const end = offset + length;
    let at = offset;
    let below = true;
    while (at < end) {
      const next = chunks.next(u8, at, end);
      if (next < 0) {
        this.#exchange.log('error', 'upstream sent invalid chunked response while reading upstream');
        this.#cut();
        return;
      }
      const size = chunks.dataEnd - chunks.dataStart;
      if (size > 0) below = writer.relayBody(chunks.dataStart, size, false) && below;
      at = next;
      if (chunks.done) {
        if (chunks.trailerLength > 0) this.#relayTrailers();
        else writer.relayBody(0, 0, true);
        this.#bodyDone(at === end);
        return;
      }
    }
    this.#afterRelay(up, below);
  }

  #relayTrailers(): void {
    const { writer } = this.#exchange;
    const text = this.#chunks.trailerText();
    const { scratch } = this.#context;
    for (let i = 0; i < text.length; i++) this.#context.u8[scratch + i] = text.charCodeAt(i);
    writer.relayTrailers(scratch, text.length);
  }

  #afterRelay(up: UpstreamConnection, below: boolean): void {
    if (this.#up !== up) return;
    if (!below && !this.#upstreamPaused) {
      this.#upstreamPaused = true;
      up.connection.pause();
      up.connection.clearDeadline();
    } else {
      this.#expectResponse(up);
    }
  }

  /** The response is complete. `exact`: nothing came behind it. */
  #bodyDone(exact: boolean): void {
    const exchange = this.#exchange;
    const attempt = this.#attempt;
    attempt.responseTimeMs = this.#context.nowMs - attempt.startedMs;
    const up = this.#up;
    const keep =
      exact && this.head.keepAlive && this.#remaining >= -1 && this.#requestSent && !exchange.body.reading;
    if (this.#remaining === -2) exchange.writer.relayBody(0, 0, true);
    this.#state = IDLE;
    this.#up = null;
    this.#releasePeer(false);
    if (up !== null) {
      up.run = null;
      if (this.#upstreamPaused) up.connection.resume();
      this.#upstreamPaused = false;
      if (keep && up.connection.queuedBytes === 0) up.park();
      else up.discard();
    }
    this.#resumeClient();
    // A final answer before the upload ended (RFC 9112 section 9.5): the rest is not wanted.
    if (exchange.body.left && exchange.body.reading) exchange.writer.forceClose();
    exchange.finish();
  }

  /** The response broke off after its head was sent. */
  #cut(): void {
    this.#state = IDLE;
    this.#attempt.responseTimeMs = this.#context.nowMs - this.#attempt.startedMs;
    this.#drop(true);
    this.#exchange.abort();
  }

  #tryNext(): boolean {
    const { nextUpstream, group } = this.#plan.config;
    const limit = nextUpstream.tries > 0 ? nextUpstream.tries : group.peers.length;
    const possible =
      this.#tried.length + 1 < limit &&
      this.#replayable() &&
      (nextUpstream.nonIdempotent || !this.#sentUnsafe());
    if (!possible) return false;
    if (this.#peer !== null) this.#tried.push(this.#peer);
    this.#attempt.responseTimeMs = this.#context.nowMs - this.#attempt.startedMs;
    this.#drop(true);
    this.#stash.release();
    this.head.begin();
    this.#connect();
    return true;
  }

  #switchProtocols(up: UpstreamConnection, offset: number, length: number): void {
    const exchange = this.#exchange;
    if (!this.#upgrading || exchange.body.left) {
      exchange.log('error', 'upstream switched protocols unasked while reading response header from upstream');
      this.#fail('invalid_header', false);
      return;
    }
    this.#responseBegun = true;
    this.#state = IDLE;
    this.#attempt.status = 101;
    this.#attempt.headerTimeMs = this.#context.nowMs - this.#attempt.startedMs;
    this.#up = null;
    up.run = null;
    const peer = this.#peer;
    this.#peer = null;
    openTunnel(exchange, up, this.head, this.#plan, offset, length, () => {
      if (peer !== null) this.#plan.config.group.release(peer, false, this.#context.nowMs);
    });
    this.#stash.release();
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

  #tooBig(): void {
    this.#exchange.log('error', 'upstream sent too big header while reading response header from upstream');
    this.#fail('invalid_header', false);
  }

  /** Copies a (part of a) head out of the receive window; false when the arena is exhausted. */
  #keep(offset: number, length: number): boolean {
    const kept = this.#stash.keep(offset, length);
    if (kept < 0) return false;
    this.#stashAt = kept;
    this.#stashLength = length;
    this.head.base = kept;
    return true;
  }
}

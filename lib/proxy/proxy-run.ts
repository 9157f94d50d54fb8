/**
 * Proxies one exchange: picks a peer, sends the request, reads the response, tries
 * another peer where that is safe, and relays the body with bounded memory.
 *
 *   (collect) ──► pick ──► connect ──► send ──► head ──► body ──► done
 *                  ▲         │          │        │        └─ failure: the client sees a cut response
 *                  └─ retry ─┴──────────┴────────┘  before the response head was sent
 *
 * A request body that fits `client_body_buffer_size`, or that becomes a file, is collected
 * first, so that a slow client holds no backend; another one flows as it comes (body-feed.ts).
 *
 * Backpressure: when the client's queue is above its high watermark the backend's
 * connection is paused, and the other way round for the request's body.
 */
import type { Connection } from '../reactor/connection.js';
import { BodyFeed, type FeedOwner } from './body-feed.js';
import type { EngineContext } from './context.js';
import type { ExchangeImpl } from './exchange.js';
import { otherAnswer } from './other-answer.js';
import type { ProxyPlan } from './proxy-plan.js';
import { type Failure, RetryPolicy } from './retry-policy.js';
import { RequestSender, SENT, TOO_LARGE } from './request-sender.js';
import type { AttemptRecord } from './attempts.js';
import { Attempts } from './attempts.js';
import { localAddress } from './local-address.js';
import { openTunnel } from './tunnel.js';
import { UpstreamResponse } from './upstream-response.js';
import { UpstreamConnection } from './upstream-connection.js';
import { connectFailed, endedEarly, timedOut } from './upstream-messages.js';
import type { Peer, UpstreamGroup } from './upstream-group.js';

/** Nothing is under way. */
const IDLE = 0;
/** The request is on its way, or being answered; no complete response head yet. */
const HEAD = 1;
/** The body is being relayed. */
const BODY = 2;
/** No backend yet: the request's body is being collected. */
const COLLECT = 3;

/** A backend that neither answers nor asks for the body of a client that waits is not waited for longer. */
const CONTINUE_WAIT_MS = 1000;

export class ProxyRun implements FeedOwner {
  readonly #exchange: ExchangeImpl;
  readonly #context: EngineContext;
  readonly response: UpstreamResponse;
  readonly #sender: RequestSender;
  readonly #feed: BodyFeed;
  readonly #attempts = new Attempts();
  readonly #retry: RetryPolicy;
  #plan!: ProxyPlan;
  #group!: UpstreamGroup;
  #state = IDLE;
  #up: UpstreamConnection | null = null;
  #peer: Peer | null = null;
  #attempt!: AttemptRecord;
  #reused = false;
  #freshOnly = false;
  #upstreamPaused = false;

  constructor(exchange: ExchangeImpl) {
    this.#exchange = exchange;
    this.#context = exchange.context;
    this.#sender = new RequestSender(exchange);
    this.#feed = new BodyFeed(exchange, this.#sender, this);
    this.#retry = new RetryPolicy(exchange, this.#sender);
    this.response = new UpstreamResponse(exchange, this);
  }

  /** What the backend is asked with. */
  get method(): string {
    return this.#sender.method;
  }

  /** Whether this exchange was proxied at all. */
  get used(): boolean {
    return this.#attempts.count > 0;
  }

  /** A backend is working for the exchange, or will be once the request is whole. */
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

  /** The backend's, while there is one. */
  get connection(): Connection | null {
    return this.#up === null ? null : this.#up.connection;
  }

  /** No complete response head has come from it. */
  get awaitsHead(): boolean {
    return this.#state === HEAD;
  }

  /** What was kept of the request's body; "" when that is not the whole. */
  get bodyText(): string {
    return this.#sender.replay.text;
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
    if (this.#state !== IDLE) this.cancel();
    this.#plan = plan;
    this.#freshOnly = false;
    const target = plan.target ?? plan.config.choose?.(exchange) ?? 500;
    if (typeof target === 'number') return void exchange.finalize(target);
    this.#group = target.group;
    this.#sender.begin(plan, target.uri);
    this.#retry.begin(plan.config, target.group);
    if (!exchange.retainHead()) {
      exchange.log('crit', 'the arena is exhausted: no room for the request head');
      exchange.finalize(503);
      return;
    }
    if (!this.#sender.replayable) {
      // A first backend has had the body; what is left of it must not pass for the whole.
      exchange.log('error', 'the request body was sent already and cannot be sent again');
      exchange.finalize(exchange.statusOverride !== 0 ? exchange.statusOverride : 502);
      return;
    }
    if (exchange.head.expectContinue) exchange.body.greetEmpty();
    this.#state = COLLECT;
    if (!this.#feed.collect()) this.onCollected();
  }

  /** Nothing of the request has to be waited for any more. */
  onCollected(): void {
    const exchange = this.#exchange;
    if (this.#sender.framable) {
      this.#connect();
      return;
    }
    exchange.log('error', 'the length of a chunked request body has to be known for proxy_http_version 1.0');
    this.cancel();
    exchange.finalize(411);
  }

  /** The client has left, or the exchange is answered otherwise: drops the backend's connection. */
  cancel(): void {
    if (this.#state === HEAD || this.#state === BODY) {
      this.#attempt.responseTimeMs = this.#context.nowMs - this.#attempt.startedMs;
    }
    this.#state = IDLE;
    this.#exchange.body.detach();
    this.#drop(false);
    this.#feed.stop();
  }

  /** The exchange is over; forgets everything. */
  close(): void {
    if (this.#state !== IDLE) this.cancel();
    this.#upstreamPaused = false;
    this.#attempts.clear();
    this.#sender.replay.clear();
    this.response.clear();
  }

  // What the client's side reports

  onBodySent(): void {
    if (this.#up !== null) this.#expectResponse(this.#up);
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
    up.connection.setDeadline(nowMs + this.#answerTimeoutMs());
  }

  onUpstreamDrain(): void {
    this.#feed.release();
    if (this.#up !== null) this.#expectResponse(this.#up);
  }

  onTimeout(): void {
    const up = this.#up;
    if (up === null) return;
    if (this.#exchange.body.heldBack && !up.connection.connecting) {
      this.#exchange.body.proceed();
      this.#expectResponse(up);
      return;
    }
    const { connecting, queuedBytes, relayedInto } = up.connection;
    const waitsForBody =
      this.#state === HEAD && !connecting && !this.#sender.complete && queuedBytes === 0 && !relayedInto;
    if (waitsForBody || this.#upstreamPaused) {
      // The client is the slow one; its own deadline watches it.
      this.#expectResponse(up);
      return;
    }
    this.#exchange.log('error', timedOut(up.connection, this.#state === BODY));
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
      this.#exchange.log('error', endedEarly(errno, true));
      this.#cut();
      return;
    }
    if (wasConnecting && !this.#reused) {
      this.#exchange.log('error', connectFailed(errno));
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
    const group = this.#group;
    const peer = group.pick(context.nowMs, this.#retry.tried);
    if (peer === undefined) {
      this.#attempts.begin(group.name, context.nowMs);
      this.#attempt = this.#attempts.last;
      this.#attempt.status = 502;
      exchange.log('error', 'no live upstreams while connecting to upstream');
      this.#giveUp(502);
      return;
    }
    this.#peer = peer;
    this.#attempt = this.#attempts.begin(peer.config.name, context.nowMs);
    this.#state = HEAD;
    this.response.begin(this.#plan, this.#attempt);
    const { bind } = config.connect;
    const local = bind === undefined ? '' : localAddress(exchange, bind);
    const idle = this.#freshOnly
      ? undefined
      : (group.takeIdle(peer, local) as UpstreamConnection | undefined);
    this.#reused = idle !== undefined;
    let up = idle;
    if (up === undefined) {
      up = new UpstreamConnection(context, group, peer, local);
      if (config.connect.keepAlive) up.connection.keepAlive();
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
    const sent = this.#sender.start(up.connection, this.#attempt);
    if (sent === TOO_LARGE) {
      exchange.log('error', 'the request head for the upstream is too large');
      this.cancel();
      exchange.finalize(500);
      return;
    }
    if (!up.connection.connecting) this.#expectResponse(up);
    this.#feed.follow(sent !== SENT);
  }

  /** Starts or renews the deadline: for sending while bytes are queued, else for the answer. */
  #expectResponse(up: UpstreamConnection): void {
    // The relay of an upload moves the deadline by itself.
    if (up.connection.relayedInto) return;
    const queued = up.connection.queuedBytes > 0;
    const timeoutMs = queued ? this.#plan.config.sendTimeoutMs : this.#answerTimeoutMs();
    up.connection.setDeadline(this.#context.nowMs + timeoutMs);
  }

  #answerTimeoutMs(): number {
    return this.#exchange.body.heldBack ? CONTINUE_WAIT_MS : this.#plan.config.readTimeoutMs;
  }

  /** The connection ended before a complete response head. */
  #died(errno: number): void {
    const stale = this.#reused && this.#attempt.bytesReceived === 0;
    if (!stale) {
      this.#exchange.log('error', endedEarly(errno, false));
    } else {
      // An idle connection that the backend closed meanwhile (RFC 9112 section 9.3.1): not its failure.
      this.#drop(false);
      if (this.#retry.allowsFresh(this.#attempt)) {
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
    const status = failure === 'timeout' ? 504 : 502;
    this.#attempt.status = status;
    this.#attempt.responseTimeMs = this.#context.nowMs - this.#attempt.startedMs;
    if (this.#peer !== null) this.#retry.tried.push(this.#peer);
    this.#drop(true);
    if (this.#retry.wants(failure) && this.#retry.allowsNext(this.#attempt, unsent)) {
      this.#connect();
      return;
    }
    this.#giveUp(status);
  }

  /** No backend answers: the error page does. */
  #giveUp(status: number): void {
    this.#state = IDLE;
    this.#exchange.body.detach();
    this.#feed.stop();
    this.#exchange.finalize(status);
  }

  // What the response reports

  /** An interim head is complete: the backend is at work. A 100 asks for the body. */
  onInterim(status: number): void {
    if (status === 100) this.#exchange.body.proceed();
    if (this.#up !== null) this.#expectResponse(this.#up);
  }

  /** A final head is complete. True: it is not the answer; another peer is being tried, or the answer comes from elsewhere. */
  onHead(status: number): boolean {
    const { nextUpstream } = this.#plan.config;
    const attempt = this.#attempt;
    attempt.headerTimeMs = this.#context.nowMs - attempt.startedMs;
    attempt.status = status;
    if (nextUpstream.statuses.size > 0 && nextUpstream.statuses.has(status) && this.#tryNext(status))
      return true;
    const other = otherAnswer(this.#exchange, this.#plan.config.response, this.response.head);
    if (other !== undefined) {
      // Variables may still ask for fields of this head.
      this.response.keepHead();
      this.cancel();
      other();
      return true;
    }
    this.#state = BODY;
    if (this.#up !== null) this.#up.connection.expectsHead = false;
    this.#feed.release();
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
    if (!this.#sender.complete) exchange.body.settle();
    this.#state = IDLE;
    this.#up = null;
    this.#releasePeer(false);
    if (up !== null) {
      up.run = null;
      if (this.#upstreamPaused) up.connection.resume();
      this.#upstreamPaused = false;
      if (reusable && this.#sender.complete && up.connection.queuedBytes === 0) up.park();
      else up.discard();
    }
    this.#feed.stop();
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
    if (!this.#sender.upgrading || exchange.body.left) {
      this.onBadHead('upstream switched protocols unasked');
      return;
    }
    if (exchange.downstream.connection.closed) {
      // The backend was let go on without its client; a tunnel has no use for that.
      this.cancel();
      exchange.onClientGone(0);
      return;
    }
    this.#state = IDLE;
    this.#attempt.status = 101;
    this.#attempt.headerTimeMs = this.#context.nowMs - this.#attempt.startedMs;
    this.#up = null;
    up.run = null;
    this.#feed.stop();
    const peer = this.#peer;
    this.#peer = null;
    // This run may serve another exchange while the tunnel is open.
    const group = this.#group;
    const context = this.#context;
    openTunnel(exchange, up, this.response.head, this.#plan, offset, length, () => {
      if (peer !== null) group.release(peer, false, context.nowMs);
    });
  }

  #cut(): void {
    this.#state = IDLE;
    this.#attempt.responseTimeMs = this.#context.nowMs - this.#attempt.startedMs;
    this.#drop(false);
    this.#feed.stop();
    this.#exchange.abort();
  }

  /** A status that `proxy_next_upstream` names: true when another peer is being tried. */
  #tryNext(status: number): boolean {
    const peer = this.#peer;
    if (peer !== null) this.#retry.tried.push(peer);
    if (!this.#retry.allowsNext(this.#attempt, false)) {
      this.#retry.tried.pop();
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
    this.response.settle();
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
    this.#group.release(peer, failed, this.#context.nowMs);
  }
}

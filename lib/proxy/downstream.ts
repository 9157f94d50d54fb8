/**
 * A client's connection: finds the requests in what arrives, starts an exchange for
 * each, hands it the bytes of its body, and decides what becomes of the connection.
 *
 *            ┌──────────────── next request ────────────────┐
 *            ▼                                              │
 *   accept → head ──complete──► exchange ──answered──► (body left?) ─no─► keep-alive
 *            │                     │                        │ yes
 *            │ bad head            │ 101                    ▼
 *            ▼                     ▼                     discard ──► head
 *          answer, linger        tunnel (another handler takes over)
 *
 * One exchange runs at a time; pipelined requests wait in `input`. Input that must
 * outlive the callback is kept in a block of the arena (the stash); a connection with
 * nothing pending owns none, and no exchange either.
 */
import type { Connection, ConnectionHandler } from '../reactor/connection.js';
import type { EngineContext } from './context.js';
import type { ExchangeImpl } from './exchange.js';
import type { ListenerServers } from './listener-servers.js';
import type { LocationConfig } from './runtime.js';
import { ByteStash } from './byte-stash.js';
import type { MinRate, Paced } from './pacer.js';

/** Waiting for a request, or in the middle of its head. */
const HEAD = 0;
/** An exchange runs. */
const EXCHANGE = 1;
/** Answered; the rest of the request's body is thrown away before the next head. */
const DISCARD = 2;
/** Answered for the last time; what still comes is thrown away until the client closes. */
const LINGER = 3;
/** Closed, or somebody else's. */
const GONE = 4;

/** Pipelined or unread bytes beyond this pause reading. */
const INPUT_LIMIT_BYTES = 64 * 1024;

export class Downstream implements ConnectionHandler, Paced {
  readonly connection: Connection;
  readonly context: EngineContext;
  readonly servers: ListenerServers;
  /** Serial number in this worker, `$connection`. */
  readonly serial: number;
  /** When it was accepted, in ms of the turn's clock. */
  readonly acceptedMs: number;
  /** Version of the address in the context when that was this client's; 0 before. */
  addressVersion = 0;
  /** Among the clients of the context; see Roster. */
  place = -1;
  /** Requests begun, `$connection_requests`. */
  requests = 0;
  exchange: ExchangeImpl | null = null;
  /** Received and not yet consumed: a range of the arena, in the receive window or in the stash. */
  inputOffset = 0;
  inputLength = 0;
  #clientAddress = '';
  #state = HEAD;
  /** Exists only while input waits between callbacks. */
  #stash: ByteStash | null = null;
  #processing = false;
  #inputPaused = false;
  /** Input was there already when the last exchange ended. */
  #pipelined = false;
  /** Queued bytes when the deadline was set: while the client takes some, it gets more time. 0: nothing was queued. */
  #flushing = 0;
  /** Whose timeouts count between exchanges. */
  #location: LocationConfig;
  /** When the last exchange ended. */
  #idleSinceMs = 0;
  /** While input is thrown away: when that ends in any case; 0 until it has begun. */
  #lingerUntilMs = 0;
  /** The speed at which it takes responses is watched. */
  #paced = false;
  /** Bytes of the responses that are over since then. */
  #sentBefore = 0;

  constructor(connection: Connection, context: EngineContext, servers: ListenerServers, serial: number) {
    this.connection = connection;
    this.context = context;
    this.servers = servers;
    this.serial = serial;
    this.acceptedMs = context.nowMs;
    this.#location = servers.index.defaultServer.fallback;
    connection.expectsHead = true;
    connection.setDeadline(context.nowMs + servers.index.defaultServer.clientHeaderTimeoutMs);
  }

  /** Numeric address of the client, or "unix:". */
  get clientAddress(): string {
    if (this.#clientAddress !== '') return this.#clientAddress;
    const { remoteAddress } = this.connection;
    if (this.servers.config.port >= 0 && remoteAddress !== '') this.#clientAddress = remoteAddress;
    return this.#clientAddress === '' ? 'unix:' : this.#clientAddress;
  }

  /** Neither a request nor a response is under way. */
  get idle(): boolean {
    return this.#state === HEAD && this.exchange === null;
  }

  onData(_connection: Connection, offset: number, length: number): void {
    if (this.#state === LINGER || this.#state === GONE) {
      if (this.#lingerUntilMs > 0) this.#linger();
      return;
    }
    if (this.#stash === null) {
      this.inputOffset = offset;
      this.inputLength = length;
    } else {
      const joined = this.#stash.join(this.inputOffset, this.inputLength, offset, length);
      if (joined < 0) {
        this.destroy();
        return;
      }
      this.inputOffset = joined;
      this.inputLength += length;
    }
    this.process();
  }

  onEnd(connection: Connection): void {
    const { exchange } = this;
    if (this.#state === EXCHANGE && exchange !== null) {
      exchange.onClientEnd();
      return;
    }
    if (this.#state === HEAD && exchange !== null) exchange.abandon(400);
    this.#release();
    this.#closeFlushing(connection);
  }

  /** Reading is paused (the backend is slow) and the client has gone. */
  onHangup(_connection: Connection, reset: boolean): void {
    if (reset) this.destroy();
    else if (this.#state === EXCHANGE && this.exchange !== null) this.exchange.onClientEnd();
  }

  onRelayed(): void {
    this.exchange?.body.relayed();
  }

  onDrain(): void {
    if (this.exchange !== null) this.exchange.onClientDrain();
    else if (this.#state === HEAD && this.inputLength > 0) this.process();
  }

  onDeadline(connection: Connection): void {
    const { exchange } = this;
    const state = this.#state;
    if (state === EXCHANGE) {
      exchange?.onClientDeadline();
    } else if (this.#flushing > 0) {
      this.#flushDeadline(connection);
    } else if (state !== HEAD) {
      this.destroy();
    } else if (exchange === null) {
      this.#release();
      connection.close();
    } else {
      this.#state = EXCHANGE;
      this.requests++;
      exchange.reject(408);
    }
  }

  onClose(_connection: Connection, errno: number): void {
    const { exchange } = this;
    const state = this.#state;
    this.#state = GONE;
    if (this.#paced) this.#unpace();
    if (exchange !== null) {
      if (state === HEAD) exchange.abandon(400);
      else exchange.onClientGone(errno);
    }
    this.#release();
    this.context.forget(this);
  }

  /** Closes at once, whatever is under way. */
  destroy(): void {
    this.connection.destroy();
  }

  /**
   * Gives the connection to another handler (a tunnel), which calls `context.forget` at
   * its end. Unconsumed input stays, for {@link releaseInput} to drop.
   */
  handOver(handler: ConnectionHandler): void {
    this.#state = GONE;
    if (this.#paced) this.#unpace();
    this.exchange = null;
    this.connection.expectsHead = false;
    this.connection.setHandler(handler);
  }

  /** After {@link handOver}, when the input was consumed. */
  releaseInput(): void {
    this.#release();
    this.#resumeInput();
  }

  /** Drops `length` bytes from the front of the input. */
  consume(length: number): void {
    this.inputOffset += length;
    this.inputLength -= length;
  }

  /**
   * Works on the input until it is used up or has to wait. Called with new input, and
   * by the exchange when it wants (more of) its body. May be called at any time; a call
   * from within is absorbed by the one that runs.
   */
  process(): void {
    if (this.#processing) return;
    this.#processing = true;
    for (;;) {
      if (this.#state === HEAD) {
        // A client that asks and does not read gets no further answers: the queue has a bound.
        if (this.inputLength === 0 || this.connection.awaitsDrain || !this.#readHead()) break;
      } else if (this.#state === EXCHANGE || this.#state === DISCARD) {
        const before = this.inputLength;
        if (before === 0 || this.exchange === null) break;
        const exchange = this.exchange;
        exchange.feedBody();
        if (this.inputLength === before && this.exchange === exchange) break;
      } else {
        this.inputLength = 0;
        break;
      }
    }
    this.#processing = false;
    this.#keepInput();
  }

  /**
   * The exchange has handed its whole response to the connection.
   * `keepAlive`: the connection may carry another request. `bodyLeft`: the request's
   * body is not read to its end. Result: whether the exchange stays until it is.
   */
  exchangeDone(keepAlive: boolean, bodyLeft: boolean): boolean {
    if (this.#state === GONE) return false;
    const exchange = this.exchange as ExchangeImpl;
    this.#location = exchange.location;
    if (this.connection.closed) {
      // A log handler may have stopped the engine.
      this.#endExchange();
      this.#state = GONE;
      this.#release();
      return false;
    }
    if (!keepAlive || this.context.draining) {
      this.#endExchange();
      this.#close(bodyLeft || this.inputLength > 0 || this.#location.lingersAlways);
      return false;
    }
    if (bodyLeft) {
      this.#state = DISCARD;
      this.#setDeadline(this.lingerDeadlineMs - this.context.nowMs);
    } else {
      this.#nextHead();
    }
    this.#resumeInput();
    if (this.inputLength > 0) this.process();
    return bodyLeft;
  }

  /** The body that was thrown away has ended. */
  discardDone(): void {
    if (this.#state !== DISCARD) return;
    this.#lingerUntilMs = 0;
    this.#endExchange();
    if (this.context.draining) this.#close(false);
    else this.#nextHead();
  }

  /** Closes when idle, at once or after `keepalive_min_timeout`; used when the worker drains. */
  closeIfIdle(): void {
    if (!this.idle) return;
    const { connection, context } = this;
    const untilMs = this.#idleSinceMs + this.#location.keepaliveMinTimeoutMs;
    if (this.requests > 0 && this.#flushing === 0 && context.nowMs < untilMs) {
      connection.setDeadline(Math.min(untilMs, connection.deadline));
      return;
    }
    this.#release();
    this.#closeFlushing(this.connection);
  }

  /** What is queued, or relayed, has to leave at that speed; at any, when there is none. */
  pace(rate: MinRate | undefined): void {
    if (rate === undefined) {
      if (this.#paced) this.#unpace();
      return;
    }
    this.#paced = true;
    this.context.pacer.watch(this, rate);
  }

  #unpace(): void {
    this.#paced = false;
    this.context.pacer.forget(this);
  }

  /** Bytes that the client has taken, of this response and of those before it. */
  get pacedBytes(): number {
    const sent = this.exchange === null ? 0 : this.exchange.sentBytes;
    return this.#sentBefore + sent - this.connection.queuedBytes;
  }

  #endExchange(): void {
    if (this.#paced && this.exchange !== null) this.#sentBefore += this.exchange.sentBytes;
    this.exchange = null;
  }

  /** Bytes wait for the client to take them. */
  get waitsForPeer(): boolean {
    return this.connection.queuedBytes > 0 || this.exchange?.proxy?.response.heldByClient === true;
  }

  get paceOver(): boolean {
    return this.exchange === null && this.connection.queuedBytes === 0;
  }

  onPaceOver(): void {
    this.#paced = false;
  }

  onTooSlow(bytes: number, ms: number): void {
    this.#paced = false;
    const message = `client took the response too slowly: ${bytes} bytes in ${ms} ms`;
    if (this.#state === EXCHANGE && this.exchange !== null) {
      this.exchange.onSlowClient(message);
      return;
    }
    const { remoteAddress } = this.connection;
    const { errorLog } = this.#location;
    if (errorLog.enabled('info')) errorLog.write('info', `${message}, client: ${remoteAddress}`, this.serial);
    this.connection.reset();
  }

  #nextHead(): void {
    this.#state = HEAD;
    this.connection.expectsHead = true;
    this.#endExchange();
    this.#pipelined = this.inputLength > 0;
    this.#idleSinceMs = this.context.nowMs;
    this.#setDeadline(this.#location.keepaliveTimeoutMs);
  }

  /** The deadline for what is waited for; while the client has not taken the answer, that comes first. */
  #setDeadline(timeoutMs: number): void {
    const { connection, context } = this;
    const queued = connection.queuedBytes;
    this.#flushing = queued;
    if (queued > 0) this.pace(this.#location.sendMinRate);
    connection.setDeadline(context.nowMs + (queued > 0 ? this.#location.sendTimeoutMs : timeoutMs));
  }

  /** The time to take the answer is over: it was taken, or some of it, or the client has stalled. */
  #flushDeadline(connection: Connection): void {
    const queued = connection.queuedBytes;
    if (queued >= this.#flushing) {
      // The rest of an answer is dropped: however it was framed, the client must not take it for the whole.
      connection.reset();
      return;
    }
    this.#flushing = queued;
    if (queued > 0) connection.setDeadline(this.context.nowMs + this.#location.sendTimeoutMs);
    else if (this.#state === LINGER) this.#linger();
    else if (this.#state === DISCARD) connection.setDeadline(this.lingerDeadlineMs);
    else connection.setDeadline(this.context.nowMs + this.#location.keepaliveTimeoutMs);
  }

  /** Closes when the queue is empty; it has to make progress until then. */
  #closeFlushing(connection: Connection): void {
    this.#state = GONE;
    if (connection.queuedBytes > 0) this.#setDeadline(0);
    connection.close();
  }

  #resumeInput(): void {
    if (!this.#inputPaused) return;
    this.#inputPaused = false;
    this.connection.resume();
  }

  #readHead(): boolean {
    let { exchange } = this;
    const first = exchange === null;
    if (exchange === null) {
      exchange = this.context.acquireExchange(this);
      exchange.pipelined = this.#pipelined;
      this.exchange = exchange;
    }
    const result = exchange.head.parse(this.inputOffset, this.inputLength);
    if (result > 0) {
      this.consume(result);
      this.#state = EXCHANGE;
      this.requests++;
      this.connection.clearDeadline();
      if (exchange.head.hasBody) this.connection.expectsHead = false;
      exchange.headComplete(result);
      return true;
    }
    if (result === 0) {
      // The deadline is for the whole head: set by its first bytes, moved by none of the later ones.
      if (first) {
        const timeoutMs = this.servers.index.defaultServer.clientHeaderTimeoutMs;
        this.#flushing = 0;
        this.connection.setDeadline(this.context.nowMs + timeoutMs);
      }
      return false;
    }
    this.#state = EXCHANGE;
    this.requests++;
    exchange.reject(-result);
    return true;
  }

  /** The last answer was handed over. `linger`: the client may still be sending, and must not get a reset for it. */
  #close(linger: boolean): void {
    const { connection } = this;
    this.#release();
    if (!linger || connection.readEnded || !this.#location.lingers) {
      this.#closeFlushing(connection);
      return;
    }
    this.#state = LINGER;
    connection.end();
    if (connection.queuedBytes > 0) this.#setDeadline(0);
    else this.#linger();
    this.#resumeInput();
  }

  /** The answer has left: what still comes is thrown away, for a while. */
  #linger(): void {
    const deadline = this.lingerDeadlineMs;
    if (deadline <= this.context.nowMs) this.destroy();
    else this.connection.setDeadline(deadline);
  }

  /** By when more of what is thrown away has to come. The end of a body may be waited for so long, too. */
  get lingerDeadlineMs(): number {
    const { nowMs } = this.context;
    const { lingeringTimeMs, lingeringTimeoutMs } = this.#location;
    if (this.#lingerUntilMs === 0) this.#lingerUntilMs = nowMs + lingeringTimeMs;
    return Math.min(nowMs + lingeringTimeoutMs, this.#lingerUntilMs);
  }

  /** Unconsumed input must not stay in the receive window when the callback returns. */
  #keepInput(): void {
    if (this.inputLength === 0) {
      this.#release();
      this.#resumeInput();
      return;
    }
    if (this.#stash === null) {
      this.#stash = new ByteStash(this.context.blocks, this.context.u8);
      const kept = this.#stash.keep(this.inputOffset, this.inputLength);
      if (kept < 0) {
        this.destroy();
        return;
      }
      this.inputOffset = kept;
    }
    // What is known of a head that is not complete is looked up where it lies now.
    if (this.#state === HEAD && this.exchange !== null) this.exchange.head.base = this.inputOffset;
    if (this.#inputPaused) {
      if (this.inputLength <= INPUT_LIMIT_BYTES / 2) this.#resumeInput();
    } else if (
      this.inputLength >= INPUT_LIMIT_BYTES &&
      (this.#state !== HEAD || this.connection.awaitsDrain)
    ) {
      this.#inputPaused = true;
      this.connection.pause();
    }
  }

  #release(): void {
    this.inputLength = 0;
    if (this.#stash === null) return;
    this.#stash.release();
    this.#stash = null;
  }
}

/**
 * Reads one backend's response: heads (interim ones too), then the body by its
 * framing, and passes both on to the exchange's writer. What to do when it fails is
 * the run's decision.
 */
import { ChunkedDecoder } from '../http/chunked.js';
import type { Connection } from '../reactor/connection.js';
import { canRelay, type Relay, startRelay } from '../reactor/relay.js';
import { ResponseHead } from '../http/response-head.js';
import { ByteStash } from './byte-stash.js';
import type { ExchangeImpl } from './exchange.js';
import { KeptHead } from './kept-head.js';
import type { ProxyPlan } from './proxy-plan.js';
import type { AttemptRecord } from './attempts.js';
import { Trailers } from './trailers.js';

/** A response head larger than this is "too big". */
const MAX_HEAD_BYTES = 64 * 1024;
/** `contentLength` of a body framed by chunks, and of one that ends with the connection. */
const CHUNKED = -1;
const UNTIL_CLOSE = -2;

/**
 * A body with at least this left is moved from socket to socket. Measured: what is shorter
 * takes one or two pieces, which cost less than a relay's beginning and end.
 */
const RELAY_FROM_BYTES = 256 * 1024;

/** Who decides about the attempt. */
export interface ResponseOwner {
  /** The connection that the response comes from. */
  readonly connection: Connection | null;
  onInterim(status: number): void;
  /** What the backend was asked with. */
  readonly method: string;
  onHead(status: number): boolean;
  onRelayed(below: boolean): void;
  onBodyDone(reusable: boolean): void;
  onBadHead(reason: string): void;
  onBadBody(reason: string): void;
  onSwitch(offset: number, length: number): void;
}

export class UpstreamResponse {
  readonly head = new ResponseHead();
  readonly #exchange: ExchangeImpl;
  readonly #owner: ResponseOwner;
  readonly #chunks = new ChunkedDecoder();
  /** A part of a head between callbacks. */
  readonly #stash: ByteStash;
  /** The whole head, kept for late variables. */
  readonly #kept: KeptHead;
  #stashAt = 0;
  #stashLength = 0;
  #plan!: ProxyPlan;
  #attempt!: AttemptRecord;
  /** Body bytes still to come, or CHUNKED, or UNTIL_CLOSE. */
  #remaining = 0;
  /** What the last {@link #decode} found: data, moved together, and the bytes behind the end of the body. */
  #dataAt = 0;
  #dataLength = 0;
  #rest = 0;
  readonly #trailers = new Trailers();
  /** Moves the rest of the body, or of a chunk. */
  #relayed: Relay | null = null;
  /** A final head was passed on. */
  begun = false;

  constructor(exchange: ExchangeImpl, owner: ResponseOwner) {
    this.#exchange = exchange;
    this.#owner = owner;
    this.#stash = new ByteStash(exchange.context.blocks, exchange.context.u8);
    this.#kept = new KeptHead(exchange.context.blocks);
  }

  /** A new attempt. */
  begin(plan: ProxyPlan, attempt: AttemptRecord): void {
    this.#plan = plan;
    this.#attempt = attempt;
    this.#forget();
    this.begun = false;
    this.head.begin();
  }

  /** Forgets everything. */
  clear(): void {
    this.#forget();
    this.begun = false;
    this.head.forgetFields();
  }

  #forget(): void {
    this.#trailers.clear();
    this.#stash.release();
    this.#kept.release();
  }

  /** Every value of a field of the final head, joined; `name` in lower case. */
  header(name: string): string | undefined {
    if (!this.head.complete) return undefined;
    const index = this.head.findByName(name);
    if (index < 0) return undefined;
    const values = this.head.values(name);
    return values.length === 1 ? values[0] : values.join(', ');
  }

  /** Every value of a field of the final head; `name` in lower case. */
  headers(name: string): string[] {
    return this.head.complete ? this.head.values(name) : [];
  }

  /** A trailer of the body. */
  trailer(name: string): string | undefined {
    return this.#trailers.find(name);
  }

  /** Keeps the final head beyond this callback; without room for it, its fields are gone. */
  keepHead(): void {
    if (!this.#kept.keep(this.head, this.head.length)) this.head.begin();
  }

  /** What a relay under way has sent to the client. */
  get relayedBytes(): number {
    return this.#relayed === null ? 0 : this.#relayed.sent;
  }

  /** A relay holds bytes that the client does not take. */
  get heldByClient(): boolean {
    return this.#relayed !== null && this.#relayed.received > this.#relayed.sent;
  }

  /** Bytes from the backend. */
  feed(offset: number, length: number): void {
    if (this.begun) {
      this.#relay(offset, length);
    } else if (!this.#stash.used) {
      this.#parse(offset, length);
    } else {
      const joined = this.#stash.join(this.#stashAt, this.#stashLength, offset, length);
      if (joined < 0) this.#owner.onBadHead('upstream sent too big header');
      else this.#parse(joined, this.#stashLength + length);
    }
  }

  /** The relay has moved all that it should. */
  relayed(): void {
    const drained = this.#owner.connection?.unread === false;
    this.settle();
    if (this.#remaining === 0) this.#owner.onBodyDone(this.head.keepAlive && drained);
  }

  /** Ends a relay wherever it is, and takes over what it has moved. */
  settle(): void {
    const relay = this.#relayed;
    if (relay === null) return;
    this.#relayed = null;
    relay.stop();
    this.#attempt.bytesReceived += relay.received;
    this.#attempt.bodyBytesReceived += relay.received;
    this.#exchange.writer.countMoved(relay.sent);
    if (this.#remaining > 0) this.#remaining -= relay.received;
  }

  /** The backend sent FIN in the middle of a body, or at its end. */
  ended(): void {
    this.settle();
    if (this.#remaining !== UNTIL_CLOSE) {
      this.#owner.onBadBody('upstream prematurely closed connection');
      return;
    }
    this.#exchange.writer.relayBody(0, 0, true);
    this.#owner.onBodyDone(false);
  }

  #parse(offset: number, available: number): void {
    const { head } = this;
    const exchange = this.#exchange;
    let at = offset;
    let left = available;
    for (;;) {
      const result = head.parse(at, left, this.#owner.method);
      if (result === 0) {
        if (left > MAX_HEAD_BYTES || !this.#keep(at, left)) {
          this.#owner.onBadHead('upstream sent too big header');
        }
        return;
      }
      if (result < 0) {
        this.#owner.onBadHead(head.errorReason);
        return;
      }
      at += result;
      left -= result;
      if (head.status >= 200) break;
      if (head.status === 101) {
        this.#switch(at, left);
        return;
      }
      const { status } = head;
      // The client gets a 100 of our own, and only where it waits for one.
      if (status !== 100) exchange.writer.interim(head, this.#plan);
      head.begin();
      this.#owner.onInterim(status);
      if (left === 0) {
        this.#stash.release();
        return;
      }
    }
    if (!this.#owner.onHead(head.status)) this.#gotHead(at, left);
  }

  #gotHead(offset: number, length: number): void {
    const exchange = this.#exchange;
    const { head } = this;
    this.#remaining = head.contentLength;
    if (this.#remaining === CHUNKED) {
      // A body that is bad already is the backend's failure, and no answer that breaks off.
      this.#chunks.reset();
      if (!this.#decode(offset, length)) {
        head.begin();
        this.#owner.onBadHead(`upstream sent invalid chunked response: ${this.#chunks.errorReason}`);
        return;
      }
    }
    this.begun = true;
    // Log handlers and trailers may ask for fields when the window holds other bytes; but an answer
    // that is here as a whole is logged before this callback is left.
    const { logHandlers, trailers } = exchange.location;
    const whole = this.#remaining >= 0 && length >= this.#remaining;
    const retained = !whole && (logHandlers.length > 0 || trailers.length > 0);
    if (retained && !this.#kept.keep(head, head.length)) {
      this.#owner.onBadBody('the arena is exhausted');
      return;
    }
    if (this.#remaining >= 0) {
      const part = Math.min(length, this.#remaining);
      this.#remaining -= part;
      this.#attempt.bodyBytesReceived += part;
      const last = this.#remaining === 0;
      const announced = this.#lengthForClient();
      const below = exchange.writer.relayHead(head, this.#plan, announced, offset, part, last);
      if (last) {
        this.#owner.onBodyDone(head.keepAlive && length === part);
        return;
      }
      this.#passedOn(below, this.#remaining);
    } else if (this.#remaining === CHUNKED) {
      this.#attempt.bodyBytesReceived += this.#dataLength;
      const last = this.#chunks.done && !this.#chunks.hasTrailers;
      const below = exchange.writer.relayHead(head, this.#plan, -1, this.#dataAt, this.#dataLength, last);
      if (this.#chunks.done) {
        if (!last) this.#relayTrailers();
        this.#owner.onBodyDone(head.keepAlive && this.#rest === 0);
        return;
      }
      this.#owner.onRelayed(below);
    } else {
      const below = exchange.writer.relayHead(head, this.#plan, -1, offset, 0, false);
      if (length > 0) this.#relay(offset, length);
      else this.#owner.onRelayed(below);
    }
    this.#stash.release();
    if (!retained) head.forgetFields();
  }

  /** What the client is told of a body whose length is known. */
  #lengthForClient(): number {
    const { contentLength, announcedLength } = this.head;
    if (contentLength !== 0) return contentLength;
    // Asked by HEAD for a client that asked for a body: there is none, whatever length was announced.
    const bodyMissing = this.#owner.method === 'HEAD' && this.#exchange.method !== 'HEAD';
    return bodyMissing ? -1 : announcedLength;
  }

  #switch(offset: number, length: number): void {
    const { head } = this;
    const retained =
      this.#exchange.location.logHandlers.length > 0 && this.#kept.keepSmall(head, head.length);
    this.begun = true;
    this.#owner.onSwitch(offset, length);
    this.#stash.release();
    if (!retained) head.begin();
  }

  #relay(offset: number, length: number): void {
    const { writer } = this.#exchange;
    if (this.#remaining >= 0) {
      const part = Math.min(length, this.#remaining);
      this.#remaining -= part;
      this.#attempt.bodyBytesReceived += part;
      const last = this.#remaining === 0;
      const below = writer.relayBody(offset, part, last);
      if (last) this.#owner.onBodyDone(this.head.keepAlive && length === part);
      else this.#passedOn(below, this.#remaining);
    } else if (this.#remaining === UNTIL_CLOSE) {
      this.#attempt.bodyBytesReceived += length;
      const below = writer.relayBody(offset, length, false);
      // It may be short: it is long when it has been.
      this.#passedOn(below, writer.bodyBytesSent < RELAY_FROM_BYTES ? 0 : Infinity);
    } else {
      this.#relayChunks(offset, length);
    }
  }

  /** A piece was passed on, and so much is left that the client gets as it is. */
  #passedOn(below: boolean, left: number): void {
    if (left < RELAY_FROM_BYTES || !this.#startRelay(left)) this.#owner.onRelayed(below);
  }

  #startRelay(length: number): boolean {
    const exchange = this.#exchange;
    const { config } = this.#plan;
    const source = this.#owner.connection;
    const target = exchange.downstream.connection;
    // A request that is still under way has deadlines of its own, and a backend that outlives its client needs a reader.
    if (source === null || source.queuedBytes > 0 || exchange.body.left || config.ignoreClientAbort)
      return false;
    if (!exchange.writer.unframed || !canRelay(source, target)) return false;
    const { sendTimeoutMs, sendMinRate } = exchange.location;
    const timeouts = { sourceMs: config.readTimeoutMs, targetMs: sendTimeoutMs };
    exchange.downstream.pace(sendMinRate);
    this.#relayed = startRelay(source, target, length, timeouts, true);
    return true;
  }

  #relayChunks(offset: number, length: number): void {
    if (!this.#decode(offset, length)) {
      this.#owner.onBadBody(`upstream sent invalid chunked response: ${this.#chunks.errorReason}`);
      return;
    }
    this.#attempt.bodyBytesReceived += this.#dataLength;
    const { writer } = this.#exchange;
    const { done } = this.#chunks;
    const last = done && !this.#chunks.hasTrailers;
    const below = (this.#dataLength === 0 && !last) || writer.relayBody(this.#dataAt, this.#dataLength, last);
    if (done) {
      if (!last) this.#relayTrailers();
      this.#owner.onBodyDone(this.head.keepAlive && this.#rest === 0);
    } else {
      this.#owner.onRelayed(below);
    }
  }

  /**
   * Reads the chunks of a piece to its end, or to that of the body, and moves their data
   * together, over the lines between them: however many there are, it leaves in one call.
   * False: it is no chunked coding.
   */
  #decode(offset: number, length: number): boolean {
    const { u8 } = this.#exchange.context;
    const chunks = this.#chunks;
    const end = offset + length;
    let at = offset;
    let start = offset;
    let size = 0;
    while (at < end && !chunks.done) {
      at = chunks.next(u8, at, end);
      if (at < 0) return false;
      const { dataStart, dataEnd } = chunks;
      if (size === 0) start = dataStart;
      else if (dataEnd > dataStart) u8.copyWithin(start + size, dataStart, dataEnd);
      size += dataEnd - dataStart;
    }
    this.#dataAt = start;
    this.#dataLength = size;
    this.#rest = end - at;
    return true;
  }

  #relayTrailers(): void {
    const { writer } = this.#exchange;
    const all = this.#chunks.trailerText(this.head.connectionNames);
    if (all !== '') this.#trailers.passed(all);
    const lines = this.#plan.config.response.passTrailers ? all : '';
    if (lines === '') writer.relayBody(0, 0, true);
    else writer.relayTrailers(lines);
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

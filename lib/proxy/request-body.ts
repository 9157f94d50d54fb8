/**
 * The body of a request: what of the connection's input belongs to it, and who gets
 * it. Nothing is read before somebody wants it, so a refusal can come before the
 * upload; what nobody wanted is thrown away after the answer.
 *
 *   waiting ──start(sink)──► reading ──► done, or failed
 *      │ ╰─► held back ──proceed()──↗      ↗
 *      └───────────discard()────► discarding
 */
import { ChunkedDecoder } from '../http/chunked.js';
import type { Relay } from '../reactor/relay.js';
import { CONTENT_LENGTH } from '../http/known-headers.js';
import type { ExchangeImpl } from './exchange.js';
import type { Paced } from './pacer.js';
import type { ReplayBuffer } from './replay-buffer.js';
import type { SegmentWriter } from './segment-writer.js';

/** Takes a body; the bytes lie in the arena and are gone when the call returns. */
export interface BodySink {
  /** `last`: nothing follows but {@link onBodyEnd}. */
  onBodyData(offset: number, length: number, last: boolean): void;
  /** So much is left: a relay that moves it, or null when the sink wants to see it. */
  relayBody(length: number): Relay | null;
  /** The relay has sent so much. */
  onBodyMoved(length: number): void;
  onBodyEnd(): void;
  /** The body is bad (400) or too large (413). */
  onBodyError(status: number): void;
}

/** As in upstream-response.ts. */
const RELAY_FROM_BYTES = 256 * 1024;

const DONE = 0;
const WAITING = 1;
const READING = 2;
const DISCARDING = 3;
/** The client waits for 100 (Continue), and the backend was asked whether it wants the body. */
const HELD_BACK = 4;
/** It is bad, or too large: no more is read of it, and what was is not the whole. */
const FAILED = 5;

export class RequestBody implements Paced {
  readonly #exchange: ExchangeImpl;
  #chunks: ChunkedDecoder | null = null;
  #sink: BodySink | null = null;
  #state = DONE;
  #chunked = false;
  /** With Content-Length: bytes still to come. */
  #remaining = 0;
  /** Moves the rest of a long one. */
  #relay: Relay | null = null;
  /** Body bytes received, framing included. */
  bytesReceived = 0;
  /** 100 (Continue) was sent. */
  continued = false;
  #dataBytes = 0;
  /** Its speed is watched. */
  #paced = false;

  constructor(exchange: ExchangeImpl) {
    this.#exchange = exchange;
  }

  /** The head is known. */
  open(): void {
    const { head } = this.#exchange;
    this.bytesReceived = 0;
    this.#dataBytes = 0;
    this.continued = false;
    this.#chunked = head.chunked;
    if (!head.hasBody) {
      this.#state = DONE;
      return;
    }
    this.#state = WAITING;
    this.#remaining = this.#chunked ? 0 : head.contentLength;
    if (this.#chunked) {
      this.#chunks ??= new ChunkedDecoder();
      this.#chunks.reset();
    }
  }

  /** There is none, or where it ends is unknown. */
  none(): void {
    this.#state = DONE;
    this.bytesReceived = 0;
    this.continued = false;
  }

  close(): void {
    if (this.#paced) this.#unpace();
    this.settle();
    this.#state = DONE;
    this.#sink = null;
  }

  /** Some of it has not been received. */
  get left(): boolean {
    return this.#state !== DONE;
  }

  /** All of it has been received, though perhaps not read; of a chunked one that is known only when it was read. */
  get arrived(): boolean {
    if (this.#state === DONE) return true;
    return !this.#chunked && this.#remaining <= this.#exchange.downstream.inputLength;
  }

  get reading(): boolean {
    return this.#state === READING;
  }

  /** The client waits for 100 (Continue), and nothing of the body has come. */
  get untouched(): boolean {
    const { head, downstream } = this.#exchange;
    return head.expectContinue && !this.continued && this.bytesReceived === 0 && downstream.inputLength === 0;
  }

  /** Nothing is read until the backend asks for it ({@link proceed}), or the client sends it by itself. */
  get heldBack(): boolean {
    return this.#state === HELD_BACK;
  }

  /**
   * Hands the body to a sink, beginning with what is there already. A client that waits
   * for 100 (Continue) gets it, unless `asked`: then the backend decides.
   */
  start(sink: BodySink, asked = false): void {
    if (this.#state !== WAITING) return;
    this.#sink = sink;
    this.#state = HELD_BACK;
    if (asked) return;
    if (this.untouched) this.proceed();
    else this.#read();
  }

  /** The body of a client that waits is wanted. Has no effect when nothing is held back. */
  proceed(): void {
    if (this.#state !== HELD_BACK) return;
    const { downstream, context } = this.#exchange;
    this.continued = true;
    const { offset, length } = context.common.continue100;
    downstream.connection.writeArena(offset, length);
    this.#read();
  }

  /** A client that waits for 100 (Continue) to send an empty body gets it, as from nginx. */
  greetEmpty(): void {
    const { head, downstream, context } = this.#exchange;
    if (head.hasBody || this.continued || head.find(CONTENT_LENGTH) < 0) return;
    this.continued = true;
    const { offset, length } = context.common.continue100;
    downstream.connection.writeArena(offset, length);
  }

  #read(): void {
    this.#begin();
    this.watch();
    this.#exchange.downstream.process();
  }

  #begin(): void {
    this.#state = READING;
    const { location, context } = this.#exchange;
    if (location.clientBodyMinRate === undefined) return;
    this.#paced = true;
    context.pacer.watch(this, location.clientBodyMinRate);
  }

  /** Takes the body away from its sink; the rest waits for another one, or to be thrown away. */
  detach(): void {
    this.settle();
    this.#sink = null;
    if (this.#state === READING || this.#state === HELD_BACK) this.#state = WAITING;
  }

  /** Something of it was read already. */
  get begun(): boolean {
    return this.bytesReceived > 0;
  }

  /** Trailer lines of a chunked body that has ended, without those that Connection names. */
  get trailers(): string {
    const { head } = this.#exchange;
    return this.#chunked && this.#chunks !== null ? this.#chunks.trailerText(head.connectionNames) : '';
  }

  /**
   * Before an answer that wants no body: takes what has come of a chunked one. False when
   * that is no chunked coding: the answer must be 400 then.
   */
  skim(): boolean {
    if (this.#state !== WAITING || !this.#chunked) return true;
    const { downstream, context } = this.#exchange;
    const chunks = this.#chunks as ChunkedDecoder;
    while (downstream.inputLength > 0 && !chunks.done) {
      const start = downstream.inputOffset;
      const next = chunks.next(context.u8, start, start + downstream.inputLength);
      if (next < 0) {
        this.fail();
        this.#exchange.log('error', 'client sent invalid chunked body');
        return false;
      }
      downstream.consume(next - start);
      this.bytesReceived += next - start;
    }
    if (chunks.done) this.#state = DONE;
    return true;
  }

  /** Nothing more is read of it; what was is not the whole. */
  fail(): void {
    if (this.#paced) this.#unpace();
    this.settle();
    this.#state = FAILED;
    this.#sink = null;
  }

  /** There is no whole one and will be none. */
  get failed(): boolean {
    return this.#state === FAILED;
  }

  /** Throws away what still comes. */
  discard(): void {
    this.settle();
    if (this.#state === DONE || this.#state === FAILED) return;
    this.#state = DISCARDING;
    this.#sink = null;
  }

  /**
   * Appends what has come of a body with Content-Length to a composed request, so that
   * head and body leave together. Does nothing for chunked bodies.
   */
  takeInline(writer: SegmentWriter, replay: ReplayBuffer): void {
    if (this.#state !== WAITING || this.#chunked) return;
    const { downstream } = this.#exchange;
    const length = Math.min(this.#remaining, downstream.inputLength);
    if (length === 0) return;
    writer.copy(downstream.inputOffset, length);
    replay.add(downstream.inputOffset, length);
    downstream.consume(length);
    this.bytesReceived += length;
    this.#remaining -= length;
    if (this.#remaining === 0) this.#state = DONE;
  }

  /** Consumes what it can of the connection's input. */
  feed(): void {
    if (this.#state === HELD_BACK && this.#exchange.downstream.inputLength > 0) this.#begin();
    if (this.#state !== READING && this.#state !== DISCARDING) return;
    if (this.#chunked) this.#feedChunks();
    else this.#feedLength();
  }

  #feedLength(): void {
    const { downstream } = this.#exchange;
    const offset = downstream.inputOffset;
    const length = Math.min(this.#remaining, downstream.inputLength);
    if (length === 0) return;
    downstream.consume(length);
    this.bytesReceived += length;
    this.#remaining -= length;
    const sink = this.#sink;
    const ended = this.#remaining === 0;
    const discarding = this.#state === DISCARDING;
    if (ended) this.#state = DONE;
    else this.watch();
    sink?.onBodyData(offset, length, ended);
    if (ended) this.#ended(sink, discarding);
    else if (this.#remaining >= RELAY_FROM_BYTES) this.#startRelay();
  }

  #startRelay(): void {
    if (this.#state !== READING || this.#sink === null || this.#exchange.downstream.inputLength > 0) return;
    this.#relay = this.#sink.relayBody(this.#remaining);
  }

  /** The relay has moved the rest. */
  relayed(): void {
    const sink = this.#sink;
    this.settle();
    if (this.#state !== READING || this.#remaining > 0) return;
    this.#state = DONE;
    this.#ended(sink, false);
  }

  /** Ends a relay wherever it is, and takes over what it has moved. */
  settle(): void {
    const relay = this.#relay;
    if (relay === null) return;
    this.#relay = null;
    relay.stop();
    this.bytesReceived += relay.received;
    this.#remaining -= relay.received;
    this.#sink?.onBodyMoved(relay.sent);
  }

  /**
   * Takes what there is of the chunks, and moves their data together, over the lines between
   * them: however many came at once, they go on in one piece.
   */
  #feedChunks(): void {
    const { downstream, context, location } = this.#exchange;
    const { u8 } = context;
    const chunks = this.#chunks as ChunkedDecoder;
    const discarding = this.#state === DISCARDING;
    const from = downstream.inputOffset;
    const end = from + downstream.inputLength;
    let at = from;
    let start = from;
    let size = 0;
    while (at < end && !chunks.done) {
      at = chunks.next(u8, at, end);
      if (at < 0) {
        this.#failed(400, 'client sent invalid chunked body');
        return;
      }
      const { dataStart, dataEnd } = chunks;
      if (size === 0) start = dataStart;
      else if (!discarding && dataEnd > dataStart) u8.copyWithin(start + size, dataStart, dataEnd);
      size += dataEnd - dataStart;
    }
    downstream.consume(at - from);
    this.bytesReceived += at - from;
    this.#dataBytes += size;
    const limit = location.clientMaxBodySize;
    if (limit > 0 && this.#dataBytes > limit && !discarding) {
      this.#failed(413, 'client intended to send too large chunked body');
      return;
    }
    this.watch();
    if (size > 0) this.#sink?.onBodyData(start, size, chunks.done);
    if (chunks.done) this.#lastRead();
  }

  /** All chunks were read. Whoever took the data may have answered, given the body up, or passed it to another. */
  #lastRead(): void {
    const state = this.#state;
    this.#state = DONE;
    if (state === READING || state === DISCARDING) this.#ended(this.#sink, state === DISCARDING);
  }

  #ended(sink: BodySink | null, discarding: boolean): void {
    if (this.#paced) this.#unpace();
    this.#sink = null;
    const { connection } = this.#exchange.downstream;
    if (connection.queuedBytes === 0) connection.clearDeadline();
    if (discarding) this.#exchange.bodyDiscarded();
    else sink?.onBodyEnd();
  }

  #failed(status: number, message: string): void {
    const sink = this.#sink;
    const discarding = this.#state === DISCARDING;
    this.fail();
    this.#exchange.log('error', message);
    if (discarding) this.#exchange.downstream.destroy();
    else sink?.onBodyError(status);
  }

  #unpace(): void {
    this.#paced = false;
    this.#exchange.context.pacer.forget(this);
  }

  /** Body bytes received, those that a relay has taken included. */
  get pacedBytes(): number {
    return this.bytesReceived + (this.#relay === null ? 0 : this.#relay.received);
  }

  /** The rest of it is what is waited for: nothing holds the client back. */
  get waitsForPeer(): boolean {
    if (this.#state !== READING || this.#exchange.downstream.connection.paused) return false;
    return this.#relay === null || this.#relay.received === this.#relay.sent;
  }

  get paceOver(): boolean {
    return this.#state === DONE;
  }

  onPaceOver(): void {
    this.#paced = false;
  }

  onTooSlow(bytes: number, ms: number): void {
    this.#paced = false;
    this.#exchange.onSlowBody(`client sent its request body too slowly: ${bytes} bytes in ${ms} ms`);
  }

  /** Renews the deadline for the next piece. */
  watch(): void {
    if (this.#state !== READING && this.#state !== DISCARDING) return;
    const { downstream, context, location } = this.#exchange;
    if (downstream.connection.queuedBytes > 0) return;
    const discarding = this.#state === DISCARDING;
    const atMs = discarding ? downstream.lingerDeadlineMs : context.nowMs + location.clientBodyTimeoutMs;
    downstream.connection.setDeadline(atMs);
  }
}

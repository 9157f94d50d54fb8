/**
 * Sends a request to a backend: the head as the plan composes it, then the body in the
 * framing that it came in: what was kept of it first, the rest as it arrives, or from a file.
 */
import type { Connection } from '../reactor/connection.js';
import { CONTENT_LENGTH } from '../http/known-headers.js';
import { canRelay, type Relay, startRelay } from '../reactor/relay.js';
import type { AttemptRecord } from './attempts.js';
import type { BodyFile } from './body-file.js';
import type { ExchangeImpl } from './exchange.js';
import type { ProxyPlan } from './proxy-plan.js';
import { ReplayBuffer } from './replay-buffer.js';

/** A kept body up to this size leaves in one call with the head. */
const INLINE_REPLAY_BYTES = 16 * 1024;

/** Where a body is read to before a backend is asked, see {@link RequestSender.collects}; 0: it is not. */
export const TO_MEMORY = 1;
export const TO_FILE = 2;

/** Results of {@link RequestSender.start}. */
export const SENT = 0;
/** The connection's queue is above its high watermark. */
export const SENT_ABOVE = 1;
/** Nothing was sent: there is no room to compose the head. */
export const TOO_LARGE = 2;

export class RequestSender {
  /** What was read of the body, for another attempt. */
  readonly replay: ReplayBuffer;
  /** What the backend is asked with. */
  method = '';
  /** The whole target, where `proxy_pass` gives it. */
  uri: string | undefined;
  /** The client's body is read: to be sent, or to be thrown away. */
  readsBody = false;
  /** The request has the client's body. */
  sendsBody = false;
  /** The whole request was handed to the connection. */
  complete = false;
  /** It asks for an upgrade. */
  upgrading = false;
  /** It asks whether the body is wanted that the client holds back. */
  asks = false;
  readonly #exchange: ExchangeImpl;
  #plan!: ProxyPlan;
  #attempt!: AttemptRecord;

  constructor(exchange: ExchangeImpl) {
    this.#exchange = exchange;
    this.replay = new ReplayBuffer(exchange.context);
  }

  /** A run begins. */
  begin(plan: ProxyPlan, uri: string | undefined): void {
    const { methodOverride, head, location } = this.#exchange;
    this.#plan = plan;
    this.uri = uri;
    this.method = plan.methodFor(this.#exchange);
    this.readsBody = methodOverride === undefined && head.hasBody;
    this.sendsBody = this.readsBody && plan.sendsBody;
    this.replay.limitBytes = location.clientBodyBufferSize;
  }

  /** Whether every byte of the body that was taken from the client can be sent again. */
  get replayable(): boolean {
    return !this.sendsBody || !this.#exchange.body.begun || this.replay.complete || this.file !== null;
  }

  /** The file that the body is in as a whole; null where it is not, or does not go to the backend. */
  get file(): BodyFile | null {
    const { bodyFile } = this.#exchange;
    return bodyFile !== null && bodyFile.complete && this.sendsBody ? bodyFile : null;
  }

  /**
   * Where the body is to be read to first: TO_MEMORY, TO_FILE, or 0. Into memory where the whole
   * of it may fit, some of it is missing, and the client does not hold it back until the backend
   * has spoken; or where the request has a text with the body in it.
   */
  get collects(): number {
    const { body, head, location } = this.#exchange;
    const { bodyFile } = location;
    if (!this.readsBody) return bodyFile?.which === 'all' && this.#announcesNothing() ? TO_FILE : 0;
    if (!this.#plan.config.requestBuffering && this.sendsBody && !this.#loses()) return 0;
    const mayBeFile = this.spills && !body.begun;
    if (mayBeFile && bodyFile?.which === 'all') return TO_FILE;
    if (head.contentLength > location.clientBodyBufferSize) return mayBeFile ? TO_FILE : 0;
    if (location.quotesBody) return body.left ? TO_MEMORY : 0;
    if (!this.sendsBody || body.arrived) return 0;
    return this.#plan.forwardsExpect && body.untouched && !mayBeFile ? 0 : TO_MEMORY;
  }

  /** Whether a body that does not fit into memory goes to a file. */
  get spills(): boolean {
    const { bodyFile } = this.#exchange.location;
    return bodyFile !== undefined && (bodyFile.which !== 'lengthless' || this.#loses());
  }

  /** A body of no bytes: it becomes a file, as in nginx. */
  #announcesNothing(): boolean {
    const { bodyFile, head, methodOverride } = this.#exchange;
    return bodyFile === null && methodOverride === undefined && head.find(CONTENT_LENGTH) >= 0;
  }

  /** Whether the body can be framed for the backend: HTTP/1.0 needs its length. */
  get framable(): boolean {
    if (!this.#loses()) return true;
    return this.file !== null || (!this.#exchange.body.left && this.replay.complete);
  }

  /** The body came in chunks, and the backend knows none. */
  #loses(): boolean {
    return this.sendsBody && this.#exchange.head.chunked && this.#plan.config.httpVersion === '1.0';
  }

  /** Hands the head and what there is of the body to a connection. Result: SENT, SENT_ABOVE, TOO_LARGE. */
  start(to: Connection, attempt: AttemptRecord): number {
    const { body, head, context } = this.#exchange;
    const { writer } = context;
    this.#attempt = attempt;
    this.asks = this.sendsBody && this.#plan.forwardsExpect && body.untouched;
    const loses = this.#loses();
    const alone = !this.sendsBody && this.#plan.config.request.body === undefined;
    const direct = alone ? to.directHandle : -1;
    const file = alone ? null : this.file;
    const length = loses ? (file ?? this.replay).length : -1;
    this.upgrading = this.#plan.compose(this.#exchange, this, this.asks, length, direct);
    if (writer.overflowed) return TOO_LARGE;
    this.complete = true;
    if (direct >= 0) {
      const { output, sent } = context.composer;
      attempt.bytesSent += writer.total;
      return to.wroteDirectly(output, writer.total, sent) ? SENT : SENT_ABOVE;
    }
    if (file !== null) {
      this.complete = false;
    } else if (this.sendsBody) {
      if (this.replay.length > INLINE_REPLAY_BYTES) {
        this.#flush(to);
        writer.reset();
      }
      if (body.begun) this.replay.write(writer, head.chunked && !loses);
      // With Content-Length, what is there leaves with the head.
      body.takeInline(writer, this.replay);
      if (body.left) this.complete = false;
      else if (head.chunked && !loses) this.#lastChunk();
    }
    return this.#flush(to) ? SENT : SENT_ABOVE;
  }

  /** More of the body; `last`: the rest of it. False: the connection's queue is above its high watermark. */
  data(to: Connection, offset: number, length: number, last: boolean): boolean {
    const { head, context } = this.#exchange;
    if (!head.chunked || this.#loses()) {
      this.#attempt.bytesSent += length;
      return to.writeArena(offset, length);
    }
    const { writer, common } = context;
    writer.reset();
    writer.raw(`${length.toString(16)}\r\n`);
    writer.copy(offset, length);
    writer.constant(common.crlf);
    if (last) {
      this.complete = true;
      this.#lastChunk();
    }
    return this.#flush(to);
  }

  /** Lets the next `length` bytes of the body go to a connection as they come; null when they cannot. */
  relay(to: Connection, length: number): Relay | null {
    const { head, downstream, location } = this.#exchange;
    const from = downstream.connection;
    // What could still be sent again has to be kept.
    if (!this.sendsBody || head.chunked || this.replay.complete) return null;
    if (from.paused || to.connecting || to.queuedBytes > 0 || !canRelay(from, to)) return null;
    const timeouts = { sourceMs: location.clientBodyTimeoutMs, targetMs: this.#plan.config.sendTimeoutMs };
    return startRelay(from, to, length, timeouts, false);
  }

  /** A relay has sent so much of the body. */
  countMoved(length: number): void {
    this.#attempt.bytesSent += length;
  }

  /** The body has ended. */
  end(to: Connection): void {
    if (this.complete) return;
    this.complete = true;
    if (!this.#exchange.head.chunked || this.#loses()) return;
    this.#exchange.context.writer.reset();
    this.#lastChunk();
    this.#flush(to);
  }

  #lastChunk(): void {
    const { body, context } = this.#exchange;
    context.writer.raw('0\r\n');
    context.writer.raw(body.trailers);
    context.writer.raw('\r\n');
  }

  #flush(to: Connection): boolean {
    const { writer } = this.#exchange.context;
    this.#attempt.bytesSent += writer.total;
    return to.writeSegments(writer.pairsOffset, writer.count, writer.total);
  }
}

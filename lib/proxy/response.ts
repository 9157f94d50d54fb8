/**
 * Writes an exchange's response: composes the head from constants, a backend's lines
 * and what modules add, frames the body for this client, and decides whether the
 * connection can go on.
 */
import { METHOD_HEAD } from '../http/methods.js';
import type { ResponseHead } from '../http/response-head.js';
import { closesConnection, errorPageBody, errorPageFor, shownStatus } from './error-pages.js';
import type { ExchangeImpl } from './exchange.js';
import { mayKeepAlive } from './keep-alive.js';
import { ownText, pageSignature, writeServerDate } from './signature.js';
import { Trailers } from './trailers.js';
import { writeFields, writeStatusLine, writeUpstreamFields } from './response-lines.js';
import type { ProxyPlan } from './proxy-plan.js';

/** The response has no body on the wire. */
const NO_BODY = 0;
/** Framed by Content-Length. */
const LENGTH = 1;
const CHUNKED = 2;
/** Ends when the connection is closed. */
const UNTIL_CLOSE = 3;

/** A body up to this size leaves in one call with its head. */
const INLINE_BODY_BYTES = 32 * 1024;
/** A part of a backend's body up to this size is copied behind its head: cheaper than a vector for the kernel. */
const JOINED_BODY_BYTES = 4096;

export class ResponseWriter {
  readonly #exchange: ExchangeImpl;
  /** A response was begun: nobody else may begin one. */
  started = false;
  headSent = false;
  keepAlive = false;
  bytesSent = 0;
  bodyBytesSent = 0;
  /** Announced; -1 unknown. */
  contentLength = -1;
  /** What was sent behind the body. */
  readonly trailers = new Trailers();
  #mode = NO_BODY;
  /** The location adds trailers to this response. */
  #addsTrailers = false;
  #remaining = 0;
  #forceClose = false;
  #contentType: string | undefined;
  #lastQueued = 0;

  constructor(exchange: ExchangeImpl) {
    this.#exchange = exchange;
  }

  reset(): void {
    this.started = false;
    this.headSent = false;
    this.keepAlive = false;
    this.bytesSent = 0;
    this.bodyBytesSent = 0;
    this.contentLength = -1;
    this.#forceClose = false;
    this.#contentType = undefined;
    this.trailers.clear();
    this.#exchange.response.status = 0;
  }

  /** The connection must not be used for another request. */
  forceClose(): void {
    this.#forceClose = true;
    this.keepAlive = false;
  }

  /** A client that waits for 100 may never send its body: the bytes that follow cannot be told apart. */
  get closesOnUnreadBody(): boolean {
    const { head, body } = this.#exchange;
    return head.expectContinue && !body.continued;
  }

  /** Whether the client took something since the last call; renews the deadline if so. */
  sendProgressed(): boolean {
    const { downstream, context, location } = this.#exchange;
    const { connection } = downstream;
    const queued = connection.queuedBytes;
    if (queued >= this.#lastQueued && this.#lastQueued !== 0) return false;
    this.#lastQueued = queued;
    connection.setDeadline(context.nowMs + location.sendTimeoutMs);
    return true;
  }

  /** A field of the response as it will be sent, but for what modules set; `name` in lower case. */
  ownHeader(name: string): string | undefined {
    const { proxy, response } = this.#exchange;
    if (name === 'connection' && this.headSent) {
      return response.status === 101 ? 'upgrade' : this.keepAlive ? 'keep-alive' : 'close';
    }
    if (proxy?.used === true && proxy.relaying) return proxy.header(name);
    if (name === 'content-type') return this.#contentType;
    if (name === 'content-length') return this.contentLength < 0 ? undefined : String(this.contentLength);
    return undefined;
  }

  /** A whole response at once. */
  respond(status: number, body: string | Uint8Array, contentType?: string): void {
    const exchange = this.#exchange;
    if (this.started || exchange.finished || !this.#bodyIsSound()) return;
    exchange.run++;
    this.#contentType = contentType ?? exchange.location.defaultType;
    this.#compose(status, body.length);
    const { writer } = exchange.context;
    if (this.#mode === CHUNKED) {
      this.#flush();
      this.writeBytes(typeof body === 'string' ? Buffer.from(body, 'latin1') : body);
      this.#end('');
    } else if (this.#mode === NO_BODY || body.length === 0) {
      this.#flush();
    } else if (body.length <= INLINE_BODY_BYTES && body.length <= writer.room) {
      if (typeof body === 'string') writer.raw(body);
      else writer.bytes(body);
      this.bodyBytesSent = body.length;
      this.#flush();
    } else {
      this.#flush();
      exchange.downstream.connection.write(typeof body === 'string' ? Buffer.from(body, 'latin1') : body);
      this.bytesSent += body.length;
      this.bodyBytesSent = body.length;
    }
    exchange.finish();
  }

  /** The head of a response whose body follows. */
  begin(status: number, contentLength: number, contentType?: string): void {
    const exchange = this.#exchange;
    if (this.started || exchange.finished || !this.#bodyIsSound()) return;
    exchange.run++;
    this.#contentType = contentType ?? exchange.location.defaultType;
    this.#compose(status, contentLength);
    this.#flush();
  }

  /** Body bytes that lie outside the arena. False: wait for drain. */
  writeBytes(bytes: Uint8Array): boolean {
    const { connection } = this.#exchange.downstream;
    if (connection.closed || this.#exchange.finished) return false;
    let part = bytes;
    if (this.#mode === NO_BODY || bytes.length === 0) return true;
    if (this.#mode === LENGTH) {
      if (part.length > this.#remaining) part = part.subarray(0, this.#remaining);
      this.#remaining -= part.length;
    }
    this.bodyBytesSent += part.length;
    if (this.#mode !== CHUNKED) {
      this.bytesSent += part.length;
      return this.#watch(connection.write(part));
    }
    const head = `${part.length.toString(16)}\r\n`;
    const framed = Buffer.allocUnsafe(head.length + part.length + 2);
    framed.write(head, 'latin1');
    framed.set(part, head.length);
    framed.write('\r\n', head.length + part.length, 'latin1');
    this.bytesSent += framed.length;
    return this.#watch(connection.write(framed));
  }

  /** The end of a body begun with `begin`. */
  end(): void {
    const exchange = this.#exchange;
    if (exchange.finished) return;
    if (this.#mode === LENGTH && this.#remaining > 0) {
      exchange.log('error', `the response ended ${this.#remaining} bytes before its announced length`);
      exchange.abort();
      return;
    }
    if (this.#mode === CHUNKED) this.#end('');
    exchange.finish();
  }

  /** nginx's page for the status, or what `error_page` says. */
  finalize(status: number): void {
    const exchange = this.#exchange;
    exchange.run++;
    if (exchange.finished) return;
    if (this.headSent || status === 444 || status === 499) {
      exchange.response.status = this.headSent ? exchange.response.status : status;
      exchange.abort();
      return;
    }
    if (closesConnection(status)) this.forceClose();
    if (exchange.response.status === 416 && status !== 416) this.#withdrawRange();
    exchange.response.status = status;
    // What an error page's own location answers replaces the first error.
    exchange.statusOverride = 0;
    let page = status;
    if (!exchange.inErrorPage) {
      const rule = errorPageFor(exchange.location, status);
      if (rule !== undefined) {
        exchange.inErrorPage = true;
        const target = rule.target.get(exchange);
        exchange.statusOverride = rule.status ?? status;
        if (status === 416 && (exchange.statusOverride !== 416 || isUrl(target))) this.#withdrawRange();
        if (target.startsWith('@')) {
          if (exchange.body.failed && exchange.method !== 'HEAD') exchange.methodOverride = 'GET';
          exchange.redirectInternally(target);
          return;
        }
        if (target.startsWith('/')) {
          if (exchange.method !== 'HEAD') exchange.methodOverride = 'GET';
          exchange.redirectInternally(target);
          return;
        }
        page = isRedirect(rule.status) ? (rule.status as number) : 302;
        exchange.statusOverride = 0;
        exchange.response.setHeader('Location', target);
      }
    }
    if (page === 204 || page === 304) {
      this.respond(page, '');
      return;
    }
    this.respond(page, errorPageBody(page, pageSignature(exchange)), 'text/html');
  }

  /** Content-Range tells of the range that is not there (416), and would be wrong of any other answer. */
  #withdrawRange(): void {
    this.#exchange.fields.withdraw('content-range');
  }

  /** Sends an interim response (1xx) of a backend; the head lies in the arena. Not to HTTP/1.0 clients. */
  interim(up: ResponseHead, plan: ProxyPlan): void {
    const exchange = this.#exchange;
    if (exchange.head.version === 10 || this.started) return;
    // An early hint that waits in a queue is none; a flood of them must not fill it.
    if (exchange.downstream.connection.queuedBytes > 0) return;
    const { writer, common } = exchange.context;
    writer.reset();
    writeStatusLine(up, writer, common);
    writeUpstreamFields(exchange, up, plan);
    writer.constant(common.crlf);
    this.#flushBody();
  }

  /**
   * Sends a backend's head for this client, and the first bytes of its body with it.
   * `bodyLength` (0 if none) bytes lie at `bodyOffset`; `last`: they are the whole rest.
   * `length`: of the body, -1 when unknown. False: wait for drain.
   */
  relayHead(
    up: ResponseHead,
    plan: ProxyPlan,
    length: number,
    bodyOffset: number,
    bodyLength: number,
    last: boolean,
  ): boolean {
    const exchange = this.#exchange;
    const { context } = exchange;
    exchange.run++;
    this.started = true;
    // The upload is still under way: the answer goes out now, the rest is not wanted (RFC 9112 section 9.5).
    if (exchange.body.left) this.forceClose();
    // An answer without a body cannot take the place of one with a body.
    const bodiless = up.status === 204 || up.status === 304;
    const status = exchange.statusOverride !== 0 && !bodiless ? exchange.statusOverride : up.status;
    exchange.response.status = status;
    this.contentLength = length;
    this.#frame(status, length);
    const repeated = plan.inspect(exchange, up);
    this.#filter();
    this.#decideKeepAlive();
    const relays = this.#mode !== NO_BODY;
    const inline = relays && this.#mode !== CHUNKED && bodyLength <= JOINED_BODY_BYTES ? bodyLength : 0;
    const { connection } = exchange.downstream;
    const whole = !relays || (inline === bodyLength && this.#mode !== CHUNKED);
    const direct = whole ? connection.directHandle : -1;
    const total = context.relayedHead.write(
      exchange,
      up,
      plan,
      status,
      this.#mode === CHUNKED,
      repeated,
      this.keepAlive,
      bodyOffset,
      inline,
      direct,
    );
    if (total < 0) {
      exchange.log('error', 'the response head is too large');
      exchange.abort();
      return false;
    }
    this.headSent = true;
    this.bytesSent += total;
    this.bodyBytesSent += inline;
    const { output, sent } = context.composer;
    if (direct >= 0) return this.#watch(connection.wroteDirectly(output, total, sent));
    if (whole) return this.#watch(connection.writeArena(output, total));
    return this.#relay(total, bodyOffset, bodyLength, last);
  }

  /** More of a backend's body. */
  relayBody(offset: number, length: number, last: boolean): boolean {
    if (this.#mode === NO_BODY) return true;
    if (this.#mode !== CHUNKED) {
      this.bytesSent += length;
      this.bodyBytesSent += length;
      return length === 0 || this.#watch(this.#exchange.downstream.connection.writeArena(offset, length));
    }
    return this.#relay(0, offset, length, last);
  }

  /** The end of a backend's chunked body with trailer lines (`name: value CRLF` each). */
  relayTrailers(lines: string): void {
    if (this.#mode !== CHUNKED) return;
    this.trailers.passed(lines);
    this.#end(lines);
  }

  /** Ends a chunked body with its trailer lines, and what the location adds to them. */
  #end(lines: string): void {
    const all = lines + this.#addedTrailers();
    this.#exchange.context.writer.reset();
    this.#lastChunk(all);
    this.#flushBody();
  }

  /** Asks modules for values: not while the writer holds anything, since they may use it too. */
  #addedTrailers(): string {
    return this.#addsTrailers ? this.trailers.compose(this.#exchange) : '';
  }

  #lastChunk(lines: string): void {
    const { writer, common } = this.#exchange.context;
    if (lines === '') writer.constant(common.lastChunk);
    else writer.raw(`0\r\n${lines}\r\n`);
  }

  /** The body goes out in chunks. */
  get chunked(): boolean {
    return this.#mode === CHUNKED;
  }

  /** The body goes out as it comes: nothing is put between its pieces. */
  get unframed(): boolean {
    return this.#mode === LENGTH || this.#mode === UNTIL_CLOSE;
  }

  /** Body bytes that a relay has handed to the client's connection. */
  countMoved(length: number): void {
    this.bytesSent += length;
    this.bodyBytesSent += length;
  }

  /** The body under way ends with the connection. */
  get endsWithConnection(): boolean {
    return this.headSent && this.#mode === UNTIL_CLOSE;
  }

  /** Sends body bytes, behind the `headLength` bytes of a head that was composed. */
  #relay(headLength: number, offset: number, length: number, last: boolean): boolean {
    const { composer, writer, common } = this.#exchange.context;
    const chunked = this.#mode === CHUNKED;
    this.bodyBytesSent += length;
    const trailers = last && chunked ? this.#addedTrailers() : '';
    writer.reset();
    if (headLength > 0) writer.copy(composer.output, headLength);
    if (length > 0) {
      if (chunked) writer.raw(`${length.toString(16)}\r\n`);
      writer.copy(offset, length);
      if (chunked) writer.constant(common.crlf);
    }
    if (last && chunked) this.#lastChunk(trailers);
    this.bytesSent += writer.total - headLength;
    return this.#flushOnly();
  }

  /** False: what has come of the request's body is bad, and that was answered instead. */
  #bodyIsSound(): boolean {
    const { body } = this.#exchange;
    if (!body.left || body.skim()) return true;
    this.#exchange.rejectBody(400);
    return false;
  }

  /** A local response's head. */
  #compose(status: number, length: number): void {
    const exchange = this.#exchange;
    const { context, fields } = exchange;
    this.started = true;
    const final = exchange.statusOverride !== 0 ? exchange.statusOverride : status;
    exchange.response.status = final;
    this.contentLength = length;
    this.#frame(final, length);
    this.#filter();
    this.#decideKeepAlive();
    const { writer, common } = context;
    const server = ownText(exchange);
    writer.reset();
    writer.constant(context.statusLine(shownStatus(final)));
    writeServerDate(exchange, server, writer);
    if (final !== 204 && final !== 304) {
      if (this.#contentType !== undefined && this.#contentType !== '' && !fields.isRemoved('content-type')) {
        writer.constant(common.contentType);
        writer.raw(this.#contentType);
        writer.constant(common.crlf);
      }
      if (length >= 0 && this.#mode !== CHUNKED) {
        writer.constant(common.contentLength);
        writer.uint(length);
        writer.constant(common.crlf);
      }
    }
    if (this.#mode === CHUNKED) writer.constant(common.chunked);
    if (fields.count > 0) writeFields(exchange, writer);
    this.#endHead();
    this.headSent = true;
  }

  /** How the body is framed for this client. */
  #frame(status: number, length: number): void {
    const { head, location } = this.#exchange;
    const mayChunk = head.version !== 10 && location.chunkedTransferEncoding;
    const { trailers } = location;
    this.#addsTrailers = trailers.length > 0 && mayChunk && trailers.some((one) => one.expects(status));
    if (head.methodId === METHOD_HEAD || status === 204 || status === 304) {
      this.#mode = NO_BODY;
    } else if (length >= 0 && !this.#addsTrailers) {
      this.#mode = LENGTH;
      this.#remaining = length;
    } else if (mayChunk) {
      this.#mode = CHUNKED;
    } else {
      this.#mode = UNTIL_CLOSE;
      this.#forceClose = true;
    }
  }

  #filter(): void {
    const exchange = this.#exchange;
    const { headerFilters } = exchange.location;
    for (let i = 0; i < headerFilters.length; i++) {
      try {
        headerFilters[i]?.(exchange);
      } catch (error) {
        exchange.log(
          'error',
          `a header filter of location "${exchange.location.name}" failed: ${String(error)}`,
        );
      }
    }
  }

  #decideKeepAlive(): void {
    this.keepAlive = !this.#forceClose && mayKeepAlive(this.#exchange);
  }

  /** Connection, and the empty line. */
  #endHead(): void {
    const { context, location } = this.#exchange;
    const { writer, common } = context;
    if (this.keepAlive && location.keepaliveHeaderSeconds > 0) {
      writer.raw(`Keep-Alive: timeout=${location.keepaliveHeaderSeconds}\r\n`);
    }
    writer.constant(this.keepAlive ? common.keepAliveEnd : common.closeEnd);
  }

  #flush(): boolean {
    this.bytesSent += this.#exchange.context.writer.total;
    return this.#flushOnly();
  }

  #flushBody(): boolean {
    return this.#flush();
  }

  #flushOnly(): boolean {
    const { context, downstream } = this.#exchange;
    const { writer } = context;
    return this.#watch(downstream.connection.writeSegments(writer.pairsOffset, writer.count, writer.total));
  }

  /** Starts the send deadline when the client does not take everything. */
  #watch(below: boolean): boolean {
    const { downstream, context, location } = this.#exchange;
    const queued = downstream.connection.queuedBytes;
    if (queued > 0) {
      this.#lastQueued = queued;
      downstream.connection.setDeadline(context.nowMs + location.sendTimeoutMs);
      downstream.pace(location.sendMinRate);
    }
    // Nobody is there to wait for, when a backend may go on without its client.
    return below || downstream.connection.closed;
  }
}

/** Neither a path nor a named location. */
function isUrl(target: string): boolean {
  return !target.startsWith('/') && !target.startsWith('@');
}

function isRedirect(status: number | undefined): boolean {
  return status === 301 || status === 302 || status === 303 || status === 307 || status === 308;
}

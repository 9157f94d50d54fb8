/**
 * After a 101: bytes both ways, nothing parsed. Each direction has its own end (a
 * half-close is passed on) and its own backpressure; silence of both for
 * `proxy_read_timeout` ends it.
 */
import type { ResponseHead } from '../http/response-head.js';
import type { Connection, ConnectionHandler } from '../reactor/connection.js';
import type { AttemptRecord } from './attempts.js';
import type { EngineContext } from './context.js';
import type { Downstream } from './downstream.js';
import type { ExchangeImpl } from './exchange.js';
import type { ProxyPlan } from './proxy-plan.js';
import type { ErrorLog } from './runtime.js';
import { writeStatusLine, writeUpstreamFields } from './response-lines.js';
import { ownText, writeServerDate } from './signature.js';
import type { UpstreamConnection } from './upstream-connection.js';

const TIMED_OUT = 'upstream timed out (110: Connection timed out) while proxying upgraded connection';

/** One direction's receiving end. */
class TunnelEnd implements ConnectionHandler {
  readonly #tunnel: Tunnel;
  readonly #fromClient: boolean;
  other!: Connection;

  constructor(tunnel: Tunnel, fromClient: boolean) {
    this.#tunnel = tunnel;
    this.#fromClient = fromClient;
  }

  onData(connection: Connection, offset: number, length: number): void {
    this.#tunnel.count(this.#fromClient, length);
    if (!this.other.writeArena(offset, length)) connection.pause();
    this.#tunnel.touch();
  }

  onEnd(): void {
    this.other.end();
    this.#tunnel.ended();
  }

  /** A side that is held back broke; after a FIN what it sent before is still passed on. */
  onHangup(connection: Connection, reset: boolean): void {
    if (reset) connection.destroy();
  }

  onDrain(): void {
    this.other.resume();
    this.#tunnel.touch();
  }

  onDeadline(connection: Connection): void {
    this.#tunnel.timedOut(connection);
  }

  onClose(): void {
    this.#tunnel.close();
  }
}

class Tunnel {
  readonly #context: EngineContext;
  readonly #downstream: Downstream;
  readonly #backend: Connection;
  readonly #timeoutMs: number;
  readonly #sendTimeoutMs: number;
  readonly #onClose: () => void;
  readonly #errorLog: ErrorLog;
  /** While somebody will ask what has happened; see {@link forget}. */
  #exchange: ExchangeImpl | null;
  #attempt: AttemptRecord | undefined;
  /** What error logs say behind a message, without an exchange to ask. */
  #about = '';
  #ends = 0;
  #closed = false;

  constructor(exchange: ExchangeImpl, backend: Connection, timeoutMs: number, onClose: () => void) {
    this.#exchange = exchange;
    this.#context = exchange.context;
    this.#downstream = exchange.downstream;
    this.#backend = backend;
    this.#timeoutMs = timeoutMs;
    this.#sendTimeoutMs = exchange.location.sendTimeoutMs;
    this.#attempt = exchange.proxy?.attempts.at(-1);
    this.#errorLog = exchange.location.errorLog;
    this.#onClose = onClose;
  }

  /** Nobody will ask: the exchange ends here, and may serve another request. */
  forget(): void {
    const exchange = this.#exchange;
    if (exchange === null) return;
    if (this.#errorLog.enabled('info')) this.#about = exchange.about;
    this.#exchange = null;
    this.#attempt = undefined;
    exchange.tunnelEnded();
  }

  count(fromClient: boolean, length: number): void {
    const exchange = this.#exchange;
    if (exchange === null) return;
    const { writer, body } = exchange;
    const attempt = this.#attempt;
    if (fromClient) {
      body.bytesReceived += length;
      if (attempt !== undefined) attempt.bytesSent += length;
    } else {
      writer.bytesSent += length;
      writer.bodyBytesSent += length;
      if (attempt !== undefined) attempt.bytesReceived += length;
    }
  }

  /** The backend's connection carries the deadline for both. */
  touch(): void {
    if (!this.#closed) this.#backend.setDeadline(this.#context.nowMs + this.#timeoutMs);
  }

  ended(): void {
    this.touch();
    // Both sides have said everything: what is queued still leaves.
    if (++this.#ends === 2) this.close();
  }

  /** Silence; or, when the tunnel is closed already, a side that does not take its last bytes. */
  timedOut(connection: Connection): void {
    if (this.#closed) {
      connection.reset();
      return;
    }
    if (this.#errorLog.enabled('info')) {
      const about = this.#exchange === null ? this.#about : this.#exchange.about;
      this.#errorLog.write('info', TIMED_OUT + about, this.#downstream.serial);
    }
    this.#downstream.destroy();
    this.#backend.destroy();
    this.#end();
  }

  /** One side is closed: the other gets what is queued for it, within `send_timeout`. */
  close(): void {
    if (this.#closed) return;
    this.#flush(this.#downstream.connection);
    this.#flush(this.#backend);
    this.#end();
  }

  #flush(connection: Connection): void {
    if (connection.queuedBytes > 0) {
      connection.setDeadline(this.#context.nowMs + this.#sendTimeoutMs);
    }
    connection.close();
  }

  /** The exchange may serve another request after this. */
  #end(): void {
    this.#closed = true;
    this.#onClose();
    this.#exchange?.tunnelEnded();
    this.#context.forget(this.#downstream);
  }
}

/**
 * Answers 101 to the client and connects the two. `length` bytes at `offset` came
 * behind the backend's head. What the client sent before the 101 is passed on only now.
 */
export function openTunnel(
  exchange: ExchangeImpl,
  up: UpstreamConnection,
  head: ResponseHead,
  plan: ProxyPlan,
  offset: number,
  length: number,
  onClose: () => void,
): void {
  const { downstream, context } = exchange;
  const { writer, common } = context;
  const client = downstream.connection;
  const backend = up.connection;
  const tunnel = new Tunnel(exchange, backend, plan.config.readTimeoutMs, onClose);
  const clientEnd = new TunnelEnd(tunnel, true);
  const backendEnd = new TunnelEnd(tunnel, false);
  clientEnd.other = backend;
  backendEnd.other = client;

  exchange.writer.started = true;
  exchange.writer.headSent = true;
  exchange.writer.forceClose();
  exchange.response.status = 101;
  const server = ownText(exchange);
  writer.reset();
  writeStatusLine(head, writer, common);
  writeServerDate(exchange, server, writer);
  writeUpstreamFields(exchange, head, plan);
  const protocol = head.findByName('upgrade');
  if (protocol >= 0) {
    writer.raw('Upgrade: ');
    writer.copy(head.base + head.valueStart(protocol), head.valueEnd(protocol) - head.valueStart(protocol));
    writer.constant(common.crlf);
  }
  writer.constant(common.upgrade);
  writer.constant(common.crlf);
  exchange.writer.bytesSent += writer.total;
  writer.copy(offset, length);
  tunnel.count(false, length);
  const below = client.writeSegments(writer.pairsOffset, writer.count, writer.total);

  downstream.handOver(clientEnd);
  backend.expectsHead = false;
  backend.setHandler(backendEnd);
  client.clearDeadline();
  if (!below) backend.pause();
  if (downstream.inputLength > 0) {
    tunnel.count(true, downstream.inputLength);
    if (!backend.writeArena(downstream.inputOffset, downstream.inputLength)) client.pause();
  }
  downstream.releaseInput();
  tunnel.touch();
  // Its FIN came while the backend was let go on.
  if (client.readEnded) clientEnd.onEnd();
  if (exchange.reportsEnd) exchange.shrinkHead();
  else tunnel.forget();
}

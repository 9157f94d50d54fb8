/**
 * A connection to a backend: working for a run, or idle in its group's pool.
 *
 * While idle it is watched: EOF, an error, data nobody asked for or the pool's
 * deadline take it out and close it (RFC 9112 section 9.3.1).
 */
import type { Connection, ConnectionHandler } from '../reactor/connection.js';
import type { EngineContext } from './context.js';
import type { ProxyRun } from './proxy-run.js';
import type { Peer, Pooled, UpstreamGroup } from './upstream-group.js';

export class UpstreamConnection implements ConnectionHandler, Pooled {
  readonly group: UpstreamGroup;
  readonly peer: Peer;
  readonly connection: Connection;
  readonly createdMs: number;
  readonly localAddress: string;
  /** Requests sent over it. */
  requests = 0;
  run: ProxyRun | null = null;
  readonly #context: EngineContext;

  /** `localAddress`: what it is bound to, as `connectRaw` wants it. */
  constructor(context: EngineContext, group: UpstreamGroup, peer: Peer, localAddress: string) {
    this.#context = context;
    this.group = group;
    this.peer = peer;
    this.createdMs = context.nowMs;
    this.localAddress = localAddress;
    const { address, port } = peer.config;
    this.connection = context.reactor.connectRaw(address, port, this, localAddress);
  }

  /** Whether it may serve another request by the group's limits. */
  get reusable(): boolean {
    const { options } = this.group;
    const { connection } = this;
    return (
      !connection.closed &&
      !connection.ended &&
      !connection.readEnded &&
      options.keepalive > 0 &&
      this.requests < options.keepaliveRequests &&
      this.#context.nowMs - this.createdMs < options.keepaliveTimeMs
    );
  }

  /** Into the pool. */
  park(): void {
    this.run = null;
    if (this.#context.draining || !this.reusable) {
      this.discard();
      return;
    }
    this.connection.setDeadline(this.#context.nowMs + this.group.options.keepaliveTimeoutMs);
    this.group.onSurplus = this.#context.trimLater;
    this.group.putIdle(this.peer, this);
  }

  /** Closes it; the pool does not hold it any more. */
  discard(): void {
    this.run = null;
    this.connection.destroy();
  }

  onConnect(): void {
    this.#runner()?.onConnect();
  }

  onData(_connection: Connection, offset: number, length: number): void {
    const run = this.#runner();
    if (run !== null) run.onData(offset, length);
    else this.#leavePool();
  }

  onEnd(): void {
    const run = this.#runner();
    if (run !== null) run.onEnd();
    else this.#leavePool();
  }

  onDrain(): void {
    this.#runner()?.onUpstreamDrain();
  }

  onRelayed(): void {
    this.#runner()?.response.relayed();
  }

  onDeadline(): void {
    const run = this.#runner();
    if (run !== null) run.onTimeout();
    else this.#leavePool();
  }

  onClose(_connection: Connection, errno: number): void {
    const run = this.#runner();
    this.run = null;
    if (run !== null) run.onClose(errno);
    else this.group.removeIdle(this.peer, this);
  }

  /** The run that this connection works for; null when it is idle, or that run has gone on to another connection. */
  #runner(): ProxyRun | null {
    const { run } = this;
    return run !== null && run.uses(this) ? run : null;
  }

  #leavePool(): void {
    this.group.removeIdle(this.peer, this);
    this.discard();
  }
}

/**
 * Whether an attempt at a backend that failed may be followed by another one: by count,
 * time and method, as `proxy_next_upstream` says, and only while the whole request can
 * be sent again.
 */
import { METHOD_OTHER } from '../http/methods.js';
import type { AttemptRecord } from './attempts.js';
import type { ExchangeImpl } from './exchange.js';
import type { RequestSender } from './request-sender.js';
import type { ProxyPassConfig } from './runtime.js';
import type { Peer, UpstreamGroup } from './upstream-group.js';

/** Why an attempt failed; names of `proxy_next_upstream`. */
export type Failure = 'error' | 'timeout' | 'invalid_header';

export class RetryPolicy {
  readonly #exchange: ExchangeImpl;
  readonly #sender: RequestSender;
  /** Peers that have failed in this run. */
  readonly tried: Peer[] = [];
  #config!: ProxyPassConfig;
  #group!: UpstreamGroup;
  #startedMs = 0;

  constructor(exchange: ExchangeImpl, sender: RequestSender) {
    this.#exchange = exchange;
    this.#sender = sender;
  }

  /** A run begins. */
  begin(config: ProxyPassConfig, group: UpstreamGroup): void {
    // Setting a length is a call of the runtime, even where nothing changes.
    if (this.tried.length > 0) this.tried.length = 0;
    this.#config = config;
    this.#group = group;
    this.#startedMs = this.#exchange.nowMs;
  }

  /** Whether the configuration wants another peer after that failure. */
  wants(failure: Failure): boolean {
    const { nextUpstream } = this.#config;
    if (failure === 'error') return nextUpstream.error;
    return failure === 'timeout' ? nextUpstream.timeout : nextUpstream.invalidHeader;
  }

  /** Whether another peer may be tried; `tried` holds the one that failed. `unsent`: no byte of the request left. */
  allowsNext(attempt: AttemptRecord, unsent: boolean): boolean {
    const { nextUpstream } = this.#config;
    const { usablePeers } = this.#group;
    const { tries, timeoutMs } = nextUpstream;
    const limit = tries > 0 ? Math.min(tries, usablePeers) : usablePeers;
    const inTime = timeoutMs === 0 || this.#exchange.nowMs - this.#startedMs < timeoutMs;
    const safe = unsent || nextUpstream.nonIdempotent || !this.#sentUnsafe(attempt);
    return safe && inTime && this.tried.length < limit && this.#sender.replayable;
  }

  /** Whether a request that went to a kept connection, which was dead, may go to a fresh one of the same peer. */
  allowsFresh(attempt: AttemptRecord): boolean {
    return this.#sender.replayable && !this.#sentUnsafe(attempt);
  }

  /** What may have had its effect: POST, PATCH, LOCK, and what is not known to be idempotent (RFC 9110 section 9.2.2). */
  #sentUnsafe(attempt: AttemptRecord): boolean {
    const { methodOverride, head } = this.#exchange;
    const { method } = this.#sender;
    const unsafe =
      method === 'POST' ||
      method === 'PATCH' ||
      method === 'LOCK' ||
      (methodOverride === undefined && head.methodId === METHOD_OTHER);
    return unsafe && attempt.connectTimeMs >= 0;
  }
}

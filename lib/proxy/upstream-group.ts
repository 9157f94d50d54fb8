/**
 * A group of peers: their choice (round-robin.ts), passive health accounting
 * (max_fails, fail_timeout), backups, and the pool of idle connections.
 *
 * The balancer is `pick` and `release`, in nginx's manner: pick names a peer for one
 * attempt, release says how the attempt ended. The pool knows connections only as
 * things that can be closed, so that it is tested without a socket.
 */
import { RoundRobin } from './round-robin.js';

/** One `server` of an `upstream`, resolved: a name with two addresses makes two peers. */
export interface PeerConfig {
  /** Numeric address, or a unix socket's path with port -1. */
  readonly address: string;
  readonly port: number;
  /** As logged in `$upstream_addr`: "127.0.0.1:3000", "[::1]:80", "unix:/tmp/s". */
  readonly name: string;
  readonly weight: number;
  /** 0 disables passive health accounting. */
  readonly maxFails: number;
  readonly failTimeoutMs: number;
  /** 0 is without limit. */
  readonly maxConns: number;
  readonly backup: boolean;
  readonly down: boolean;
}

export interface UpstreamGroupOptions {
  /** The name of the `upstream`, or the authority of an implicit group. */
  readonly name: string;
  readonly peers: readonly PeerConfig[];
  /** Idle connections kept by this worker; 0 keeps none. */
  readonly keepalive: number;
  readonly keepaliveRequests: number;
  /** How long an idle connection is kept. */
  readonly keepaliveTimeoutMs: number;
  /** How long any connection may live in all. */
  readonly keepaliveTimeMs: number;
}

/** What the pool keeps: a connection that nobody uses. `discard` closes it; it must not call back into the pool. */
export interface Pooled {
  /** What it is bound to; "" when to nothing. */
  readonly localAddress: string;
  discard(): void;
}

/** A peer and its state in this worker. */
export class Peer {
  readonly config: PeerConfig;
  /** Position in the group: the bit of `tried`. */
  readonly index: number;
  /** Idle connections, the most recently used last. */
  readonly idle: Pooled[] = [];
  /** Attempts under way. */
  active = 0;
  fails = 0;
  /** When the last failure happened, and when the peer was last allowed in spite of failures; ms of the turn's clock. */
  failedAtMs = 0;
  checkedAtMs = 0;
  currentWeight = 0;
  /** Falls with failures, returns step by step with each pick. */
  effectiveWeight: number;

  constructor(config: PeerConfig, index: number) {
    this.config = config;
    this.index = index;
    this.effectiveWeight = config.weight;
  }
}

export class UpstreamGroup {
  readonly name: string;
  readonly options: UpstreamGroupOptions;
  readonly peers: readonly Peer[];
  readonly #primary: RoundRobin;
  readonly #backup: RoundRobin;
  /** With one peer there is nothing to fail over to: failures are not counted, as in nginx. */
  readonly #single: Peer | undefined;
  /** Peers that are not `down`: as many attempts make sense. */
  readonly usablePeers: number;
  /**
   * Where given, it is told when the pool has become too full, and calls {@link trim} now and then
   * until that is over; without it the longest unused connection is closed for a new one at once.
   */
  onSurplus: ((group: UpstreamGroup) => void) | undefined;
  #idleCount = 0;
  #surplus = false;
  /** The least that was idle since the last {@link trim}. */
  #fewest = 0;

  constructor(options: UpstreamGroupOptions) {
    this.name = options.name;
    this.options = options;
    this.peers = options.peers.map((peer, index) => new Peer(peer, index));
    this.#primary = new RoundRobin(this.peers.filter((peer) => !peer.config.backup));
    this.#backup = new RoundRobin(this.peers.filter((peer) => peer.config.backup));
    this.usablePeers = this.peers.filter((peer) => !peer.config.down).length;
    const only = this.peers.length === 1 ? this.peers[0] : undefined;
    this.#single = only !== undefined && !only.config.down ? only : undefined;
  }

  /**
   * Chooses a peer for one attempt and counts it as active.
   * `tried` holds the peers of this exchange that have failed already; empty for the first attempt.
   * Undefined: no live peer is left ("no live upstreams", 502). The caller ends each
   * successful pick with exactly one {@link release}.
   */
  pick(nowMs: number, tried: readonly Peer[]): Peer | undefined {
    const single = this.#single;
    if (single !== undefined) {
      const limit = single.config.maxConns;
      if (limit > 0 && single.active >= limit) return undefined;
      single.active++;
      return single;
    }
    const peer = this.#primary.pick(nowMs, tried) ?? this.#backup.pick(nowMs, tried);
    if (peer === undefined) return undefined;
    peer.active++;
    return peer;
  }

  /** Ends an attempt. `failed`: the peer, not the client, was the cause. */
  release(peer: Peer, failed: boolean, nowMs: number): void {
    peer.active--;
    if (peer === this.#single) return;
    if (!failed) {
      // A success after the failure's window forgets what was counted before.
      if (peer.failedAtMs < peer.checkedAtMs) peer.fails = 0;
      return;
    }
    peer.fails++;
    peer.failedAtMs = nowMs;
    peer.checkedAtMs = nowMs;
    const { maxFails, weight } = peer.config;
    if (maxFails > 0) {
      (peer.config.backup ? this.#backup : this.#primary).disturb();
      peer.effectiveWeight = Math.max(0, peer.effectiveWeight - Math.floor(weight / maxFails));
    }
  }

  /** Idle connections now. */
  get idleCount(): number {
    return this.#idleCount;
  }

  /** Takes the most recently used idle connection of the peer that is bound to that address, if there is one. */
  takeIdle(peer: Peer, localAddress: string): Pooled | undefined {
    const { idle } = peer;
    for (let at = idle.length - 1; at >= 0; at--) {
      const pooled = idle[at];
      if (pooled.localAddress !== localAddress) continue;
      if (at === idle.length - 1) idle.pop();
      else idle.splice(at, 1);
      this.#left();
      return pooled;
    }
    return undefined;
  }

  /** Keeps an idle connection; when the pool is full, see {@link onSurplus}. */
  putIdle(peer: Peer, pooled: Pooled): void {
    const limit = this.options.keepalive;
    if (limit === 0) {
      pooled.discard();
      return;
    }
    if (this.#idleCount >= limit) {
      if (this.onSurplus === undefined) {
        this.#evictOne(peer);
      } else if (!this.#surplus) {
        this.#fewest = this.#idleCount + 1;
        this.onSurplus(this);
        this.#surplus = true;
      }
    }
    peer.idle.push(pooled);
    this.#idleCount++;
  }

  /**
   * Closes, longest unused first, what is beyond the limit and was not wanted since the last call:
   * under load connections come and go, and what a burst leaves over its next moment needs again.
   * Result: whether the pool is still too full.
   */
  trim(): boolean {
    const limit = this.options.keepalive;
    for (let surplus = this.#fewest - limit; surplus > 0; surplus--) this.#evictOne(this.#fullest());
    this.#fewest = this.#idleCount;
    this.#surplus = this.#idleCount > limit;
    return this.#surplus;
  }

  /** Takes out a connection that closed, sent data or timed out while idle. No effect when it is not in the pool. */
  removeIdle(peer: Peer, pooled: Pooled): void {
    const at = peer.idle.lastIndexOf(pooled);
    if (at < 0) return;
    peer.idle.splice(at, 1);
    this.#left();
  }

  /** Closes every idle connection. */
  closeIdle(): void {
    for (const peer of this.peers) {
      this.#idleCount -= peer.idle.length;
      for (const pooled of peer.idle.splice(0)) pooled.discard();
    }
    this.#fewest = 0;
  }

  #left(): void {
    this.#idleCount--;
    if (this.#idleCount < this.#fewest) this.#fewest = this.#idleCount;
  }

  /** The peer that keeps most. */
  #fullest(): Peer {
    return this.peers.reduce((most, peer) => (peer.idle.length > most.idle.length ? peer : most));
  }

  /** The oldest of the same peer, else of the peer that keeps most. */
  #evictOne(preferred: Peer): void {
    const victim = preferred.idle.length > 0 ? preferred : this.#fullest();
    const oldest = victim.idle.shift();
    if (oldest === undefined) return;
    this.#left();
    oldest.discard();
  }
}

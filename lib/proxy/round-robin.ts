/**
 * nginx's smooth weighted round robin over some peers, with their passive health.
 *
 * Every candidate gains its weight, the richest is chosen and pays the total. With equal
 * weights this is plain rotation; with 5, 1, 1 it is a a b a c a a, not a a a a a b c.
 *
 * While every peer is well the choices repeat with a period, the sum of the weights (by
 * their greatest common divisor). So they are written down once, and when a period has
 * led back to where it began they are read instead of computed: the same peers in the same
 * order, at a cost that does not depend on their number. A failure, or a choice
 * that leaves peers out, computes again from where the reading had come to.
 */
import type { Peer } from './upstream-group.js';

/** Choices of the longest period that is written down. */
const MAX_PERIOD = 4096;

export class RoundRobin {
  /** Without those that are `down`. */
  readonly #peers: readonly Peer[];
  /** Choices until they repeat; 0 where that depends on more than weights. */
  readonly #period: number;
  readonly #total: number;
  /** The choices since `#begin` was noted. */
  readonly #written: Peer[] = [];
  /** `currentWeight` of each peer before the first of them. */
  readonly #begin: number[];
  /** What was written is a whole period: the next choice is `#written[#at]`, and the weights stay at `#begin`. */
  #reads = false;
  #at = 0;

  constructor(peers: readonly Peer[]) {
    this.#peers = peers.filter(({ config }) => !config.down);
    this.#begin = this.#peers.map(() => 0);
    const weights = this.#peers.map(({ config }) => config.weight);
    this.#total = weights.reduce((sum, weight) => sum + weight, 0);
    const period = this.#total / weights.reduce(gcd, 0);
    const limited = this.#peers.some(({ config }) => config.maxConns > 0);
    this.#period = limited || !(period <= MAX_PERIOD) ? 0 : period;
  }

  /** As {@link UpstreamGroup.pick}, without counting. */
  pick(nowMs: number, tried: readonly Peer[]): Peer | undefined {
    if (!this.#reads || tried.length > 0) return this.#choose(nowMs, tried);
    const at = this.#at;
    this.#at = at + 1 === this.#written.length ? 0 : at + 1;
    return this.#written[at];
  }

  /** A peer is not what it was: what was written down does not hold. */
  disturb(): void {
    if (this.#reads) {
      this.#reads = false;
      for (const peer of this.#peers) peer.currentWeight += this.#at * peer.config.weight;
      for (let i = 0; i < this.#at; i++) this.#written[i].currentWeight -= this.#total;
    }
    this.#written.length = 0;
  }

  #choose(nowMs: number, tried: readonly Peer[]): Peer | undefined {
    if (this.#reads) this.disturb();
    const peers = this.#peers;
    const begins = this.#written.length === 0;
    let best: Peer | undefined;
    let total = 0;
    let well = true;
    for (let i = 0; i < peers.length; i++) {
      const peer = peers[i];
      const { config } = peer;
      if (begins) this.#begin[i] = peer.currentWeight;
      if (config.maxFails > 0 && (peer.fails > 0 || peer.effectiveWeight !== config.weight)) well = false;
      if (isLeftOut(peer, nowMs, tried)) {
        well = false;
        continue;
      }
      peer.currentWeight += peer.effectiveWeight;
      total += peer.effectiveWeight;
      if (peer.effectiveWeight < config.weight) peer.effectiveWeight++;
      if (best === undefined || peer.currentWeight > best.currentWeight) best = peer;
    }
    if (best === undefined) return undefined;
    best.currentWeight -= total;
    if (nowMs - best.checkedAtMs > best.config.failTimeoutMs) best.checkedAtMs = nowMs;
    if (this.#period > 0) this.#write(best, well);
    return best;
  }

  #write(peer: Peer, well: boolean): void {
    const written = this.#written;
    if (!well) {
      written.length = 0;
      return;
    }
    written.push(peer);
    if (written.length < this.#period) return;
    this.#reads = this.#peers.every(({ currentWeight }, i) => currentWeight === this.#begin[i]);
    this.#at = 0;
    if (!this.#reads) written.length = 0;
  }
}

function isLeftOut(peer: Peer, nowMs: number, tried: readonly Peer[]): boolean {
  if (tried.length > 0 && tried.includes(peer)) return true;
  const { maxConns, maxFails, failTimeoutMs } = peer.config;
  if (maxConns > 0 && peer.active >= maxConns) return true;
  return maxFails > 0 && peer.fails >= maxFails && nowMs - peer.checkedAtMs <= failTimeoutMs;
}

function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b);
}

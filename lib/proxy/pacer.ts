/**
 * Watches that slow peers keep to a least speed. A peer that is waited for has to move so
 * many bytes in each window of time; one that is held back by the other side has time to
 * spare, and its window begins anew. One timer serves the whole worker, and only while
 * somebody is watched.
 */
import type { Reactor } from '../reactor/reactor.js';
import type { Timer } from '../reactor/timer.js';

/** How often those that are watched are looked at. */
const TICK_MS = 250;

/** What a peer has to keep to. */
export interface MinRate {
  readonly bytesPerSecond: number;
  /** Time in which it may be slower as long as it makes up for it: the rate is an average over that. */
  readonly graceMs: number;
}

/** One direction of a connection. */
export interface Paced {
  /** Bytes that the peer has sent or taken. When it gets less, something new began. */
  readonly pacedBytes: number;
  /** The peer is the one that is waited for. */
  readonly waitsForPeer: boolean;
  /** Nothing is under way: it is watched no longer. */
  readonly paceOver: boolean;
  onPaceOver(): void;
  /** Called once; it is watched no longer. */
  onTooSlow(bytes: number, ms: number): void;
}

/** One that is watched. */
interface Watch {
  readonly rate: MinRate;
  sinceMs: number;
  /** `pacedBytes` at that time. */
  bytes: number;
}

export class Pacer {
  readonly #reactor: Reactor;
  readonly #watched = new Map<Paced, Watch>();
  readonly #nowMs: () => number;
  #timer: Timer | null = null;

  constructor(reactor: Reactor, nowMs: () => number) {
    this.#reactor = reactor;
    this.#nowMs = nowMs;
  }

  /** From now on; for one that is watched already only another rate is something new. */
  watch(paced: Paced, rate: MinRate): void {
    if (this.#watched.get(paced)?.rate === rate) return;
    this.#watched.set(paced, { rate, sinceMs: this.#nowMs(), bytes: paced.pacedBytes });
    this.#start();
  }

  /** Repeated calls, and calls for one that was not watched, do nothing. */
  forget(paced: Paced): void {
    this.#watched.delete(paced);
    if (this.#watched.size > 0 || this.#timer === null) return;
    this.#timer.cancel();
    this.#timer = null;
  }

  #start(): void {
    if (this.#timer !== null) return;
    this.#timer = this.#reactor.setTimer(TICK_MS, () => {
      this.#timer = null;
      this.#look();
      if (this.#watched.size > 0) this.#start();
    });
    this.#timer.unref();
  }

  #look(): void {
    const nowMs = this.#nowMs();
    for (const [paced, watch] of this.#watched) {
      const { pacedBytes } = paced;
      const moved = pacedBytes - watch.bytes;
      const ms = nowMs - watch.sinceMs;
      if (moved >= 0 && paced.waitsForPeer) {
        if (ms < watch.rate.graceMs) continue;
        if (moved < (watch.rate.bytesPerSecond * ms) / 1000) {
          this.#watched.delete(paced);
          paced.onTooSlow(moved, Math.round(ms));
          continue;
        }
      }
      if (paced.paceOver) {
        this.#watched.delete(paced);
        paced.onPaceOver();
        continue;
      }
      watch.sinceMs = nowMs;
      watch.bytes = pacedBytes;
    }
  }
}

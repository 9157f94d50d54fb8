/**
 * How late the loop is: a timer measured against its own deadline.
 *
 * A callback that computes for 80 ms makes everybody else wait for up to 80 ms; the next
 * sample shows it. The timer does not keep the process alive.
 */
import { freshMs, type Scope } from './dispatch.js';
import { Timer } from './timer.js';

/** Counters of the lag, all in ms, since the start or the last reset. */
export interface LagCounters {
  readonly samples: number;
  readonly lastMs: number;
  readonly meanMs: number;
  readonly maxMs: number;
}

/** Made by `reactor.measureLag`. */
export class LagMeter {
  readonly #scope: Scope;
  readonly #intervalMs: number;
  #timer: Timer;
  #dueMs: number;
  #samples = 0;
  #sumMs = 0;
  #lastMs = 0;
  #maxMs = 0;

  /** @internal Made by the reactor. */
  constructor(scope: Scope, intervalMs: number) {
    this.#scope = scope;
    this.#intervalMs = intervalMs;
    this.#dueMs = freshMs() + intervalMs;
    this.#timer = this.#start();
  }

  get counters(): LagCounters {
    return {
      samples: this.#samples,
      lastMs: this.#lastMs,
      meanMs: this.#samples === 0 ? 0 : this.#sumMs / this.#samples,
      maxMs: this.#maxMs,
    };
  }

  /** Begins to count anew. */
  reset(): void {
    this.#samples = 0;
    this.#sumMs = 0;
    this.#lastMs = 0;
    this.#maxMs = 0;
  }

  /** Measures no longer; the counters stay. */
  stop(): void {
    this.#timer.cancel();
  }

  #start(): Timer {
    const timer = new Timer(this.#scope, this.#intervalMs, () => this.#sample());
    timer.unref();
    return timer;
  }

  #sample(): void {
    this.#lastMs = Math.max(0, freshMs() - this.#dueMs);
    this.#samples++;
    this.#sumMs += this.#lastMs;
    this.#maxMs = Math.max(this.#maxMs, this.#lastMs);
    this.#dueMs = freshMs() + this.#intervalMs;
    this.#timer = this.#start();
  }
}

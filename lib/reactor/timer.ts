/** A timer of a reactor: one callback, once, unless it is cancelled or moved. */
import { MillraceError } from '../errors/millrace-error.js';
import {
  addTimer,
  armTimer,
  freshMs,
  release,
  removeTimer,
  requestCheckpoint,
  retain,
  type Scope,
  type TimerOwner,
} from './dispatch.js';

/** Made by `reactor.setTimer`. It keeps the process alive until it has run, unless unref() was called. */
export class Timer implements TimerOwner {
  /** The reactor that owns it. */
  readonly scope: Scope;
  #id: number;
  #callback: () => void;
  #referenced = true;

  /** @internal Made by the reactor. */
  constructor(scope: Scope, delayMs: number, callback: () => void) {
    this.scope = scope;
    this.#callback = callback;
    this.#id = addTimer(this);
    if (this.#id < 0) throw new MillraceError('ENOMEM', { phase: 'timer', message: 'No timer is left' });
    retain();
    armTimer(this.#id, freshMs() + clampDelay(delayMs));
  }

  /** True until it has run or was cancelled. */
  get active(): boolean {
    return this.#id >= 0;
  }

  /** Starts anew: runs `delayMs` from now. Does nothing after it has run or was cancelled. */
  restart(delayMs: number): void {
    if (this.#id >= 0) armTimer(this.#id, freshMs() + clampDelay(delayMs));
  }

  /** The callback will not be called. Repeated calls, or a call after it ran, do nothing. */
  cancel(): void {
    if (this.#id < 0) return;
    removeTimer(this.#id);
    this.#id = -1;
    this.unref();
  }

  /** Lets the process end although the timer waits. */
  unref(): void {
    if (!this.#referenced) return;
    this.#referenced = false;
    release();
  }

  /** @internal Called by the turn. */
  onTimer(): void {
    this.cancel();
    requestCheckpoint();
    this.#callback();
  }

  /** @internal Called by the turn. */
  onThrow(): void {
    this.cancel();
  }

  /** @internal Called by the reactor. */
  onScopeClosed(): void {
    this.cancel();
  }
}

/** Negative and NaN count as 0. */
function clampDelay(delayMs: number): number {
  return delayMs > 0 ? delayMs : 0;
}

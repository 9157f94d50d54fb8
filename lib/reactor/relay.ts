/**
 * A relay moves the next bytes that one connection receives to another, in native code:
 * JavaScript hears of it when it is over, not of its pieces.
 *
 *   waiting ──► running ──► over
 *      target is connecting,   everything was moved: onRelayed of the source
 *      or its queue not empty  the source ended or broke: its onEnd or onClose
 *                              the target broke: its onClose, and the source is silent
 *
 * Meanwhile the source delivers no data, and what would be written to the target throws
 * ERR_BUSY; the other directions of both are untouched. end() and close() of the target
 * wait for the relay as they wait for the queue; pause() of the source counts after it.
 * What the relay holds between the two is bounded (native/relay), and a target that takes
 * nothing stops the reading of the source.
 *
 * Where the target has broken or was closed, nothing more is read from the source until
 * {@link Relay.stop} or its own close: its owner knows what to do with the rest.
 */
import {
  READY_EOF,
  READY_READ,
  RELAY_DONE_MORE,
  RELAY_RUNNING,
  RELAY_SOURCE_ENDED,
  RELAY_SOURCE_FAILED,
  RELAY_TARGET_FAILED,
} from '../native/binding.js';
import { native } from '../native/index.js';
import type { Connection } from './connection.js';
import { nowMs } from './dispatch.js';
import { plainTransport } from './transport.js';

// Bits of a connection's state (connection.ts), which has no others above 256.
/** A relay reads from it; or did, and its target has gone. */
export const RELAYING = 512;
/** A relay writes to it, or will when its queue is empty. */
export const RELAYED_INTO = 1024;

/** Relays that are not over, by the connection they read from and by the one they write to. */
const bySource = new Map<Connection, Relay>();
const byTarget = new Map<Connection, Relay>();

/** How long a relay waits. The side that is waited for has its deadline moved as bytes pass; the other has none. */
export interface RelayTimeouts {
  /** Between two pieces from the source; then its onDeadline. Infinity leaves its deadline alone. */
  readonly sourceMs: number;
  /** Between two pieces that the target takes, likewise. */
  readonly targetMs: number;
}

/** Whether bytes can go from one to the other without JavaScript: both are plain sockets, and no relay is in the way. */
export function canRelay(source: Connection, target: Connection): boolean {
  return (
    source.transport === plainTransport &&
    target.transport === plainTransport &&
    source !== target &&
    (source.relayState & RELAYING) === 0 &&
    (target.relayState & RELAYED_INTO) === 0 &&
    !source.closed &&
    !source.readEnded &&
    !target.ended
  );
}

export class Relay {
  readonly #source: Connection;
  readonly #target: Connection;
  readonly #timeouts: RelayTimeouts;
  readonly #length: number;
  /** The native relay while there is one. */
  #handle = -1;
  #over = false;
  #received = 0;
  #sent = 0;

  /** See {@link startRelay}. */
  constructor(source: Connection, target: Connection, length: number, timeouts: RelayTimeouts) {
    this.#source = source;
    this.#target = target;
    this.#length = length;
    this.#timeouts = timeouts;
    bySource.set(source, this);
    byTarget.set(target, this);
    source.setRelayState(RELAYING, 0);
    target.setRelayState(RELAYED_INTO, 0);
  }

  /** Bytes read from the source. */
  get received(): number {
    return this.#handle < 0 ? this.#received : native.relayReceived(this.#handle);
  }

  /** Bytes that the target's kernel has taken. */
  get sent(): number {
    return this.#handle < 0 ? this.#sent : native.relaySent(this.#handle);
  }

  /** @internal It does not wait for its target to be connected or to be done with its queue. */
  get started(): boolean {
    return this.#handle >= 0;
  }

  /** Nothing will be moved any more. */
  get over(): boolean {
    return this.#over;
  }

  /**
   * Ends it where it is: what was received and not sent is dropped, and the source delivers
   * its data again. Repeated calls do nothing but the latter.
   */
  stop(): void {
    const source = this.#source;
    this.#settle();
    if (source.closed || (source.relayState & RELAYING) === 0) return;
    source.setRelayState(0, RELAYING, true);
    if (!source.paused) native.markReady(source.handle, READY_READ | READY_EOF);
  }

  /** @internal The target takes bytes. `poke`: something may be readable already. */
  start(poke: boolean): void {
    const source = this.#source;
    const target = this.#target;
    if (this.#handle >= 0 || target.connecting || target.queuedBytes > 0) return;
    const { sourceMs, targetMs } = this.#timeouts;
    if (sourceMs < Infinity) source.setDeadline(nowMs() + sourceMs);
    const sourceTimer = sourceMs < Infinity ? source.timer : -1;
    const targetTimer = targetMs < Infinity ? target.timer : -1;
    if (targetTimer >= 0) target.clearDeadline();
    if (this.#over) return;
    const handle = native.relayStart(
      source.handle,
      target.handle,
      this.#length,
      source.queuedBytes > 0 ? 1 : 0,
      sourceTimer,
      sourceMs,
      targetTimer,
      targetMs,
    );
    if (handle < 0) {
      // No room for another one. Only the source's bytes would be lost without it.
      source.destroy(-handle);
      return;
    }
    this.#handle = handle;
    if (poke) this.goesOn(READY_READ | READY_EOF);
  }

  /** @internal Something may be readable. */
  goesOn(flags: number): void {
    if (this.#handle >= 0) native.markReady(this.#source.handle, flags & (READY_READ | READY_EOF));
  }

  /** @internal The native relay says that it is over. */
  finished(): void {
    const source = this.#source;
    const state = native.relayState(this.#handle);
    const errno = native.relayError(this.#handle);
    if (state === RELAY_RUNNING) return;
    this.#settle();
    if (state === RELAY_TARGET_FAILED) return;
    source.setRelayState(0, RELAYING, state === RELAY_DONE_MORE);
    if (state === RELAY_SOURCE_ENDED) source.relayBroke(0);
    else if (state === RELAY_SOURCE_FAILED) source.destroy(errno);
    else source.handler.onRelayed?.(source);
  }

  /** @internal One of the two is being closed. */
  closed(): void {
    this.#settle();
  }

  /** Takes the counts over and lets the target go on; the source stays as it is. */
  #settle(): void {
    if (this.#over) return;
    this.#over = true;
    bySource.delete(this.#source);
    byTarget.delete(this.#target);
    let errno = 0;
    if (this.#handle >= 0) {
      this.#received = native.relayReceived(this.#handle);
      this.#sent = native.relaySent(this.#handle);
      if (native.relayState(this.#handle) === RELAY_TARGET_FAILED) errno = native.relayError(this.#handle);
      native.relayEnd(this.#handle);
      this.#handle = -1;
    }
    if (this.#target.closed) return;
    this.#target.setRelayState(0, RELAYED_INTO);
    if (errno > 0) this.#target.relayBroke(-errno);
  }
}

/**
 * Moves the next `length` bytes (Infinity: all until its end) that `source` receives to
 * `target`; {@link canRelay} must be true of them. `reading`: this is called in the source's
 * own onData, which has consumed what it was given.
 */
export function startRelay(
  source: Connection,
  target: Connection,
  length: number,
  timeouts: RelayTimeouts,
  reading: boolean,
): Relay {
  const relay = new Relay(source, target, length, timeouts);
  relay.start(!reading);
  // What waits for its target waits for nothing from its source.
  if (!relay.started && timeouts.sourceMs < Infinity) source.clearDeadline();
  return relay;
}

/** Called by the source when its READY_RELAYED comes. */
export function relayOver(source: Connection): void {
  bySource.get(source)?.finished();
}

/** Called by the source when the onData that started the relay returned, and more may be readable. */
export function relayGoesOn(source: Connection, flags: number): void {
  bySource.get(source)?.goesOn(READY_READ | flags);
}

/** Called by the target when it is connected, or nothing is queued any more. */
export function relayMayStart(target: Connection): void {
  byTarget.get(target)?.start(true);
}

/** Called by either when it closes, while its timer and its descriptor are still there. */
export function relayClosed(connection: Connection): void {
  bySource.get(connection)?.closed();
  byTarget.get(connection)?.closed();
}

/**
 * A stream connection at the level of the arena: what an engine builds on.
 *
 * Reading is pushed to a {@link ConnectionHandler}. Writing goes to the kernel at once;
 * only what the kernel does not take is copied to a write queue and sent when the socket
 * is writable again. Nothing is allocated per event, and a connection on which nothing
 * waits owns no buffer, no queue and no timer.
 *
 *     connecting ──► open ──► end(): FIN after the queue ──► both sides ended ──► closed
 *          │           └────► close(): queue, then closed        (by itself)        ▲
 *          └───────────────── error, destroy(), reset() ────────────────────────────┘
 *
 * Readiness is edge-triggered: a short read means drained, unless FIN is known to have
 * arrived; what is readable while reading is paused is remembered and asked for again.
 */
import { native } from '../native/index.js';
import { host } from '../native/host.js';
import {
  OPTION_KEEPALIVE,
  OPTION_RESET_ON_CLOSE,
  READY_EOF,
  READY_ERROR,
  READY_READ,
  READY_RELAYED,
  READY_WRITE,
} from '../native/binding.js';
import { MillraceError } from '../errors/millrace-error.js';
import {
  addClosing,
  addOwner,
  addTimer,
  armTimer,
  disarmTimer,
  release,
  removeOwner,
  removeTimer,
  timerDeadline,
  type Closing,
  type Owner,
  type Scope,
  type TimerOwner,
} from './dispatch.js';
import type { ConnectionHandler } from './connection-handler.js';
import { Endpoints } from './endpoints.js';
import { RELAYED_INTO, RELAYING, relayClosed, relayGoesOn, relayMayStart, relayOver } from './relay.js';
import { setSegments } from './segments.js';
import { plainTransport, type Transport } from './transport.js';
import { HIGH_WATERMARK, LOW_WATERMARK, WriteQueue } from './write-queue.js';

export type { ConnectionHandler } from './connection-handler.js';

const CONNECTING = 1;
/** end() was called. */
const ENDED = 2;
const READ_ENDED = 4;
const CLOSED = 8;
/** A write returned false; onDrain is owed. */
const DRAIN_OWED = 16;
/** close() waits for the queue. */
const CLOSE_WANTED = 32;
/** A write failed: what the peer had sent before is still read, then the connection closes. */
const WRITE_FAILED = 64;
/** Readable, or known to have ended, when reading was paused. */
const UNREAD = 128;
const UNREAD_END = 256;
/** Nothing can be written any more, for one reason or another. */
const UNWRITABLE = ENDED | CLOSED | CLOSE_WANTED | WRITE_FAILED;

const EAGAIN = native.errno['EAGAIN'];
const ECANCELED = native.errno['ECANCELED'];
const EINPROGRESS = native.errno['EINPROGRESS'];
const ENOMEM = native.errno['ENOMEM'];

const { u8, layout } = host;
const { window: WINDOW, windowSize: WINDOW_SIZE, scratch: SCRATCH, scratchSize: SCRATCH_SIZE } = layout;
const arenaBytes = Buffer.from(u8.buffer, u8.byteOffset, u8.byteLength);

/** One stream connection. Made by a reactor: `listenRaw`, `connectRaw`. */
export class Connection implements Owner, TimerOwner, Closing {
  /** The reactor that owns it. */
  readonly scope: Scope;
  /**
   * What is read is taken for the beginning of a message head: the scanner of lib/http
   * looks at it on the way, which spares the parser a call.
   */
  expectsHead = false;
  #handle: number;
  #handler: ConnectionHandler;
  #transport: Transport;
  #state: number;
  #pauses = 0;
  #queue: WriteQueue | null = null;
  #low = LOW_WATERMARK;
  #high = HIGH_WATERMARK;
  #timer = -1;
  #errno = 0;
  #endpoints: Endpoints | null = null;

  /**
   * Takes over a native handle.
   * @internal A `handle` that is `-errno` makes a connection that is closed already and reports so in the turn.
   */
  constructor(
    scope: Scope,
    handle: number,
    connecting: boolean,
    handler: ConnectionHandler,
    transport: Transport,
  ) {
    this.scope = scope;
    this.#handle = handle;
    this.#handler = handler;
    this.#transport = transport;
    this.#state = connecting ? CONNECTING : 0;
    if (handle >= 0) {
      addOwner(handle, this);
      return;
    }
    this.#handle = -1;
    this.#state = CLOSED;
    this.#errno = -handle;
    addClosing(this);
  }

  /** @internal What lies under it. */
  get transport(): Transport {
    return this.#transport;
  }

  /** The native handle; -1 after the connection was closed. */
  get handle(): number {
    return this.#handle;
  }

  /** Who receives the callbacks. */
  get handler(): ConnectionHandler {
    return this.#handler;
  }

  /** Closed: onClose was called or will be before the turn ends. */
  get closed(): boolean {
    return (this.#state & CLOSED) !== 0;
  }

  /** We have sent FIN or will when the queue is empty; nothing can be written any more. */
  get ended(): boolean {
    return (this.#state & (ENDED | CLOSED | CLOSE_WANTED)) !== 0;
  }

  /** The peer has sent FIN and everything before it was read. */
  get readEnded(): boolean {
    return (this.#state & READ_ENDED) !== 0;
  }

  /** connectRaw has not finished yet. What is written meanwhile is queued. */
  get connecting(): boolean {
    return (this.#state & CONNECTING) !== 0;
  }

  /** Reading is paused at least once. */
  get paused(): boolean {
    return this.#pauses > 0;
  }

  /** Bytes that the kernel has not taken yet; 0 on the fast path. */
  get queuedBytes(): number {
    return this.#queue === null ? 0 : this.#queue.bytes;
  }

  /** Bytes, or the end, are known to wait: reading is paused, or more came behind what a relay moved. */
  get unread(): boolean {
    return (this.#state & (UNREAD | UNREAD_END)) !== 0;
  }

  /** A relay writes to it, or will when the queue is empty: nobody else may. */
  get relayedInto(): boolean {
    return (this.#state & RELAYED_INTO) !== 0;
  }

  /** A write returned false: onDrain will be called, or onClose. */
  get awaitsDrain(): boolean {
    return (this.#state & (DRAIN_OWED | WRITE_FAILED)) !== 0;
  }

  /** The errno that onClose reports; 0 while the connection is open. */
  get closeErrno(): number {
    return this.#errno;
  }

  /** Numeric address of the peer, "" for a unix socket. Cached; after the close only when it was asked for before. */
  get remoteAddress(): string {
    return this.#endpointsOf().remote.address;
  }

  /** Port of the peer, 0 for a unix socket. */
  get remotePort(): number {
    return this.#endpointsOf().remote.port;
  }

  /** Numeric address of our end, or the path of a unix socket. */
  get localAddress(): string {
    return this.#endpointsOf().local.address;
  }

  /** Port of our end, 0 for a unix socket. */
  get localPort(): number {
    return this.#endpointsOf().local.port;
  }

  /** Replaces the handler; the next callback goes to the new one, also when called from a callback. */
  setHandler(handler: ConnectionHandler): void {
    this.#handler = handler;
  }

  /**
   * Writes a range of the arena. What the kernel does not take is copied, so the range is
   * free when this returns.
   *
   * @returns false when more than the high watermark waits (onDrain follows), and when the
   * connection is closed or broken: the bytes are dropped then and onClose follows.
   * @throws MillraceError ERR_WRITE_AFTER_END after end() or close(): a mistake of the caller.
   */
  writeArena(offset: number, length: number): boolean {
    return this.writeSegments(setSegments(offset, length, 0, 0), 1, length);
  }

  /**
   * As {@link writeArena} for `count` (at most MAX_SEGMENTS) ranges in one writev: Int32 pairs
   * [offset, length] at byte offset `pairs` of the arena, `total` bytes in all.
   */
  writeSegments(pairs: number, count: number, total: number): boolean {
    if ((this.#state & (UNWRITABLE | RELAYED_INTO)) !== 0) return this.#refuseWrite();
    if (this.#queue === null && (this.#state & CONNECTING) === 0) {
      return (
        total === 0 || this.#wrote(pairs, count, total, this.#transport.writev(this.#handle, pairs, count))
      );
    }
    return this.#queued((this.#queue ??= new WriteQueue()).appendSegments(pairs, count, 0));
  }

  /** The native handle, for who sends by a call of its own and then calls {@link wroteDirectly}; -1: not now. */
  get directHandle(): number {
    const free = this.#queue === null && (this.#state & (UNWRITABLE | RELAYED_INTO | CONNECTING)) === 0;
    return free && this.#transport === plainTransport ? this.#handle : -1;
  }

  /** As {@link writeArena} of a range of which send has just taken `taken` bytes, or returned -errno. */
  wroteDirectly(offset: number, length: number, taken: number): boolean {
    return (
      taken === length || (!this.closed && this.#wrote(setSegments(offset, length, 0, 0), 1, length, taken))
    );
  }

  /**
   * Writes bytes that lie outside the arena, or a byte string (latin1: one character, one
   * byte). They are copied. Uses the arena's scratch region on the way.
   * Result and errors as for {@link writeArena}.
   */
  write(bytes: Uint8Array | string): boolean {
    if (typeof bytes === 'string') {
      if (bytes.length <= SCRATCH_SIZE) {
        arenaBytes.write(bytes, SCRATCH, bytes.length, 'latin1');
        return this.writeArena(SCRATCH, bytes.length);
      }
      bytes = Buffer.from(bytes, 'latin1');
    }
    if (bytes.length <= SCRATCH_SIZE) {
      u8.set(bytes, SCRATCH);
      return this.writeArena(SCRATCH, bytes.length);
    }
    return this.#writeLong(bytes);
  }

  /** Sets both watermarks in bytes; `low` must not exceed `high`. Counts from the next write or flush. */
  setWatermarks(low: number, high: number): void {
    this.#low = low;
    this.#high = high;
  }

  /** Stops reading; counted, since several parties may hold it. Takes effect at once, also inside onData. */
  pause(): void {
    this.#pauses++;
  }

  /** Takes back one pause. At the last, what became readable meanwhile is served in the next turn. */
  resume(): void {
    if (this.#pauses === 0 || --this.#pauses > 0) return;
    if ((this.#state & (UNREAD | UNREAD_END)) === 0 || (this.#state & CLOSED) !== 0) return;
    native.markReady(this.#handle, (this.#state & UNREAD_END) !== 0 ? READY_READ | READY_EOF : READY_READ);
  }

  /** The moment, on the reactor's clock in ms, at which onDeadline is called; Infinity for none. */
  get deadline(): number {
    return this.#timer < 0 ? Infinity : timerDeadline(this.#timer);
  }

  /** Sets the one deadline, absolute, on the clock of `reactor.nowMs`. Moving it later costs a store. */
  setDeadline(atMs: number): void {
    const id = this.timer;
    if (id >= 0) armTimer(id, atMs);
  }

  /** @internal The native timer, made when there is none yet; -1 when the connection is closed. */
  get timer(): number {
    if (this.#timer < 0 && (this.#state & CLOSED) === 0) {
      this.#timer = Math.max(addTimer(this), -1);
      // Without a timer the limit cannot be kept, and a connection without limits is worse than none.
      if (this.#timer < 0) this.#finish(ENOMEM);
    }
    return this.#timer;
  }

  /** Takes the deadline back. */
  clearDeadline(): void {
    if (this.#timer >= 0) disarmTimer(this.#timer);
  }

  /**
   * Sends FIN when everything that was written has been taken by the kernel; reading goes
   * on. When the peer's FIN was read too, the connection closes. Repeated calls do nothing.
   */
  end(): void {
    if ((this.#state & UNWRITABLE) !== 0) return;
    this.#state |= ENDED;
    if (this.#queue === null && (this.#state & (CONNECTING | RELAYED_INTO)) === 0) this.#sendFin();
  }

  /**
   * Closes when everything that was written has been taken by the kernel, at once when
   * nothing waits. Nothing is read any more; a deadline that was set still counts.
   */
  close(): void {
    if ((this.#state & (CLOSED | CLOSE_WANTED)) !== 0) return;
    if (this.#queue === null && (this.#state & RELAYED_INTO) === 0) {
      this.#finish(this.#errno);
      return;
    }
    this.#state |= CLOSE_WANTED;
  }

  /** Closes at once and drops the queue. onClose gets `errno` (0: closed by its owner). Repeated calls do nothing. */
  destroy(errno = 0): void {
    this.#finish(errno);
  }

  /** Lets the system probe whether the peer is still there (SO_KEEPALIVE). */
  keepAlive(): void {
    if ((this.#state & CLOSED) === 0) native.setOption(this.#handle, OPTION_KEEPALIVE, 1);
  }

  /** As destroy(), and the peer gets RST instead of FIN. */
  reset(): void {
    if ((this.#state & CLOSED) !== 0) return;
    native.setOption(this.#handle, OPTION_RESET_ON_CLOSE, 1);
    this.#finish(0);
  }

  /** @internal Called by the turn. */
  onReady(flags: number): void {
    if ((flags & READY_RELAYED) !== 0) relayOver(this);
    if ((flags & READY_WRITE) !== 0) {
      if ((this.#state & CONNECTING) !== 0 && !this.#finishConnect()) return;
      if (this.#queue !== null) this.#flush(this.#queue);
    }
    if ((flags & READY_READ) !== 0) this.#readReady(flags);
  }

  /** @internal For relays: RELAYING and RELAYED_INTO. */
  get relayState(): number {
    return this.#state & (RELAYING | RELAYED_INTO);
  }

  /** @internal Called by a relay: begins, or ends, what its bits say; `unread`: more waits to be read. */
  setRelayState(added: number, removed: number, unread = false): void {
    this.#state = (this.#state & ~removed) | added | (unread ? UNREAD : 0);
    if ((removed & RELAYED_INTO) !== 0 && this.#queue === null) this.#writtenOut();
  }

  /** @internal Called by a relay: writing failed, or the end of the stream was read. */
  relayBroke(result: number): void {
    if ((this.#state & CLOSED) !== 0) return;
    if (result < 0) this.#failWrite(-result);
    else this.#readStopped(0);
  }

  /** @internal Called by the turn. */
  onTimer(): void {
    this.#handler.onDeadline(this);
  }

  /** @internal Called by the turn. */
  onThrow(): void {
    this.#finish(ECANCELED);
  }

  /** @internal Called by the reactor. */
  onScopeClosed(): void {
    this.#finish(ECANCELED);
  }

  /** @internal Called by the turn. */
  deliverClose(): void {
    this.#handler.onClose(this, this.#errno);
  }

  #readReady(flags: number): void {
    if ((this.#state & (CONNECTING | READ_ENDED | CLOSED | CLOSE_WANTED | RELAYING)) !== 0) return;
    if (this.#pauses > 0) {
      this.#hangUpWhilePaused(flags);
      return;
    }
    const ending = (flags & (READY_EOF | READY_ERROR)) !== 0;
    this.#state &= ~(UNREAD | UNREAD_END);
    let budget = WINDOW_SIZE;
    for (;;) {
      const count = this.#transport.read(this.#handle, WINDOW, budget, this.expectsHead);
      if (count <= 0) {
        this.#readStopped(count);
        return;
      }
      const drained = count < budget && !ending && this.#transport.pending() === 0;
      budget -= count;
      this.#handler.onData(this, WINDOW, count);
      if ((this.#state & (CLOSED | CLOSE_WANTED | RELAYING)) !== 0) {
        if (!drained && (this.#state & RELAYING) !== 0) relayGoesOn(this, flags);
        return;
      }
      if (drained) {
        if ((this.#state & WRITE_FAILED) !== 0) this.#finish(this.#errno);
        return;
      }
      if (this.#pauses > 0) {
        this.#hangUpWhilePaused(flags);
        return;
      }
      if (budget === 0) {
        native.markReady(this.#handle, ending ? READY_READ | READY_EOF : READY_READ);
        return;
      }
    }
  }

  /** A read gave no bytes: drained, the end of the stream, or an error. */
  #readStopped(count: number): void {
    if (count === 0) {
      this.#state |= READ_ENDED;
      this.#handler.onEnd(this);
      if ((this.#state & CLOSED) !== 0) return;
      if ((this.#state & WRITE_FAILED) !== 0) this.#finish(this.#errno);
      else if ((this.#state & ENDED) !== 0 && this.#queue === null) this.#finish(0);
    } else if (count !== -EAGAIN) {
      this.#finish(-count);
    } else if ((this.#state & WRITE_FAILED) !== 0) {
      this.#finish(this.#errno);
    }
  }

  #hangUpWhilePaused(flags: number): void {
    const before = this.#state;
    this.#state |= UNREAD;
    if ((flags & (READY_EOF | READY_ERROR)) === 0) return;
    this.#state |= UNREAD_END;
    const reset = (flags & READY_ERROR) !== 0;
    if (!reset && (before & UNREAD_END) !== 0) return;
    if (this.#handler.onHangup !== undefined) this.#handler.onHangup(this, reset);
    else if ((this.#state & WRITE_FAILED) !== 0) this.#finish(this.#errno);
  }

  /** True when the connection is established now. */
  #finishConnect(): boolean {
    const result = native.connectResult(this.#handle);
    if (result === -EINPROGRESS) return false;
    if (result < 0) {
      this.#finish(-result);
      return false;
    }
    this.#state &= ~CONNECTING;
    this.#handler.onConnect?.(this);
    if (this.#queue === null) this.#writtenOut();
    return true;
  }

  #flush(queue: WriteQueue): void {
    const result = queue.send(this.#transport, this.#handle);
    if (result < 0) {
      this.#failWrite(-result);
      return;
    }
    if (queue.bytes === 0) {
      this.#queue = null;
      this.#writtenOut();
    }
    if ((this.#state & DRAIN_OWED) !== 0 && queue.bytes <= this.#low) {
      this.#state &= ~DRAIN_OWED;
      if ((this.#state & UNWRITABLE) === 0) this.#handler.onDrain(this);
    }
  }

  /** Nothing is queued any more. */
  #writtenOut(): void {
    if ((this.#state & (CLOSED | WRITE_FAILED)) !== 0) return;
    if ((this.#state & RELAYED_INTO) !== 0) relayMayStart(this);
    else if ((this.#state & CLOSE_WANTED) !== 0) this.#finish(0);
    else if ((this.#state & ENDED) !== 0) this.#sendFin();
  }

  #writeLong(bytes: Uint8Array): boolean {
    if ((this.#state & (UNWRITABLE | RELAYED_INTO)) !== 0) return this.#refuseWrite();
    let from = 0;
    while (this.#queue === null && (this.#state & CONNECTING) === 0 && from < bytes.length) {
      const length = Math.min(bytes.length - from, SCRATCH_SIZE);
      u8.set(bytes.subarray(from, from + length), SCRATCH);
      const taken = this.#transport.writev(this.#handle, setSegments(SCRATCH, length, 0, 0), 1);
      if (taken < 0 && taken !== -EAGAIN) {
        this.#failWrite(-taken);
        return false;
      }
      if (taken > 0) from += taken;
      if (taken < length) break;
    }
    if (from === bytes.length) return true;
    const queue = (this.#queue ??= new WriteQueue());
    return this.#queued(queue.appendBytes(bytes, from));
  }

  /** The result of a write of which `taken` bytes went out; -errno for none. */
  #wrote(pairs: number, count: number, total: number, taken: number): boolean {
    if (taken === total) return true;
    if (taken < 0 && taken !== -EAGAIN) {
      this.#failWrite(-taken);
      return false;
    }
    return this.#queued((this.#queue ??= new WriteQueue()).appendSegments(pairs, count, Math.max(0, taken)));
  }

  /** The result of a write that was queued. */
  #queued(complete: boolean): boolean {
    const queue = this.#queue as WriteQueue;
    if (!complete) {
      this.#finish(ENOMEM);
      return false;
    }
    if (queue.bytes <= this.#high) return true;
    this.#state |= DRAIN_OWED;
    return false;
  }

  #refuseWrite(): boolean {
    if ((this.#state & (CLOSED | WRITE_FAILED)) !== 0) return false;
    if ((this.#state & RELAYED_INTO) !== 0) {
      throw new MillraceError('ERR_BUSY', { phase: 'write', message: 'A relay writes to this connection' });
    }
    throw new MillraceError('ERR_WRITE_AFTER_END', { phase: 'write' });
  }

  #failWrite(errno: number): void {
    this.#dropQueue();
    this.#errno = errno;
    this.#state |= WRITE_FAILED;
    if ((this.#state & (READ_ENDED | CLOSE_WANTED)) !== 0) this.#finish(errno);
    else native.markReady(this.#handle, READY_READ | READY_EOF | READY_ERROR);
  }

  #sendFin(): void {
    const result = this.#transport.shutdown(this.#handle);
    if (result < 0) this.#failWrite(-result);
    else if ((this.#state & READ_ENDED) !== 0) this.#finish(0);
  }

  /** Gives everything back, once; onClose follows from the turn. */
  #finish(errno: number): void {
    if ((this.#state & CLOSED) !== 0) return;
    this.#state |= CLOSED;
    this.#errno = errno;
    if ((this.#state & (RELAYING | RELAYED_INTO)) !== 0) relayClosed(this);
    this.#dropQueue();
    if (this.#timer >= 0) removeTimer(this.#timer);
    this.#timer = -1;
    removeOwner(this.#handle);
    native.close(this.#handle);
    this.#handle = -1;
    addClosing(this);
    release();
  }

  #dropQueue(): void {
    if (this.#queue === null) return;
    this.#queue.release();
    this.#queue = null;
  }

  #endpointsOf(): Endpoints {
    if (this.#endpoints === null) {
      const endpoints = new Endpoints(this.#handle);
      if (this.#handle < 0 || (this.#state & CONNECTING) !== 0) return endpoints;
      this.#endpoints = endpoints;
    }
    return this.#endpoints;
  }
}

/**
 * The contract between the C++ addon and TypeScript, one entry per native function.
 *
 * Native gives bytes no meaning. It owns the descriptors, the poller, the timers and
 * one arena of memory that both languages see; TypeScript passes byte offsets into
 * that arena, never buffers. Every call that can fail returns a number: `>= 0` is a
 * result, `< 0` is `-errno`. Nothing here throws, except for arguments of the wrong
 * type, which are a bug of the caller.
 *
 * A *handle* is a positive 31-bit integer: `generation << 20 | slot`. The slot is an
 * index below {@link MAX_SLOTS}, unique among the open descriptors, and the index under
 * which TypeScript keeps the owner. A call with the handle of a closed descriptor
 * returns `-EBADF`; a closed slot is not given out again before the turn has ended.
 */

/** Bits of a handle that hold the slot. `handle & SLOT_MASK` is the slot. */
export const SLOT_BITS = 20;
/** One more than the largest slot. */
export const MAX_SLOTS = 1 << SLOT_BITS;
/** Mask of the slot within a handle. */
export const SLOT_MASK = MAX_SLOTS - 1;

/** Readiness flags of an event. Hang-up and error set READ and WRITE too, so that the owner meets them in its own call. */
export const READY_READ = 1;
/** The socket may take bytes. */
export const READY_WRITE = 2;
/** The peer sent FIN (EPOLLRDHUP, EV_EOF): read until 0, a short read is not the end. */
export const READY_EOF = 4;
/** The socket is in error: the next read or write reports it. */
export const READY_ERROR = 8;

/** A relay from this stream is over: {@link NativeBinding.relayState}. */
export const READY_RELAYED = 16;

/** Results of {@link NativeBinding.relayState}: the relay goes on. */
export const RELAY_RUNNING = 0;
/** Everything was moved, and the source is drained. */
export const RELAY_DONE = 1;
/** Everything was moved, and more, or the end, waits at the source. */
export const RELAY_DONE_MORE = 2;
/** The source's stream ended; early, if there was a length. */
export const RELAY_SOURCE_ENDED = 3;
/** Reading failed, or the source was closed: {@link NativeBinding.relayError}. */
export const RELAY_SOURCE_FAILED = 4;
/** Writing failed, or the target was closed. */
export const RELAY_TARGET_FAILED = 5;

/** Result of {@link TurnFunction}: nothing is left to do in this turn. */
export const TURN_DONE = 0;
/** Settle promises and ticks, then call the turn function again with `resumed` set. */
export const TURN_CHECKPOINT = 1;
/** Done, and something is ready already: the next wait must not sleep. */
export const TURN_AGAIN = 2;

/** Socket options for {@link NativeBinding.setOption}. */
export const OPTION_NODELAY = 1;
/** Keep-alive probes on or off (0, 1). */
export const OPTION_KEEPALIVE = 2;
/** SO_RCVBUF in bytes. */
export const OPTION_RECEIVE_BUFFER = 3;
/** SO_SNDBUF in bytes. */
export const OPTION_SEND_BUFFER = 4;
/** SO_LINGER with a zero time: the next close sends a reset. */
export const OPTION_RESET_ON_CLOSE = 5;
/** SO_BROADCAST for datagram sockets (0, 1). */
export const OPTION_BROADCAST = 6;

/** Flags of {@link NativeBinding.listen}. */
export const LISTEN_REUSEPORT = 1;
/** IPV6_V6ONLY on. */
export const LISTEN_IPV6ONLY = 2;
/** TCP_DEFER_ACCEPT where it exists; ignored elsewhere. */
export const LISTEN_DEFERRED = 4;
/** The socket is shared with other processes (EPOLLEXCLUSIVE where it exists). */
export const LISTEN_SHARED = 8;

/**
 * Byte offsets into the arena of the fixed regions, and their sizes.
 * All numbers; the regions never move.
 */
export interface ArenaLayout {
  /** Size of the whole arena in bytes of address space. */
  size: number;
  /** Float64: the time of this turn in ms on the monotonic clock (arbitrary zero). */
  now: number;
  /** Float64: the same moment in ms since 1970. */
  wallClock: number;
  /** Int32 pairs [slot, READY_* flags] of this turn. */
  events: number;
  /** Capacity of `events` in pairs. */
  eventCapacity: number;
  /** Int32: ids of the timers that are due in this turn, by deadline, ties in start order. */
  due: number;
  /** Capacity of `due` in ids; timers beyond it are served in the next turn, at once. */
  dueCapacity: number;
  /** Float64[timerCapacity]: the wanted deadline of a timer in ms of `now`; Infinity is disarmed. */
  deadlines: number;
  /** Float64[timerCapacity]: where the timer sits in the heap; Infinity when it does not. */
  scheduled: number;
  /** Number of timers that can exist. */
  timerCapacity: number;
  /** Int32[]: results of `accept` (handles), `receiveFds` (descriptors), `scanFields` (records). */
  table: number;
  /** Capacity of `table` in Int32 entries. */
  tableCapacity: number;
  /** Records of scanFields, six entries each, that it may write to the table. */
  recordCapacity: number;
  /** Int32[960]: arguments and results of the hot calls; from the 14th on what scanFields reports, from the 64th on slots of compose. */
  registers: number;
  /** The receive window, shared by every connection: valid until the callback returns. */
  window: number;
  /** Size of the window in bytes. */
  windowSize: number;
  /** A region for composing what is sent at once; owned by whoever runs. */
  scratch: number;
  /** Size of the scratch region in bytes. */
  scratchSize: number;
}

/**
 * Runs steps 4 to 6 of a turn: ready tasks, events, due timers.
 * `resumed` is true when the call continues a turn after TURN_CHECKPOINT.
 * Must not throw; what a callback throws goes to {@link NativeBinding.reportException}.
 */
export type TurnFunction = (eventCount: number, dueCount: number, resumed: boolean) => number;

/** The addon's exports. */
export interface NativeBinding {
  /** Which poller the addon was built with. */
  readonly poller: 'epoll' | 'kqueue';
  /** errno values by name, for the platform the addon runs on: `errno.ECONNRESET`. */
  readonly errno: Readonly<Record<string, number>>;

  // Host: one per Node environment.

  /** Opens the host of this environment (once; a second call throws) and returns the arena. */
  open(turn: TurnFunction): { buffer: ArrayBuffer; layout: ArenaLayout };
  /** Keeps the process alive (a counter is kept by TypeScript: call on 0→1). */
  ref(): void;
  /** Lets the process end when nothing else keeps it. */
  unref(): void;
  /** Makes the next wait return at once. Call after adding a task from outside a turn. */
  wake(): void;
  /** Delivers an error to `uncaughtException`, as a throwing callback would. */
  reportException(error: unknown): void;
  /** Reads the monotonic clock now, writes it to `layout.now`, and returns it in ms. */
  updateClock(): number;
  /** Counters for tests and status pages: open descriptors, timers, blocks, relays, pipes, turns. */
  counters(): {
    slots: number;
    timers: number;
    blocks: number;
    blockBytes: number;
    relays: number;
    pipes: number;
    turns: number;
    polls: number;
  };

  // Memory.

  /** Takes a block of at least `size` bytes (4 KB to 1 MB, rounded up to a power of two). Result: offset, or -ENOMEM. */
  acquireBlock(size: number): number;
  /** Gives back a block by its offset and the size that was asked for. */
  releaseBlock(offset: number, size: number): void;

  // Sockets. An address is a numeric IPv4 or IPv6 text ("::1", "fe80::1%eth0") or, with port < 0, a unix socket's path.

  /** Opens, binds and listens. Non-blocking, close-on-exec, TCP_NODELAY inherited by what it accepts. */
  listen(address: string, port: number, backlog: number, flags: number): number;
  /** Takes over a listening or connected descriptor; kind: 0 listener, 1 stream, 2 datagram. */
  adopt(fd: number, kind: number, flags: number): number;
  /** The descriptor number behind a handle, to hand down or to look at; the handle keeps it. */
  fileDescriptor(handle: number): number;
  /**
   * Accepts up to `max` connections into `table` and returns how many, registered and
   * non-blocking. 0 when none waits. -EMFILE and its like pause the listener, which
   * resumes by itself after 500 ms or when a descriptor of this host is closed.
   */
  accept(listener: number, max: number): number;
  /** Stops (0) or resumes (1) a listener's readiness. */
  enableListener(listener: number, enabled: number): number;
  /** Starts a connection. Result: a handle whose READY_WRITE says: ask {@link connectResult}. localAddress "" binds nothing; else it is "address" or "address port". */
  connect(address: string, port: number, localAddress: string): number;
  /** 0 when connected, -errno when it failed, -EINPROGRESS while it is under way. */
  connectResult(handle: number): number;
  /** Sends FIN (shutdown(SHUT_WR)). */
  shutdown(handle: number): number;
  /** Closes; events of this turn for the slot are void, the slot is reused from the next turn on. */
  close(handle: number): number;
  /** Sets one of OPTION_*. */
  setOption(handle: number, option: number, value: number): number;
  /** Asks for an event of `flags` (READY_*) on the handle in the next turn: it stopped at a budget or was resumed. */
  markReady(handle: number, flags: number): number;
  /** "address port" of the peer, as accept or connect learnt it; "" for a unix peer without a name. */
  remoteAddress(handle: number): string;
  /** "address port" of our own end. */
  localAddress(handle: number): string;

  // Datagrams and descriptors.

  /** A bound UDP socket; flags as for listen. */
  datagram(address: string, port: number, flags: number): number;
  /** Sends one datagram from the arena; address "" to the connected peer. */
  sendTo(handle: number, offset: number, length: number, address: string, port: number): number;
  /** Receives one datagram; its sender is then {@link lastSender}. -EAGAIN when none waits. */
  receiveFrom(handle: number, offset: number, length: number): number;
  /** "address port" of the datagram that the last receiveFrom of this host returned. */
  lastSender(): string;
  /** Sends bytes and up to 16 descriptors (Int32 at `fds` in the arena) over a unix stream. */
  sendFds(handle: number, offset: number, length: number, fds: number, count: number): number;
  /** Receives bytes and descriptors: result bytes; `table[0]` is the count, the descriptors follow. Close-on-exec. */
  receiveFds(handle: number, offset: number, length: number): number;

  // Relays: the bytes of long bodies, from socket to socket without a turn for each piece.

  /**
   * Takes over the reading of `source` and the writing to `target` for `length` bytes
   * (>= 1; Infinity: until the source ends). Nothing happens before the source's next
   * readiness: {@link markReady} for what is readable already. While it runs, neither
   * READY_READ of the source nor READY_WRITE of the target is reported; `sourceWrites` (0,
   * 1): its owner waits for READY_WRITE of the source. The source's READY_RELAYED says that
   * it is over.
   *
   * While bytes are waited for, deadlines[sourceTimer] is the time of the last ones plus its
   * timeout; while the target takes none, deadlines[targetTimer] likewise; the other one is
   * Infinity. -1 for no timer.
   *
   * Result: a relay's handle, kept until {@link relayEnd}; -EBADF, -EBUSY (one of them has
   * such a relay already), -ENFILE, -EINVAL.
   */
  relayStart(
    source: number,
    target: number,
    length: number,
    sourceWrites: number,
    sourceTimer: number,
    sourceTimeoutMs: number,
    targetTimer: number,
    targetTimeoutMs: number,
  ): number;
  /** RELAY_*; -EBADF for a handle that has ended. */
  relayState(relay: number): number;
  /** The errno of RELAY_SOURCE_FAILED and RELAY_TARGET_FAILED. */
  relayError(relay: number): number;
  /** Bytes read from the source so far. */
  relayReceived(relay: number): number;
  /** Bytes that the target's kernel has taken so far. */
  relaySent(relay: number): number;
  /** Forgets a relay. One that runs stops, and what it holds between source and target is dropped. */
  relayEnd(relay: number): void;

  // Timers. Moving a deadline later is `deadlines[id] = t`; earlier (t < scheduled[id]) needs timerArm too.

  /** A new, disarmed timer. Result: its id, or -ENOMEM. */
  timerAdd(): number;
  /** Puts the timer into the heap at deadlines[id]. */
  timerArm(id: number): number;
  /** Disarms and frees the id. */
  timerRemove(id: number): number;

  // The hot calls. Their arguments are Int32 in the registers of the arena (layout.registers),
  // and so is the result, in the first one; lib/native/hot.ts gives them the usual form.

  /** recv of [handle, offset, length] into the arena. > 0 bytes, 0 end of stream, -EAGAIN drained. EINTR is absorbed. */
  readonly receive: (this: void) => void;
  /** As receive, and what came is scanned as by scanFields from 0. */
  readonly receiveFields: (this: void) => void;
  /** send of [handle, offset, length] without SIGPIPE. Result: bytes taken, possibly fewer; -EAGAIN for none. */
  readonly send: (this: void) => void;
  /** sendmsg of [handle, pairs, count]: `count` (at most 64) Int32 pairs [offset, length] at byte offset `pairs`. As send. */
  readonly gather: (this: void) => void;
  /** Copies, with [to, offset1, length1, offset2, length2], two ranges behind each other to `to`, which overlaps neither. */
  readonly join: (this: void) => void;
  /** Scans [offset, length, from]; see lib/http/scan.ts. Records go to the table, the report to the registers. */
  readonly scanFields: (this: void) => void;
  /**
   * Writes a message head, with [steps, stepCount, to, capacity, records, recordCount, base,
   * dropFlags, drop, handle] and slots (Int32 pairs [offset, length]) from the 64th register on; see
   * lib/proxy/head-composer.ts. With a handle >= 0 it is sent as well. Result: its length, -ENOBUFS
   * when it does not fit; what send returned is in the second register.
   */
  readonly compose: (this: void) => void;
  /**
   * Writes a line of a log, with [steps, count, to, capacity, escape, records, recordCount, base, seen]
   * and the slots of compose; see lib/proxy/line-plan.ts. Result: its length, -ENOBUFS when it does not
   * fit.
   */
  readonly composeLine: (this: void) => void;
  /**
   * The names that scanFields looks up: lower-cased, each followed by LF; their ids are 1, 2, ...
   * Records of the ids up to `special` are listed apart, those in the bit mask `marked` are flagged.
   * Result: 0, or -EINVAL for a name that is empty or longer than 40 bytes, or more than 255 of them.
   */
  setNames(names: string, special: number, marked: number): number;
}

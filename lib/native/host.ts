/**
 * The environment's one host: poller, timers and arena of this thread, opened when this
 * module is first imported. It keeps nothing alive until `native.ref()`.
 *
 * The views cover the whole arena and never change: positions are byte offsets, so an
 * Int32 at offset `o` is `i32[o >> 2]` and a Float64 is `f64[o >> 3]`.
 */
import { TURN_DONE, type ArenaLayout, type TurnFunction } from './binding.js';
import { native } from './index.js';

let currentTurn: TurnFunction = () => TURN_DONE;

const { buffer, layout } = native.open((eventCount, dueCount, resumed) =>
  currentTurn(eventCount, dueCount, resumed),
);
const u8 = new Uint8Array(buffer);
const i32 = new Int32Array(buffer);
const f64 = new Float64Array(buffer);
const nowIndex = layout.now >> 3;
const wallClockIndex = layout.wallClock >> 3;

/** The arena and the clock of this environment. One object, shared by every reactor of the thread. */
export interface Host {
  /** Every byte of the arena. */
  readonly u8: Uint8Array;
  /** The same memory as Int32: index = byte offset >> 2. */
  readonly i32: Int32Array;
  /** The same memory as Float64: index = byte offset >> 3. */
  readonly f64: Float64Array;
  /** Where the fixed regions are. */
  readonly layout: Readonly<ArenaLayout>;
  /** The pairs [slot, READY_* flags] of this turn; `eventCount` of them are valid. */
  readonly events: Int32Array;
  /** The ids of the timers that are due in this turn; `dueCount` of them are valid. */
  readonly due: Int32Array;
  /** Results of accept, receiveFds and scanFields; valid until the next such call. */
  readonly table: Int32Array;
  /** Wanted deadlines by timer id, in ms of {@link Host.nowMs}; Infinity is disarmed. */
  readonly deadlines: Float64Array;
  /** Where the timers sit in the heap; Infinity when they do not. Read only. */
  readonly scheduled: Float64Array;
  /** The time of this turn on the monotonic clock, in ms. Outside of a turn it stands still; see `native.updateClock`. */
  nowMs(): number;
  /** The same moment in ms since 1970. */
  wallMs(): number;
  /** Installs what serves a turn; the last one called wins. */
  setTurn(turn: TurnFunction): void;
}

/** See {@link Host}. */
export const host: Host = {
  u8,
  i32,
  f64,
  layout,
  events: new Int32Array(buffer, layout.events, layout.eventCapacity * 2),
  due: new Int32Array(buffer, layout.due, layout.dueCapacity),
  table: new Int32Array(buffer, layout.table, layout.tableCapacity),
  deadlines: new Float64Array(buffer, layout.deadlines, layout.timerCapacity),
  scheduled: new Float64Array(buffer, layout.scheduled, layout.timerCapacity),
  nowMs: () => f64[nowIndex],
  wallMs: () => f64[wallClockIndex],
  setTurn(turn) {
    currentTurn = turn;
  },
};

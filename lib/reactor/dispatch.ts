/**
 * One turn of the loop, steps 4 to 6 (docs/architecture.md): ready tasks, events, due
 * timers, and last the onClose of whatever was closed meanwhile.
 *
 * There is one dispatcher per Node environment, as there is one host; reactors share it.
 * Everything that can receive an event is an {@link Owner} in a plain array, indexed by
 * the slot of its handle; everything that can be due is a {@link TimerOwner}, indexed by
 * timer id. Nothing is allocated per event.
 *
 * A callback that throws goes to `uncaughtException`, and its owner is closed.
 *
 * Members marked internal are left out of the published types: users see that a
 * connection has a scope, not how the turn calls it.
 */
import { native } from '../native/index.js';
import { host } from '../native/host.js';
import { SLOT_MASK, TURN_AGAIN, TURN_CHECKPOINT, TURN_DONE } from '../native/binding.js';
import { Fifo } from '../util/fifo.js';

/** Whatever owns a descriptor: a connection, a listener, a datagram socket. */
export interface Owner {
  /** @internal The descriptor is ready: READY_* flags. */
  onReady(flags: number): void;
  /** @internal One of its callbacks threw; the error has been reported. It closes itself. */
  onThrow(): void;
  /** @internal Closes because its reactor closes. */
  onScopeClosed(): void;
  readonly scope: Scope;
}

/** Whatever owns a native timer. */
export interface TimerOwner {
  /** @internal The timer is due; it is disarmed when this is called. */
  onTimer(): void;
  /** @internal As for an {@link Owner}. */
  onThrow(): void;
  /** @internal As for an {@link Owner}. */
  onScopeClosed(): void;
  readonly scope: Scope;
}

/** Whatever was closed and waits for its last callback. */
export interface Closing {
  /** @internal */
  deliverClose(): void;
}

/** What this file needs to know about a reactor. */
export interface Scope {
  readonly closed: boolean;
}

interface Task {
  readonly scope: Scope;
  readonly callback: () => void;
}

const STAGE_TASKS = 0;
const STAGE_EVENTS = 1;
const STAGE_TIMERS = 2;
const STAGE_CLOSES = 3;

const { i32, f64, layout } = host;
const EVENTS = layout.events >> 2;
const DUE = layout.due >> 2;
const NOW = layout.now >> 3;
const WALL = layout.wallClock >> 3;
const DEADLINES = layout.deadlines >> 3;
const SCHEDULED = layout.scheduled >> 3;

const owners: (Owner | undefined)[] = [];
const timerOwners: (TimerOwner | undefined)[] = [];
const tasks = new Fifo<Task>();
const closings = new Fifo<Closing>();

let inTurn = false;
let wakeAsked = false;
let checkpointAsked = false;
let references = 0;

// Where the current turn stands, so that it can go on after a checkpoint or an exception.
let stage = STAGE_TASKS;
let cursor = 0;
let taskCount = 0;
let eventCount = 0;
let dueCount = 0;
let closeCount = 0;

host.setTurn(runTurn);

function runTurn(events: number, due: number, resumed: boolean): number {
  if (!resumed) {
    eventCount = events;
    dueCount = due;
    inTurn = true;
    wakeAsked = false;
    checkpointAsked = false;
    stage = STAGE_TASKS;
    cursor = 0;
    taskCount = tasks.length;
  }
  for (;;) {
    try {
      return runStages();
    } catch (error) {
      const culprit = running();
      native.reportException(error);
      culprit?.onThrow();
    }
  }
}

/** Whose callback threw; undefined when it was a task, or has closed itself since. */
function running(): Owner | TimerOwner | undefined {
  if (stage === STAGE_EVENTS) return owners[i32[EVENTS + (cursor - 1) * 2]];
  return stage === STAGE_TIMERS ? timerOwners[i32[DUE + cursor - 1]] : undefined;
}

function runStages(): number {
  if (stage === STAGE_TASKS) {
    while (cursor < taskCount) {
      cursor++;
      const task = tasks.shift() as Task;
      release();
      if (task.scope.closed) continue;
      task.callback();
      return checkpoint();
    }
    stage = STAGE_EVENTS;
    cursor = 0;
  }
  if (stage === STAGE_EVENTS) {
    while (cursor < eventCount) {
      const at = EVENTS + cursor * 2;
      cursor++;
      const owner = owners[i32[at]];
      if (owner === undefined) continue;
      owner.onReady(i32[at + 1]);
      if (checkpointAsked) return checkpoint();
    }
    stage = STAGE_TIMERS;
    cursor = 0;
  }
  if (stage === STAGE_TIMERS) {
    while (cursor < dueCount) {
      const id = i32[DUE + cursor];
      cursor++;
      const owner = timerOwners[id];
      if (owner === undefined || !takeDue(id)) continue;
      owner.onTimer();
      if (checkpointAsked) return checkpoint();
    }
    stage = STAGE_CLOSES;
    cursor = 0;
    closeCount = closings.length;
  }
  while (cursor < closeCount) {
    cursor++;
    const closing = closings.shift() as Closing;
    release();
    closing.deliverClose();
    if (checkpointAsked) return checkpoint();
  }
  inTurn = false;
  return tasks.length > 0 || closings.length > 0 ? TURN_AGAIN : TURN_DONE;
}

function checkpoint(): number {
  checkpointAsked = false;
  return TURN_CHECKPOINT;
}

/**
 * Whether a timer of the due table is still due: a callback of this turn may have moved
 * its deadline, removed it, or removed it and got the same id again.
 */
function takeDue(id: number): boolean {
  if (f64[SCHEDULED + id] !== Infinity) return false;
  if (!(f64[DEADLINES + id] <= f64[NOW])) return false;
  f64[DEADLINES + id] = Infinity;
  return true;
}

/** Promises and ticks are settled before the next callback of this turn runs. */
export function requestCheckpoint(): void {
  checkpointAsked = true;
}

/** Enters the owner of a new handle; the process stays alive until {@link release}. */
export function addOwner(handle: number, owner: Owner): void {
  owners[handle & SLOT_MASK] = owner;
  retain();
}

/** Forgets the owner: events that this turn still holds for the slot are dropped. */
export function removeOwner(handle: number): void {
  owners[handle & SLOT_MASK] = undefined;
}

/** Calls `deliverClose` at the end of this turn, or in the next when none is running. Never synchronously. */
export function addClosing(closing: Closing): void {
  closings.push(closing);
  retain();
  needTurn();
}

/** Runs the task in the next turn, unless its scope is closed by then. First in, first out. */
export function addTask(scope: Scope, callback: () => void): void {
  tasks.push({ scope, callback });
  retain();
  needTurn();
}

/** Tasks of this scope that have not run. */
export function countTasks(scope: Scope): number {
  let count = 0;
  for (const task of tasks) if (task.scope === scope) count++;
  return count;
}

/** Every owner of a descriptor or timer that belongs to the scope. O(slots): for closing and reports. */
export function ownersOf(scope: Scope): { descriptors: Owner[]; timers: TimerOwner[] } {
  const isMember = (owner: { scope: Scope } | undefined): boolean => owner?.scope === scope;
  return {
    descriptors: owners.filter(isMember) as Owner[],
    timers: timerOwners.filter(isMember) as TimerOwner[],
  };
}

function needTurn(): void {
  if (inTurn || wakeAsked) return;
  wakeAsked = true;
  native.wake();
}

/** Keeps the process alive; every call needs its {@link release}. */
export function retain(): void {
  if (references++ === 0) native.ref();
}

/** Gives up one {@link retain}. */
export function release(): void {
  if (--references === 0) native.unref();
}

/** Monotonic time in ms: the turn's while a turn runs, else read afresh. */
export function nowMs(): number {
  return inTurn ? f64[NOW] : native.updateClock();
}

/**
 * As {@link nowMs}, but read afresh in any case: a delay counted from the beginning of a
 * turn would end early by what the turn has taken so far. The turn keeps its time.
 */
export function freshMs(): number {
  const now = f64[NOW];
  const wall = f64[WALL];
  const fresh = native.updateClock();
  if (inTurn) {
    f64[NOW] = now;
    f64[WALL] = wall;
  }
  return fresh;
}

/** Time since 1970 in ms, as of the running or the last turn. */
export function wallMs(): number {
  return f64[WALL];
}

/** A new, disarmed timer: its id, or -ENOMEM. */
export function addTimer(owner: TimerOwner): number {
  const id = native.timerAdd();
  if (id >= 0) timerOwners[id] = owner;
  return id;
}

/** Moves a timer to `atMs` (on the clock of {@link nowMs}): a store when it moves later, a heap operation when earlier. */
export function armTimer(id: number, atMs: number): void {
  f64[DEADLINES + id] = atMs;
  if (atMs < f64[SCHEDULED + id]) native.timerArm(id);
}

/** Disarms; the heap notices when it gets there. */
export function disarmTimer(id: number): void {
  f64[DEADLINES + id] = Infinity;
}

/** The deadline in ms of {@link nowMs}; Infinity when disarmed. */
export function timerDeadline(id: number): number {
  return f64[DEADLINES + id];
}

/** Frees the id. */
export function removeTimer(id: number): void {
  timerOwners[id] = undefined;
  native.timerRemove(id);
}

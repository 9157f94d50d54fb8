/**
 * Gives back what a burst has left in V8's heap: garbage, and the room of a young
 * generation that grew under load and that V8 keeps until it has a reason to collect.
 * An idle proxy gives it none.
 *
 *   a quiet look, and the heap has grown ──► collect ──(room left)──► two quiet looks more ──► collect
 *
 * Under traffic this costs nothing but a look each {@link LOOK_MS}, which reads the CPU time
 * that the process has used. A look is quiet when that was next to none. V8 11 (Node 20) gives
 * the young generation's room back only where little was allocated in the 5 s before a
 * collection: hence the second one. A collection stops the thread for some ten milliseconds,
 * and longer with many tunnels open; whoever sends in that moment waits so long.
 *
 * Only the command does this: a program that embeds a proxy owns its heap.
 */
import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Reactor } from '../reactor/reactor.js';

/** How often is looked whether anything happens: two of them are more than V8's 5 s. */
const LOOK_MS = 2600;
/** CPU time of a look in which nothing happened: 0.05 %, or some ten requests a second. */
const QUIET_CPU_MS = 1.3;
/** The quiet look in a row at which is collected for the second time. */
const SECOND_LOOK = 3;
/** What is not worth a collection. */
const WORTH_BYTES = 4 * 1024 * 1024;

/** What {@link IdleMemory} looks at and does; V8's and the process's own unless a test brings others. */
export interface HeapControl {
  /** CPU time used by the process so far. */
  cpuMs(): number;
  /** Resident bytes of the heap. */
  heapBytes(): number;
  /** How many of them hold nothing. */
  roomBytes(): number;
  /** Collects everything and gives the room back, in a task of its own. */
  collect(): Promise<void>;
}

/** Looks after the heap from construction to {@link IdleMemory.stop}. */
export class IdleMemory {
  readonly #reactor: Pick<Reactor, 'setTimer'>;
  readonly #heap: HeapControl;
  #cpuMs: number;
  /** The least that the heap has had since it was last collected, or since the start. */
  #leastBytes: number;
  /** Quiet looks in a row. */
  #quiet = 0;
  /** The first collection has left room behind. */
  #again = false;
  #timer: { cancel(): void } | undefined;

  constructor(reactor: Pick<Reactor, 'setTimer'>, heap: HeapControl = new ProcessHeap()) {
    this.#reactor = reactor;
    this.#heap = heap;
    this.#cpuMs = heap.cpuMs();
    this.#leastBytes = heap.heapBytes();
    this.#start();
  }

  /** Looks no more. Repeated calls do nothing. */
  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #start(): void {
    const timer = this.#reactor.setTimer(LOOK_MS, () => void this.#look());
    timer.unref();
    this.#timer = timer;
  }

  async #look(): Promise<void> {
    const timer = this.#timer;
    const cpuMs = this.#heap.cpuMs();
    this.#quiet = cpuMs - this.#cpuMs > QUIET_CPU_MS ? 0 : this.#quiet + 1;
    this.#cpuMs = cpuMs;
    if (this.#quiet > 0) await this.#giveBack();
    if (this.#timer === timer) this.#start();
  }

  async #giveBack(): Promise<void> {
    const heapBytes = this.#heap.heapBytes();
    if (heapBytes - this.#leastBytes >= WORTH_BYTES) {
      await this.#collect();
      this.#quiet = 1;
      this.#again = this.#heap.roomBytes() >= WORTH_BYTES;
    } else if (this.#again && this.#quiet >= SECOND_LOOK) {
      this.#again = false;
      await this.#collect();
    } else {
      this.#leastBytes = Math.min(this.#leastBytes, heapBytes);
    }
  }

  async #collect(): Promise<void> {
    await this.#heap.collect();
    this.#leastBytes = this.#heap.heapBytes();
    this.#cpuMs = this.#heap.cpuMs();
  }
}

type Collector = (options: { type: 'major'; execution: 'async'; flavor: 'last-resort' }) => Promise<void>;

/** The process and its heap. */
export class ProcessHeap implements HeapControl {
  #collector: Collector | undefined;

  cpuMs(): number {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1000;
  }

  heapBytes(): number {
    return getHeapStatistics().total_physical_size;
  }

  roomBytes(): number {
    const { total_physical_size: all, used_heap_size: used } = getHeapStatistics();
    return all - used;
  }

  collect(): Promise<void> {
    this.#collector ??= collectorOf();
    // With this flavor V8 from 12 on gives all room back at once; 11 does not know it, and
    // collects the young generation alone when it is asked to do it synchronously.
    return this.#collector({ type: 'major', execution: 'async', flavor: 'last-resort' });
  }
}

/** V8 shows its collector only to a context that is made while the flag is set. */
function collectorOf(): Collector {
  setFlagsFromString('--expose-gc');
  try {
    return runInNewContext('gc') as Collector;
  } finally {
    setFlagsFromString('--no-expose-gc');
  }
}

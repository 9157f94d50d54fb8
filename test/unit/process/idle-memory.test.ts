/**
 * When the heap is collected (by a clock and a heap of the test's own), and that a
 * collection gives room back on this version of Node.
 */
import { expect, test } from 'vitest';
import { IdleMemory, ProcessHeap } from '../../../lib/process/idle-memory.js';
import type { Timer } from '../../../lib/reactor/timer.js';

const MB = 1024 * 1024;

/** A heap that holds what the test says, and falls to `live` when it is collected. */
class FakeHeap {
  cpu = 0;
  bytes = 10 * MB;
  live = 10 * MB;
  /** What the next collection leaves of room. */
  room = 0;
  collections = 0;

  cpuMs(): number {
    return this.cpu;
  }

  heapBytes(): number {
    return this.bytes;
  }

  roomBytes(): number {
    return this.bytes - this.live;
  }

  collect(): Promise<void> {
    this.collections++;
    this.bytes = this.live + this.room;
    this.room = 0;
    // A collection takes time as well, which is no traffic.
    this.cpu += 30;
    return Promise.resolve();
  }
}

/** One timer at most, which the test lets run. */
class FakeReactor {
  callback: (() => void) | undefined;
  kept = false;

  setTimer(_delayMs: number, callback: () => void): Timer {
    this.callback = callback;
    this.kept = true;
    const cancel = (): void => {
      if (this.callback === callback) this.callback = undefined;
    };
    return { cancel, unref: () => (this.kept = false) } as unknown as Timer;
  }

  async look(): Promise<void> {
    const { callback } = this;
    this.callback = undefined;
    callback?.();
    await new Promise(setImmediate);
  }
}

function start(): { heap: FakeHeap; reactor: FakeReactor; memory: IdleMemory } {
  const heap = new FakeHeap();
  const reactor = new FakeReactor();
  return { heap, reactor, memory: new IdleMemory(reactor, heap) };
}

test('a heap that a burst has enlarged is collected once nothing happens, and only once', async () => {
  const { heap, reactor } = start();
  heap.bytes = 40 * MB;
  heap.cpu += 500;
  await reactor.look();
  expect(heap.collections).toBe(0);
  heap.cpu += 1;
  await reactor.look();
  expect(heap.collections).toBe(1);
  heap.cpu += 1;
  await reactor.look();
  expect(heap.collections).toBe(1);
  // The next burst.
  heap.bytes = 40 * MB;
  heap.cpu += 500;
  await reactor.look();
  await reactor.look();
  expect(heap.collections).toBe(2);
});

test('what a first collection leaves of room is for a second one, after two quiet looks more', async () => {
  const { heap, reactor } = start();
  heap.bytes = 60 * MB;
  heap.room = 20 * MB;
  await reactor.look();
  await reactor.look();
  expect([heap.collections, heap.bytes]).toEqual([1, 30 * MB]);
  // Traffic in between: it begins anew.
  heap.cpu += 10;
  for (let i = 0; i < 3; i++) await reactor.look();
  expect(heap.collections).toBe(1);
  await reactor.look();
  expect([heap.collections, heap.bytes]).toEqual([2, 10 * MB]);
  for (let i = 0; i < 5; i++) await reactor.look();
  expect(heap.collections).toBe(2);
});

test('under traffic it is never collected, whatever it grows to', async () => {
  const { heap, reactor } = start();
  for (let i = 0; i < 10; i++) {
    heap.bytes += 20 * MB;
    heap.cpu += 5;
    await reactor.look();
  }
  expect(heap.collections).toBe(0);
});

test('what stays is no reason to collect again', async () => {
  const { heap, reactor } = start();
  heap.bytes = 90 * MB;
  heap.live = 80 * MB;
  await reactor.look();
  for (let i = 0; i < 5; i++) await reactor.look();
  expect(heap.collections).toBe(1);
  heap.bytes += 5 * MB;
  await reactor.look();
  expect(heap.collections).toBe(2);
});

test('a heap that V8 has collected by itself is compared with what it came to', async () => {
  const { heap, reactor } = start();
  heap.bytes = 6 * MB;
  await reactor.look();
  heap.bytes = 11 * MB;
  await reactor.look();
  expect(heap.collections).toBe(1);
});

test('it keeps no process alive, and ends when it is told to, also in a collection', async () => {
  const { heap, reactor, memory } = start();
  expect(reactor.kept).toBe(false);
  heap.bytes = 40 * MB;
  const looked = reactor.look();
  memory.stop();
  memory.stop();
  await looked;
  expect(reactor.callback).toBeUndefined();
  const other = start();
  other.memory.stop();
  expect(other.reactor.callback).toBeUndefined();
});

test('a collection gives back what is not used', async () => {
  const heap = new ProcessHeap();
  let kept: object[] = [];
  for (let i = 0; i < 500_000; i++) kept.push({ i, list: [i] });
  expect(kept).toHaveLength(500_000);
  kept = [];
  const before = heap.heapBytes();
  await heap.collect();
  expect(heap.heapBytes()).toBeLessThan(before - 10 * MB);
  expect('gc' in globalThis).toBe(false);
});

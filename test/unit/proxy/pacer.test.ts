/** Who is too slow, who has an excuse, and when the one timer runs at all. */
import { beforeEach, describe, expect, it } from 'vitest';
import { Pacer, type MinRate, type Paced } from '../../../lib/proxy/pacer.js';
import type { Reactor } from '../../../lib/reactor/reactor.js';

const RATE: MinRate = { bytesPerSecond: 100, graceMs: 1000 };

let nowMs: number;
let timers: { callback: () => void; cancelled: boolean }[];
let pacer: Pacer;

/** One direction, in the hands of the test. */
class Side implements Paced {
  pacedBytes = 0;
  waitsForPeer = true;
  paceOver = false;
  readonly calls: string[] = [];

  onPaceOver(): void {
    this.calls.push('over');
  }

  onTooSlow(bytes: number, ms: number): void {
    this.calls.push(`${bytes} in ${ms}`);
  }
}

beforeEach(() => {
  nowMs = 5000;
  timers = [];
  const reactor = {
    setTimer(_ms: number, callback: () => void) {
      const timer = { callback, cancelled: false };
      timers.push(timer);
      return { cancel: () => void (timer.cancelled = true), unref: () => undefined };
    },
  };
  pacer = new Pacer(reactor as unknown as Reactor, () => nowMs);
});

/** Lets time pass, in ticks. */
function pass(ms: number): void {
  for (const end = nowMs + ms; nowMs < end;) {
    nowMs += 250;
    const timer = timers.at(-1);
    if (timer !== undefined && !timer.cancelled) timer.callback();
  }
}

const running = (): number => timers.filter(({ cancelled }) => !cancelled).length;

describe('a peer that is waited for', () => {
  it('is too slow when a window brings less than the rate, and is told so once', () => {
    const side = new Side();
    pacer.watch(side, RATE);
    pass(750);
    side.pacedBytes = 99;
    expect(side.calls).toEqual([]);
    pass(3000);
    expect(side.calls).toEqual(['99 in 1000']);
  });

  it('is fast enough with the rate, in every window anew', () => {
    const side = new Side();
    pacer.watch(side, RATE);
    for (const bytes of [100, 1100, 1200]) {
      pass(750);
      side.pacedBytes = bytes;
      pass(250);
    }
    expect(side.calls).toEqual([]);
    // What it did before is no credit.
    pass(1000);
    expect(side.calls).toEqual(['0 in 1000']);
  });

  it('begins anew after it was held back, or when something new began', () => {
    const side = new Side();
    pacer.watch(side, RATE);
    pass(750);
    side.waitsForPeer = false;
    pass(10_000);
    side.waitsForPeer = true;
    pass(750);
    side.pacedBytes = -500;
    pass(250);
    expect(side.calls).toEqual([]);
    pass(1000);
    expect(side.calls).toEqual(['0 in 1000']);
  });

  it('has the rate that it was given last', () => {
    const side = new Side();
    pacer.watch(side, RATE);
    pass(750);
    pacer.watch(side, RATE);
    pass(250);
    expect(side.calls).toEqual(['0 in 1000']);
    const other = new Side();
    pacer.watch(other, RATE);
    pass(750);
    pacer.watch(other, { bytesPerSecond: 1, graceMs: 5000 });
    pass(4750);
    expect(other.calls).toEqual([]);
  });
});

describe('the timer', () => {
  it('is there while somebody is watched', () => {
    const [one, two] = [new Side(), new Side()];
    expect(timers).toEqual([]);
    pacer.watch(one, RATE);
    pacer.watch(two, RATE);
    expect(timers).toHaveLength(1);
    pacer.forget(one);
    expect(running()).toBe(1);
    pacer.forget(two);
    pacer.forget(two);
    expect(running()).toBe(0);
    pass(5000);
    expect([one.calls, two.calls]).toEqual([[], []]);
  });

  it('ends with the last of them, told or over', () => {
    const [slow, over] = [new Side(), new Side()];
    pacer.watch(slow, RATE);
    pacer.watch(over, RATE);
    over.waitsForPeer = false;
    over.paceOver = true;
    pass(250);
    expect(over.calls).toEqual(['over']);
    pass(750);
    expect(slow.calls).toEqual(['0 in 1000']);
    const { length } = timers;
    pass(1000);
    expect(timers).toHaveLength(length);
  });
});

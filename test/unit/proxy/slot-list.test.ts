/** Parts of pages: none is handed out twice, and a page of which nothing is used goes back. */
import { describe, expect, it } from 'vitest';
import { SlotList } from '../../../lib/proxy/slot-list.js';
import { CountingAllocator, random } from './support.js';

const PAGE = 4096;
const MEGABYTE = 1 << 20;
/** As many slots as are kept. */
const KEPT = 256;

function rig(slotBytes: number, capacity = 4 * MEGABYTE): { slots: SlotList; allocator: CountingAllocator } {
  const allocator = new CountingAllocator(0, capacity);
  const pages = {
    acquire: (size: number) => Math.max(-1, allocator.acquireBlock(size)),
    release: (offset: number, size: number) => allocator.releaseBlock(offset, size),
  };
  return { slots: new SlotList(pages, PAGE, slotBytes), allocator };
}

/** Slots out of a list, in the order of their offsets. */
function take(slots: SlotList, count: number): number[] {
  return Array.from({ length: count }, () => slots.acquire()).sort((a, b) => a - b);
}

describe.each([1024, 2048])('slots of %d bytes', (slotBytes) => {
  const perPage = PAGE / slotBytes;

  it('fill a page before another one is taken, and lie beside each other', () => {
    const { slots, allocator } = rig(slotBytes);
    expect(take(slots, perPage)).toEqual(Array.from({ length: perPage }, (_, i) => i * slotBytes));
    expect(allocator.taken.size).toBe(1);
    slots.acquire();
    expect(allocator.taken.size).toBe(2);
  });

  it('are handed out again', () => {
    const { slots, allocator } = rig(slotBytes);
    const [first = -1] = take(slots, perPage);
    slots.release(first);
    expect(slots.acquire()).toBe(first);
    expect(allocator.acquired).toBe(1);
  });

  it('are -1 when there is no page any more', () => {
    const { slots } = rig(slotBytes, PAGE);
    const [first = -1] = take(slots, perPage);
    expect(slots.acquire()).toBe(-1);
    slots.release(first);
    expect(slots.acquire()).toBe(first);
  });

  it('let a page go when nothing of it is used, beyond what is kept', () => {
    const { slots, allocator } = rig(slotBytes);
    const all = take(slots, KEPT + 40 * perPage);
    const kept = KEPT / perPage;
    expect(allocator.taken.size).toBe(kept + 40);
    for (const slot of all) slots.release(slot);
    expect(allocator.taken.size).toBe(kept);
    slots.drain();
    expect(allocator.taken.size).toBe(0);
    slots.drain();
    expect(allocator.released).toBe(allocator.acquired);
  });

  it('come from pages in use before a new one is taken', () => {
    const { slots, allocator } = rig(slotBytes);
    const all = take(slots, KEPT + 10 * perPage);
    // What is kept, then one slot of each of the other pages.
    for (const slot of all.slice(0, KEPT)) slots.release(slot);
    for (let i = KEPT; i < all.length; i += perPage) slots.release(all[i] ?? -1);
    const { acquired } = allocator;
    const again = take(slots, KEPT + 10);
    expect(new Set(again).size).toBe(KEPT + 10);
    expect(allocator.acquired).toBe(acquired);
  });
});

it('no slot is out twice, and none is lost, whatever the order', () => {
  for (let seed = 1; seed <= 30; seed++) {
    const below = random(seed);
    const { slots, allocator } = rig(1024);
    const out: number[] = [];
    const known = new Set<number>();
    for (let step = 0; step < 3000; step++) {
      // It grows to some hundred slots, and shrinks again.
      const growing = (step >> 9) % 2 === 0 ? 7 : 3;
      if (below(10) < growing || out.length === 0) {
        const slot = slots.acquire();
        if (slot < 0 || slot % 1024 !== 0 || known.has(slot)) expect.fail(`seed ${seed}, step ${step}`);
        known.add(slot);
        out.push(slot);
      } else {
        const [slot = -1] = out.splice(below(out.length), 1);
        known.delete(slot);
        slots.release(slot);
      }
    }
    for (const slot of out) slots.release(slot);
    slots.drain();
    expect(allocator.taken.size, `seed ${seed}`).toBe(0);
  }
});

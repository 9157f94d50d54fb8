import { expect, it } from 'vitest';
import { Roster, type Member } from '../../../lib/util/roster.js';
import { random } from '../proxy/support.js';

class One implements Member {
  place = -1;
}

it('has the members that a set would have', () => {
  const below = random(3);
  const all = Array.from({ length: 40 }, () => new One());
  const roster = new Roster<One>();
  const expected = new Set<One>();
  for (let i = 0; i < 5000; i++) {
    const one = all[below(all.length)];
    if (below(2) === 0) {
      roster.add(one);
      expected.add(one);
    } else {
      roster.delete(one);
      expected.delete(one);
    }
    expect(roster.size).toBe(expected.size);
    if (i % 50 === 0) expect(new Set(roster)).toEqual(expected);
  }
});

it('lets members leave while it is gone through', () => {
  const roster = new Roster<One>();
  const all = Array.from({ length: 10 }, () => new One());
  for (const one of all) roster.add(one);
  const seen: One[] = [];
  for (const one of roster) {
    seen.push(one);
    roster.delete(one);
  }
  expect(seen).toEqual(all);
  expect(roster.size).toBe(0);
  expect(all.every(({ place }) => place === -1)).toBe(true);
});

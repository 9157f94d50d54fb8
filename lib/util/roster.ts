/**
 * A set whose members know their place in it, so that entering and leaving cost no hash and
 * no garbage. A member can be in one roster at a time. The order is not kept.
 */
export interface Member {
  /** Index in the roster; -1 outside. Only the roster writes it. */
  place: number;
}

export class Roster<T extends Member> implements Iterable<T> {
  readonly #members: T[] = [];

  get size(): number {
    return this.#members.length;
  }

  /** Enters a member; nothing happens when it is in already. */
  add(member: T): void {
    if (member.place < 0) member.place = this.#members.push(member) - 1;
  }

  /** Takes a member out; nothing happens when it is not in. */
  delete(member: T): void {
    const { place } = member;
    if (place < 0) return;
    member.place = -1;
    const last = this.#members.pop();
    if (last === undefined || last === member) return;
    this.#members[place] = last;
    last.place = place;
  }

  /** Those that are in when it begins; they may leave meanwhile. */
  [Symbol.iterator](): Iterator<T> {
    return this.#members.slice().values();
  }
}

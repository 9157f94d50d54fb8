/**
 * Blocks that are parts of a page: a head of 700 bytes that is kept for as long as a tunnel
 * is open costs a quarter of a page and not a whole one.
 *
 *     page   [ slot | slot | slot | slot ]
 *              used   free   used   loose
 *
 * A free slot is handed out again as it is. Beyond {@link KEEP_FREE} of them a slot that comes
 * back is loose: it is known by the page that it belongs to, which goes back when all its
 * slots are loose.
 */

/** Slots kept to be handed out at once. */
const KEEP_FREE = 256;

/** Where the pages come from. */
export interface Pages {
  acquire(size: number): number;
  release(offset: number, size: number): void;
}

/** Slots of one size. */
export class SlotList {
  readonly #pages: Pages;
  readonly #pageBytes: number;
  readonly #slotBytes: number;
  /** A bit for each slot of a page. */
  readonly #all: number;
  readonly #free: number[] = [];
  /** The loose slots of a page that has any, as bits. */
  readonly #loose = new Map<number, number>();

  /** Both sizes are powers of two, and pages lie at multiples of theirs. */
  constructor(pages: Pages, pageBytes: number, slotBytes: number) {
    this.#pages = pages;
    this.#pageBytes = pageBytes;
    this.#slotBytes = slotBytes;
    this.#all = (1 << (pageBytes / slotBytes)) - 1;
  }

  /** An offset, or -1 when there is no page any more. */
  acquire(): number {
    return this.#free.pop() ?? this.#gather();
  }

  release(offset: number): void {
    if (this.#free.length < KEEP_FREE) this.#free.push(offset);
    else this.#loosen(offset);
  }

  /** Gives back every page of which nothing is used. */
  drain(): void {
    for (const offset of this.#free.splice(0)) this.#loosen(offset);
  }

  /** A slot of a page that has loose ones, else of a new page. The others of that page become free. */
  #gather(): number {
    let [page, bits] = this.#loose.entries().next().value ?? [-1, this.#all];
    if (page < 0) page = this.#pages.acquire(this.#pageBytes);
    else this.#loose.delete(page);
    if (page < 0) return -1;
    let slot = page;
    for (; (bits & 1) === 0; bits >>= 1) slot += this.#slotBytes;
    for (let other = slot; (bits >>= 1) !== 0;) {
      other += this.#slotBytes;
      if ((bits & 1) !== 0) this.#free.push(other);
    }
    return slot;
  }

  #loosen(offset: number): void {
    const page = offset & ~(this.#pageBytes - 1);
    const bits = (this.#loose.get(page) ?? 0) | (1 << ((offset - page) / this.#slotBytes));
    if (bits !== this.#all) {
      this.#loose.set(page, bits);
      return;
    }
    this.#loose.delete(page);
    this.#pages.release(page, this.#pageBytes);
  }
}

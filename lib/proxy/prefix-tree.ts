/**
 * A set of byte strings with a value each, asked for the longest that a path begins with,
 * and for the one that it is.
 *
 * A radix tree: a step down compares up to four bytes at once, and goes to the child that
 * begins with the path's next byte, so a lookup takes as long as what matches, however many
 * strings there are. "/", "/service1/" and "/service2/":
 *
 *     (root) ─ "/" = ─ "serv" ─ "ice" ┬ "1/" =
 *                                     └ "2/" =
 *
 * Paths lie in the arena: a word of it is one instruction where the array is a constant
 * of the module (docs/performance.md). A step may look at up to three bytes behind the
 * path, and throws them away.
 */
import { u8 as bytes, view as words } from '../http/memory.js';

// As in message-head.ts: constants of this module are folded, imported ones are not.
const u8 = bytes;
const view = words;

/** Bytes that one node compares. */
const WORD = 4;

interface Node<T> {
  /** Its bytes as a little-endian number; where there are fewer than four, the rest is 0. */
  readonly word: number;
  /** Ones where `word` has bytes. */
  readonly mask: number;
  /** Number of its bytes; 0 at the root. */
  readonly length: number;
  /** Of the prefix that ends here. */
  readonly prefix: T | undefined;
  /** Of the path that ends here. */
  readonly exact: T | undefined;
  /** The child, where there is one: a step without a look at the next byte. */
  readonly only: Node<T> | undefined;
  /** Several children by their first byte. */
  readonly table: readonly (Node<T> | undefined)[];
}

/** A table of 256 without a child. */
function emptyTable(): undefined[] {
  return Array.from({ length: 256 }, () => undefined);
}

const NO_CHILDREN: readonly undefined[] = emptyTable();

/** Texts are byte strings. */
export class PrefixTree<T> {
  /** Bytes of the longest text. */
  readonly longest: number;
  readonly #root: Node<T>;
  #exact: T | undefined;

  /** Of several with the same text the first is kept. */
  constructor(prefixes: readonly (readonly [string, T])[], exacts: readonly (readonly [string, T])[]) {
    const draft = new Draft<T>();
    for (const [text, value] of prefixes) draft.at(text).prefix ??= value;
    for (const [text, value] of exacts) draft.at(text).exact ??= value;
    this.longest = Math.max(0, ...[...prefixes, ...exacts].map(([text]) => text.length));
    this.#root = node('', draft);
  }

  /**
   * Looks up the path at [start, end) of the arena, behind which three more bytes must lie.
   * Result: the value of the longest prefix; `exact` is then the value of the path itself.
   */
  find(start: number, end: number): T | undefined {
    let at = start | 0;
    const stop = end | 0;
    let current = this.#root;
    let found = current.prefix;
    while (at < stop) {
      const child = current.only ?? current.table[u8[at]];
      if (child === undefined) break;
      const next = (at + child.length) | 0;
      if (next > stop || (view.getInt32(at, true) & child.mask) !== child.word) break;
      at = next;
      current = child;
      if (child.prefix !== undefined) found = child.prefix;
    }
    this.#exact = at === stop ? current.exact : undefined;
    return found;
  }

  /** Of the last lookup. */
  get exact(): T | undefined {
    return this.#exact;
  }
}

/** The tree with one byte for each step, as it is built. */
class Draft<T> {
  readonly children = new Map<number, Draft<T>>();
  prefix: T | undefined;
  exact: T | undefined;

  /** The child of that byte, which is made when it is not there. */
  child(byte: number): Draft<T> {
    let child = this.children.get(byte);
    if (child === undefined) {
      child = new Draft<T>();
      this.children.set(byte, child);
    }
    return child;
  }

  /** The place of a text. */
  at(text: string): Draft<T> {
    return [...text].reduce<Draft<T>>((draft, char) => draft.child(char.charCodeAt(0)), this);
  }
}

/** The node of `text`, which leads to `draft`. */
function node<T>(text: string, draft: Draft<T>): Node<T> {
  const children: [number, Node<T>][] = [];
  for (const [byte, next] of draft.children) {
    let label = String.fromCharCode(byte);
    let last = next;
    while (label.length < WORD && last.children.size === 1 && !ends(last)) {
      const [[onlyByte, only]] = last.children as unknown as [[number, Draft<T>]];
      label += String.fromCharCode(onlyByte);
      last = only;
    }
    children.push([byte, node(label, last)]);
  }
  const { length } = text;
  let word = 0;
  for (let i = 0; i < length; i++) word |= text.charCodeAt(i) << (8 * i);
  const mask = length === WORD ? -1 : (1 << (8 * length)) - 1;
  const { prefix, exact } = draft;
  const only = children.length === 1 ? children[0]?.[1] : undefined;
  let table: readonly (Node<T> | undefined)[] = NO_CHILDREN;
  if (children.length > 1) {
    const full: (Node<T> | undefined)[] = emptyTable();
    for (const [byte, child] of children) full[byte] = child;
    table = full;
  }
  return { word, mask, length, prefix, exact, only, table };
}

/** Whether a text ends there. */
function ends<T>({ prefix, exact }: Draft<T>): boolean {
  return prefix !== undefined || exact !== undefined;
}

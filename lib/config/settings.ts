/**
 * The values of one block, and what it inherits. The nearest value wins; a row with
 * `merge` combines it with what the enclosing blocks give.
 */
import type { AnyDirective, Directive, DirectiveNode, Position, Settings } from '../module-api/index.js';

interface Own {
  readonly value: unknown;
  readonly position: Position;
}

/** Filled while its block is read, then only asked. */
export class BlockSettings implements Settings {
  readonly #outer: BlockSettings | undefined;
  readonly #own = new Map<AnyDirective, Own>();
  readonly #nodes: DirectiveNode[] = [];
  /** Merged values, kept because merging may make new objects: whoever asks twice gets the same one. */
  readonly #merged = new Map<AnyDirective, unknown>();

  /** `outer` is the block around this one. */
  constructor(outer: BlockSettings | undefined) {
    this.#outer = outer;
  }

  get outer(): Settings | undefined {
    return this.#outer;
  }

  /** Sets this block's value; the position of the first directive is kept when it is repeated. */
  set<T>(row: Directive<T>, value: T, position: Position): void {
    this.#own.set(row, { value, position: this.#own.get(row)?.position ?? position });
  }

  /** Remembers a directive as it was written; those of inner blocks are not this block's. */
  add(node: DirectiveNode): void {
    this.#nodes.push(node);
  }

  /** Whether a directive of this block, or of one around it, has such a text. */
  mentions(has: (node: DirectiveNode) => boolean): boolean {
    return this.#nodes.some(has) || this.#outer?.mentions(has) === true;
  }

  has(row: AnyDirective): boolean {
    return this.#own.has(row);
  }

  get<T>(row: Directive<T>): T {
    const own = this.#own.get(row);
    if (own === undefined) return this.#outer === undefined ? row.default : this.#outer.get(row);
    if (row.merge === undefined || this.#outer === undefined) return own.value as T;
    if (!this.#merged.has(row)) this.#merged.set(row, row.merge(this.#outer.get(row), own.value as T));
    return this.#merged.get(row) as T;
  }

  own<T>(row: Directive<T>): T | undefined {
    return this.#own.get(row)?.value as T | undefined;
  }

  position(row: AnyDirective): Position | undefined {
    return this.#own.get(row)?.position ?? this.#outer?.position(row);
  }
}

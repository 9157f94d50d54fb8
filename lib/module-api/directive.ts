/**
 * What a directive is: one row of a table. A row names where it may stand, what it
 * takes, how its value is read, inherited and reloaded, and its line of documentation.
 * The configuration compiler knows nothing about a directive beyond its row.
 *
 * Texts from a configuration are byte strings: one character per byte (latin1), so
 * that a path or a header value goes out exactly as it was written.
 */

/** Where a directive may stand, in nginx's words. */
export type Context = 'main' | 'events' | 'http' | 'server' | 'location' | 'upstream';

/** A place in a configuration; `file` is "<object>" for a typed object, whose path is then in `line`'s stead in the message. */
export interface Position {
  readonly file: string;
  /** From 1. */
  readonly line: number;
  /** From 1, in bytes. */
  readonly column: number;
}

/** One argument: its text after quotes and backslashes were resolved. */
export interface Argument {
  readonly text: string;
  /** Whether it stood in quotes (then `off`, `on` and the like are still keywords, as in nginx). */
  readonly quoted: boolean;
  readonly position: Position;
}

/** A directive as it was written. */
export interface DirectiveNode {
  readonly name: string;
  readonly args: readonly Argument[];
  /** Present when it had a block. */
  readonly block?: readonly DirectiveNode[];
  readonly position: Position;
}

/** What a row's `parse` may use. */
export interface ParseContext {
  /** The directive itself, for messages: `fail(node, 'invalid value "x"')`. */
  fail(node: DirectiveNode | Argument, message: string): never;
  /** Logs a warning with the place. */
  warn(node: DirectiveNode | Argument, message: string): void;
  /** Compiles a text with `$variables`; unknown variables fail with the place. */
  compileValue(argument: Argument): Value;
  /** Compiles a text that the program itself supplies, as a default value. */
  compileText(text: string): Value;
  /** Compiles a regular expression; one that cannot be used fails with the place. `text` is the argument's, without what stands before the expression. */
  compilePattern(argument: Argument, text: string, caseless: boolean): Pattern;
  /** The place of a variable that the row's `declares` names, in `Exchange.slots`. Fails where a module has a variable of that name. */
  slot(argument: Argument, name: string): number;
  /** A relative path against the directory of the configuration file. */
  confPath(path: string): string;
  /** A relative path against the prefix. */
  prefixPath(path: string): string;
}

/** What a change of the directive needs on reload. */
export type ReloadClass = 'swap' | 'socket' | 'worker';

/** One row. `T` is the type of the value that modules get. */
export interface Directive<T> {
  readonly name: string;
  readonly contexts: readonly Context[];
  /** Number of arguments: exactly n, or [min, max]. */
  readonly args: number | readonly [min: number, max: number];
  /** 'none' (the default): ends in `;`. 'raw': has a block whose nodes `parse` reads itself (`types`). */
  readonly block?: 'none' | 'raw';
  /** Reads the value. `previous` is this block's earlier value when `repeat` is 'append'. */
  parse(node: DirectiveNode, context: ParseContext, previous: T | undefined): T;
  /** What a second one in the same block means: an error "directive is duplicate" (the default), or another element. */
  readonly repeat?: 'error' | 'append';
  /** The value where no enclosing block sets it. */
  readonly default: T;
  /** Combines the enclosing block's value with this block's; by default this block's replaces it. */
  readonly merge?: (outer: T, inner: T) => T;
  /** Variables that a directive of this kind brings: known before any text is compiled, so that their order does not matter. */
  readonly declares?: (node: DirectiveNode) => readonly string[];
  readonly reload?: ReloadClass;
  /**
   * The row that holds this one's values too, for directives that make one ordered list
   * (`allow` and `deny`): `previous` is that row's value and the result becomes it.
   */
  readonly storedAs?: Directive<T>;
  /** nginx's way of writing the syntax: "time", "on | off", "address [port] ...". */
  readonly syntax: string;
  /** The default as it would be written, or "-". */
  readonly defaultText: string;
  /** One sentence for the docs. */
  readonly doc: string;
}

/** A row whose value type does not matter, as in a table of rows. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- a heterogeneous table: T is invariant, and each row checks its own
export type AnyDirective = Directive<any>;

/** Declares a row; only there to infer `T`. */
export function directive<T>(row: Directive<T>): Directive<T> {
  return row;
}

/** The merged settings of a block: its own, else the enclosing blocks', else the default. */
export interface Settings {
  get<T>(row: Directive<T>): T;
  /** The value set in this very block, if any. */
  own<T>(row: Directive<T>): T | undefined;
  /** Those of the enclosing block. */
  readonly outer: Settings | undefined;
  /** Where the effective value was set, for messages. */
  position(row: AnyDirective): Position | undefined;
}

import type { Pattern, Value } from './variable.js';

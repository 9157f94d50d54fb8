/**
 * Everything that may stand in a configuration: the blocks, which the compiler itself
 * understands, the rows of directives and the variables, which modules bring.
 */
import type { AnyDirective, Context, DirectiveNode, Module, Variable } from '../module-api/index.js';
import { MANY } from '../modules/rows.js';
import { ConfigError } from './config-error.js';
import { NGINX_DIRECTIVES } from './nginx-directives.js';

/** A directive whose block holds directives of another context. */
export interface BlockRow {
  readonly name: string;
  readonly contexts: readonly Context[];
  readonly args: readonly [min: number, max: number];
  readonly opens: Context;
  /** Whether several may stand in one block. */
  readonly repeat: boolean;
  readonly syntax: string;
  readonly doc: string;
}

/** The blocks, from the outside in. */
export const BLOCKS: readonly BlockRow[] = [
  {
    name: 'events',
    contexts: ['main'],
    args: [0, 0],
    opens: 'events',
    repeat: false,
    syntax: '{ ... }',
    doc: 'Settings of the event loop. Has to be there, but may be empty.',
  },
  {
    name: 'http',
    contexts: ['main'],
    args: [0, 0],
    opens: 'http',
    repeat: false,
    syntax: '{ ... }',
    doc: 'Everything that has to do with HTTP.',
  },
  {
    name: 'upstream',
    contexts: ['http'],
    args: [1, 1],
    opens: 'upstream',
    repeat: true,
    syntax: 'name { ... }',
    doc: 'A group of backends with a name that proxy_pass can use.',
  },
  {
    name: 'server',
    contexts: ['http'],
    args: [0, 0],
    opens: 'server',
    repeat: true,
    syntax: '{ ... }',
    doc: 'A virtual server: chosen by the address of the connection and the host of the request.',
  },
  {
    name: 'location',
    contexts: ['server', 'location'],
    args: [1, 2],
    opens: 'location',
    repeat: true,
    syntax: '[ = | ~ | ~* | ^~ ] uri { ... } | @name { ... }',
    doc: 'Settings for a part of the paths: `=` is an exact path; else the longest prefix is found, then the first regular expression that matches (`~`, or `~*` without regard to case) wins over it, unless the prefix has `^~`. `@name` is a target of error_page.',
  },
  {
    name: 'limit_except',
    contexts: ['location'],
    args: [1, MANY],
    opens: 'location',
    repeat: false,
    syntax: 'method ... { ... }',
    doc: 'What holds for other methods than these (GET includes HEAD): `allow`, `deny` and `proxy_pass` inside take the place of those of the location; its `return`, `set` and `if` are passed over then.',
  },
];

/** What a name means in a context. */
export type Entry =
  { readonly kind: 'block'; readonly row: BlockRow } | { readonly kind: 'row'; readonly row: AnyDirective };

/** What the name of a family is by itself (`$arg_`). */
const NEVER_SET: Variable = { name: '', get: () => undefined, doc: '' };

/** Looks up directives and variables. Immutable once built. */
export class Registry {
  readonly modules: readonly Module[];
  readonly #entries = new Map<string, Entry[]>();
  readonly #variables = new Map<string, Variable>();
  /** The longest name first, so that `upstream_http_` is asked before `upstream_`. */
  readonly #families: readonly Variable[];
  /** Variables that the configuration declares, and their places in `Exchange.slots`. */
  readonly #slots = new Map<string, number>();

  /** Throws a TypeError when two modules claim the same directive or variable: that is a mistake of the program. */
  constructor(modules: readonly Module[]) {
    this.modules = modules;
    for (const row of BLOCKS) this.#add({ kind: 'block', row });
    for (const module of modules) for (const row of module.directives) this.#add({ kind: 'row', row });
    const variables = modules.flatMap((module) => module.variables ?? []);
    for (const variable of variables) {
      if (this.#variables.has(variable.name)) {
        throw new TypeError(`two modules declare the variable "$${variable.name}"`);
      }
      this.#variables.set(variable.name, variable);
    }
    this.#families = variables
      .filter((variable) => variable.prefix === true)
      .sort((left, right) => right.name.length - left.name.length);
  }

  /** Every directive row of the modules, in the order of the modules. */
  rows(): AnyDirective[] {
    return this.modules.flatMap((module) => module.directives);
  }

  /**
   * The meaning of a directive where it stands. Throws ConfigError, in nginx's words,
   * for an unknown one, one that may not stand there, a wrong number of arguments, and a
   * block that is missing or too much.
   */
  resolve(node: DirectiveNode, context: Context): Entry {
    const entries = this.#entries.get(node.name);
    if (entries === undefined) throw this.#unknown(node, context);
    const entry = entries.find(({ row }) => row.contexts.includes(context));
    if (entry === undefined) {
      const where = [...new Set(entries.flatMap(({ row }) => row.contexts))].join(', ');
      throw new ConfigError(
        `"${node.name}" directive is not allowed here`,
        node.position,
        `it may stand in ${where}, and this is ${context}`,
      );
    }
    const takesBlock = entry.kind === 'block' || entry.row.block === 'raw';
    if (takesBlock && node.block === undefined) {
      throw new ConfigError(`directive "${node.name}" has no opening "{"`, node.position);
    }
    if (!takesBlock && node.block !== undefined) {
      throw new ConfigError(`directive "${node.name}" is not terminated by ";"`, node.position);
    }
    const { args } = entry.row;
    const [min, max] = typeof args === 'number' ? [args, args] : args;
    if (node.args.length < min || node.args.length > max) {
      throw new ConfigError(
        `invalid number of arguments in "${node.name}" directive`,
        node.position,
        `its syntax is: ${node.name} ${entry.row.syntax}`,
      );
    }
    return entry;
  }

  /**
   * The variable of that name (lower case), and what follows the name of its family; the
   * family's name alone is a variable that is never set, as in nginx.
   * Undefined when no module knows it.
   */
  variable(name: string): { readonly variable: Variable; readonly suffix: string } | undefined {
    const exact = this.#variables.get(name);
    if (exact !== undefined) return { variable: exact.prefix === true ? NEVER_SET : exact, suffix: '' };
    const family = this.#families.find(
      (each) => name.length > each.name.length && name.startsWith(each.name),
    );
    return family === undefined ? undefined : { variable: family, suffix: name.slice(family.name.length) };
  }

  /** Variables that a directive brings, by what its row says of it wherever it may stand. */
  declaredBy(node: DirectiveNode): readonly string[] {
    const entries = this.#entries.get(node.name) ?? [];
    return entries.flatMap((entry) => (entry.kind === 'row' ? (entry.row.declares?.(node) ?? []) : []));
  }

  /** Declares a variable of the configuration (lower case), or finds it again. Undefined when a module has one of that name. */
  declareSlot(name: string): number | undefined {
    const known = this.#slots.get(name);
    if (known !== undefined) return known;
    if (this.variable(name) !== undefined) return undefined;
    const slot = this.#slots.size;
    this.#slots.set(name, slot);
    return slot;
  }

  /** The place of a variable that was declared. */
  slot(name: string): number | undefined {
    return this.#slots.get(name);
  }

  /** The known variable whose name is closest, for a hint. */
  similarVariable(name: string): string | undefined {
    return closest(name, [...this.#variables.keys(), ...this.#slots.keys()]);
  }

  #add(entry: Entry): void {
    const { name, contexts } = entry.row;
    const entries = this.#entries.get(name) ?? [];
    const clash = entries.flatMap(({ row }) => row.contexts).find((context) => contexts.includes(context));
    if (clash !== undefined) throw new TypeError(`two modules declare the directive "${name}" in ${clash}`);
    entries.push(entry);
    this.#entries.set(name, entries);
  }

  #unknown(node: DirectiveNode, context: Context): ConfigError {
    if (node.name === 'include') {
      // The parser has replaced those of files.
      return new ConfigError(
        '"include" directive is not allowed here',
        node.position,
        'only files include files',
      );
    }
    if (NGINX_DIRECTIVES.has(node.name)) {
      return new ConfigError(
        `directive "${node.name}" is known from nginx, but not supported yet`,
        node.position,
      );
    }
    const here = [...this.#entries].filter(([, entries]) =>
      entries.some(({ row }) => row.contexts.includes(context)),
    );
    const similar =
      closest(
        node.name,
        here.map(([name]) => name),
      ) ?? closest(node.name, this.#entries.keys());
    const hint = similar === undefined ? '' : `did you mean "${similar}"?`;
    return new ConfigError(`unknown directive "${node.name}"`, node.position, hint);
  }
}

/** The candidate that needs the fewest edits, if that is at most a third of the word. */
export function closest(word: string, candidates: Iterable<string>): string | undefined {
  if (word.length > 64) return undefined;
  let best: string | undefined;
  let bestDistance = Math.floor(word.length / 3) + 1;
  for (const candidate of candidates) {
    if (Math.abs(candidate.length - word.length) >= bestDistance) continue;
    const distance = editDistance(word, candidate);
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

/** Insertions, deletions and replacements that turn one text into the other. */
function editDistance(left: string, right: string): number {
  let row = Array.from({ length: right.length + 1 }, (_, index) => index);
  for (let i = 1; i <= left.length; i++) {
    const next = [i];
    for (let j = 1; j <= right.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (left[i - 1] === right[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[right.length] ?? 0;
}

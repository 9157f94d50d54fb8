/** Regular expressions of a configuration, bound to the variables of their named groups. */
import type { Argument, Exchange, Pattern } from '../module-api/index.js';
import { PatternError, translatePattern } from '../util/regex.js';
import { ConfigError } from './config-error.js';
import type { Registry } from './registry.js';

/** Compiles a pattern. Throws ConfigError, with the place of the argument. */
export function compilePattern(at: Argument, text: string, caseless: boolean, registry: Registry): Pattern {
  try {
    const { regexp, names } = translatePattern(text, caseless);
    const groups = names.map((name) => ({ name, slot: slotOf(at, name, registry) }));
    return new BoundPattern(text, regexp, groups);
  } catch (error) {
    if (!(error instanceof PatternError)) throw error;
    throw new ConfigError(`invalid regular expression: ${error.message}`, at.position);
  }
}

/** The slot of a variable that was declared. Throws ConfigError where a module has one of that name. */
export function slotOf(at: Argument, name: string, registry: Registry): number {
  const slot = registry.declareSlot(name.toLowerCase());
  if (slot === undefined) throw new ConfigError(`the duplicate "${name}" variable`, at.position);
  return slot;
}

interface Group {
  readonly name: string;
  readonly slot: number;
}

class BoundPattern implements Pattern {
  readonly text: string;
  readonly #regexp: RegExp;
  readonly #groups: readonly Group[];

  constructor(text: string, regexp: RegExp, groups: readonly Group[]) {
    this.text = text;
    this.#regexp = regexp;
    this.#groups = groups;
  }

  test(exchange: Exchange, subject: string): boolean {
    return this.exec(exchange, subject) !== undefined;
  }

  exec(exchange: Exchange, subject: string): RegExpExecArray | undefined {
    const match = this.#regexp.exec(subject);
    if (match === null) return undefined;
    exchange.captures = match;
    for (const { name, slot } of this.#groups) exchange.slots[slot] = match.groups?.[name];
    return match;
  }
}

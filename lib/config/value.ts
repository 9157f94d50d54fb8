/**
 * Texts with `$variables`, compiled once into what a request runs. The kinds are
 * classes of their own, so that a constant costs nothing and a lone variable no
 * concatenation.
 */
import type {
  BoundVariable,
  ByteWriter,
  EngineVariable,
  Exchange,
  Position,
  Value,
  Variable,
  VariableSource,
} from '../module-api/index.js';
import { ConfigError } from './config-error.js';
import type { Registry } from './registry.js';

/**
 * Compiles a byte string. `$name` and `${name}` are variables; names hold letters,
 * digits and `_`, without regard to case; `$1` to `$9` are groups of the last regular
 * expression that matched; there is no way to write a dollar sign, as in nginx.
 * `position` is for errors.
 *
 * Throws ConfigError for an unknown or malformed variable.
 */
export function compileValue(text: string, registry: Registry, position: Position | undefined): Value {
  const parts: Part[] = [];
  const scanner = /\$(?:\{([A-Za-z0-9_]*)(\}?)|([1-9])|([A-Za-z0-9_]*))/g;
  let end = 0;
  for (let match = scanner.exec(text); match !== null; match = scanner.exec(text)) {
    if (match.index > end) parts.push(new ConstantPart(text.slice(end, match.index)));
    const [whole, braced, closing, group, bare] = match;
    end = match.index + whole.length;
    if (group !== undefined) {
      parts.push(new VariablePart(capture, group));
      continue;
    }
    const name = (braced ?? bare ?? '').toLowerCase();
    if (braced !== undefined && closing === '') {
      throw new ConfigError(`the closing bracket in "${name}" variable is missing`, position);
    }
    if (name === '') throw new ConfigError('invalid variable name', position);
    parts.push(variablePart(name, registry, position));
  }
  if (end < text.length) parts.push(new ConstantPart(text.slice(end)));
  const [first, ...more] = parts;
  if (first === undefined) return new ConstantPart('');
  return more.length === 0 ? first : new CompositeValue(parts);
}

function variablePart(name: string, registry: Registry, position: Position | undefined): Part {
  const found = registry.variable(name);
  if (found !== undefined) return new VariablePart(found.variable, found.suffix);
  const slot = registry.slot(name);
  if (slot !== undefined) return new SlotPart(slot);
  const similar = registry.similarVariable(name);
  const hint = similar === undefined ? '' : `did you mean "$${similar}"?`;
  throw new ConfigError(`unknown "${name}" variable`, position, hint);
}

type Part = ConstantPart | VariablePart | SlotPart;

/** `$1` to `$9`; the digit stands in the suffix's stead. */
const capture: Variable = {
  name: '',
  get: ({ captures }, digit) => captures?.[Number(digit)],
  doc: '',
};

/** A text without variables. */
class ConstantPart implements Value {
  readonly constant: string;
  readonly constantBytes: Uint8Array;
  readonly source = undefined;

  constructor(text: string) {
    this.constant = text;
    this.constantBytes = Buffer.from(text, 'latin1');
  }

  get(): string {
    return this.constant;
  }

  getOrUndefined(): string | undefined {
    return this.constant;
  }

  write(_exchange: Exchange, out: ByteWriter): boolean {
    out.bytes(this.constantBytes);
    return true;
  }
}

/** A lone variable. */
class VariablePart implements Value {
  readonly constant = undefined;
  readonly constantBytes = undefined;
  readonly engine: EngineVariable | undefined;
  readonly source: VariableSource;
  readonly #variable: BoundVariable;
  readonly #suffix: string;
  // Variables are objects of many shapes: their functions are looked up once.
  readonly #get: Variable['get'];
  readonly #write: Variable['write'];

  constructor(variable: Variable, suffix: string) {
    this.engine = variable.engine;
    this.#variable = variable.bind?.(suffix) ?? variable;
    this.#suffix = suffix;
    const { get, write } = this.#variable;
    this.#get = get;
    this.#write = write;
    this.source = { variable: this.#variable, suffix };
  }

  get(exchange: Exchange): string {
    return this.getOrUndefined(exchange) ?? '';
  }

  getOrUndefined(exchange: Exchange): string | undefined {
    return this.#get.call(this.#variable, exchange, this.#suffix);
  }

  write(exchange: Exchange, out: ByteWriter): boolean {
    if (this.#write !== undefined) return this.#write.call(this.#variable, exchange, out, this.#suffix);
    const text = this.getOrUndefined(exchange);
    if (text === undefined) return false;
    out.text(text);
    return true;
  }
}

/** A variable that the configuration declares. */
class SlotPart implements Value {
  readonly constant = undefined;
  readonly constantBytes = undefined;
  readonly source = undefined;
  readonly #slot: number;

  constructor(slot: number) {
    this.#slot = slot;
  }

  get(exchange: Exchange): string {
    return exchange.slots[this.#slot] ?? '';
  }

  getOrUndefined(exchange: Exchange): string | undefined {
    return exchange.slots[this.#slot];
  }

  write(exchange: Exchange, out: ByteWriter): boolean {
    const text = exchange.slots[this.#slot];
    if (text === undefined) return false;
    out.text(text);
    return true;
  }
}

/** Several parts in a row. */
class CompositeValue implements Value {
  readonly constant = undefined;
  readonly constantBytes = undefined;
  readonly source = undefined;
  readonly #parts: readonly Part[];

  constructor(parts: readonly Part[]) {
    this.#parts = parts;
  }

  get(exchange: Exchange): string {
    let text = '';
    for (const part of this.#parts) text += part.get(exchange);
    return text;
  }

  getOrUndefined(exchange: Exchange): string | undefined {
    return this.get(exchange);
  }

  write(exchange: Exchange, out: ByteWriter): boolean {
    for (const part of this.#parts) part.write(exchange, out);
    return true;
  }
}

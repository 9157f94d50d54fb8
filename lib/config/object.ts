/**
 * Makes of a typed object the same nodes that the parser makes of nginx.conf; from
 * there on both go one way. How a value becomes arguments:
 *
 * - a text is one argument, exactly as it is, where the directive takes just one
 *   (`root: '/my files'`); elsewhere it is read as in nginx.conf: words, quotes,
 *   backslashes (`server_name: 'a b'`, `server: '10.0.0.1 weight=2'`);
 * - a number is its digits; true and false are `on` and `off`; undefined is nothing;
 * - an array repeats the directive: `server: ['10.0.0.1', '10.0.0.2 backup']`, and an
 *   array in it gives one directive's arguments exactly: `access_log: [['/my log', 'main']]`;
 * - for a directive that cannot be repeated, for `return`, and for one that needs two
 *   arguments or more and whose first element is one word, the array itself holds the
 *   arguments: `return: [200, 'good morning']`, `large_client_header_buffers: [4, '8k']`;
 * - an object repeats the directive for each property: the words of the key, then the
 *   value as one argument, or several if it is an array:
 *   `proxy_set_header: { Host: '$host' }`, `error_page: { '500 502': '/50x.html' }`.
 *
 * What an object leaves out: no `events` block is needed, and without `access_log` in
 * `http` requests are not logged (a program has no logs/ directory).
 */
import type { AnyDirective, Argument, Context, DirectiveNode, Module } from '../module-api/index.js';
import { builtinModules } from '../modules/index.js';
import type { ConfigTree } from './compile.js';
import { ConfigError, encodeBytes, OBJECT_FILE, type ObjectPosition } from './config-error.js';
import { readWords } from './lexer.js';
import type { ProxyOptions } from './object-types.js';
import { BLOCKS, Registry, type BlockRow } from './registry.js';

/**
 * The tree of a typed object, for compileConfig. Relative paths in it are relative to
 * `directory`, by default the working directory.
 *
 * Throws ConfigError, with the path to the value in place of a line, for a value that
 * cannot be an argument. Everything else is checked when the tree is compiled.
 */
export function loadConfigObject(
  options: ProxyOptions,
  directory: string = process.cwd(),
  modules: readonly Module[] = builtinModules,
): ConfigTree {
  const reader = new ObjectReader(new Registry(modules));
  const whole = reader.block(withDefaults(options), 'main', '');
  return { nodes: whole, confDirectory: directory, prefix: directory };
}

function withDefaults(options: ProxyOptions): ProxyOptions {
  const { http, events } = options;
  return {
    ...options,
    events: events ?? {},
    ...(http === undefined ? {} : { http: { access_log: 'off', ...http } }),
  };
}

class ObjectReader {
  readonly #rows = new Map<string, AnyDirective>();

  constructor(registry: Registry) {
    for (const row of registry.rows()) {
      for (const context of row.contexts) this.#rows.set(`${context} ${row.name}`, row);
    }
  }

  /** The directives of a block; `path` leads to it. */
  block(value: unknown, context: Context, path: string): DirectiveNode[] {
    if (!isRecord(value)) throw new ConfigError(`an object is expected, not ${describe(value)}`, place(path));
    return Object.entries(value).flatMap(([name, inner]) => {
      const innerPath = join(path, name);
      if (inner === undefined) return [];
      const block = BLOCKS.find((row) => row.name === name && row.contexts.includes(context));
      if (block !== undefined) return this.#blocks(block, inner, innerPath);
      return this.#directives(name, this.#rows.get(`${context} ${name}`), inner, innerPath);
    });
  }

  /** One block, a list of them, or for blocks with a name (upstream, location, limit_except) an object of them. */
  #blocks(row: BlockRow, value: unknown, path: string): DirectiveNode[] {
    const make = (inner: unknown, args: readonly string[], at: string): DirectiveNode => ({
      name: row.name,
      args: args.map((text) => argument(text, at)),
      position: place(at),
      block: this.block(inner, row.opens, at),
    });
    if (row.args[1] > 0) {
      if (!isRecord(value))
        throw new ConfigError(`an object is expected, not ${describe(value)}`, place(path));
      return Object.entries(value).map(([key, inner]) => {
        return make(inner, blockWords(row, key), join(path, key));
      });
    }
    if (Array.isArray(value) && row.repeat) {
      return value.map((inner: unknown, index) => make(inner, [], `${path}[${index}]`));
    }
    return [make(value, [], path)];
  }

  #directives(name: string, row: AnyDirective | undefined, value: unknown, path: string): DirectiveNode[] {
    if (row?.block === 'raw' && row.args !== 0) {
      if (!isRecord(value))
        throw new ConfigError(`an object is expected, not ${describe(value)}`, place(path));
      return Object.entries(value).map(([key, inner]) => {
        const at = join(path, key);
        return { ...directiveNode(name, words(key, at), at), block: rawBlock(inner, at) };
      });
    }
    if (row?.block === 'raw') return [{ ...directiveNode(name, [], path), block: rawBlock(value, path) }];
    if (isRecord(value)) {
      return Object.entries(value).map(([key, inner]) => {
        const at = join(path, key);
        const values = Array.isArray(inner) ? inner : [inner];
        const args = values.map((each: unknown) => argument(scalarText(each, at), at));
        return directiveNode(name, [...words(key, at), ...args], at);
      });
    }
    if (!Array.isArray(value)) return [directiveNode(name, argumentsOf(row, value, path), path)];
    if (holdsArguments(row, value)) {
      const args = value.map((each: unknown, index) => argument(scalarText(each, `${path}[${index}]`), path));
      return [directiveNode(name, args, path)];
    }
    return value.map((each: unknown, index) => {
      const at = `${path}[${index}]`;
      return directiveNode(name, argumentsOf(row, each, at), at);
    });
  }
}

/** Whether an array holds the arguments of one directive, and not several directives. */
function holdsArguments(row: AnyDirective | undefined, values: readonly unknown[]): boolean {
  if (row === undefined || values.some((value) => typeof value === 'object')) return false;
  if (row.repeat !== 'append' || row.name === 'return') return true;
  const least = typeof row.args === 'number' ? row.args : row.args[0];
  return least > 1 && !/\s/.test(String(values[0]));
}

function argumentsOf(row: AnyDirective | undefined, value: unknown, path: string): Argument[] {
  if (Array.isArray(value)) return value.map((each: unknown) => argument(scalarText(each, path), path));
  const text = scalarText(value, path);
  return typeof value !== 'string' || row?.args === 1 ? [argument(text, path)] : words(text, path);
}

/** `{ 'text/html': ['html', 'htm'] }` as the lines of a block. */
function rawBlock(value: unknown, path: string): DirectiveNode[] {
  if (!isRecord(value)) throw new ConfigError(`an object is expected, not ${describe(value)}`, place(path));
  return Object.entries(value).map(([key, inner]) => {
    const at = join(path, key);
    return directiveNode(key, argumentsOf(undefined, inner, at), at);
  });
}

function blockWords({ name }: BlockRow, key: string): string[] {
  if (name === 'limit_except') return key.trim().split(/\s+/);
  return name === 'location' ? locationWords(key) : [key];
}

/** "= /exact" has two words; everything else is one, since a path may hold spaces. */
function locationWords(key: string): string[] {
  const match = /^(=|\^~|~\*?)\s+(.*)$/s.exec(key);
  return match === null ? [key] : [match[1] ?? '', match[2] ?? ''];
}

function directiveNode(name: string, args: readonly Argument[], path: string): DirectiveNode {
  return { name: encodeBytes(name), args, position: place(path) };
}

function argument(text: string, path: string): Argument {
  return { text: encodeBytes(text), quoted: true, position: place(path) };
}

function words(text: string, path: string): Argument[] {
  try {
    return readWords(encodeBytes(text), OBJECT_FILE).map((word) => ({
      text: word.text,
      quoted: word.quoted,
      position: place(path),
    }));
  } catch (error) {
    if (error instanceof ConfigError) throw new ConfigError(error.reason, place(path), error.hint);
    throw error;
  }
}

function scalarText(value: unknown, path: string): string {
  if (typeof value === 'string') return value;
  if (typeof value === 'boolean') return value ? 'on' : 'off';
  if (typeof value === 'number' && Number.isFinite(value)) return String(value);
  throw new ConfigError(`a text, number or boolean is expected, not ${describe(value)}`, place(path));
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function describe(value: unknown): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'an array' : typeof value === 'number' ? String(value) : typeof value;
}

function place(path: string): ObjectPosition {
  return { file: OBJECT_FILE, line: 0, column: 0, path };
}

/** `http.server[0].location["/"]` */
function join(path: string, key: string): string {
  if (!/^[A-Za-z_$][\w$]*$/.test(key)) return `${path}[${JSON.stringify(key)}]`;
  return path === '' ? key : `${path}.${key}`;
}

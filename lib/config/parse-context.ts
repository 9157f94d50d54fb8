/** What rows may use while they read their values. One for each compilation. */
import { resolve } from 'node:path';
import type { Argument, DirectiveNode, ParseContext, Position, Value } from '../module-api/index.js';
import { ConfigError, decodeBytes, describePosition, encodeBytes } from './config-error.js';
import { compilePattern, slotOf } from './pattern.js';
import type { Registry } from './registry.js';
import { compileValue } from './value.js';

export interface ParseContextOptions {
  readonly registry: Registry;
  /** Absolute path of the directory that holds the configuration file. */
  readonly confDirectory: string;
  /** Absolute path. */
  readonly prefix: string;
  /** Takes one line without level, place included. */
  readonly onWarning: (message: string) => void;
}

/** Paths in and out are byte strings, like everything in a configuration. */
export function createParseContext(options: ParseContextOptions): ParseContext {
  const { registry, confDirectory, prefix, onWarning } = options;
  // One value for each text: sets of headers repeat the same few in every location.
  const programTexts = new Map<string, Value>();
  return {
    fail(node: DirectiveNode | Argument, message: string): never {
      throw new ConfigError(message, node.position);
    },
    warn(node: DirectiveNode | Argument, message: string): void {
      onWarning(warningLine(message, node.position));
    },
    compilePattern: (at, text, caseless) => compilePattern(at, text, caseless, registry),
    slot: (at, name) => slotOf(at, name, registry),
    compileValue: (argument) => compileValue(argument.text, registry, argument.position),
    compileText(text) {
      let value = programTexts.get(text);
      if (value === undefined) {
        value = compileValue(text, registry, undefined);
        programTexts.set(text, value);
      }
      return value;
    },
    confPath: (path) => absolute(confDirectory, path),
    prefixPath: (path) => absolute(prefix, path),
  };
}

/** A warning with its place, for people. */
export function warningLine(message: string, position: Position | undefined): string {
  return decodeBytes(message) + (position === undefined ? '' : ` in ${describePosition(position)}`);
}

function absolute(base: string, path: string): string {
  const trailing = path.length > 1 && path.endsWith('/') ? '/' : '';
  return encodeBytes(resolve(base, decodeBytes(path))) + trailing;
}

/**
 * Rows of request bodies that are kept in files. lib/config/body-files.ts makes the engine's
 * configuration of them.
 */
import { directive, type Module } from '../module-api/index.js';
import { argument, HTTP_SERVER_LOCATION, parseNumber } from './rows.js';

export const clientBodyInFileOnly = directive<'off' | 'on' | 'clean'>({
  name: 'client_body_in_file_only',
  contexts: HTTP_SERVER_LOCATION,
  args: 1,
  parse(node, context) {
    const at = argument(node, 0);
    if (at.text === 'off' || at.text === 'on' || at.text === 'clean') return at.text;
    return context.fail(at, `invalid value "${at.text}"`);
  },
  default: 'off',
  syntax: 'on | clean | off',
  defaultText: 'off',
  doc: 'Whether every body that is read before a backend is asked is written to a file, `$request_body_file`, which stays (`on`) or goes with its request (`clean`).',
});

/** Where such files lie. */
export interface BodyTempPath {
  /** Absolute; a byte string. */
  readonly path: string;
  /** Digits of each level of folders. */
  readonly levels: readonly number[];
}

/** Relative to the prefix. */
export const DEFAULT_BODY_TEMP_PATH = 'client_body_temp';
/** Digits of all levels together: some are left for the name. */
const MAX_LEVEL_DIGITS = 9;

export const clientBodyTempPath = directive<BodyTempPath | undefined>({
  name: 'client_body_temp_path',
  contexts: HTTP_SERVER_LOCATION,
  args: [1, 4],
  parse(node, context) {
    const levels = node.args.slice(1).map((at) => parseNumber(at.text) ?? 0);
    const sum = levels.reduce((digits, level) => digits + level, 0);
    if (levels.includes(0) || sum > MAX_LEVEL_DIGITS) {
      return context.fail(node, `"${node.name}" directive invalid value`);
    }
    const path = context.prefixPath(argument(node, 0).text);
    return { path: path.length > 1 && path.endsWith('/') ? path.slice(0, -1) : path, levels };
  },
  default: undefined,
  syntax: 'path [level1 [level2 [level3]]]',
  defaultText: DEFAULT_BODY_TEMP_PATH,
  doc: 'Folder of the files that bodies are written to; made where it is used and missing. Levels are digits of the number of a file that become folders inside it.',
});

/** `client_body_in_file_only`, `client_body_temp_path`. */
export const bodyFileModule: Module = {
  name: 'body_file',
  directives: [clientBodyInFileOnly, clientBodyTempPath],
};

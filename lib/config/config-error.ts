/**
 * What is wrong with a configuration, and where. Everything from the lexer to the
 * compiler reports through this one class, so that a caller prints one line and stops.
 */
import type { Position } from '../module-api/index.js';

/** A place inside a typed object: the path takes the part of file, line and column. */
export interface ObjectPosition extends Position {
  /** `http.server[0].location["/"].proxy_pass` */
  readonly path: string;
}

/** The file name in positions of a typed object. */
export const OBJECT_FILE = '<object>';

/** "nginx.conf:12:5", or the path inside a typed object. */
export function describePosition(position: Position): string {
  if (isObjectPosition(position)) return position.path;
  return `${position.file}:${position.line}:${position.column}`;
}

/** Whether the place lies in a typed object. */
export function isObjectPosition(position: Position): position is ObjectPosition {
  return position.file === OBJECT_FILE && 'path' in position;
}

/**
 * A mistake in a configuration. `message` is one line in nginx's shape with the
 * column added: `unknown directive "prox_pass" in /etc/nginx.conf:12:5; did you mean "proxy_pass"?`.
 */
export class ConfigError extends Error {
  readonly code = 'ERR_CONFIG';
  /** What is wrong, without the place. */
  readonly reason: string;
  /** What may help, without the place; "" when there is nothing to say. */
  readonly hint: string;
  /** Undefined for what has no place, as a missing section. */
  readonly position: Position | undefined;

  /** `reason` and `hint` may hold byte strings of the configuration: they are decoded as UTF-8 here. */
  constructor(reason: string, position?: Position, hint = '') {
    const place = position === undefined ? '' : ` in ${describePosition(position)}`;
    const decoded = decodeBytes(reason);
    const decodedHint = decodeBytes(hint);
    super(`${decoded}${place}${decodedHint === '' ? '' : `; ${decodedHint}`}`);
    this.reason = decoded;
    this.hint = decodedHint;
    this.position = position;
  }

  override get name(): string {
    return 'ConfigError';
  }

  get file(): string | undefined {
    return this.position?.file;
  }

  /** From 1. */
  get line(): number | undefined {
    return this.position?.line;
  }

  /** From 1, in bytes. */
  get column(): number | undefined {
    return this.position?.column;
  }
}

/** A byte string as text for people. A text that holds characters beyond latin1 is no byte string and stays as it is. */
export function decodeBytes(text: string): string {
  if (!/^[\0-\xff]*$/.test(text)) return text;
  return Buffer.from(text, 'latin1').toString('utf8');
}

/** A text of the program as a byte string (its UTF-8 bytes, one character each). */
export function encodeBytes(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}

/**
 * Variables, and texts that hold them. A text is compiled once, when the
 * configuration is read; a request only runs closures.
 */
import type { HeaderName } from '../http/header-name.js';
import type { Exchange } from './exchange.js';

/** Appends bytes to what is being composed. The target is bounded; what does not fit marks the writer as overflowed. */
export interface ByteWriter {
  /** Copies bytes that lie outside the arena (constants of the configuration). */
  bytes(bytes: Uint8Array): void;
  /** Copies a range of the arena. */
  copy(offset: number, length: number): void;
  /** Writes a byte string, one byte a character. */
  text(text: string): void;
  /** Writes a non-negative integer in decimal, with zeros in front up to `digits`. */
  uint(value: number, digits?: number): void;
}

/** Variables that nearly every proxied request or log line carries; the engine knows where their bytes lie. */
export type EngineVariable =
  'body_bytes_sent' | 'host' | 'proxy_add_x_forwarded_for' | 'remote_addr' | 'request' | 'scheme' | 'status';

/** One variable, or one family of variables. */
export interface Variable {
  /** Without `$`. A family ends in `_` and takes the rest as its suffix: "http_", "arg_". */
  readonly name: string;
  readonly prefix?: boolean;
  /** The value as a byte string; undefined is "not set" (empty in texts, "-" in logs). `suffix` only for families. */
  get(exchange: Exchange, suffix: string): string | undefined;
  /** The same without making a string; worth giving for what stands in proxied headers and logs. False: it is not set, and nothing was appended. */
  write?(exchange: Exchange, out: ByteWriter, suffix: string): boolean;
  /** For families: the variable of one suffix, made when the configuration is read and used in this one's stead. */
  bind?(suffix: string): BoundVariable;
  /** Built-in variables only: which of those it is that the engine may write without asking. */
  readonly engine?: EngineVariable;
  /** One line for the docs. */
  readonly doc: string;
}

/** A variable of a family. */
export interface BoundVariable extends Pick<Variable, 'get' | 'write'> {
  /** The value is this field of the request, and nothing else. */
  readonly field?: HeaderName;
}

/** A variable as a text uses it. */
export interface VariableSource {
  readonly variable: BoundVariable;
  readonly suffix: string;
}

/**
 * A regular expression of a configuration. A match becomes the exchange's captures
 * (`$1` to `$9`) and sets the variables of its named groups; a failed one changes nothing.
 */
export interface Pattern {
  /** As written, without `~`. */
  readonly text: string;
  /** Whether it matches the byte string. */
  test(exchange: Exchange, subject: string): boolean;
  /** Where it matches, for who replaces a part; undefined when it does not. */
  exec(exchange: Exchange, subject: string): RegExpExecArray | undefined;
}

/** A compiled text. */
export interface Value {
  /** The text when it holds no variable. */
  readonly constant: string | undefined;
  /** The same as bytes. */
  readonly constantBytes: Uint8Array | undefined;
  /** The text is this variable and nothing else. */
  readonly engine?: EngineVariable | undefined;
  /** Evaluates to a byte string; unset variables are empty. */
  get(exchange: Exchange): string;
  /** As `get`, but undefined when the text is one variable and that is not set. */
  getOrUndefined(exchange: Exchange): string | undefined;
  /** Appends the value. False: `getOrUndefined` is undefined, and nothing was appended. */
  write(exchange: Exchange, out: ByteWriter): boolean;
  /** The text's only variable with its suffix, for who writes it himself; undefined where there is more, or less. */
  readonly source: VariableSource | undefined;
}

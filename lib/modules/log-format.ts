/**
 * Compiles a form of log lines into steps: a text of its own, then a value that is written
 * behind it as bytes. Only the values of variables are escaped, so the text is taken
 * apart here and not left to a Value.
 */
import type { Exchange, Value, Variable, VariableSource } from '../module-api/index.js';
import { LastText, LOG_ESCAPES, PreparedText, type LogLines } from '../proxy/log-lines.js';

/** How values are escaped. */
export type LogEscape = keyof typeof LOG_ESCAPES;

/** nginx's predefined form. */
export const COMBINED =
  '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent"';

export function parseEscape(text: string): LogEscape | undefined {
  return text === 'default' || text === 'json' || text === 'none' ? text : undefined;
}

const VARIABLE = /\$(?:\{([A-Za-z0-9_]+)\}|([A-Za-z0-9_]+))/g;

/** Texts up to this length are one word. */
const WORD_BYTES = 4;

/** A value, and the text before it. */
class Step {
  /** The text, where it is short. */
  readonly word: number;
  readonly wordBytes: number;
  /** The text, where it is not. */
  readonly long: PreparedText | undefined;
  readonly value: Value;
  /** Writes the value, where it is a variable that can; a field of the step, so that nothing has to be looked up. */
  readonly write: Variable['write'];
  readonly variable: VariableSource['variable'] | undefined;
  readonly suffix: string;
  readonly last = new LastText();

  constructor(before: string, value: Value) {
    const text = new PreparedText(before);
    const short = text.length <= WORD_BYTES;
    this.word = short ? (text.words[0] ?? 0) : 0;
    this.wordBytes = short ? text.length : 0;
    this.long = short ? undefined : text;
    this.value = value;
    const { source } = value;
    this.write = source?.variable.write;
    this.variable = source?.variable;
    this.suffix = source?.suffix ?? '';
  }
}

/** A compiled form. */
export class LogFormat {
  readonly #escape: number;
  readonly #steps: readonly Step[];
  readonly #end: PreparedText;
  readonly #endWord: number;

  constructor(escape: LogEscape, steps: readonly Step[], end: string) {
    this.#escape = LOG_ESCAPES[escape];
    this.#steps = steps;
    this.#end = new PreparedText(end);
    this.#endWord = this.#end.length <= WORD_BYTES ? (this.#end.words[0] ?? 0) : 0;
  }

  /** Appends the line of an exchange. */
  write(exchange: Exchange, out: LogLines): void {
    out.begin(this.#escape);
    const steps = this.#steps;
    for (let i = 0; i < steps.length; i++) {
      const step = steps[i];
      if (step.long === undefined) out.short(step.word | 0, step.wordBytes | 0);
      else out.constant(step.long);
      const { write } = step;
      if (write !== undefined) {
        // "=== false": what V8 does not know to be a boolean is otherwise compared with five other values too.
        if (write.call(step.variable, exchange, out, step.suffix) === false) out.unset();
        continue;
      }
      const text = step.value.getOrUndefined(exchange);
      if (text === undefined) out.unset();
      else out.repeated(text, step.last);
    }
    const { length } = this.#end;
    if (length <= WORD_BYTES) out.short(this.#endWord | 0, length | 0);
    else out.constant(this.#end);
    out.end();
  }
}

/**
 * Compiles `text`, a byte string. `compile` is called with each variable as "${name}" and
 * complains about an unknown one. A "$" that begins no variable stands for itself.
 */
export function compileFormat(
  text: string,
  escape: LogEscape,
  compile: (variable: string) => Value,
): LogFormat {
  const steps: Step[] = [];
  let end = 0;
  for (const match of text.matchAll(VARIABLE)) {
    steps.push(new Step(text.slice(end, match.index), compile(`\${${match[1] ?? match[2] ?? ''}}`)));
    end = match.index + match[0].length;
  }
  return new LogFormat(escape, steps, text.slice(end));
}

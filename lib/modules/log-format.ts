/**
 * Takes a form of log lines apart: texts of its own, and values between them. Only the values
 * of variables are escaped, so this is not left to a Value.
 */
import type { Exchange, Value } from '../module-api/index.js';
import type { LineForm, LinePart } from '../proxy/line-plan.js';
import { LOG_ESCAPES, type LogLines } from '../proxy/log-lines.js';

/** How values are escaped. */
export type LogEscape = keyof typeof LOG_ESCAPES;

/** nginx's predefined form. */
export const COMBINED =
  '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent"';

export function parseEscape(text: string): LogEscape | undefined {
  return text === 'default' || text === 'json' || text === 'none' ? text : undefined;
}

const VARIABLE = /\$(?:\{([A-Za-z0-9_]+)\}|([A-Za-z0-9_]+))/g;

/** A compiled form. */
export class LogFormat implements LineForm {
  readonly escape: number;
  readonly parts: readonly LinePart[];
  readonly end: string;

  constructor(escape: LogEscape, parts: readonly LinePart[], end: string) {
    this.escape = LOG_ESCAPES[escape];
    this.parts = parts;
    this.end = end;
  }

  /** Appends the line of an exchange value by value; LinePlan is the usual way. */
  write(exchange: Exchange, out: LogLines): void {
    // All of them before the line is begun: what a module is asked may throw, or end another exchange.
    const values = this.parts.map(({ value }) => value.getOrUndefined(exchange));
    out.begin(this.escape);
    this.parts.forEach(({ before }, index) => {
      out.constant(before);
      const text = values[index];
      if (text === undefined) out.unset();
      else out.text(text);
    });
    out.constant(this.end);
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
  const parts: LinePart[] = [];
  let end = 0;
  for (const match of text.matchAll(VARIABLE)) {
    const value = compile(`\${${match[1] ?? match[2] ?? ''}}`);
    parts.push({ before: text.slice(end, match.index), value });
    end = match.index + match[0].length;
  }
  return new LogFormat(escape, parts, text.slice(end));
}

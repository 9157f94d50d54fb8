/**
 * Compiles a form of log lines. Only the values of variables are escaped, so the text
 * is taken apart here and not left to a Value.
 */
import type { Exchange, Value } from '../module-api/index.js';

/** How values are escaped. */
export type LogEscape = 'default' | 'json' | 'none';

/** Makes the line of an exchange, a byte string without line end. */
export type LogFormat = (exchange: Exchange) => string;

/** nginx's predefined form. */
export const COMBINED =
  '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent"';

export function parseEscape(text: string): LogEscape | undefined {
  return text === 'default' || text === 'json' || text === 'none' ? text : undefined;
}

const VARIABLE = /\$(?:\{([A-Za-z0-9_]+)\}|([A-Za-z0-9_]+))/g;

/**
 * Compiles `text`. `compile` is called with each variable as "${name}" and complains
 * about an unknown one. A "$" that begins no variable stands for itself.
 */
export function compileFormat(
  text: string,
  escape: LogEscape,
  compile: (variable: string) => Value,
): LogFormat {
  const parts: (string | Value)[] = [];
  let end = 0;
  for (const match of text.matchAll(VARIABLE)) {
    if (match.index > end) parts.push(text.slice(end, match.index));
    parts.push(compile(`\${${match[1] ?? match[2] ?? ''}}`));
    end = match.index + match[0].length;
  }
  if (end < text.length) parts.push(text.slice(end));
  const escapeValue = { default: escapeDefault, json: escapeJson, none: (value: string) => value }[escape];
  const unset = escape === 'default' ? '-' : '';
  return (exchange) => {
    let line = '';
    for (const part of parts) {
      if (typeof part === 'string') {
        line += part;
      } else {
        const value = part.getOrUndefined(exchange);
        line += value === undefined ? unset : escapeValue(value);
      }
    }
    return line;
  };
}

const UNSAFE_DEFAULT = /["\\\x00-\x1f\x7f-\xff]/;

const UNSAFE_JSON = /["\\\x00-\x1f]/;

/** Quote, backslash, control and non-ASCII bytes become \xHH. */
export function escapeDefault(value: string): string {
  if (!UNSAFE_DEFAULT.test(value)) return value;
  let escaped = '';
  for (const char of value) escaped += UNSAFE_DEFAULT.test(char) ? `\\x${hex(char, 2).toUpperCase()}` : char;
  return escaped;
}

const JSON_SHORT: Readonly<Record<string, string>> = {
  '"': '\\"',
  '\\': '\\\\',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\b': '\\b',
  '\f': '\\f',
};

/** Escapes what JSON does not allow inside a string; other bytes pass. */
export function escapeJson(value: string): string {
  if (!UNSAFE_JSON.test(value)) return value;
  let escaped = '';
  for (const char of value) {
    escaped += UNSAFE_JSON.test(char) ? (JSON_SHORT[char] ?? `\\u${hex(char, 4).toUpperCase()}`) : char;
  }
  return escaped;
}

function hex(char: string, digits: number): string {
  return char.charCodeAt(0).toString(16).padStart(digits, '0');
}

/**
 * Cuts a configuration into words and the marks `;`, `{`, `}`, by nginx's rules
 * (ngx_conf_read_token in src/core/ngx_conf_file.c):
 *
 * - words are separated by spaces, tabs, CR and LF; `#` at the start of a word begins
 *   a comment that lasts to the end of the line; inside a word it is a character;
 * - a word ends at `;` or `{`, but not at a `{` that follows `$` directly: `${name}`;
 *   `}` ends a block only where a word could start;
 * - a word that starts with `"` or `'` lasts to the same quote and may hold anything;
 *   after it there must be a space, `;`, `{` or `)`;
 * - a backslash keeps the next byte from meaning anything; of the pair, `\"` `\'` `\\`
 *   become the byte, `\t` `\r` `\n` the control byte, any other pair stays as it is.
 *
 * Texts are latin1: one character per byte. The only error is ConfigError.
 */
import type { Position } from '../module-api/index.js';
import { ConfigError } from './config-error.js';

/** nginx's NGX_CONF_BUFFER: a word must be shorter than this. */
export const MAX_WORD_BYTES = 4096;

/** A word or a mark. `end` is the end of the file. */
export type Token =
  | { readonly kind: 'word'; readonly text: string; readonly quoted: boolean; readonly position: Position }
  | { readonly kind: ';' | '{' | '}' | 'end'; readonly position: Position };

const TAB = 0x09;
const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const QUOTE = 0x22;
const HASH = 0x23;
const DOLLAR = 0x24;
const APOSTROPHE = 0x27;
const CLOSING_PARENTHESIS = 0x29;
const SEMICOLON = 0x3b;
const BACKSLASH = 0x5c;
const OPENING_BRACE = 0x7b;
const CLOSING_BRACE = 0x7d;

/** Reads one text from its beginning to its end. */
export class Lexer {
  readonly #text: string;
  readonly #file: string;
  #at = 0;
  #line = 1;
  /** Offset of the first byte of the current line. */
  #lineStart = 0;
  /** Where the last quoted word ended: there a separator has to follow. */
  #quoteEnd = -1;

  /** `file` is only for positions. */
  constructor(text: string, file: string) {
    this.#text = text;
    this.#file = file;
  }

  /** The place of the next byte. */
  get position(): Position {
    return { file: this.#file, line: this.#line, column: this.#at - this.#lineStart + 1 };
  }

  /** The next token; `end` again and again once the text is used up. */
  next(): Token {
    this.#checkAfterQuote();
    this.#skipSpace();
    const position = this.position;
    if (this.#at >= this.#text.length) return { kind: 'end', position };
    const code = this.#text.charCodeAt(this.#at);
    if (code === SEMICOLON || code === OPENING_BRACE || code === CLOSING_BRACE) {
      this.#at++;
      return { kind: code === SEMICOLON ? ';' : code === OPENING_BRACE ? '{' : '}', position };
    }
    if (code === QUOTE || code === APOSTROPHE) {
      this.#at++;
      return { kind: 'word', text: this.#readQuoted(code, position), quoted: true, position };
    }
    return { kind: 'word', text: this.#readBare(position), quoted: false, position };
  }

  #checkAfterQuote(): void {
    if (this.#at !== this.#quoteEnd || this.#at >= this.#text.length) return;
    const code = this.#text.charCodeAt(this.#at);
    if (isSpace(code) || code === SEMICOLON || code === OPENING_BRACE || code === CLOSING_PARENTHESIS) return;
    const character = this.#text.charAt(this.#at);
    throw new ConfigError(
      `unexpected "${character}"`,
      this.position,
      'after a closing quote a space must follow',
    );
  }

  #skipSpace(): void {
    let comment = false;
    for (; this.#at < this.#text.length; this.#at++) {
      const code = this.#text.charCodeAt(this.#at);
      if (code === LF) {
        this.#newLine();
        comment = false;
      } else if (code === HASH) {
        comment = true;
      } else if (!comment && !isSpace(code)) {
        return;
      }
    }
  }

  #readQuoted(quote: number, position: Position): string {
    const start = this.#at;
    const mark = String.fromCharCode(quote);
    let escaped = false;
    for (; this.#at < this.#text.length; this.#at++) {
      if (this.#at - start >= MAX_WORD_BYTES) {
        throw new ConfigError(
          `too long parameter, probably missing terminating "${mark}" character`,
          position,
        );
      }
      const code = this.#text.charCodeAt(this.#at);
      if (code === LF) this.#newLine();
      if (escaped) {
        escaped = false;
      } else if (code === BACKSLASH) {
        escaped = true;
      } else if (code === quote) {
        const raw = this.#text.slice(start, this.#at);
        this.#at++;
        this.#quoteEnd = this.#at;
        return unescape(raw);
      }
    }
    throw this.#endOfFile(`the ${mark} at line ${position.line}, column ${position.column} is not closed`);
  }

  #readBare(position: Position): string {
    const start = this.#at;
    let escaped = false;
    let afterDollar = false;
    for (; this.#at < this.#text.length; this.#at++) {
      if (this.#at - start >= MAX_WORD_BYTES) {
        const beginning = this.#text.slice(start, start + 10);
        throw new ConfigError(`too long parameter "${beginning}..." started`, position);
      }
      const code = this.#text.charCodeAt(this.#at);
      if (escaped) {
        if (code === LF) this.#newLine();
        escaped = false;
        continue;
      }
      if (code === OPENING_BRACE && afterDollar) continue;
      afterDollar = code === DOLLAR;
      if (code === BACKSLASH) {
        escaped = true;
      } else if (isSpace(code) || code === SEMICOLON || code === OPENING_BRACE) {
        return unescape(this.#text.slice(start, this.#at));
      }
    }
    throw this.#endOfFile('');
  }

  #endOfFile(hint: string): ConfigError {
    return new ConfigError('unexpected end of file, expecting ";" or "}"', this.position, hint);
  }

  #newLine(): void {
    this.#line++;
    this.#lineStart = this.#at + 1;
  }
}

/** One word that was written as in a configuration file: the whole text, cut into words; for typed objects. */
export function readWords(text: string, file: string): Extract<Token, { kind: 'word' }>[] {
  const lexer = new Lexer(`${text} `, file);
  const words: Extract<Token, { kind: 'word' }>[] = [];
  for (let token = lexer.next(); token.kind !== 'end'; token = lexer.next()) {
    if (token.kind !== 'word') throw new ConfigError(`unexpected "${token.kind}"`, token.position);
    words.push(token);
  }
  return words;
}

function isSpace(code: number): boolean {
  return code === SPACE || code === TAB || code === CR || code === LF;
}

function unescape(raw: string): string {
  if (!raw.includes('\\')) return raw;
  return raw.replace(/\\(["'\\trn])/g, (_pair, character: string) => ESCAPES[character] ?? character);
}

const ESCAPES: Readonly<Record<string, string>> = { t: '\t', r: '\r', n: '\n' };

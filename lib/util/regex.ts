/**
 * Regular expressions as nginx.conf writes them (PCRE), for the engine that is there
 * (JavaScript's). The pattern is read once and written anew, so that what the two
 * languages spell differently means the same here:
 *
 *   (?<n>..) (?P<n>..) (?'n'..)      named groups        \A \z \Z     ends of the text
 *   \Q..\E  \h \R \N \e \a \x{41}    escapes             [[:alpha:]]  POSIX classes
 *   . $ \s                           a dot is anything but LF; `$` is also before a last LF
 *
 * What JavaScript has no counterpart for is an error that names it: atomic groups,
 * possessive quantifiers, recursion, conditionals, option settings in the middle.
 *
 * Texts are byte strings: one character per byte. Matching has no limit of steps, as
 * pcre_match_limit would set one: a pattern that backtracks without bound is a mistake
 * of the configuration.
 */

/** A pattern that cannot be used; `message` says what and where in it. */
export class PatternError extends Error {
  override get name(): string {
    return 'PatternError';
  }
}

/** A pattern for JavaScript's engine. */
export interface TranslatedPattern {
  readonly regexp: RegExp;
  /** Names of groups, in order. */
  readonly names: readonly string[];
  /** Number of capturing groups. */
  readonly groups: number;
}

const POSIX: Readonly<Record<string, string>> = {
  alnum: '0-9A-Za-z',
  alpha: 'A-Za-z',
  ascii: '\\x00-\\x7f',
  blank: '\\t\\x20',
  cntrl: '\\x00-\\x1f\\x7f',
  digit: '0-9',
  graph: '!-~',
  lower: 'a-z',
  print: '\\x20-~',
  punct: '!-\\/:-@\\[-`\\{-~',
  space: '\\t-\\r\\x20',
  upper: 'A-Z',
  word: '0-9A-Z_a-z',
  xdigit: '0-9A-Fa-f',
};

/** Escapes that stand for a set: what is inside the brackets of a class, and whether it is negated. */
const SETS: Readonly<Record<string, readonly [inside: string, negated: boolean]>> = {
  d: ['0-9', false],
  D: ['0-9', true],
  w: ['0-9A-Z_a-z', false],
  W: ['0-9A-Z_a-z', true],
  s: ['\\t-\\r\\x20', false],
  S: ['\\t-\\r\\x20', true],
  h: ['\\t\\x20\\xa0', false],
  H: ['\\t\\x20\\xa0', true],
  v: ['\\n-\\r\\x85', false],
  V: ['\\n-\\r\\x85', true],
};

const CONTROLS: Readonly<Record<string, number>> = { a: 7, e: 0x1b, f: 0x0c, n: 0x0a, r: 0x0d, t: 9 };

/** General categories of Unicode; scripts are written differently in the two languages. */
const CATEGORY =
  /^(?:L|Ll|Lu|Lt|Lm|Lo|M|Mn|Mc|Me|N|Nd|Nl|No|P|Pc|Pd|Ps|Pe|Pi|Pf|Po|S|Sm|Sc|Sk|So|Z|Zs|Zl|Zp|C|Cc|Cf|Co|Cs|Cn|Any)$/;

const scopedOptions = canCompile('(?i:a)');

function canCompile(source: string): boolean {
  try {
    return new RegExp(source) instanceof RegExp;
  } catch {
    return false;
  }
}

/** Names of the groups of a pattern, without judging it: for who only has to know which variables it declares. */
export function groupNames(text: string): string[] {
  return [...text.matchAll(/(?<!\\)\(\?(?:P?<([A-Za-z_]\w*)>|'([A-Za-z_]\w*)')/g)].map(
    ([, angled, quoted]) => angled ?? quoted ?? '',
  );
}

/** Translates a pattern. Throws {@link PatternError}. */
export function translatePattern(text: string, caseless: boolean): TranslatedPattern {
  return new Translator(text, caseless).run();
}

class Translator {
  readonly #text: string;
  #at = 0;
  #out = '';
  #caseless: boolean;
  #dotAll = false;
  #multiline = false;
  #unicode = false;
  #groups = 0;
  readonly #names: string[] = [];
  /** The highest group that a back reference asks for. */
  #highest = 0;

  constructor(text: string, caseless: boolean) {
    this.#text = text;
    this.#caseless = caseless;
  }

  run(): TranslatedPattern {
    if (this.#text.startsWith('(*')) this.#refuse('a verb "(*"', 0);
    this.#leadingOptions();
    while (this.#at < this.#text.length) this.#item();
    if (this.#highest > this.#groups) {
      throw new PatternError(`a reference to group ${this.#highest}, which is not there, in "${this.#text}"`);
    }
    try {
      const flags = (this.#caseless ? 'i' : '') + (this.#unicode ? 'u' : '');
      return { regexp: new RegExp(this.#out, flags), names: this.#names, groups: this.#groups };
    } catch (error) {
      const reason = error instanceof Error ? error.message.replace(/^.*\/[a-z]*: /s, '') : String(error);
      throw new PatternError(`${reason.charAt(0).toLowerCase()}${reason.slice(1)} in "${this.#text}"`);
    }
  }

  #fail(problem: string, at: number): never {
    throw new PatternError(`${problem} at "${this.#text.slice(at)}" in "${this.#text}"`);
  }

  #refuse(what: string, at: number): never {
    return this.#fail(`${what} is not supported`, at);
  }

  /** "(?i)" at the very beginning holds for the whole. */
  #leadingOptions(): void {
    for (;;) {
      const found = /^\(\?([imnsxJUX]+)\)/.exec(this.#text.slice(this.#at));
      if (found === null) return;
      for (const option of found[1]) {
        if (option === 'i') this.#caseless = true;
        else if (option === 's') this.#dotAll = true;
        else if (option === 'm') this.#multiline = true;
        else this.#refuse(`the option "${option}"`, this.#at);
      }
      this.#at += found[0].length;
    }
  }

  #item(): void {
    const char = this.#text.charAt(this.#at);
    switch (char) {
      case '\\':
        this.#escape();
        return;
      case '[':
        this.#class();
        return;
      case '(':
        this.#group();
        return;
      case '*':
      case '+':
      case '?':
      case '{':
        this.#quantifier();
        return;
      case '.':
        this.#out += this.#dotAll ? '[^]' : '[^\\n]';
        break;
      case '^':
        this.#out += this.#multiline ? '(?:^|(?<=\\n))' : '^';
        break;
      case '$':
        this.#out += this.#multiline ? '(?=\\n|$)' : '(?=\\n?$)';
        break;
      case ')':
      case '|':
        this.#out += char;
        break;
      default:
        this.#out += literal(char.charCodeAt(0));
    }
    this.#at++;
  }

  #quantifier(): void {
    const found = /^(?:[*+?]|\{\d+(?:,\d*)?\})/.exec(this.#text.slice(this.#at, this.#at + 24));
    if (found === null) {
      this.#out += '\\{';
      this.#at++;
      return;
    }
    const start = this.#at;
    this.#out += found[0];
    this.#at += found[0].length;
    const next = this.#text.charAt(this.#at);
    if (next === '+') this.#refuse('a possessive quantifier', start);
    if (next === '?') {
      this.#out += '?';
      this.#at++;
    }
  }

  #group(): void {
    const start = this.#at;
    const rest = this.#text.slice(start);
    const named = /^\(\?(?:P?<([A-Za-z_]\w*)>|'([A-Za-z_]\w*)')/.exec(rest);
    if (named !== null) {
      const name = named[1] ?? named[2] ?? '';
      this.#groups++;
      this.#names.push(name);
      this.#out += `(?<${name}>`;
      this.#at += named[0].length;
      return;
    }
    const comment = /^\(\?#[^)]*\)/.exec(rest);
    if (comment !== null) {
      this.#at += comment[0].length;
      return;
    }
    const plain = /^\(\?(?:[:=!]|<[=!])/.exec(rest);
    if (plain !== null) {
      this.#out += plain[0];
      this.#at += plain[0].length;
      return;
    }
    const backwards = /^\(\?P=(\w+)\)/.exec(rest);
    if (backwards !== null) {
      this.#out += `\\k<${backwards[1]}>`;
      this.#at += backwards[0].length;
      return;
    }
    const scoped = /^\(\?(-?i):/.exec(rest);
    if (scoped !== null && scopedOptions) {
      this.#out += scoped[0];
      this.#at += scoped[0].length;
      return;
    }
    if (rest.startsWith('(?>')) this.#refuse('an atomic group', start);
    if (rest.startsWith('(?|')) this.#refuse('a branch reset', start);
    if (rest.startsWith('(?(')) this.#refuse('a condition', start);
    if (/^\(\?(?:R|P>|&|[+-]?\d)/.test(rest)) this.#refuse('a recursion', start);
    if (rest.startsWith('(*')) this.#refuse('a verb "(*"', start);
    if (rest.startsWith('(?')) this.#refuse('this kind of group', start);
    this.#groups++;
    this.#out += '(';
    this.#at++;
  }

  #escape(): void {
    const start = this.#at;
    const rest = this.#text.slice(start + 1);
    const char = rest.charAt(0);
    if (char === '') this.#fail('a backslash', start);
    if (char === 'Q') {
      const end = this.#text.indexOf('\\E', start);
      const stop = end < 0 ? this.#text.length : end;
      for (let i = start + 2; i < stop; i++) this.#out += literal(this.#text.charCodeAt(i));
      this.#at = end < 0 ? stop : stop + 2;
      return;
    }
    const reference = /^(?:([1-9])(?!\d)|g\{?(-?\d+)\}?|(?:g\{|k\{|k<|k')([A-Za-z_]\w*)[}>'])/.exec(rest);
    if (reference !== null) {
      this.#reference(reference, start);
      return;
    }
    const set = SETS[char];
    if (set !== undefined) {
      this.#out += `[${set[1] ? '^' : ''}${set[0]}]`;
      this.#at += 2;
      return;
    }
    const simple: Readonly<Record<string, string>> = {
      b: '\\b',
      B: '\\B',
      A: '(?<![^])',
      z: '$',
      Z: '(?=\\n?$)',
      N: '[^\\n]',
      R: '(?:\\r\\n|[\\n-\\r\\x85])',
      E: '',
    };
    const known = simple[char];
    if (known !== undefined) {
      this.#out += known;
      this.#at += 2;
      return;
    }
    if (char === 'p' || char === 'P') {
      this.#out += this.#property();
      return;
    }
    this.#out += literal(this.#character());
  }

  #reference(found: RegExpExecArray, start: number): void {
    const [whole, plain, numbered, name] = found;
    this.#at += 1 + whole.length;
    if (name !== undefined) {
      this.#out += `\\k<${name}>`;
      return;
    }
    let group = Number(plain ?? numbered);
    if (group < 0) group += this.#groups + 1;
    if (group < 1) this.#fail('a reference to no group', start);
    this.#highest = Math.max(this.#highest, group);
    this.#out += `(?:\\${group})`;
  }

  /** "\pL", "\p{Lu}", "\p{^Lu}", at the backslash. */
  #property(): string {
    const start = this.#at;
    const found = /^\\([pP])(?:([A-Z])|\{(\^?)([A-Za-z_&]+)\})/.exec(this.#text.slice(start));
    const name = found?.[2] ?? found?.[4] ?? '';
    if (found === null || !CATEGORY.test(name)) return this.#refuse('this Unicode property', start);
    this.#unicode = true;
    this.#at += found[0].length;
    const negated = (found[1] === 'P') !== (found[3] === '^');
    return `\\${negated ? 'P' : 'p'}{${name}}`;
  }

  /** The byte that an escape stands for, at its backslash. */
  #character(): number {
    const start = this.#at;
    const rest = this.#text.slice(start + 1);
    const take = (length: number, code: number): number => {
      if (code > 0xff) this.#fail('a character beyond one byte', start);
      this.#at = start + 1 + length;
      return code;
    };
    const hex = /^x(?:\{([0-9A-Fa-f]+)\}|([0-9A-Fa-f]{0,2}))/.exec(rest);
    if (hex !== null) return take(hex[0].length, Number.parseInt(hex[1] ?? hex[2] ?? '0', 16) || 0);
    const octal = /^(?:o\{([0-7]+)\}|([0-7]{1,3}))/.exec(rest);
    if (octal !== null) return take(octal[0].length, Number.parseInt(octal[1] ?? octal[2] ?? '0', 8));
    const control = /^c([\x20-\x7e])/.exec(rest);
    if (control !== null) return take(2, control[1].toUpperCase().charCodeAt(0) ^ 0x40);
    const char = rest.charAt(0);
    const named = CONTROLS[char];
    if (named !== undefined) return take(1, named);
    if (/[A-Za-z0-9]/.test(char)) return this.#refuse(`"\\${char}"`, start);
    return take(1, char.charCodeAt(0));
  }

  #class(): void {
    const start = this.#at++;
    let inside = '';
    const negated = this.#text.charAt(this.#at) === '^';
    if (negated) this.#at++;
    for (let first = true; ; first = false) {
      const char = this.#text.charAt(this.#at);
      if (char === '') this.#fail('missing terminating ] for character class', start);
      if (char === ']' && !first) break;
      const item = this.#classItem();
      if (typeof item === 'string') {
        inside += item;
        continue;
      }
      const next = this.#text.charAt(this.#at + 1);
      if (this.#text.charAt(this.#at) !== '-' || next === ']' || next === '') {
        inside += literal(item);
        continue;
      }
      this.#at++;
      const last = this.#classItem();
      if (typeof last === 'string') {
        inside += `${literal(item)}\\-${last}`;
        continue;
      }
      if (last < item) this.#fail('a range out of order', start);
      inside += `${literal(item)}-${literal(last)}`;
    }
    this.#at++;
    this.#out += `[${negated ? '^' : ''}${inside}]`;
  }

  /** A byte, or the inside of a set. */
  #classItem(): number | string {
    const start = this.#at;
    const char = this.#text.charAt(start);
    if (char === '[') {
      const posix = /^\[:(\^?)([a-z]+):\]/.exec(this.#text.slice(start));
      if (posix !== null) {
        const set = POSIX[posix[2]];
        if (set === undefined) return this.#fail('an unknown POSIX class', start);
        this.#at += posix[0].length;
        return posix[1] === '^' ? this.#complement(set) : set;
      }
    }
    if (char !== '\\') {
      this.#at++;
      return char.charCodeAt(0);
    }
    const escaped = this.#text.charAt(start + 1);
    const set = SETS[escaped];
    if (set !== undefined) {
      this.#at += 2;
      return set[1] ? this.#complement(set[0]) : set[0];
    }
    if (escaped === 'p' || escaped === 'P') return this.#property();
    if (escaped === 'b') {
      this.#at += 2;
      return 8;
    }
    if (escaped === 'Q' || escaped === 'E') return this.#refuse('"\\Q" in a class', start);
    return this.#character();
  }

  /** The bytes that are not in a set, as the inside of another one. */
  #complement(set: string): string {
    const inside = new RegExp(`[${set}]`);
    let out = '';
    for (let from = 0; from <= 0xff; from++) {
      if (inside.test(String.fromCharCode(from))) continue;
      let to = from;
      while (to < 0xff && !inside.test(String.fromCharCode(to + 1))) to++;
      out += `${literal(from)}-${literal(to)}`;
      from = to;
    }
    return out;
  }
}

/** A byte as it stands in a pattern, in a class or outside of one. */
function literal(code: number): string {
  const char = String.fromCharCode(code);
  if (/[A-Za-z0-9_ !"#%&',:;<=>@`~]/.test(char)) return char;
  return `\\x${code.toString(16).padStart(2, '0')}`;
}

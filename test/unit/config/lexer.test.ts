import { describe, expect, it } from 'vitest';
import { Lexer, MAX_WORD_BYTES, readWords, type Token } from '../../../lib/config/lexer.js';

function tokens(text: string): Token[] {
  const lexer = new Lexer(text, 'f');
  const all: Token[] = [];
  for (;;) {
    const token = lexer.next();
    all.push(token);
    if (token.kind === 'end') return all;
  }
}

/** Words in brackets, marks as they are: "[a][b];" */
function shape(text: string): string {
  return tokens(text)
    .map((token) => (token.kind === 'word' ? `[${token.text}]` : token.kind === 'end' ? '' : token.kind))
    .join('');
}

describe('Lexer', () => {
  it.each([
    ['', ''],
    ['a b;', '[a][b];'],
    ['a\tb\r\nc;', '[a][b][c];'],
    ['a{b;}', '[a]{[b];}'],
    ['a "b c";', '[a][b c];'],
    ["a 'b \" c';", '[a][b " c];'],
    ['a "";', '[a][];'],
    ['a b#c;', '[a][b#c];'],
    ['a # b; "\n c;', '[a][c];'],
    ['#only a comment', ''],
    ['a "x;y{z}";', '[a][x;y{z}];'],
    ['a b}c;', '[a][b}c];'],
    // Dollar and brace: a variable, not a block.
    ['a ${x}y;', '[a][${x}y];'],
    ['a x${y};', '[a][x${y}];'],
    ['a $x{', '[a][$x]{'],
    ['a "${x}";', '[a][${x}];'],
    ['a $;', '[a][$];'],
    // Backslashes.
    ['a b\\ c;', '[a][b\\ c];'],
    ['a b\\;c;', '[a][b\\;c];'],
    ['a \\"b;', '[a]["b];'],
    ['a "x\\"y";', '[a][x"y];'],
    ["a 'x\\'y';", "[a][x'y];"],
    ['a "x\\ty\\r\\n";', '[a][x\ty\r\n];'],
    ['a x\\ty;', '[a][x\ty];'],
    ['a \\\\n;', '[a][\\n];'],
    ['a "\\.php\\d$";', '[a][\\.php\\d$];'],
    // After a quote: space, ; { or ).
    ['a "b"{', '[a][b]{'],
    ['if ("$a" = "b") {', '[if][("$a"][=][b][)]{'],
    ['a "b";;', '[a][b];;'],
    ['"a" b;', '[a][b];'],
  ])('%j gives %s', (text, expected) => {
    expect(shape(text)).toBe(expected);
  });

  it('tells the place of every token', () => {
    const places = tokens('a  "b\nc" d;\n\t{}').map(({ kind, position }) => [
      kind,
      position.line,
      position.column,
    ]);
    expect(places).toEqual([
      ['word', 1, 1],
      ['word', 1, 4],
      ['word', 2, 4],
      [';', 2, 5],
      ['{', 3, 2],
      ['}', 3, 3],
      ['end', 3, 4],
    ]);
  });

  it('tells which words were quoted', () => {
    const quoted = tokens('a "b" \'c\' d\\"e;').map((token) =>
      token.kind === 'word' ? token.quoted : undefined,
    );
    expect(quoted.slice(0, 4)).toEqual([false, true, true, false]);
  });

  it('keeps bytes as they are', () => {
    const text = Buffer.from('a "é€";').toString('latin1');
    const [, word] = tokens(text);
    expect(word?.kind === 'word' && Buffer.from(word.text, 'latin1').toString()).toBe('é€');
  });

  it('ends again and again', () => {
    const lexer = new Lexer('', 'f');
    expect(lexer.next().kind).toBe('end');
    expect(lexer.next().kind).toBe('end');
  });

  it.each([
    [
      'a "b',
      'unexpected end of file, expecting ";" or "}" in f:1:5; the " at line 1, column 3 is not closed',
    ],
    [
      "a\n 'b\n;",
      `unexpected end of file, expecting ";" or "}" in f:3:2; the ' at line 2, column 2 is not closed`,
    ],
    ['a b', 'unexpected end of file, expecting ";" or "}" in f:1:4'],
    ['a "b"c;', 'unexpected "c" in f:1:6; after a closing quote a space must follow'],
    ['a "b"};', 'unexpected "}" in f:1:6; after a closing quote a space must follow'],
  ])('refuses %j', (text, message) => {
    expect(() => tokens(text)).toThrow(message);
  });

  it('bounds a word', () => {
    const longest = 'x'.repeat(MAX_WORD_BYTES - 1);
    expect(shape(`${longest};`)).toBe(`[${longest}];`);
    expect(shape(`"${longest}";`)).toBe(`[${longest}];`);
    expect(() => tokens(`a ${longest}xx;`)).toThrow('too long parameter "xxxxxxxxxx..." started in f:1:3');
    expect(() => tokens(`a '${longest}xx';`)).toThrow(
      `too long parameter, probably missing terminating "'" character in f:1:3`,
    );
  });
});

describe('readWords', () => {
  it('cuts a text into words', () => {
    expect(readWords(' a "b c" d\\te ', 'f').map(({ text }) => text)).toEqual(['a', 'b c', 'd\te']);
    expect(readWords('', 'f')).toEqual([]);
  });

  it('refuses marks', () => {
    expect(() => readWords('a; b', 'f')).toThrow('unexpected ";" in f:1:2');
  });
});

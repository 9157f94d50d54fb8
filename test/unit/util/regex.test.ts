/** Regular expressions in PCRE's spelling: what they match, and which are refused. */
import { describe, expect, it } from 'vitest';
import { groupNames, PatternError, translatePattern } from '../../../lib/util/regex.js';

const matches = (pattern: string, text: string, caseless = false): string | undefined =>
  translatePattern(pattern, caseless).regexp.exec(text)?.[0];

describe('a pattern', () => {
  it.each([
    // pattern, text, what matches
    ['\\.(gif|jpg|jpeg)$', '/a.jpg', '.jpg'],
    ['\\.php$', '/a.php\n', '.php'],
    ['\\.php$', '/a.php\n\n', undefined],
    ['\\.php\\z', '/a.php\n', undefined],
    ['\\.php\\Z', '/a.php\n', '.php'],
    ['\\A/a', '/a', '/a'],
    ['a.c', 'a\nc', undefined],
    ['a.c', 'a\rc', 'a\rc'],
    ['(?s)a.c', 'a\nc', 'a\nc'],
    ['(?m)^b$', 'a\nb\nc', 'b'],
    ['(?i)ABC', 'xabc', 'abc'],
    ['(?im)^B', 'a\nb', 'b'],
    ['\\Qa.b(\\E+', 'a.b((', 'a.b(('],
    ['\\Qa.b', 'aab', undefined],
    ['a\\s', 'a\xa0', undefined],
    ['a\\h', 'a\xa0', 'a\xa0'],
    ['\\R', '\r\n', '\r\n'],
    ['\\x41\\x{42}\\103\\o{104}\\e\\a', 'ABCD\x1b\x07', 'ABCD\x1b\x07'],
    ['\\cA', '\x01', '\x01'],
    ['[[:alpha:]]+', '12ab3', 'ab'],
    ['[[:^digit:]]+', '12ab3', 'ab'],
    ['[^[:space:]x]+', ' xab', 'ab'],
    ['[]a]+', 'x]a', ']a'],
    ['[^]a]+', ']ax', 'x'],
    ['[a\\]]+', 'x]a', ']a'],
    ['[\\w.-]+', ' a.b-c', 'a.b-c'],
    ['[\\w-.]+', ' a.b-c', 'a.b-c'],
    ['[a-]+', 'b-a', '-a'],
    ['[\\S]', ' x', 'x'],
    ['[\\x00-\\x1f]', 'a\x05', '\x05'],
    ['[[]', '[', '['],
    ['a{2}', 'aaa', 'aa'],
    ['a{2,}', 'aaa', 'aaa'],
    ['a{,2}', 'a{,2}', 'a{,2}'],
    ['a{x}', 'a{x}', 'a{x}'],
    ['a+?', 'aaa', 'a'],
    ['}]', '}]', '}]'],
    ['/', '/', '/'],
    ['(a)(?#comment)\\1', 'aa', 'aa'],
    ['(a)\\g1\\g{1}\\g{-1}', 'aaaa', 'aaaa'],
    ["(?'x'a)\\k<x>\\k{x}\\k'x'(?P=x)", 'aaaaa', 'aaaaa'],
    ['(?<!a)b', 'abb', 'b'],
    ['(?<=a)b', 'bab', 'b'],
    ['a(?!b)', 'abac', 'a'],
    ['\\pL+\\P{L}', '1a2', 'a2'],
    ['\\p{^N}', '1a', 'a'],
    ['[\\p{Lu}x]+', 'aXx', 'Xx'],
    ['caf\xc3\xa9', '/caf\xc3\xa9', 'caf\xc3\xa9'],
    ['\\N+', 'ab\nc', 'ab'],
    ['[\\b]', '\b', '\b'],
    ['a|b', 'xb', 'b'],
    ['', 'x', ''],
  ])('%s on %j', (pattern, text, expected) => {
    expect(matches(pattern, text)).toBe(expected);
  });

  it('knows its groups', () => {
    const { regexp, names, groups } = translatePattern('^(?P<a>x)(y)(?<b>z)(?:w)$', false);
    expect([names, groups]).toEqual([['a', 'b'], 3]);
    expect({ ...regexp.exec('xyzw')?.groups }).toEqual({ a: 'x', b: 'z' });
    expect(matches('ABC', 'abc', true)).toBe('abc');
  });

  it.each([
    ['a(?>b)', 'an atomic group is not supported at "(?>b)" in "a(?>b)"'],
    ['a*+b', 'a possessive quantifier is not supported at "*+b" in "a*+b"'],
    ['(?|a|b)', 'a branch reset is not supported'],
    ['(a)(?(1)b)', 'a condition is not supported'],
    ['(?R)', 'a recursion is not supported'],
    ['(?&x)', 'a recursion is not supported'],
    ['(*UTF8)a', 'a verb "(*" is not supported'],
    ['a(?i)b', 'this kind of group is not supported'],
    ['(?x)a', 'the option "x" is not supported'],
    ['\\Ka', '"\\K" is not supported'],
    ['\\G', '"\\G" is not supported'],
    ['\\p{Greek}', 'this Unicode property is not supported'],
    ['[[:nope:]]', 'an unknown POSIX class'],
    ['[z-a]', 'a range out of order'],
    ['[a', 'missing terminating ] for character class'],
    ['(a)\\2', 'a reference to group 2, which is not there'],
    ['\\x{263a}', 'a character beyond one byte'],
    ['a\\', 'a backslash'],
    ['(a', 'unterminated group'],
    ['*a', 'nothing to repeat'],
    ['(?<a>x)(?<a>y)', 'duplicate capture group name'],
  ])('%s is refused', (pattern, message) => {
    expect(() => translatePattern(pattern, false)).toThrow(PatternError);
    expect(() => translatePattern(pattern, false)).toThrow(message);
  });

  it('has its names found without being judged', () => {
    expect(groupNames("~^(?<a>x)(?P<b>y)(?'c'z)\\(?<d>(?<=e)(?<!f)")).toEqual(['a', 'b', 'c']);
  });
});

/** Values of a backend's cookies, for `$upstream_cookie_`. */
import { expect, it } from 'vitest';
import { setCookieOf } from '../../../lib/proxy/set-cookie.js';

it('are those of the first field with the name, without the spaces around them', () => {
  const fields = ['none', '=empty', 'b=1', ' A = x y ; Path=/', 'a=later'];
  expect(setCookieOf(fields, 'a')).toBe('x y');
  expect(setCookieOf(fields, 'B')).toBe('1');
  expect(setCookieOf(['a=  ; Path=/', 'a=b'], 'a')).toBe('');
  expect(setCookieOf(['a=\tb'], 'a')).toBe('\tb');
  expect(setCookieOf(fields, 'path')).toBeUndefined();
});

it('do not become a matter of minutes with many spaces', () => {
  const blanks = ' '.repeat(60_000);
  const fields = Array.from({ length: 50 }, (_, i) => `c${blanks}${i}=x`);
  expect(setCookieOf([...fields, `c=x${blanks}y`], 'c')).toBe(`x${blanks}y`);
});

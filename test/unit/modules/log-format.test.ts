import { describe, expect, it } from 'vitest';
import { COMBINED, compileFormat, escapeDefault, escapeJson } from '../../../lib/modules/log-format.js';
import { FakeExchange, value } from './support.js';

const AGENT = '"\\\x01\t\x7f\xe9 z';

describe('log formats', () => {
  it('writes the combined form', () => {
    const exchange = new FakeExchange({
      target: '/a?b=c',
      headers: [
        ['User-Agent', 'curl/8'],
        ['Authorization', `Basic ${Buffer.from('ann:secret').toString('base64')}`],
      ],
    });
    exchange.response.status = 200;
    exchange.response.bodyBytesSent = 12;
    const line = compileFormat(COMBINED, 'default', value)(exchange);
    expect(line).toMatch(
      /^192\.0\.2\.7 - ann \[2\d\/Nov\/2026:\d\d:35:15 [+-]\d{4}\] "GET \/a\?b=c HTTP\/1\.1" 200 12 "-" "curl\/8"$/,
    );
  });

  it.each([
    ['default', '\\x22\\x5C\\x01\\x09\\x7F\\xE9 z'],
    ['json', '\\"\\\\\\u0001\\t\x7f\xe9 z'],
    ['none', AGENT],
  ] as const)('escapes values: %s', (escape, expected) => {
    const exchange = new FakeExchange({ headers: [['User-Agent', AGENT]] });
    expect(compileFormat('"$http_user_agent" é', escape, value)(exchange)).toBe(`"${expected}" é`);
  });

  it.each([
    ['default', '[-]'],
    ['json', '[]'],
    ['none', '[]'],
  ] as const)('shows what is not set: %s', (escape, expected) => {
    expect(compileFormat('[$http_nothing]', escape, value)(new FakeExchange())).toBe(expected);
  });

  it('knows both spellings of a variable, and a dollar sign that is none', () => {
    const exchange = new FakeExchange();
    expect(compileFormat('${remote_port}x$remote_port-$$', 'none', value)(exchange)).toBe('40000x40000-$$');
    expect(compileFormat('plain', 'none', value)(exchange)).toBe('plain');
    expect(compileFormat('', 'none', value)(exchange)).toBe('');
  });

  it('complains about an unknown variable', () => {
    expect(() => compileFormat('$nothing', 'none', value)).toThrow('unknown "nothing" variable');
  });

  it('leaves what needs no escaping as it is', () => {
    expect(escapeDefault('plain text')).toBe('plain text');
    expect(escapeJson('plain \xe9')).toBe('plain \xe9');
    expect(escapeJson('\n\r\b\f\x1f')).toBe('\\n\\r\\b\\f\\u001F');
  });
});

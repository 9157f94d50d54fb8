import { describe, expect, it } from 'vitest';
import { COMBINED, compileFormat } from '../../../lib/modules/log-format.js';
import type { LogFormat } from '../../../lib/modules/log-format.js';
import type { Exchange } from '../../../lib/module-api/index.js';
import { host } from '../../../lib/native/host.js';
import { LogLines } from '../../../lib/proxy/log-lines.js';
import { FakeExchange, value } from './support.js';

const AGENT = '"\\\x01\t\x7f\xe9 z';

/** What the lines of an exchange are, each time the same. */
function written(format: LogFormat, exchange: Exchange): string {
  let text = '';
  const lines = new LogLines({
    writeRange(offset, length) {
      text += Buffer.from(host.u8.subarray(offset, offset + length)).toString('latin1');
    },
    lineEnded: () => undefined,
  });
  // A value that comes again takes another way.
  for (let i = 0; i < 4; i++) format.write(exchange, lines);
  lines.flush();
  const line = text.slice(0, text.length / 4 - 1);
  expect(text).toBe(`${line}\n`.repeat(4));
  return line;
}

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
    const line = written(compileFormat(COMBINED, 'default', value), exchange);
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
    expect(written(compileFormat('"$http_user_agent" é', escape, value), exchange)).toBe(`"${expected}" é`);
  });

  it.each([
    ['default', '[-]'],
    ['json', '[]'],
    ['none', '[]'],
  ] as const)('shows what is not set: %s', (escape, expected) => {
    const format = compileFormat('[$http_nothing]', escape, value);
    expect(written(format, new FakeExchange())).toBe(expected);
    expect(written(compileFormat('[$remote_user]', escape, value), new FakeExchange())).toBe(expected);
  });

  it('knows both spellings of a variable, and a dollar sign that is none', () => {
    const exchange = new FakeExchange();
    const line = (text: string): string => written(compileFormat(text, 'none', value), exchange);
    expect(line('${remote_port}x$remote_port-$$')).toBe('40000x40000-$$');
    expect(line('plain')).toBe('plain');
    expect(line('')).toBe('');
    const long = 'long text '.repeat(2000);
    expect(line(`${long}$remote_port`)).toBe(`${long}40000`);
  });

  it('complains about an unknown variable', () => {
    expect(() => compileFormat('$nothing', 'none', value)).toThrow('unknown "nothing" variable');
  });

  it('writes a value anew when it has changed', () => {
    const format = compileFormat('$arg_a', 'default', value);
    const line = (a: string): string => written(format, new FakeExchange({ target: `/?a=${a}` }));
    expect(['one', 'two\xff', 'one', 'x'.repeat(300), 'y'.repeat(300)].map(line)).toEqual([
      'one',
      'two\\xFF',
      'one',
      'x'.repeat(300),
      'y'.repeat(300),
    ]);
  });
});

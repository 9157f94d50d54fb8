import { describe, expect, it } from 'vitest';
import { allow, isAllowed } from '../../../lib/modules/access.js';
import { FakeExchange, innermost, location, run, tree } from './support.js';

const rules = (text: string) =>
  innermost(tree(`http { server { location / { ${text} } } }`)).settings.get(allow);

describe('allow and deny', () => {
  it.each([
    ['deny all;', '192.0.2.7', false],
    ['allow all;', '192.0.2.7', true],
    ['allow 192.0.2.7; deny all;', '192.0.2.7', true],
    ['allow 192.0.2.7; deny all;', '192.0.2.8', false],
    ['deny 192.0.2.7; allow all;', '192.0.2.7', false],
    ['deny all; allow 192.0.2.7;', '192.0.2.7', false],
    ['deny 192.0.2.0/24;', '192.0.2.255', false],
    ['deny 192.0.2.0/24;', '192.0.3.0', true],
    ['deny 192.0.2.128/25;', '192.0.2.127', true],
    ['deny 192.0.2.128/25;', '192.0.2.128', false],
    ['deny 0.0.0.0/0;', '203.0.113.1', false],
    ['deny 0.0.0.0/0;', '2001:db8::1', true],
    ['deny 192.0.2.7/32;', '::ffff:192.0.2.7', false],
    ['deny 2001:db8::/32;', '2001:db8:1::5', false],
    ['deny 2001:db8::/33;', '2001:db8:8000::5', true],
    ['deny ::1;', '::1', false],
    ['deny ::/0;', '192.0.2.7', true],
    ['allow unix:; deny all;', 'unix:', true],
    ['deny unix:;', 'unix:', false],
    ['deny unix:;', '192.0.2.7', true],
    ['deny 192.0.2.0/24;', 'unix:', true],
  ])('%s for %s: %s', (text, address, expected) => {
    expect(isAllowed(rules(text), address)).toBe(expected);
  });

  it.each(['1.2.3', '1.2.3.4/33', '::1/129', '1.2.3.4/', '1.2.3.4/8/8', 'example.com', '1.2.3.400'])(
    'refuses %s',
    (text) => expect(() => rules(`allow ${text};`)).toThrow(`invalid parameter "${text}" in nginx.conf:1:`),
  );

  it('warns about low bits', () => {
    const warnings: string[] = [];
    tree('http { deny 10.1.2.3/8; }', warnings);
    expect(warnings).toEqual([expect.stringContaining('low address bits of 10.1.2.3/8 are meaningless')]);
  });

  it('replaces the enclosing list as a whole', () => {
    const block = innermost(tree('http { deny all; server { location / { allow 192.0.2.7; } } }'));
    expect(isAllowed(block.settings.get(allow), '203.0.113.1')).toBe(true);
  });

  it('answers 403 and says so in the error log', async () => {
    const exchange = new FakeExchange();
    const place = await location('location / { deny 192.0.2.0/24; }');
    expect(await run(place, exchange)).toBe(403);
    expect(exchange.messages).toEqual(['[error] access forbidden by rule']);
  });

  it('lets others through to the content', async () => {
    const place = await location('location / { deny 10.0.0.0/8; }');
    expect(place.access).toHaveLength(1);
    expect(place.access[0]?.(new FakeExchange())).toBe(0);
  });

  it('costs nothing where it is not used', async () => {
    expect((await location('location / {}')).access).toEqual([]);
  });
});

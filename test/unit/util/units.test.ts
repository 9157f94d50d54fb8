import { describe, expect, it } from 'vitest';
import { parseFlag, parseSize, parseTimeMs } from '../../../lib/util/units.js';

describe('parseSize', () => {
  it.each([
    ['0', 0],
    ['17', 17],
    ['8k', 8192],
    ['8K', 8192],
    ['2m', 2 * 1024 ** 2],
    ['1G', 1024 ** 3],
  ])('%s', (text, bytes) => {
    expect(parseSize(text)).toBe(bytes);
  });

  it.each(['', 'k', '1t', '-1', '1 k', '1.5m', '1kk', '99999999999999999999'])('refuses "%s"', (text) => {
    expect(parseSize(text)).toBeUndefined();
  });
});

describe('parseTimeMs', () => {
  it.each([
    ['0', 's', 0],
    ['60', 's', 60_000],
    ['60s', 's', 60_000],
    ['1h30m', 's', 5_400_000],
    ['1h 30m', 's', 5_400_000],
    ['1h 30', 's', 3_630_000],
    ['1y', 's', 365 * 86_400_000],
    ['1M', 's', 30 * 86_400_000],
    ['2w', 's', 14 * 86_400_000],
    ['1d', 's', 86_400_000],
    ['500ms', 'ms', 500],
    ['1s500ms', 'ms', 1500],
    ['1m', 'ms', 60_000],
    ['15', 'ms', 15_000],
  ] as const)('%s in %s', (text, unit, timeMs) => {
    expect(parseTimeMs(text, unit)).toBe(timeMs);
  });

  it.each([
    ['', 's'],
    ['500ms', 's'],
    ['1y', 'ms'],
    ['1M', 'ms'],
    ['1m1h', 's'],
    ['1h1h', 's'],
    ['1x', 's'],
    ['-1', 's'],
    ['s', 's'],
    ['off', 's'],
    ['1.5s', 'ms'],
    ['99999999999999999', 's'],
  ] as const)('refuses "%s" in %s', (text, unit) => {
    expect(parseTimeMs(text, unit)).toBeUndefined();
  });
});

it('parseFlag', () => {
  expect(parseFlag('on')).toBe(true);
  expect(parseFlag('OFF')).toBe(false);
  expect(parseFlag('yes')).toBeUndefined();
});

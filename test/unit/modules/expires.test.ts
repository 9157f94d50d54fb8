/** What `expires` puts on a response, for every form of a time. */
import { describe, expect, it } from 'vitest';
import { nextTimeOfDay } from '../../../lib/modules/expires.js';
import { FakeExchange, filter, location } from './support.js';

/** Sat, 21 Nov 2026 02:35:15 GMT. */
const NOW = Date.UTC(2026, 10, 21, 2, 35, 15) / 1000;

async function fields(text: string, target = '/', status = 200, lastModified?: string): Promise<unknown[]> {
  const exchange = new FakeExchange({ target });
  exchange.response.setHeader('Cache-Control', 'old');
  exchange.response.addHeader('Cache-Control', 'older');
  if (lastModified !== undefined) exchange.response.setHeader('Last-Modified', lastModified);
  filter(await location(`location / { ${text} }`), exchange, status);
  const of = (name: string): string =>
    exchange.sent
      .filter(([each]) => each === name)
      .map(([, value]) => value)
      .join('|');
  return [of('Expires'), of('Cache-Control')];
}

const date = (seconds: number): string => new Date(seconds * 1000).toUTCString();

describe('expires', () => {
  it.each([
    ['expires 1h;', [date(NOW + 3600), 'max-age=3600']],
    ['expires +90;', [date(NOW + 90), 'max-age=90']],
    ['expires 1d12h;', [date(NOW + 129_600), 'max-age=129600']],
    ['expires 0;', [date(NOW), 'max-age=0']],
    ['expires -1;', [date(NOW - 1), 'no-cache']],
    ['expires -1h;', [date(NOW - 3600), 'no-cache']],
    ['expires epoch;', ['Thu, 01 Jan 1970 00:00:01 GMT', 'no-cache']],
    ['expires max;', ['Thu, 31 Dec 2037 23:55:55 GMT', 'max-age=315360000']],
    ['expires off;', ['', 'old|older']],
    ['expires modified 1h;', [date(NOW + 3600), 'max-age=3600']],
  ])('%s', async (text, expected) => {
    expect(await fields(text)).toEqual(expected);
  });

  it('counts from the modification, and says no-cache when that is over', async () => {
    const before = await fields('expires modified 1h;', '/', 200, date(NOW - 600));
    expect(before).toEqual([date(NOW + 3000), 'max-age=3000']);
    const over = await fields('expires modified 1h;', '/', 200, date(NOW - 7200));
    expect(over).toEqual([date(NOW - 3600), 'no-cache']);
    const zero = await fields('expires modified 0;', '/', 200, date(NOW - 7200));
    expect(zero).toEqual([date(NOW), 'max-age=0']);
  });

  it('takes variables, of which empty and impossible ones do nothing', async () => {
    expect(await fields('expires $arg_e;', '/?e=epoch')).toEqual([
      'Thu, 01 Jan 1970 00:00:01 GMT',
      'no-cache',
    ]);
    expect(await fields('expires $arg_e;', '/?e=2m')).toEqual([date(NOW + 120), 'max-age=120']);
    for (const query of ['', '?e=bad', '?e=off']) {
      expect(await fields('expires $arg_e;', `/${query}`)).toEqual(['', 'old|older']);
    }
    expect(await fields('expires modified $arg_e;', '/?e=max')).toEqual(['', 'old|older']);
  });

  it('leaves other statuses alone', async () => {
    for (const status of [404, 500, 400, 416]) {
      expect(await fields('expires 1h;', '/', status)).toEqual(['', 'old|older']);
    }
    expect((await fields('expires 1h;', '/', 206))[1]).toBe('max-age=3600');
  });

  it('knows the next time of day on the local clock', () => {
    const midnight = new Date(2026, 10, 21).getTime() / 1000;
    expect(nextTimeOfDay(midnight + 100, 200)).toBe(midnight + 200);
    const tomorrow = new Date(2026, 10, 22).getTime() / 1000;
    expect(nextTimeOfDay(midnight + 200, 200)).toBe(tomorrow + 200);
    expect(nextTimeOfDay(midnight, 0)).toBe(tomorrow);
  });
});

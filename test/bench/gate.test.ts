/** The gate's judgement, and how it reads what the counters write. */
import { describe, expect, it } from 'vitest';
import { plainName, readDump, readMap, shortName } from '../../bench/lib/callgrind.mjs';
import { functionShares } from '../../bench/lib/cpu-profile.mjs';
import { compact, growers, judge, steadyCalls } from '../../bench/lib/gate.mjs';

const then = { instructions: 20_000, nginx: 21_000, calls: 4, functions: { parse: 1000, send: 500 } };

describe('the gate', () => {
  it('passes what costs as much, or less', () => {
    expect(judge(then, then).failures).toEqual([]);
    expect(judge({ ...then, instructions: 15_000 }, then).failures).toEqual([]);
  });

  it('fails beyond three percent', () => {
    expect(judge({ ...then, instructions: 20_590 }, then).failures).toEqual([]);
    expect(judge({ ...then, instructions: 20_700 }, then).failures).toEqual(['instructions grew by 3.5%']);
  });

  it('compares with nginx of the same run', () => {
    expect(judge({ ...then, instructions: 40_000, nginx: 42_000 }, then).failures).toEqual([]);
    expect(judge({ ...then, nginx: 20_000 }, then).failures).toEqual(['instructions grew by 5.0%']);
  });

  it('fails for system calls, where both sides counted them', () => {
    expect(judge({ ...then, calls: 5 }, then).failures).toEqual(['system calls grew by 25.0%']);
    expect(judge({ ...then, calls: undefined }, then).failures).toEqual([]);
  });

  it('fails for figures that are none', () => {
    expect(judge({ ...then, instructions: NaN }, then).failures).toHaveLength(1);
  });

  it('leaves out calls that depend on how many events wait', () => {
    expect(steadyCalls({ recv: 2, writev: 2, epoll_wait: 0.5, futex: 1 })).toBe(4);
  });

  it('names the functions that grew, new ones among them', () => {
    const now = { parse: 1300, send: 510, scan: 900, tiny: 5 };
    expect(growers(now, then.functions, 5).map(({ name }) => name)).toEqual(['scan', 'parse']);
    expect(growers(now, then.functions, 1)).toHaveLength(1);
  });

  it('keeps rounded figures without small functions', () => {
    const figures = { ...then, instructions: 20_000.4, calls: 4.123, functions: { parse: 99.6, tiny: 19 } };
    expect(compact(figures)).toEqual({
      instructions: 20_000,
      nginx: 21_000,
      calls: 4.12,
      functions: { parse: 100 },
    });
  });
});

const MAP = [
  '1000 100 JS:*old file:///home/a/dist/lib/old.js:1:1',
  '1000 80 JS:*parse file:///home/a/dist/lib/http/head.js:12:9',
  '2000 40 Builtin:ArrayMap',
].join('\n');

const DUMP = [
  'ob=???',
  'fl=???',
  'fn=0x1000',
  '0x1000 0 10',
  'cob=/lib/libc.so.6',
  'cfn=recv',
  'calls=3 0x5000',
  '0x1004 0 700',
  '0x1090 0 5',
  '0x9999 0 1',
  '',
  'ob=/lib/libc.so.6',
  'fn=recv',
  '0x5000 7 700',
].join('\n');

describe('what the counters write', () => {
  it('shortens names of compiled functions', () => {
    expect(shortName('JS:*#read file:///home/a/dist/lib/net/x.js:10:3')).toBe('#read lib/net/x.js');
    expect(shortName('LazyCompile:~ node:internal/util:3:1')).toBe('(anonymous) node:internal/util');
    expect(shortName('JS:*get reusable file:///a/dist/lib/x.js:1:2')).toBe('get reusable lib/x.js');
    expect(shortName('Builtin:ArrayMap')).toBe('ArrayMap');
    expect(plainName('a::(anonymous namespace)::Call(int)::{lambda(int*)#1}::operator()(int*) const')).toBe(
      'a::Call',
    );
    expect(plainName('(below main)')).toBe('(below main)');
  });

  it('finds compiled code by its address, the newest first', () => {
    const find = readMap(MAP);
    expect(find(0x1000)).toBe('parse lib/http/head.js');
    expect(find(0x1090)).toBe('old lib/old.js');
    expect(find(0x3000)).toBeUndefined();
  });

  it("adds up each function's own instructions, not those of its calls", () => {
    expect(Object.fromEntries(readDump(DUMP, readMap(MAP)))).toEqual({
      'parse lib/http/head.js': 10,
      'old lib/old.js': 5,
      '(compiled)': 1,
      'recv libc.so.6': 700,
    });
  });

  it('reads shares of busy time from a profile', () => {
    const node = (id: number, functionName: string, url: string) => ({
      id,
      callFrame: { functionName, url },
    });
    const nodes = [
      node(1, '(idle)', ''),
      node(2, 'parse', 'file:///a/dist/lib/http/head.js'),
      node(3, 'writev', ''),
    ];
    const shares = functionShares(JSON.stringify({ nodes, samples: [1, 1, 2, 2, 2, 3] }));
    expect(shares).toEqual({ 'parse lib/http/head.js': 0.75, writev: 0.25 });
  });
});

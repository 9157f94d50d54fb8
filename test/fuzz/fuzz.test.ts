/**
 * Structure-aware fuzzing of the parsers and of the whole proxy: a bounded number of cases
 * with a seed that is printed. `npm run fuzz -- --cases N --seed S` runs a campaign, and the
 * same seed finds the same cases again.
 */
import { describe, expect, test } from 'vitest';
import { ChunkedDecoder } from '../../lib/http/chunked.js';
import { RequestHead } from '../../lib/http/request-head.js';
import { ResponseHead } from '../../lib/http/response-head.js';
import { CHUNKED_FAULTS } from '../mutations/response-faults.js';
import { MESSAGE_HEAD_FAULTS } from '../mutations/head-faults.js';
import { FaultyBuilds } from '../mutations/faulty-parsers.js';
import { arenaTestMemory } from '../unit/http/memories.js';
import { checkCase } from './parser-fuzz.js';
import { ProxyFuzz } from './proxy-fuzz.js';

const slow = Number(process.env['MILLRACE_TEST_SLOW'] ?? '1');
const campaign = process.env['MILLRACE_FUZZ_CASES'];
const seed = Number(process.env['MILLRACE_FUZZ_SEED'] ?? String(Date.now() % 0x7fffffff));
const PARSER_CASES = Number(campaign ?? Math.round(50_000 / slow));
const PROXY_CASES = Number(process.env['MILLRACE_FUZZ_PROXIED'] ?? Math.round(3000 / slow));
const TIMEOUT_MS = campaign === undefined ? 120_000 * slow : 60 * 60_000;

const production = { parsers: { RequestHead, ResponseHead, ChunkedDecoder }, where: arenaTestMemory };

describe('fuzzing', () => {
  test(`${PARSER_CASES} messages at the parsers, seed ${seed}`, { timeout: TIMEOUT_MS }, async () => {
    // The same parsers on the scanner in TypeScript.
    using others = new FaultyBuilds();
    const all = [production, others.load()] as const;
    const failures: string[] = [];
    for (let index = 0; index < PARSER_CASES && failures.length < 5; index++) {
      const failure = checkCase(all, seed, index);
      if (failure !== undefined) failures.push(failure);
      // The runner wants to hear from a long campaign.
      if (index % 5000 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    console.log(`fuzz: ${PARSER_CASES} messages at the parsers, seed ${seed}`);
    expect(failures).toEqual([]);
  });

  test(`${PROXY_CASES} conversations through the proxy, seed ${seed}`, { timeout: TIMEOUT_MS }, async () => {
    await using fuzz = await ProxyFuzz.start(seed);
    const result = await fuzz.run(0, PROXY_CASES);
    console.log(
      `fuzz: through the proxy, seed ${seed}: ${JSON.stringify({ ...result, failures: result.failures.length })}`,
    );
    expect(result.failures).toEqual([]);
    // Each of the two backends keeps 64 connections at most.
    expect(result.descriptors[1] - result.descriptors[0]).toBeLessThanOrEqual(2 * 64);
    expect(result.forwarded).toBeGreaterThan(PROXY_CASES / 3);
  });

  // A fuzzer that finds nothing proves nothing, unless it finds what is there.
  test.skipIf(process.env['MILLRACE_ADDON'] !== undefined)(
    'finds faults that are seeded',
    { timeout: 120_000 * slow },
    () => {
      using builds = new FaultyBuilds();
      const some = [
        ...CHUNKED_FAULTS.filter(({ why }) =>
          /bare LF ends|anything is an extension|CR behind the data|LF behind/.test(why),
        ),
        ...MESSAGE_HEAD_FAULTS.filter(({ why }) =>
          /control bytes|a blank before the colon|overlooked/.test(why),
        ),
      ];
      const silent = some.filter((fault) => {
        const build = builds.load(fault);
        for (let index = 0; index < 20_000; index++) {
          if (checkCase([build], 1, index) !== undefined) return false;
        }
        return true;
      });
      expect(some.length).toBeGreaterThan(5);
      expect(silent.map(({ why }) => why)).toEqual([]);
    },
  );
});

/**
 * Every head of the corpus, whole and split at every byte, on every scanner: the same
 * outcome. Between two pieces the bytes are moved, as the engine moves them.
 */
import { describe, expect, test } from 'vitest';
import { RequestHead } from '../../../lib/http/request-head.js';
import { ResponseHead } from '../../../lib/http/response-head.js';
import { circumstance, outcome, readCorpus } from '../../corpus/http/read-corpus.js';
import { describeRequest, describeResponse, missing } from './describe.js';
import { memories, type TestMemory } from './memories.js';

/** Parses the bytes as they arrive in pieces that end at `ends`, and describes the outcome. */
type Run = (where: TestMemory, ends: readonly number[]) => string[];

/** A run for the bytes of a case. */
type MakeRun = (bytes: Buffer, expected: readonly string[]) => Run;

/** Puts the first `end` bytes somewhere else at every turn, with something foreign behind them. */
function place(where: TestMemory, bytes: Buffer, end: number, turn: number): number {
  const base = where.start + 7 + (turn % 2) * (where.size >> 1);
  where.memory.u8.fill(0x3a, base + end, base + end + 64);
  where.memory.u8.set(bytes.subarray(0, end), base);
  return base;
}

const requests: MakeRun = (bytes, expected) => {
  const line = Number(circumstance(expected, 'line-limit') ?? 8192);
  const maxHeadBytes = Number(circumstance(expected, 'head-limit') ?? 32768);
  return (where, ends) => {
    const head = new RequestHead(where.memory);
    head.begin({ maxRequestLineBytes: line, maxFieldBytes: line, maxHeadBytes });
    for (const [turn, end] of ends.entries()) {
      const result = head.parse(place(where, bytes, end, turn), end);
      if (result !== 0) return describeRequest(head, result, bytes.length - result);
    }
    return ['incomplete'];
  };
};

const responses: MakeRun = (bytes, expected) => {
  const method = circumstance(expected, 'request-method') ?? 'GET';
  const maxHeadBytes = Number(circumstance(expected, 'head-limit') ?? 65536);
  return (where, ends) => {
    const head = new ResponseHead(where.memory);
    head.begin(maxHeadBytes);
    for (const [turn, end] of ends.entries()) {
      const result = head.parse(place(where, bytes, end, turn), end, method);
      if (result !== 0) return describeResponse(head, result, bytes.length - result);
    }
    return ['incomplete'];
  };
};

const all = await memories();

describe.each([
  { file: 'requests', makeRun: requests },
  { file: 'responses', makeRun: responses },
])('$file', ({ file, makeRun }) => {
  test.each(readCorpus(file))('$name', ({ bytes, expected }) => {
    const run = makeRun(bytes, expected);
    const whole = run(all[0], [bytes.length]);
    expect(missing(outcome(expected), whole)).toEqual([]);
    expect(whole.filter((line) => line.startsWith('NOT CANONICAL'))).toEqual([]);

    for (const where of all) {
      expect(run(where, [bytes.length]), where.name).toEqual(whole);
      for (let at = 0; at < bytes.length; at++) {
        const split = run(where, [at, bytes.length]);
        if (split.join('\n') !== whole.join('\n')) expect(split, `${where.name}, at ${at}`).toEqual(whole);
      }
      const bytewise = Array.from(bytes, (_, i) => i + 1);
      expect(run(where, bytewise), `${where.name}, byte by byte`).toEqual(whole);
    }
  });
});

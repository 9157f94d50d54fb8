/**
 * The response corpus over real sockets: what the client gets of what a backend answered,
 * and whether the backend's connection lives on. Every case whole on a new connection and
 * behind a good response on a kept one; some cut at every byte.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { circumstance, readCorpus, RESPONSE_FILES, type CorpusCase } from '../corpus/http/read-corpus.js';
import { play, ResponseLanes, type Playing } from './support/response-lanes.js';

const LANES = 8;
/** Every so many of the cases whose every cut is tried over sockets. */
const CUT_EVERY = 12;
const CUT_MAX_BYTES = 400;

const cases = RESPONSE_FILES.flatMap((file) => readCorpus(file)).filter(
  // The bound of a response head is not configurable: such a case is the parser's alone.
  ({ expected }) => circumstance(expected, 'head-limit') === undefined,
);

let lanes: ResponseLanes;
beforeAll(async () => {
  lanes = await ResponseLanes.start(LANES);
});
afterAll(async () => {
  await lanes[Symbol.asyncDispose]();
});

interface Job {
  readonly name: string;
  readonly one: CorpusCase;
  readonly playing: Playing;
  /** The head may have left before the body turned out to be bad: the client sees that it is not whole. */
  readonly mayBreakOff?: boolean;
}

async function failures(jobs: readonly Job[]): Promise<unknown[]> {
  const failed: unknown[] = [];
  await lanes.run(jobs, async ({ name, one, playing, mayBreakOff }, lane) => {
    const observed = await play(lane, one, playing);
    const wanted = { client: one.client, backend: one.backend };
    if (mayBreakOff === true && observed.client.slice(-2).join() === '(broken off),closed') return;
    if (JSON.stringify(observed) !== JSON.stringify(wanted))
      failed.push({ name: `${one.file}.md: ${one.name}, ${name}`, observed, wanted });
  });
  return failed;
}

const text = ({ bytes }: CorpusCase): string => bytes.toString('latin1');

/** What comes behind a response when that is long over is somebody else's answer, or the end of an idle connection. */
const hasMoreThanItsBody = ({ client, backend, expected }: CorpusCase): boolean =>
  backend[0] === 'closed' &&
  client.at(-1) === 'open' &&
  client[0] !== '502' &&
  circumstance(expected, 'then') === undefined;

/** Length of a head that is good, with a body that is not; 0 for other cases. */
function headOfBadBody({ client, expected, bytes }: CorpusCase): number {
  const rest = circumstance(expected, 'rest');
  return client[0] === '502' && rest !== undefined ? bytes.length - Number(rest) : 0;
}

describe('the response corpus over sockets', () => {
  test('says of every case what the client gets and what becomes of the connection', () => {
    expect(cases.filter(({ client, backend }) => client.length === 0 || backend.length === 0)).toEqual([]);
  });

  test('whole, on a new connection', { timeout: 120_000 }, async () => {
    const jobs = cases.map((one) => ({
      name: 'whole',
      one,
      playing: { parts: [text(one)], behindGood: false },
    }));
    expect(await failures(jobs)).toEqual([]);
  });

  test('behind a good response, on a kept connection', { timeout: 120_000 }, async () => {
    const jobs = cases.map((one) => ({
      name: 'behind a good response',
      one,
      playing: { parts: [text(one)], behindGood: true },
    }));
    expect(await failures(jobs)).toEqual([]);
  });

  test('cut at every byte', { timeout: 120_000 }, async () => {
    const some = cases.filter(
      (one, i) => i % CUT_EVERY === 0 && one.bytes.length <= CUT_MAX_BYTES && !hasMoreThanItsBody(one),
    );
    const jobs = some.flatMap((one) =>
      Array.from({ length: Math.max(0, one.bytes.length - 1) }, (_, i) => ({
        name: `cut at ${i + 1}`,
        one,
        playing: { parts: [text(one).slice(0, i + 1), text(one).slice(i + 1)], behindGood: true },
        mayBreakOff: headOfBadBody(one) > 0 && i + 1 >= headOfBadBody(one),
      })),
    );
    expect(await failures(jobs)).toEqual([]);
  });
});

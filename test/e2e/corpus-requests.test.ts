/**
 * The request corpus over real sockets: what the client gets, and what the backend
 * receives, as a strict reader reads it. Every case whole and behind a good request; the
 * attacks cut at every byte too.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ChunkedDecoder } from '../../lib/http/chunked.js';
import {
  circumstance,
  escape,
  readCorpus,
  REQUEST_FILES,
  type CorpusCase,
} from '../corpus/http/read-corpus.js';
import { limitsOf, Lanes, NO_WHOLE, observe, type Observed } from './support/lanes.js';

const LANES = 8;
/** Every so many of the cases whose every cut is tried over sockets. */
const CUT_EVERY = 6;
/** For what comes late. */
const SETTLE_MS = 200;
const GOOD = 'GET /good HTTP/1.1\r\nHost: good\r\n\r\n';
const GOOD_AT_BACKEND = ['GET /good HTTP/1.1', 'Host: good'];

const cases = REQUEST_FILES.flatMap((file) => readCorpus(file));
const limits = [...new Set(['', ...cases.map(limitsOf)])];

/** What must be observed, by what is done before the case. */
function wanted({ client, backend }: CorpusCase, behindGood: boolean): Observed {
  if (!behindGood) return { client, backend };
  const [first] = backend;
  const between = first === NO_WHOLE ? [] : ['---'];
  return {
    client: ['200', ...client],
    backend: first === 'nothing' ? GOOD_AT_BACKEND : [...GOOD_AT_BACKEND, ...between, ...backend],
  };
}

/** A case that did not give what its file says. */
interface Failure {
  readonly name: string;
  readonly observed: Observed;
  readonly wanted: Observed;
}

let lanes: Lanes;
beforeAll(async () => {
  lanes = await Lanes.start(LANES, limits);
});
afterAll(async () => {
  await lanes[Symbol.asyncDispose]();
});

/** One way to send one case. */
interface Job {
  readonly name: string;
  readonly one: CorpusCase;
  readonly parts: readonly string[];
  readonly wanted: Observed;
}

const text = ({ bytes }: CorpusCase): string => bytes.toString('latin1');

/** Whether a part of a request may still be on its way to the backend when the client has its answer. */
const mayComeLate = ({ wanted }: Job): boolean => wanted.backend.at(-1) === NO_WHOLE;

async function failures(jobs: readonly Job[]): Promise<Failure[]> {
  const failed: Failure[] = [];
  const inOrder = [...jobs.filter((job) => !mayComeLate(job)), ...jobs.filter(mayComeLate)];
  await lanes.run(inOrder, async ({ name, one, parts, wanted }, lane) => {
    const port = lane.ports.get(limitsOf(one)) ?? 0;
    const observed = await observe(lane, port, {
      parts,
      expected: wanted.client,
      expectedBackend: wanted.backend,
      headAt: text(one).startsWith('HEAD ') ? wanted.client.length - one.client.length : -1,
    });
    const same =
      JSON.stringify([observed.client, observed.backend]) === JSON.stringify([wanted.client, wanted.backend]);
    if (!same) failed.push({ name: `${one.file}.md: ${one.name}, ${name}`, observed, wanted });
  });
  await sleep(SETTLE_MS);
  return failed;
}

const CHUNKED_HEAD = 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n';

/** What must come of a body of chunked.md: it says only what the decoder makes of it, and the rest follows. */
function wantedOfBody({ bytes }: CorpusCase): Observed {
  const decoder = new ChunkedDecoder();
  decoder.reset();
  let data = '';
  for (let at = 0; at < bytes.length && !decoder.done;) {
    at = decoder.next(bytes, at, bytes.length);
    if (at < 0) return { client: ['400', 'closed'], backend: [NO_WHOLE] };
    data += bytes.toString('latin1', decoder.dataStart, decoder.dataEnd);
  }
  if (!decoder.done) return { client: ['waiting'], backend: [NO_WHOLE] };
  const trailers = decoder.trailerText().split('\r\n').slice(0, -1);
  const body = data === '' && trailers.length === 0 ? [] : ['', escape(data), ...trailers.map(escape)];
  return {
    client: ['200', 'open'],
    backend: ['POST / HTTP/1.1', 'Host: a', 'Transfer-Encoding: chunked', ...body],
  };
}

describe('the request corpus over sockets', () => {
  test('says of every case what client and backend get', () => {
    expect(cases.filter(({ client, backend }) => client.length === 0 || backend.length === 0)).toEqual([]);
  });

  test('whole', { timeout: 120_000 }, async () => {
    const jobs = cases.map((one) => ({ name: 'whole', one, parts: [text(one)], wanted: wanted(one, false) }));
    expect(await failures(jobs)).toEqual([]);
  });

  test('behind a good request', { timeout: 120_000 }, async () => {
    const jobs = cases.map((one) => ({
      name: 'behind a good request',
      one,
      parts: [GOOD + text(one)],
      wanted: wanted(one, true),
    }));
    expect(await failures(jobs)).toEqual([]);
  });

  test('bodies in chunks, whole and behind a good request', { timeout: 120_000 }, async () => {
    const bodies = readCorpus('chunked').filter(
      ({ expected }) =>
        circumstance(expected, 'limit') === undefined && !/^rest: [1-9]/m.test(expected.join('\n')),
    );
    const jobs = bodies.flatMap((body) =>
      [false, true].map((behindGood) => {
        const one = { ...body, ...wantedOfBody(body) };
        return {
          name: behindGood ? 'behind a good request' : 'whole',
          one,
          parts: [(behindGood ? GOOD : '') + CHUNKED_HEAD + text(body)],
          wanted: wanted(one, behindGood),
        };
      }),
    );
    expect(await failures(jobs)).toEqual([]);
  });

  test('cut at every byte', { timeout: 120_000 }, async () => {
    const some = readCorpus('smuggling').filter((_, i) => i % CUT_EVERY === 0);
    const jobs = some.flatMap((one) =>
      Array.from({ length: one.bytes.length - 1 }, (_, i) => ({
        name: `cut at ${i + 1}`,
        one,
        parts: [text(one).slice(0, i + 1), text(one).slice(i + 1)],
        wanted: wanted(one, false),
      })),
    );
    expect(await failures(jobs)).toEqual([]);
  });
});

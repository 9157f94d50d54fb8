/**
 * The corpus proves itself: of every fault that is seeded in the parsers, at least one case
 * of the corpus tells.
 */
import { afterAll, describe, expect, test } from 'vitest';
import { readCorpus, REQUEST_FILES, RESPONSE_FILES, type CorpusCase } from '../corpus/http/read-corpus.js';
import { failureOf } from '../unit/http/corpus-run.js';
import { FAULTS } from './faults.js';
import { FaultyBuilds, withFault, type FaultyBuild } from './faulty-parsers.js';

type Kind = 'request' | 'response' | 'chunked';

const all: readonly { readonly kind: Kind; readonly one: CorpusCase }[] = [
  ...REQUEST_FILES.flatMap(readCorpus).map((one) => ({ kind: 'request' as const, one })),
  ...RESPONSE_FILES.flatMap(readCorpus).map((one) => ({ kind: 'response' as const, one })),
  ...readCorpus('chunked').map((one) => ({ kind: 'chunked' as const, one })),
];
/** Short ones first, for those tell most; the giants come last. */
const inOrder = [...all].sort((a, b) => a.one.bytes.length - b.one.bytes.length);

/** The first case that tells; undefined when none does. */
function teller({ parsers, where }: FaultyBuild): string | undefined {
  for (const onlyWhole of [true, false]) {
    for (const { kind, one } of inOrder) {
      let failure: string | undefined;
      try {
        failure = failureOf(parsers, kind, one, [where], onlyWhole);
      } catch (error) {
        failure = String(error);
      }
      if (failure !== undefined) return `${one.file}.md: ${one.name}`;
    }
  }
  return undefined;
}

const builds = new FaultyBuilds();
afterAll(() => builds[Symbol.dispose]());

// The parsers with a fault never touch the addon, so one build of it says all.
describe.skipIf(process.env['MILLRACE_ADDON'] !== undefined)('the corpus', () => {
  test('holds without a fault', { timeout: 60_000 }, () => {
    expect(teller(builds.load())).toBeUndefined();
  });

  test.each(FAULTS)('tells when $why ($file)', (fault) => {
    expect(teller(builds.load(fault)), 'no case of the corpus fails').toBeDefined();
  });

  test('names a fault that does not apply', () => {
    const fault = { file: 'bytes', find: 'no such code', replace: '', why: 'nothing' };
    expect(() => withFault('some code', fault)).toThrow('has 0 times');
  });
});

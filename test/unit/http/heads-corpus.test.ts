/**
 * Every case of the corpus at parser level, whole, split at every byte and pipelined: the
 * same outcome. Between two pieces the bytes are moved, as the engine moves them. The
 * scanner in TypeScript goes through the same cases with the seeded faults.
 */
import { describe, expect, test } from 'vitest';
import { ChunkedDecoder } from '../../../lib/http/chunked.js';
import { RequestHead } from '../../../lib/http/request-head.js';
import { ResponseHead } from '../../../lib/http/response-head.js';
import { readCorpus, REQUEST_FILES, RESPONSE_FILES } from '../../corpus/http/read-corpus.js';
import { failureOf } from './corpus-run.js';
import { arenaTestMemory } from './memories.js';

const parsers = { RequestHead, ResponseHead, ChunkedDecoder };

describe.each([
  ...REQUEST_FILES.map((file) => ({ file, kind: 'request' as const })),
  ...RESPONSE_FILES.map((file) => ({ file, kind: 'response' as const })),
  { file: 'chunked', kind: 'chunked' as const },
])('$file', ({ file, kind }) => {
  test.each(readCorpus(file))('$name', (one) => {
    expect(failureOf(parsers, kind, one, [arenaTestMemory])).toBeUndefined();
  });
});

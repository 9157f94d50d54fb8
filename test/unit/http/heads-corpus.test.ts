/**
 * Every case of the corpus at parser level, whole, split at every byte and pipelined, on
 * every scanner: the same outcome. Between two pieces the bytes are moved, as the engine
 * moves them.
 */
import { describe, expect, test } from 'vitest';
import { ChunkedDecoder } from '../../../lib/http/chunked.js';
import { RequestHead } from '../../../lib/http/request-head.js';
import { ResponseHead } from '../../../lib/http/response-head.js';
import { readCorpus, REQUEST_FILES, RESPONSE_FILES } from '../../corpus/http/read-corpus.js';
import { failureOf } from './corpus-run.js';
import { memories } from './memories.js';

const all = await memories();
const parsers = { RequestHead, ResponseHead, ChunkedDecoder };

describe.each([
  ...REQUEST_FILES.map((file) => ({ file, kind: 'request' as const })),
  ...RESPONSE_FILES.map((file) => ({ file, kind: 'response' as const })),
  { file: 'chunked', kind: 'chunked' as const },
])('$file', ({ file, kind }) => {
  test.each(readCorpus(file))('$name', (one) => {
    expect(failureOf(parsers, kind, one, all)).toBeUndefined();
  });
});

/**
 * Runs one case of the corpus at parser level: whole, split at every byte, byte by byte,
 * and pipelined behind a good message. Which parsers run is the caller's choice, so that
 * the seeded faults run through the very same code.
 */
import type { ChunkedDecoder } from '../../../lib/http/chunked.js';
import type { RequestHead } from '../../../lib/http/request-head.js';
import type { ResponseHead } from '../../../lib/http/response-head.js';
import { circumstance, outcome, type CorpusCase } from '../../corpus/http/read-corpus.js';
import { describeRequest, describeResponse, missing } from './describe.js';
import type { TestMemory } from './memories.js';

/** The classes under test: the real ones, or the same with a fault. */
export interface Parsers {
  readonly RequestHead: typeof RequestHead;
  readonly ResponseHead: typeof ResponseHead;
  readonly ChunkedDecoder: typeof ChunkedDecoder;
}

/** Parses bytes that arrive in pieces which end at `ends`. Result: the outcome as lines. */
export type Run = (where: TestMemory, bytes: Buffer, ends: readonly number[]) => string[];

/** A message that every parser takes; the case comes behind it on the same connection. */
const GOOD_REQUEST = Buffer.from(
  'PUT /good HTTP/1.1\r\nHost: good\r\nConnection: x-y\r\nX-Y: z\r\n\r\n',
  'latin1',
);
const GOOD_RESPONSE = Buffer.from('HTTP/1.1 200 Good\r\nTransfer-Encoding: chunked\r\n\r\n', 'latin1');

/** Every cut is tried up to this length; of a longer message, those near its ends and every 4999th. */
const EVERY_CUT_BYTES = 2000;
const NEAR_BYTES = 8;

export function cutsOf(length: number): number[] {
  const all = Array.from({ length }, (_, at) => at);
  if (length <= EVERY_CUT_BYTES) return all;
  return all.filter((at) => at < NEAR_BYTES || at >= length - NEAR_BYTES || at % 4999 === 0);
}

/** Puts the first `end` bytes somewhere else at every turn, with something foreign behind them. */
function place(where: TestMemory, bytes: Buffer, end: number, turn: number): number {
  const base = where.start + 7 + (turn % 2) * (where.size >> 1);
  where.u8.fill(0x3a, base + end, base + end + 64);
  where.u8.set(bytes.subarray(0, end), base);
  return base;
}

/** One parser that heads of a connection go through, as lines. */
interface HeadReader {
  begin(): void;
  parse(base: number, available: number): number;
  describe(result: number, rest: number): string[];
}

function readHead(reader: HeadReader, where: TestMemory, bytes: Buffer, ends: readonly number[]): string[] {
  reader.begin();
  for (const [turn, end] of ends.entries()) {
    const result = reader.parse(place(where, bytes, end, turn), end);
    if (result !== 0) return reader.describe(result, bytes.length - result);
  }
  return ['incomplete'];
}

function requestReader(parsers: Parsers, expected: readonly string[]): HeadReader {
  const line = Number(circumstance(expected, 'line-limit') ?? 8192);
  const maxHeadBytes = Number(circumstance(expected, 'head-limit') ?? 32768);
  const head = new parsers.RequestHead();
  return {
    begin: () => head.begin({ maxRequestLineBytes: line, maxFieldBytes: line, maxHeadBytes }),
    parse: (base, available) => head.parse(base, available),
    describe: (result, rest) => describeRequest(head, result, rest),
  };
}

function responseReader(parsers: Parsers, expected: readonly string[]): HeadReader {
  const method = circumstance(expected, 'request-method') ?? 'GET';
  const maxHeadBytes = Number(circumstance(expected, 'head-limit') ?? 65536);
  const head = new parsers.ResponseHead();
  return {
    begin: () => head.begin(maxHeadBytes),
    parse: (base, available) => head.parse(base, available, method),
    describe: (result, rest) => describeResponse(head, result, rest),
  };
}

/** The body of a case in chunked.md: what came out, and how it ended. */
function decode(parsers: Parsers, limit: number): Run {
  return (_where, bytes, ends) => {
    const decoder = new parsers.ChunkedDecoder(limit, limit);
    decoder.reset();
    let data = '';
    let consumed = 0;
    for (const [turn, end] of ends.entries()) {
      const u8 = new Uint8Array(bytes.length + 64).fill(0x30);
      const shift = (turn % 3) * 17;
      u8.set(bytes.subarray(consumed, end), shift + consumed);
      while (consumed < end && !decoder.done) {
        const next = decoder.next(u8, shift + consumed, shift + end);
        if (next < 0) return [`data: ${escape(data)}`, 'status: 400', `reason: ${decoder.errorReason}`];
        if (decoder.dataEnd > next) return ['DATA BEHIND WHAT WAS CONSUMED'];
        data += Buffer.from(u8.subarray(decoder.dataStart, decoder.dataEnd)).toString('latin1');
        consumed = next - shift;
      }
      if (decoder.done) break;
    }
    const lines = [`data: ${escape(data)}`];
    if (!decoder.done) return [...lines, 'incomplete'];
    return [...lines, `rest: ${bytes.length - consumed}`, `trailers: ${escape(decoder.trailerText())}`];
  };
}

function escape(text: string): string {
  return text.replaceAll('\r', '\\r').replaceAll('\n', '\\n');
}

/** The case behind a good message: one parser object, bytes of both in one place. */
function pipelined(reader: HeadReader, where: TestMemory, good: Buffer, bytes: Buffer): string[] {
  const both = Buffer.concat([good, bytes]);
  const base = place(where, both, both.length, 0);
  reader.begin();
  if (reader.parse(base, both.length) !== good.length) return ['THE GOOD MESSAGE WAS NOT READ'];
  reader.begin();
  const result = reader.parse(base + good.length, bytes.length);
  return result === 0 ? ['incomplete'] : reader.describe(result, bytes.length - result);
}

/** What is wrong with a case; undefined when all of it holds. `onlyWhole`: without cuts. */
export function failureOf(
  parsers: Parsers,
  kind: 'request' | 'response' | 'chunked',
  { bytes, expected }: CorpusCase,
  memories: readonly [TestMemory, ...TestMemory[]],
  onlyWhole = false,
): string | undefined {
  const makeReader = kind === 'request' ? requestReader : responseReader;
  const run: Run =
    kind === 'chunked'
      ? decode(parsers, Number(circumstance(expected, 'limit') ?? 16384))
      : (where, all, ends) => readHead(makeReader(parsers, expected), where, all, ends);
  const whole = run(memories[0], bytes, [bytes.length]);
  const wrong = [
    ...missing(outcome(expected), whole),
    ...whole.filter((line) => line.startsWith('NOT CANONICAL')),
  ];
  if (wrong.length > 0) return `does not hold:\n${wrong.join('\n')}\nit is:\n${whole.join('\n')}`;
  if (onlyWhole) return undefined;
  const wanted = whole.join('\n');
  const differs = (name: string, lines: readonly string[]): string | undefined =>
    lines.join('\n') === wanted ? undefined : `${name}:\n${lines.join('\n')}\nbut whole:\n${wanted}`;
  const bytewise = Array.from(bytes, (_, i) => i + 1);
  for (const where of memories) {
    const ways: [string, readonly number[]][] = [
      ['whole', [bytes.length]],
      ...cutsOf(bytes.length).map((at): [string, number[]] => [`cut at ${at}`, [at, bytes.length]]),
    ];
    if (bytes.length <= EVERY_CUT_BYTES) ways.push(['byte by byte', bytewise]);
    for (const [name, ends] of ways) {
      const failure = differs(`${where.name}, ${name}`, run(where, bytes, ends));
      if (failure !== undefined) return failure;
    }
    // The chunked coding has no message before it: its object is begun anew for every body.
    if (kind === 'chunked') return undefined;
    const good = kind === 'request' ? GOOD_REQUEST : GOOD_RESPONSE;
    const behind = pipelined(makeReader(parsers, expected), where, good, bytes);
    const failure = differs(`${where.name}, behind a good message`, behind);
    if (failure !== undefined) return failure;
  }
  return undefined;
}

/**
 * Reads the corpus with every parser there is, and what we forwarded of it with every other
 * one.
 */
import { readCorpus, REQUEST_FILES } from '../corpus/http/read-corpus.js';
import { limitsOf } from '../e2e/support/lanes.js';
import { readStrictly } from '../support/http/strict-reader.js';
import {
  describeRequest,
  haproxyReader,
  nginxReader,
  nodeReader,
  ownReader,
  type Reader,
  type Reading,
} from './readers.js';

/** Cases that are read at the same time. */
const LANES = 8;

/** One case with its readings. */
export interface Compared {
  readonly name: string;
  readonly ours: Reading;
  /** By the parser's name: of the client's bytes. */
  readonly others: ReadonlyMap<string, Reading>;
  /** What a strict reader makes of the bytes that we sent to the backend. */
  readonly forwarded: Reading;
  /** By the parser's name: of those bytes. Empty when we forwarded nothing. */
  readonly forwardedReadings: ReadonlyMap<string, Reading>;
}

export interface Comparison extends AsyncDisposable {
  readonly readers: readonly Reader[];
  readonly cases: readonly Compared[];
  /** Reads the bytes of a case once more with one of the parsers. */
  readAgain(reader: string, name: string): Promise<Reading>;
}

interface Input {
  readonly name: string;
  readonly bytes: string;
}

function inputs(): Input[] {
  const heads = REQUEST_FILES.flatMap(readCorpus).filter((one) => limitsOf(one) === '');
  const bodies = readCorpus('chunked');
  return [
    ...heads.map(({ file, name, bytes }) => ({ name: `${file}: ${name}`, bytes: bytes.toString('latin1') })),
    ...bodies.map(({ file, name, bytes }) => ({
      name: `${file}: ${name}`,
      bytes: `POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n${bytes.toString('latin1')}`,
    })),
  ];
}

/** Reads all inputs, {@link LANES} at a time. */
async function readAll<Result>(
  all: readonly Input[],
  read: (lane: number, input: Input) => Promise<Result>,
): Promise<Map<string, Result>> {
  const results = new Map<string, Result>();
  const waiting = [...all];
  const lane = async (index: number): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift())
      results.set(next.name, await read(index, next));
  };
  await Promise.all(Array.from({ length: LANES }, (_, index) => lane(index)));
  return results;
}

/** How the strict reader reads what we forwarded, the last request behind it. */
function strictly(bytes: string): Reading {
  const requests = readStrictly(bytes).requests.map(({ method, target, body }) =>
    describeRequest(method, target, body.length),
  );
  return [...requests, 'last'].join(', ');
}

/** Compares on everything that is installed, and prints what is not. */
export async function compareAll(): Promise<Comparison> {
  const all = inputs();
  await using own = await ownReader(LANES);
  const readers: Reader[] = [await nodeReader(LANES)];
  for (const [name, make] of Object.entries({ nginx: nginxReader, HAProxy: haproxyReader })) {
    const reader = await make(LANES);
    if (reader === undefined) console.warn(`not compared with ${name}: it is not installed`);
    else readers.push(reader);
  }
  const ours = await readAll(all, async (lane, { bytes }) => ({
    reading: await own.read(lane, bytes),
    forwarded: (own.forwarded[lane] ?? []).join(''),
  }));
  const forwarded = all
    .map(({ name }) => ({ name, bytes: ours.get(name)?.forwarded ?? '' }))
    .filter(({ bytes }) => bytes !== '');
  const read = await Promise.all(
    readers.map(async (reader) => ({
      reader,
      readings: await readAll(all, (lane, { bytes }) => reader.read(lane, bytes)),
      ofForwarded: await readAll(forwarded, (lane, { bytes }) => reader.read(lane, bytes)),
    })),
  );
  const cases = all.map(({ name }) => ({
    name,
    ours: ours.get(name)?.reading ?? '',
    others: new Map(read.map(({ reader, readings }) => [reader.name, readings.get(name) ?? ''])),
    forwarded: strictly(ours.get(name)?.forwarded ?? ''),
    forwardedReadings: new Map(
      read.flatMap(({ reader, ofForwarded }) => {
        const reading = ofForwarded.get(name);
        return reading === undefined ? [] : [[reader.name, reading] as const];
      }),
    ),
  }));
  return {
    readers,
    cases,
    async readAgain(readerName, caseName) {
      const bytes = all.find(({ name }) => name === caseName)?.bytes ?? '';
      return (await readers.find(({ name }) => name === readerName)?.read(0, bytes)) ?? '';
    },
    async [Symbol.asyncDispose]() {
      for (const reader of readers) await reader[Symbol.asyncDispose]();
    },
  };
}

/**
 * Generated messages at the parsers. What must hold of each:
 *
 * - the outcome is the same whole, cut at random places, and in every build (scanner);
 * - a request that is taken can be written so that the strictest reader reads it, with the
 *   framing that the parser found;
 * - a body in chunks gives the same data whole and cut, and the data that a reader of its
 *   own, written from the grammar, gets.
 */
import { DROP } from '../../lib/http/fields.js';
import type { RequestHead } from '../../lib/http/request-head.js';
import { readStrictly } from '../support/http/strict-reader.js';
import type { Parsers } from '../unit/http/corpus-run.js';
import { describeRequest, describeResponse } from '../unit/http/describe.js';
import type { TestMemory } from '../unit/http/memories.js';
import { makeRequest, makeResponse } from './generate.js';
import { caseSeed, Random } from './random.js';

/** Cuts that are tried of each message. */
const CUTS = 3;

function place(where: TestMemory, bytes: Buffer, end: number, turn: number): number {
  const base = where.start + 7 + (turn % 2) * (where.size >> 1);
  where.u8.fill(0x0a, base + end, base + end + 64);
  where.u8.set(bytes.subarray(0, end), base);
  return base;
}

type Parse = (parsers: Parsers, where: TestMemory, bytes: Buffer, ends: readonly number[]) => string[];

const parseRequest: Parse = (parsers, where, bytes, ends) => {
  const head = new parsers.RequestHead();
  head.begin();
  for (const [turn, end] of ends.entries()) {
    const result = head.parse(place(where, bytes, end, turn), end);
    if (result !== 0) return describeRequest(head, result, bytes.length - result);
  }
  return ['incomplete'];
};

const parseResponse: Parse = (parsers, where, bytes, ends) => {
  const head = new parsers.ResponseHead();
  head.begin();
  for (const [turn, end] of ends.entries()) {
    const result = head.parse(place(where, bytes, end, turn), end, 'GET');
    if (result !== 0) return describeResponse(head, result, bytes.length - result);
  }
  return ['incomplete'];
};

function cutsOf(random: Random, length: number): number[] {
  const cuts = Array.from({ length: CUTS }, () => random.below(length + 1)).sort((a, b) => a - b);
  return [...cuts, length];
}

/** The head that goes on, as the engine would write it. */
function rewritten(head: RequestHead): string {
  const fields: string[] = [];
  for (let i = 0; i < head.fieldCount; i++) {
    if ((head.fieldFlags(i) & DROP) !== 0 || /^(?:host|expect)$/i.test(head.fieldName(i))) continue;
    fields.push(`${head.fieldName(i)}: ${head.fieldText(i)}`);
  }
  if (head.chunked) fields.push('Transfer-Encoding: chunked');
  const path = head.text(head.pathStart, head.pathEnd) || '/';
  const args = head.argsStart < 0 ? '' : `?${head.text(head.argsStart, head.argsEnd)}`;
  const host = head.hostStart < 0 ? 'none' : head.text(head.hostStart, head.hostEnd);
  return `${head.method} ${path}${args} HTTP/1.1\r\nHost: ${host}\r\n${fields.map((line) => `${line}\r\n`).join('')}\r\n`;
}

function checkRewritten(parsers: Parsers, where: TestMemory, bytes: Buffer): string | undefined {
  const head = new parsers.RequestHead();
  head.begin();
  if (head.parse(place(where, bytes, bytes.length, 0), bytes.length) <= 0) return undefined;
  const text = rewritten(head);
  const body = head.chunked ? '0\r\n\r\n' : '';
  const { requests, unfinished, error } = readStrictly(text + body);
  if (error !== '') return `a strict reader says "${error}" of ${JSON.stringify(text)}`;
  const [request = unfinished] = requests;
  const framing = head.chunked
    ? 'chunked'
    : head.hasBody || /\ncontent-length: 0\r/i.test(text)
      ? 'length'
      : 'none';
  return request?.framing === framing
    ? undefined
    : `framed as ${framing}, read as ${String(request?.framing)}`;
}

/** The data of a chunked body by the grammar; undefined when it is not whole, or no such body. */
function dataByGrammar(body: string): { data: string; end: number } | undefined {
  const size = /([0-9A-Fa-f]{1,32})(?:[ \t]*(?:;[\t\x20-\x7e\x80-\xff]*)?)\r\n/y;
  let data = '';
  for (let at = 0; ;) {
    size.lastIndex = at;
    const match = size.exec(body);
    if (match === null) return undefined;
    const length = Number.parseInt(match[1] ?? '', 16);
    at = size.lastIndex;
    if (length === 0) {
      const rest = /^(?:[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t\x20-\x7e\x80-\xff]*\r\n)*\r\n/.exec(body.slice(at));
      return rest === null ? undefined : { data, end: at + rest[0].length };
    }
    if (body.slice(at + length, at + length + 2) !== '\r\n') return undefined;
    data += body.slice(at, at + length);
    at += length + 2;
  }
}

function decode(parsers: Parsers, bytes: Buffer, ends: readonly number[]): string {
  const decoder = new parsers.ChunkedDecoder();
  decoder.reset();
  let data = '';
  let at = 0;
  for (const end of ends) {
    while (at < end && !decoder.done) {
      const next = decoder.next(bytes, at, end);
      if (next < 0) return `bad after ${JSON.stringify(data)}`;
      data += bytes.subarray(decoder.dataStart, decoder.dataEnd).toString('latin1');
      at = next;
    }
  }
  return decoder.done ? JSON.stringify({ data, end: at }) : `unfinished after ${JSON.stringify(data)}`;
}

function checkChunks(parsers: Parsers, random: Random, body: string): string | undefined {
  const bytes = Buffer.from(body, 'latin1');
  const whole = decode(parsers, bytes, [bytes.length]);
  const ends = cutsOf(random, bytes.length);
  const cut = decode(parsers, bytes, ends);
  if (whole !== cut) return `chunks cut at ${ends.join()}: ${cut}, whole: ${whole}`;
  const wanted = dataByGrammar(body);
  const taken = whole.startsWith('{');
  if (wanted === undefined ? taken : whole !== JSON.stringify(wanted))
    return `chunks give ${whole}, by the grammar ${JSON.stringify(wanted)}`;
  return undefined;
}

/** Parsers, and the memory that they read. */
export interface Build {
  readonly parsers: Parsers;
  readonly where: TestMemory;
}

/** What is wrong with the case of that seed and number; undefined when nothing is. */
export function checkCase(
  builds: readonly [Build, ...Build[]],
  seed: number,
  index: number,
): string | undefined {
  const [{ parsers, where: first }] = builds;
  const random = new Random(caseSeed(seed, index));
  const isRequest = index % 3 !== 2;
  const message = isRequest ? makeRequest(random, `/c${index}`) : makeResponse(random, `m${index}`);
  const bytes = Buffer.from(message, 'latin1');
  const parse = isRequest ? parseRequest : parseResponse;
  const whole = parse(parsers, first, bytes, [bytes.length]).join('\n');
  const ends = cutsOf(random, bytes.length);
  let failure: string | undefined;
  for (const build of builds) {
    const { where } = build;
    for (const way of [[bytes.length], ends]) {
      const outcome = parse(build.parsers, where, bytes, way).join('\n');
      if (outcome !== whole)
        failure ??= `${where.name}, cut at ${way.join()}:\n${outcome}\nbut whole:\n${whole}`;
    }
  }
  if (isRequest) failure ??= checkRewritten(parsers, first, bytes);
  const headEnd = message.indexOf('\r\n\r\n');
  if (headEnd >= 0) failure ??= checkChunks(parsers, random, message.slice(headEnd + 4));
  return failure === undefined
    ? undefined
    : `case ${index} of seed ${seed}: ${failure}\nof ${JSON.stringify(message)}`;
}

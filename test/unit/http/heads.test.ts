/**
 * What the corpus cannot say of a head: reuse, moving, lookups, lengths at the defaults.
 */
import { describe, expect, test } from 'vitest';
import { DROP } from '../../../lib/http/fields.js';
import { CONTENT_LENGTH, HOST, knownHeaderId } from '../../../lib/http/known-headers.js';
import { RequestHead, type RequestLimits } from '../../../lib/http/request-head.js';
import { ResponseHead } from '../../../lib/http/response-head.js';
import { describeRequest } from './describe.js';
import { arenaTestMemory } from './memories.js';

const { u8, start } = arenaTestMemory;

function parse(text: string, limits?: RequestLimits, head = new RequestHead()): RequestHead {
  u8.set(Buffer.from(text, 'latin1'), start);
  head.begin(limits);
  head.parse(start, text.length);
  return head;
}

const GET = 'GET / HTTP/1.1\r\nHost: a\r\n';

describe('RequestHead', () => {
  test('is reused without traces of the last request', () => {
    const head = parse(
      'POST http://b:81/%41?q HTTP/1.0\r\nHost: a\r\nConnection: x, keep-alive, upgrade\r\nUpgrade: y\r\n' +
        'X: 1\r\nContent-Length: 5\r\n\r\n',
    );
    expect(head.complete).toBe(true);
    const fresh = describeRequest(parse(`${GET}\r\n`), 1, 0);
    expect(describeRequest(parse(`${GET}\r\n`, {}, head), 1, 0)).toEqual(fresh);
    parse('GET /%zz HTTP/1.1\r\n', {}, head);
    expect(head.errorReason).not.toBe('');
    expect(describeRequest(parse(`${GET}\r\n`, {}, head), 1, 0)).toEqual(fresh);
  });

  test('can be moved', () => {
    const head = parse(`${GET}Cookie: a=b\r\n\r\n`);
    u8.copyWithin(start + 5000, start, start + head.length);
    u8.fill(0, start, start + head.length);
    head.base = start + 5000;
    expect(head.fieldName(1)).toBe('Cookie');
    expect(head.fieldText(1)).toBe('a=b');
    expect(head.method).toBe('GET');
  });

  test('finds fields', () => {
    const head = parse(`${GET}X-One: 1\r\nx-one: 2\r\nContent-Length: 3\r\n\r\n`);
    expect(head.find(HOST)).toBe(0);
    expect(head.find(CONTENT_LENGTH)).toBe(3);
    expect(head.find(knownHeaderId('cookie'))).toBe(-1);
    expect(head.findByName('content-length')).toBe(3);
    expect(head.findByName('x-one')).toBe(1);
    expect(head.findByName('x-on')).toBe(-1);
    expect(head.findByName('cookie')).toBe(-1);
    expect(head.fieldNameIs(2, 'x-one')).toBe(true);
    expect(head.fieldNameIs(2, 'x-onf')).toBe(false);
  });

  test('does not take a name that differs in a bit for the one that Connection lists', () => {
    const head = parse(`${GET}Connection: a^b\r\nA~b: 1\r\na^B: 2\r\n\r\n`, { ignoreInvalid: false });
    expect([0, 1, 2, 3].map((i) => head.fieldFlags(i) & DROP)).toEqual([0, DROP, 0, DROP]);
  });

  test('holds many fields, and not more than allowed', () => {
    const many = (count: number): string => `${GET}${'X: 1\r\n'.repeat(count - 1)}\r\n`;
    expect(parse(many(1000)).fieldCount).toBe(1000);
    expect(parse(many(1001)).errorReason).toBe('client sent too many header lines');
    expect(parse(many(3), { maxFields: 2 }).complete).toBe(false);
    expect(parse(many(2), { maxFields: 2 }).complete).toBe(true);
  });

  test('fields that are left out do not count', () => {
    expect(parse(`${GET}${'x_y: 1\r\n'.repeat(3)}\r\n`, { maxFields: 1 }).complete).toBe(true);
  });

  test.each([
    [8192, true],
    [8193, false],
  ])('a request line of %i bytes', (length, complete) => {
    const line = `GET /${'a'.repeat(length - 16)} HTTP/1.1\r\n`;
    expect(line).toHaveLength(length);
    expect(parse(`${line}Host: a\r\n\r\n`).complete).toBe(complete);
  });

  test.each([
    [8192, true],
    [8193, false],
  ])('a field line of %i bytes', (length, complete) => {
    expect(parse(`${GET}X: ${'a'.repeat(length - 5)}\r\n\r\n`).complete).toBe(complete);
  });

  test.each([
    [32768, true],
    [32769, false],
  ])('a head of %i bytes', (length, complete) => {
    const fields = `X: ${'a'.repeat(8000)}\r\n`.repeat(4);
    const rest = length - GET.length - fields.length - 7;
    expect(parse(`${GET}${fields}X: ${'a'.repeat(rest)}\r\n\r\n`).complete).toBe(complete);
  });

  test('underscores_in_headers', () => {
    const head = parse(`${GET}x_y: 1\r\n_: 2\r\nx.y: 3\r\n\r\n`, { underscores: true });
    expect(head.fieldCount).toBe(3);
    expect(head.fieldName(2)).toBe('_');
  });

  test('ignore_invalid_headers off: tokens are taken, other names never', () => {
    const head = parse(`${GET}x_y: 1\r\nx.y: 2\r\nx(y: 3\r\nx\xe4: 4\r\n\r\n`, { ignoreInvalid: false });
    expect(head.fieldCount).toBe(3);
    expect(head.fieldName(2)).toBe('x.y');
  });

  test('merge_slashes off', () => {
    const head = parse('GET /a//b/.. HTTP/1.1\r\nHost: a\r\n\r\n', { mergeSlashes: false });
    expect(head.normalizedPath()).toBe('/a//');
  });

  test('CONNECT where it is allowed', () => {
    const head = parse('CONNECT b:443 HTTP/1.1\r\nHost: a\r\n\r\n', { allowConnect: true });
    expect(head.complete).toBe(true);
    expect(head.text(head.hostStart, head.hostEnd)).toBe('b');
    expect(head.hostPort).toBe(443);
    const withBody = 'CONNECT b:443 HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n';
    expect(parse(withBody, { allowConnect: true }).complete).toBe(false);
    expect(parse('CONNECT b:443 HTTP/1.0\r\nHost: a\r\n\r\n', { allowConnect: true }).complete).toBe(false);
  });

  test('no bytes at all', () => {
    const head = new RequestHead();
    head.begin();
    expect(head.parse(start, 0)).toBe(0);
    expect(head.complete).toBe(false);
    expect(head.method).toBe('');
  });
});

describe('ResponseHead', () => {
  test('is reused: an interim response, then the final one', () => {
    const head = new ResponseHead();
    const text = 'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n';
    u8.set(Buffer.from(text), start);
    head.begin();
    const first = head.parse(start, text.length, 'GET');
    expect(head.status).toBe(103);
    head.begin();
    expect(head.parse(start + first, text.length - first, 'GET')).toBe(text.length - first);
    expect(head.status).toBe(200);
    expect(head.findByName('link')).toBe(-1);
  });

  test('has a bound on its fields', () => {
    const text = `HTTP/1.1 200 OK\r\n${'X: 1\r\n'.repeat(3)}\r\n`;
    u8.set(Buffer.from(text), start);
    const head = new ResponseHead();
    head.begin(65536, 2);
    expect(head.parse(start, text.length, 'GET')).toBe(-502);
    expect(head.errorReason).toBe('upstream sent too many header lines');
  });
});

/**
 * The small parts of lib/http: names, methods, hosts, paths, statuses, dates, scanner.
 */
import { describe, expect, test } from 'vitest';
import { formatHttpDate, HTTP_DATE_LENGTH } from '../../../lib/http/date.js';
import { BAD_HOST, checkHost, HOST_UPPER, PORT_BITS } from '../../../lib/http/host-field.js';
import {
  CONTENT_LENGTH,
  HOST,
  identifyHeader,
  KNOWN_HEADER_COUNT,
  knownHeaderId,
  knownHeaderName,
  FIRST_SINGULAR,
  LAST_SINGULAR,
  LAST_SPECIAL,
  TRAILER,
  UNKNOWN,
  X_FORWARDED_FOR,
} from '../../../lib/http/known-headers.js';
import { latin1, parseLength } from '../../../lib/http/bytes.js';
import { identifyMethod, METHOD_GET, METHOD_OTHER, methodId, methodName } from '../../../lib/http/methods.js';
import { reasonPhrase } from '../../../lib/http/status.js';
import { escapeUri, normalizePath } from '../../../lib/http/uri.js';
import { scanFieldsTs, SPECIALS, STRIDE } from '../../../lib/http/scan.js';
import * as memory from '../../../lib/http/memory.js';
import { arenaTestMemory } from './memories.js';

const bytes = (text: string): Uint8Array => Buffer.from(text, 'latin1');
const view = (text: string): DataView => new DataView(Uint8Array.from(bytes(text)).buffer);

describe('known headers', () => {
  test('every name is found in any case, and no neighbour of it', () => {
    for (let id = 1; id < KNOWN_HEADER_COUNT; id++) {
      const name = knownHeaderName(id);
      expect(knownHeaderId(name)).toBe(id);
      for (const form of [name, name.toUpperCase(), name[0]?.toUpperCase() + name.slice(1)]) {
        expect(identifyHeader(view(`xx${form}yy`), 2, 2 + form.length)).toBe(id);
      }
      const middle = name.length >> 1;
      const changed = `${name.slice(0, middle)}#${name.slice(middle + 1)}`;
      expect(identifyHeader(view(changed), 0, changed.length)).toBe(UNKNOWN);
    }
  });

  test('names and ids fit together', () => {
    expect(knownHeaderName(HOST)).toBe('host');
    expect(knownHeaderName(CONTENT_LENGTH)).toBe('content-length');
    expect(knownHeaderName(LAST_SPECIAL)).toBe('proxy-connection');
    expect(knownHeaderName(FIRST_SINGULAR)).toBe('authorization');
    expect(knownHeaderName(LAST_SINGULAR)).toBe('if-unmodified-since');
    expect(knownHeaderName(X_FORWARDED_FOR)).toBe('x-forwarded-for');
    expect(knownHeaderName(TRAILER)).toBe('trailer');
    // A head has one bit for each of these; see ONCE in proxy-plan.ts.
    for (const name of 'accept-ranges content-type date etag expires last-modified location refresh server'.split(
      ' ',
    )) {
      expect(knownHeaderId(name)).toBeGreaterThan(0);
      expect(knownHeaderId(name)).toBeLessThan(32);
    }
    expect(X_FORWARDED_FOR).toBeLessThan(32);
    // An id shares an Int32 with the flags of its field.
    expect(KNOWN_HEADER_COUNT).toBeLessThanOrEqual(256);
  });

  test.each(['', 'x', 'hos', 'hostx', 'x-unheard-of'])('"%s" is unknown', (name) => {
    expect(identifyHeader(view(name), 0, name.length)).toBe(UNKNOWN);
    expect(knownHeaderId(name)).toBe(UNKNOWN);
  });
});

describe('methods', () => {
  test('names and ids', () => {
    expect(methodId('GET')).toBe(METHOD_GET);
    expect(methodId('get')).toBe(METHOD_OTHER);
    expect(methodName(METHOD_GET)).toBe('GET');
    expect(methodName(METHOD_OTHER)).toBeUndefined();
    for (const name of ['HEAD', 'POST', 'PUT', 'PROPPATCH', 'UNLOCK']) {
      expect(identifyMethod(bytes(` ${name} `), 1, 1 + name.length)).toBe(methodId(name));
    }
    expect(identifyMethod(bytes('GEX'), 0, 3)).toBe(METHOD_OTHER);
    expect(identifyMethod(bytes('GET'), 0, 2)).toBe(METHOD_OTHER);
  });
});

describe('checkHost', () => {
  test('looks at nothing outside of its range', () => {
    const check = (text: string, start: number, end: number): number => {
      memory.u8.set(bytes(text), arenaTestMemory.start);
      return checkHost(arenaTestMemory.start + start, arenaTestMemory.start + end);
    };
    expect(check('[::1]:80', 1, 3)).toBe(BAD_HOST);
    expect(check('x[a', 0, 1)).toBe(1 << PORT_BITS);
    expect(check('[a]', 0, 0)).toBe(BAD_HOST);
    expect(check('ab.cd', 0, 3)).toBe(2 << PORT_BITS);
    expect(check('aB.cD:80', 0, 8)).toBe((5 << PORT_BITS) | HOST_UPPER | 80);
    expect(check('aB', 0, 1)).toBe(1 << PORT_BITS);
  });
});

describe('parseLength', () => {
  test.each([
    ['0', 0],
    ['42', 42],
    ['9007199254740991', Number.MAX_SAFE_INTEGER],
    ['9007199254740992', -1],
    ['99999999999999999999999999', -1],
    ['', -1],
    ['1a', -1],
    [' 1', -1],
  ])('"%s"', (text, value) => {
    expect(parseLength(bytes(text), 0, text.length)).toBe(value);
  });
});

describe('latin1', () => {
  test.each([0, 1, 11, 12, 13, 100])('%i bytes', (length) => {
    const text = Array.from({ length }, (_, i) => String.fromCharCode((i * 37) & 0xff)).join('');
    expect(latin1(bytes(`..${text}..`), 2, 2 + length)).toBe(text);
  });
});

describe('normalizePath', () => {
  const normalize = (path: string, merge: boolean): string | undefined =>
    normalizePath(bytes(path), 0, path.length, merge);

  test.each([
    ['/a//b', '/a//b'],
    ['/a//../b', '/a/b'],
    ['/a//./b', '/a//b'],
    ['//..', '/'],
    ['//../..', undefined],
    ['/a%2f/b', '/a//b'],
  ])('without merging: %s', (path, result) => {
    expect(normalize(path, false)).toBe(result);
  });

  test.each([
    ['/a//../b', '/b'],
    ['///a', '/a'],
    ['//..', undefined],
    ['', '/'],
  ])('with merging: %s', (path, result) => {
    expect(normalize(path, true)).toBe(result);
  });

  test('a path longer than any before', () => {
    const path = `/${'%41'.repeat(50_000)}/..`;
    expect(normalize(path, true)).toBe('/');
  });

  test('changes nothing that it has normalised, but for what it decoded', () => {
    let seed = 1;
    const random = (below: number): number => (seed = (seed * 48271) % 0x7fffffff) % below;
    const parts = ['/', '/', '.', '..', 'a', 'bc', '%2e', '%2F', '%41'];
    for (let i = 0; i < 5_000; i++) {
      let path = '/';
      for (let n = random(10); n > 0; n--) path += parts[random(parts.length)];
      for (const merge of [true, false]) {
        const once = normalize(path, merge);
        if (once === undefined) continue;
        expect(once.startsWith('/')).toBe(true);
        expect(/\/\.\.?(?:\/|$)/.test(once), `${path} -> ${once}`).toBe(false);
        if (merge) expect(once.includes('//')).toBe(false);
        expect(normalize(once, merge)).toBe(once);
      }
    }
  });
});

describe('escapeUri', () => {
  test.each([
    ['/a/b', '/a/b'],
    ['/a b', '/a%20b'],
    ['/\x00\x1f\x7f\x80\xff', '/%00%1F%7F%80%FF'],
    ['/"#%<>?\\^`{|}', '/%22%23%25%3C%3E%3F%5C%5E%60%7B%7C%7D'],
    ["/!$&'()*+,-.:;=@[]_~", "/!$&'()*+,-.:;=@[]_~"],
  ])('%s', (path, escaped) => {
    expect(escapeUri(path)).toBe(escaped);
  });
});

describe('reasonPhrase', () => {
  test('as nginx writes them', () => {
    expect(reasonPhrase(200)).toBe('OK');
    expect(reasonPhrase(302)).toBe('Moved Temporarily');
    expect(reasonPhrase(504)).toBe('Gateway Time-out');
    expect(reasonPhrase(299)).toBeUndefined();
  });
});

describe('formatHttpDate', () => {
  test('the example of RFC 9110', () => {
    expect(formatHttpDate(784111777_000)).toBe('Sun, 06 Nov 1994 08:49:37 GMT');
    expect(formatHttpDate(784111777_999)).toBe('Sun, 06 Nov 1994 08:49:37 GMT');
    expect(formatHttpDate(784111778_000)).toBe('Sun, 06 Nov 1994 08:49:38 GMT');
    expect(formatHttpDate(0)).toBe('Thu, 01 Jan 1970 00:00:00 GMT');
    expect(formatHttpDate(0)).toHaveLength(HTTP_DATE_LENGTH);
  });
});

describe('scanners', () => {
  test('describe random bytes in the same way', () => {
    const buffer = new ArrayBuffer(1 << 20);
    const plain = {
      u8: new Uint8Array(buffer),
      i32: new Int32Array(buffer),
      scan: scanFieldsTs(buffer, 4096, 10_000, 64),
      records: 1024,
      report: 16,
      start: 300_000,
    };
    const native = {
      u8: memory.u8,
      i32: memory.i32,
      scan: memory.scanFields,
      records: memory.RECORDS,
      report: memory.REPORT,
      start: arenaTestMemory.start,
    };
    let seed = 7;
    const random = (below: number): number => (seed = (seed * 48271) % 0x7fffffff) % below;
    const alphabet = [13, 10, 10, 13, 58, 58, 32, 32, 9, 0, 1, 127, 128, 255, 95, 42, 97, 97, 97, 97, 97];
    const words = ['\r\n', '\r\n', '\n', ': ', 'Host', 'te', 'X-a', 'Connection', 'content-length', 'Cookie'];
    for (let round = 0; round < 3000; round++) {
      const length = random(300);
      const data = Uint8Array.from({ length }, () => alphabet[random(alphabet.length)]);
      for (let at = random(20); at < length; at += random(20)) {
        const word = words[random(words.length)];
        for (let i = 0; i < word.length && at < length; i++) data[at++] = word.charCodeAt(i);
      }
      const lines = [plain, native].map(({ u8, i32, scan, report, records, start }) => {
        const base = start + random(70);
        u8.set(data, base);
        // What lies behind must not matter.
        u8[base + length] = alphabet[random(alphabet.length)];
        scan(base, length, 0);
        const [count] = i32.subarray(report);
        return [
          [...i32.subarray(report, report + SPECIALS)],
          [...i32.subarray(records, records + count * STRIDE)],
        ];
      });
      expect(lines[1], Buffer.from(data).toString('latin1')).toEqual(lines[0]);
    }
  });
});

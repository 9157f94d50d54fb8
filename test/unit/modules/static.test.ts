/** Plain files over a directory of their own. */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execFileSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Request } from '../../../lib/module-api/index.js';
import { selectRanges } from '../../../lib/modules/byte-ranges.js';
import { escapePath } from '../../../lib/modules/static.js';
import { FakeExchange, location, run, server, value, type FakeRequest } from './support.js';

let root: string;
const MTIME = 784_111_777;
const DATE = 'Sun, 06 Nov 1994 08:49:37 GMT';
const ETAG = `"${MTIME.toString(16)}-5"`;
const big = Buffer.alloc(200_000, 'abcdefghij');

beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'millrace-static-'));
  const write = (name: string, bytes: string | Buffer): void => writeFileSync(join(root, name), bytes);
  for (const name of ['dir', 'dir/index.html', 'empty', 'odd?', 'real']) {
    if (!name.includes('.')) mkdirSync(join(root, name));
  }
  write('a.txt', 'hello');
  write('none', '');
  write('big.json', big);
  write('dir/index.htm', 'index');
  write('odd?/index.htm', 'odd');
  write('real/secret.txt', 'secret');
  write('caf\u00e9.html', 'coffee');
  symlinkSync('a.txt', join(root, 'link.PNG'));
  execFileSync('mkfifo', [join(root, 'fifo')]);
  utimesSync(join(root, 'a.txt'), MTIME, MTIME);
});

afterAll(() => rmSync(root, { recursive: true }));

async function get(
  target: string,
  given: FakeRequest = {},
  inside = 'location / { index index.html index.htm; }',
  prepare: (exchange: FakeExchange) => void = () => undefined,
): Promise<FakeExchange & { result?: number | undefined }> {
  const exchange: FakeExchange & { result?: number | undefined } = new FakeExchange({ target, ...given });
  prepare(exchange);
  const place = await location(`root ${root}; ${inside}`);
  exchange.result = await run(place, exchange);
  return exchange;
}

describe('a file', () => {
  it('is sent with its type, length and validators', async () => {
    const exchange = await get('/a.txt');
    expect(exchange.response.status).toBe(200);
    expect([exchange.contentLength, exchange.contentType, exchange.text]).toEqual([5, 'text/plain', 'hello']);
    expect(exchange.sent).toEqual([
      ['Last-Modified', DATE],
      ['ETag', ETAG],
      ['Accept-Ranges', 'bytes'],
    ]);
    expect(exchange.ended).toBe(true);
  });

  it('is not read for HEAD', async () => {
    const exchange = await get('/a.txt', { method: 'HEAD' });
    expect([exchange.response.status, exchange.contentLength, exchange.text]).toEqual([200, 5, '']);
    expect(exchange.ended).toBe(true);
  });

  it('may be empty', async () => {
    const exchange = await get('/none');
    expect([exchange.response.status, exchange.contentLength, exchange.ended]).toEqual([200, 0, true]);
  });

  it('is sent in bounded chunks at the pace of the client', async () => {
    const exchange = await get('/big.json', {}, undefined, (each) => (each.room = 1));
    expect(Buffer.concat(exchange.body).equals(big)).toBe(true);
    expect(exchange.body.every((chunk) => chunk.length <= 65_536)).toBe(true);
    expect(exchange.waits).toBe(3);
    expect(exchange.contentType).toBe('application/json');
  });

  it('is given up when the client leaves', async () => {
    const exchange = await get('/big.json', {}, undefined, (each) => {
      each.room = 1;
      each.left = true;
    });
    expect(exchange.body).toHaveLength(1);
    expect(exchange.ended).toBe(true);
  });

  it('may be reached by a link; its type is that of the name asked for', async () => {
    const exchange = await get('/link.PNG');
    expect([exchange.text, exchange.contentType]).toEqual(['hello', 'image/png']);
  });

  it('may have a name beyond ASCII', async () => {
    const exchange = await get(Buffer.from('/caf\u00e9.html').toString('latin1'));
    expect(exchange.text).toBe('coffee');
  });

  it('has the type that types and default_type say', async () => {
    const inside = 'location / { types { text/x-new TXT; } default_type a/b; }';
    expect((await get('/a.txt', {}, inside)).contentType).toBe('text/x-new');
    expect((await get('/big.json', {}, inside)).contentType).toBe('a/b');
    expect((await get('/none', {}, inside)).contentType).toBe('a/b');
  });

  it('carries no ETag when that is off', async () => {
    expect((await get('/a.txt', {}, 'location / { etag off; }')).sent).toEqual([
      ['Last-Modified', DATE],
      ['Accept-Ranges', 'bytes'],
    ]);
  });

  it.each([
    ['/missing', 404, '[error] open() "%/missing" failed (2: No such file or directory)'],
    ['/a.txt/x', 404, '[error] open() "%/a.txt/x" failed (20: Not a directory)'],
    ['/fifo', 404, '[error] "%/fifo" is not a regular file'],
    [`/${'x'.repeat(300)}`, 404, `[error] open() "%/${'x'.repeat(300)}" failed (36: File name too long)`],
  ])('%s: %i', async (target, status, message) => {
    const exchange = await get(target);
    expect(exchange.result).toBe(status);
    expect(exchange.messages).toEqual([message.replace('%', root)]);
  });

  it('is refused where it may not be read', async () => {
    chmodSync(join(root, 'real'), 0);
    try {
      const exchange = await get('/real/secret.txt');
      // root may read everything.
      expect(exchange.result ?? exchange.response.status).toBe(process.geteuid?.() === 0 ? 200 : 403);
    } finally {
      chmodSync(join(root, 'real'), 0o755);
    }
  });

  it('is missing in silence when log_not_found is off', async () => {
    expect((await get('/missing', {}, 'location / { log_not_found off; }')).messages).toEqual([]);
  });

  it.each([
    ['POST', '/a.txt'],
    ['PUT', '/a.txt'],
    ['DELETE', '/dir/'],
  ])('%s %s is not allowed', async (method, target) => {
    expect((await get(target, { method })).result).toBe(405);
  });

  it('cannot be reached outside the root', async () => {
    expect((await get('/../etc/passwd')).result).toBe(403);
    expect((await get('/dir/..')).result).toBe(403);
    expect((await get('/a\0b')).result).toBe(400);
  });
});

describe('conditions', () => {
  const OLD = 'Sun, 06 Nov 1994 08:49:36 GMT';
  const NEW = 'Sun, 06 Nov 1994 08:49:38 GMT';
  it.each<[string, string, number]>([
    ['If-Modified-Since', DATE, 304],
    ['If-Modified-Since', 'Sunday, 06-Nov-94 08:49:37 GMT', 304],
    ['If-Modified-Since', 'Sun Nov  6 08:49:37 1994', 304],
    ['If-Modified-Since', OLD, 200],
    ['If-Modified-Since', NEW, 200],
    ['If-Modified-Since', 'yesterday', 200],
    ['If-None-Match', ETAG, 304],
    ['If-None-Match', `W/${ETAG}`, 304],
    ['If-None-Match', `"other", ${ETAG}`, 304],
    ['If-None-Match', '*', 304],
    ['If-None-Match', '"other"', 200],
    ['If-Match', ETAG, 200],
    ['If-Match', `W/${ETAG}`, 412],
    ['If-Match', '*', 200],
    ['If-Match', '"other"', 412],
    ['If-Unmodified-Since', DATE, 200],
    ['If-Unmodified-Since', NEW, 200],
    ['If-Unmodified-Since', OLD, 412],
    ['If-Unmodified-Since', 'yesterday', 412],
  ])('%s: %s gives %i', async (name, value, status) => {
    const exchange = await get('/a.txt', { headers: [[name, value]] });
    expect(exchange.result ?? exchange.response.status).toBe(status);
  });

  it('sends the validators with 304, and no body', async () => {
    const exchange = await get('/a.txt', { headers: [['If-None-Match', ETAG]] });
    expect(exchange.sent).toEqual([
      ['Last-Modified', DATE],
      ['ETag', ETAG],
    ]);
    expect(exchange.text).toBe('');
  });

  it('must all hold', async () => {
    const headers = [
      ['If-Modified-Since', DATE],
      ['If-None-Match', '"other"'],
    ] as const;
    expect((await get('/a.txt', { headers })).response.status).toBe(200);
  });

  it.each([
    ['off', DATE, 200],
    ['before', NEW, 304],
    ['before', OLD, 200],
  ])('if_modified_since %s with %s gives %i', async (mode, date, status) => {
    const inside = `location / { if_modified_since ${mode}; }`;
    const exchange = await get('/a.txt', { headers: [['If-Modified-Since', date]] }, inside);
    expect(exchange.response.status).toBe(status);
  });

  it('do not touch a file that is an error page', async () => {
    const headers = [['If-None-Match', ETAG]] as const;
    const exchange = await get('/a.txt', { headers }, undefined, (each) => (each.response.status = 404));
    expect(exchange.text).toBe('hello');
  });
});

describe('a directory', () => {
  it('shows its index by an internal redirect, with the query', async () => {
    expect((await get('/dir/?a=b')).redirected).toBe('/dir/index.htm?a=b');
    expect((await get('/dir/')).redirected).toBe('/dir/index.htm');
  });

  it('shows its index at once where a redirect would take its name for a query', async () => {
    const exchange = await get('/x', {}, undefined, (each) => (each.uri = '/odd?/'));
    expect([exchange.redirected, exchange.text]).toEqual([undefined, 'odd']);
  });

  it('may have an absolute index', async () => {
    const exchange = await get('/empty/', {}, 'location / { index a.html /other.html; }');
    expect(exchange.redirected).toBe('/other.html');
    const asked = await get('/empty/?a=b', {}, 'location / { index /other.html; }');
    expect(asked.redirected).toBe('/other.html?a=b');
  });

  it('may have an index that variables give', async () => {
    const of = async (target: string, names: string): Promise<unknown> => {
      const exchange = await get(target, {}, `location / { index ${names}; }`);
      return exchange.redirected ?? exchange.result;
    };
    expect(await of('/dir/?n=index', 'none.html $arg_n.htm')).toBe('/dir/index.htm?n=index');
    expect(await of('/dir/?n=other', 'x$arg_n.htm ${arg_n}.html /$arg_n')).toBe('/other?n=other');
    expect(await of('/dir/?n=/x', '$arg_n')).toBe('/x?n=/x');
    expect(await of('/dir/', '$arg_n')).toBe(403);
    expect(await of('/dir/?n=../a.txt', '$arg_n')).toBe(403);
  });

  it('without an index is forbidden', async () => {
    const exchange = await get('/empty/');
    expect(exchange.result).toBe(403);
    expect(exchange.messages).toEqual([`[error] directory index of "${root}/empty/" is forbidden`]);
  });

  it('that is not there is not found', async () => {
    const exchange = await get('/missing/');
    expect(exchange.result).toBe(404);
    expect(exchange.messages).toEqual([
      `[error] "${root}/missing/" is not found (2: No such file or directory)`,
    ]);
  });

  it('without its slash is redirected', async () => {
    const exchange = await get('/dir?a=b');
    expect(exchange.finalized).toBe(301);
    expect(exchange.sent).toEqual([['Location', 'http://example.com:8080/dir/?a=b']]);
  });

  it('is named escaped, and as the directives of redirects say', async () => {
    const inside = 'location / { absolute_redirect off; }';
    const exchange = await get('/x', {}, inside, (each) => (each.uri = '/odd?'));
    expect(exchange.sent).toEqual([['Location', '/odd%3F/']]);
    expect(escapePath('/a b"\x01\xe9%')).toBe('/a%20b%22%01%E9%25');
  });
});

describe('a Range', () => {
  it('is read in one pass, however many blanks it has', () => {
    const blanks = ' '.repeat(2_000_000);
    const read = (value: string): unknown => {
      const request = {
        header: (name: string) => (name === 'range' ? value : undefined),
        headers: () => [['Range', value]],
      } as unknown as Request;
      return selectRanges(request, { lastModified: '', modifiedSeconds: 0, etag: undefined }, 100, 10);
    };
    expect(read(`bytes=0-${blanks}x`)).toEqual([]);
    expect(read(`bytes=${blanks}5-${blanks}`)).toEqual([{ start: 5, end: 100 }]);
    expect(read(`bytes=5${blanks}-${blanks}6${blanks},${blanks}-1${blanks}`)).toEqual([
      { start: 5, end: 7 },
      { start: 99, end: 100 },
    ]);
  });
});

describe('alias', () => {
  it('takes the place of the name of the location', async () => {
    const inside = `location /images/ { alias ${'%'}/; }`;
    const exchange = new FakeExchange({ target: '/images/a.txt' });
    await run(await location(inside.replace('%', root)), exchange);
    expect(exchange.text).toBe('hello');
  });

  it('may be a file', async () => {
    const exchange = new FakeExchange({ target: '/exact' });
    await run(await location(`location = /exact { alias ${root}/a.txt; }`), exchange);
    expect(exchange.text).toBe('hello');
  });

  it('holds for locations inside one that a namesake hides', async () => {
    const { locations } = await server(`location /images/ { alias ${root}/;
      location /images/ { }
      location /images/dir/ { index index.htm; } }`);
    expect(locations.map((each) => each.name)).toEqual(['/images/', '/images/dir/']);
    const served = await Promise.all(
      ['/images/a.txt', '/images/dir/index.htm'].map(async (target, i) => {
        const exchange = new FakeExchange({ target });
        return (await run(locations[i], exchange)) ?? exchange.text;
      }),
    );
    expect(served).toEqual(['hello', 'index']);
  });

  it('is $document_root, as written, here and inside', async () => {
    const { locations, fallback } = await server(`root /r/; location /a { }
      location /b { root own; location /b/c { } }
      location /d { alias /e/; location /d/f { } location /d/g { root /h; } location /d/i { alias k; } }`);
    const roots = Object.fromEntries(
      [...locations, fallback].map((place) => {
        return [place.name, value('$document_root').get(new FakeExchange({ location: place }))];
      }),
    );
    expect(roots).toEqual({
      '/a': '/r',
      '/b': '/prefix/own',
      '/b/c': '/prefix/own',
      '/d': '/e/',
      '/d/f': '/e/',
      '/d/g': '/h',
      '/d/i': '/prefix/k',
      '': '/r',
    });
  });

  it('holds for locations inside, unless they have a root or an alias of their own', async () => {
    const inside = `location /images/ { alias ${root}/;
      location ~ txt$ { }
      location /images/dir/ { index index.htm; location /images/dir/index.htm { } }
      location /images/rooted/ { root ${root}/rooted; location /images/rooted/x { } }
      location /images/else/ { alias ${root}/real/; location ~ secret { } } }`;
    const served = await Promise.all(
      ['/images/a.txt', '/images/dir/index.htm', '/images/else/secret.txt', '/images/rooted/x'].map(
        async (target) => {
          const { locations } = await server(inside);
          const name = {
            '/images/a.txt': 'txt$',
            '/images/dir/index.htm': '/images/dir/index.htm',
            '/images/else/secret.txt': 'secret',
          }[target];
          const place = locations.find((each) => each.name === (name ?? target));
          if (place === undefined) throw new Error(`no location for ${target}`);
          const exchange = new FakeExchange({ target });
          return (await run(place, exchange)) ?? exchange.text;
        },
      ),
    );
    expect(served).toEqual(['hello', 'index', 'secret', 404]);
  });

  it('gives no type to what is asked for under another name', async () => {
    const exchange = new FakeExchange({ target: '/exact' });
    await run(await location(`location = /exact { default_type x/y; alias ${root}/a.txt; }`), exchange);
    expect(exchange.contentType).toBe('x/y');
  });

  it('cannot be left where it cuts a name in two', async () => {
    const exchange = new FakeExchange({ target: '/i../real/secret.txt' });
    expect(await run(await location(`location /i { alias ${root}/dir/; }`), exchange)).toBe(403);
  });
});

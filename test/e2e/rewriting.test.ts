/** Fields of answers as the configuration rewrites and adds them, and trailers. */
import { describe, expect, test } from 'vitest';
import { chunked, response, startAnswering } from './support/backend.js';
import { names, value, values } from './support/message.js';
import { exchange } from './support/peer.js';
import { startProxy } from './support/proxy.js';

const get = (target: string, version = '1.1'): string => `GET ${target} HTTP/${version}\r\nHost: a\r\n\r\n`;

/** A backend that sends the fields that the query names: "?Name: value&Name: value". */
const echoFields = (status = '302 Found') =>
  startAnswering(({ target }) => {
    const [, query = ''] = target.split('?');
    return response('', decodeURIComponent(query).split('&'), status);
  });

describe('proxy_redirect', () => {
  test('leads clients to the proxy by default, in Location and Refresh', async () => {
    await using backend = await echoFields();
    const there = `http://127.0.0.1:${backend.port}`;
    await using proxy = await startProxy(
      (port) => `server { listen 127.0.0.1:${port};
        location /plain/ { proxy_pass ${there}; }
        location /uri/ { proxy_pass ${there}/deep/; }
        location /off/ { proxy_pass ${there}; proxy_redirect off; location /off/on/ { proxy_pass ${there};
          proxy_redirect ${there}/x/ /y/; } }
        location /rel/ { proxy_pass ${there}/deep/; absolute_redirect off; }
        location ~ ^/re/ { proxy_pass ${there}; proxy_redirect ~^(.+)/was/(?<rest>[^/]+)$ $1/is/$rest;
          proxy_redirect ~*OTHER /else; proxy_redirect default; } }`,
    );
    const here = `http://a:${proxy.port}`;
    const ask = async (target: string, url: string): Promise<unknown[]> => {
      const answer = await exchange(
        proxy.port,
        get(`${target}?Location: ${url}&Refresh: 5; URL=${url}`.replaceAll(' ', '%20')),
      );
      return [value(answer, 'location'), value(answer, 'refresh')];
    };
    expect(await ask('/plain/', `${there}/a;b`)).toEqual([`${here}/a;b`, '5; URL=/a;b']);
    expect(await ask('/uri/', `${there}/deep/a`)).toEqual([`${here}/uri/a`, '5; URL=/uri/a']);
    expect(await ask('/uri/', `${there}/a`)).toEqual([`${there}/a`, `5; URL=${there}/a`]);
    // What is not rewritten goes on as it came, relative ones too.
    expect(await ask('/plain/', '/a')).toEqual(['/a', '5; URL=/a']);
    expect(await ask('/off/', `${there}/a`)).toEqual([`${there}/a`, `5; URL=${there}/a`]);
    expect(await ask('/off/on/', `${there}/x/a`)).toEqual([`${here}/y/a`, '5; URL=/y/a']);
    expect(await ask('/rel/', `${there}/deep/a`)).toEqual(['/rel/a', '5; URL=/rel/a']);
    expect(await ask('/re/', `${there}/was/a`)).toEqual([`${there}/is/a`, `5; URL=${there}/is/a`]);
    expect(await ask('/re/', 'http://other/b')).toEqual([`${here}/else`, '5; URL=/else']);
    expect(await ask('/re/', `${there}/c`)).toEqual([`${here}/c`, '5; URL=/c']);
  });
});

test('what proxy_hide_header names is not there to be rewritten', async () => {
  await using backend = await echoFields();
  await using proxy = await startProxy(
    (port) => `server { listen 127.0.0.1:${port};
      location / { proxy_pass http://127.0.0.1:${backend.port}; proxy_cookie_path / /in/;
        proxy_hide_header Set-Cookie; proxy_hide_header Location; } }`,
  );
  const there = `http://127.0.0.1:${backend.port}/`;
  const answer = await exchange(
    proxy.port,
    get(`/?Set-Cookie: a=b; Path=/&Location: ${there}&Refresh: 5; URL=${there}`.replaceAll(' ', '%20')),
  );
  expect([values(answer, 'set-cookie'), values(answer, 'location')]).toEqual([[], []]);
  expect(values(answer, 'refresh')).toEqual(['5; URL=/']);
});

describe('cookies of a backend', () => {
  test('have their domain, path and flags rewritten, one by one and in order', async () => {
    await using backend = await echoFields('200 OK');
    await using proxy = await startProxy(
      (port) => `server { listen 127.0.0.1:${port};
        location / { proxy_pass http://127.0.0.1:${backend.port};
          proxy_cookie_domain .inner.example .outer.example; proxy_cookie_domain ~^(\\w+)\\.test$ $1.example;
          proxy_cookie_path /in/ /out/; proxy_cookie_path ~*^/V\\d+(/.*)$ $1;
          proxy_cookie_flags a secure httponly samesite=strict; proxy_cookie_flags ~^x nosecure nosamesite;
          location /off { proxy_pass http://127.0.0.1:${backend.port};
            proxy_cookie_domain off; proxy_cookie_path off; proxy_cookie_flags off; } } }`,
    );
    const ask = async (target: string, ...cookies: string[]): Promise<string[]> => {
      const query = encodeURIComponent(cookies.map((cookie) => `Set-Cookie: ${cookie}`).join('&'));
      return values(await exchange(proxy.port, get(`${target}?${query}`)), 'set-cookie');
    };
    const sent = [
      'a=1; Domain=.Inner.Example;Path=/in/x',
      'b=2;path=/v12/y ;Secure',
      'X1=3; Secure; SameSite=Lax; HttpOnly',
      'c=4;  Domain=one.TEST',
      'd=5;Path=/else;  Domain=other',
    ];
    expect(await ask('/', ...sent)).toEqual([
      'a=1; Domain=.outer.example; Path=/out/x; Secure; HttpOnly; SameSite=Strict',
      'b=2; path=/y; Secure',
      'X1=3; HttpOnly',
      'c=4; Domain=one.example',
      'd=5;Path=/else;  Domain=other',
    ]);
    expect(await ask('/off', ...sent)).toEqual(sent);
  });
});

describe('fields that a response has once', () => {
  test('come once from a backend that repeats them; Server and Date are its own with proxy_pass_header', async () => {
    await using backend = await echoFields('200 OK');
    await using proxy = await startProxy(
      (port) => `server { listen 127.0.0.1:${port};
        location / { proxy_pass http://127.0.0.1:${backend.port}; }
        location /theirs { proxy_pass http://127.0.0.1:${backend.port}; proxy_pass_header Server; proxy_pass_header Date; } }`,
    );
    const fields = encodeURIComponent('Server: them&Expires: a&Via: x&Expires: b&Via: y');
    const ours = await exchange(proxy.port, get(`/?${fields}`));
    expect([values(ours, 'expires'), values(ours, 'via')]).toEqual([['a'], ['x', 'y']]);
    expect(value(ours, 'server')).toMatch(/^millrace/);
    expect(values(ours, 'date')).toHaveLength(1);
    const theirs = await exchange(proxy.port, get(`/theirs?${fields}`));
    expect([value(theirs, 'server'), value(theirs, 'date')]).toEqual(['them', undefined]);
    const silent = await exchange(proxy.port, get('/theirs?Date%3A%20then'));
    expect([value(silent, 'server'), value(silent, 'date')]).toEqual([undefined, 'then']);
  });
});

describe('expires and add_header', () => {
  test('replace what a backend says, for the usual statuses', async () => {
    await using backend = await startAnswering(({ target }) =>
      response(
        '',
        [
          'Expires: theirs',
          'Cache-Control: theirs',
          'Cache-Control: twice',
          'Last-Modified: Mon, 28 Sep 1970 06:00:00 GMT',
        ],
        `${target.slice(-3)} X`,
      ),
    );
    await using proxy = await startProxy(
      (
        port,
      ) => `server { listen 127.0.0.1:${port}; expires 1h; add_header X-Cc $sent_http_cache_control always;
        location / { proxy_pass http://127.0.0.1:${backend.port}; }
        location /modified { expires modified 2048; proxy_pass http://127.0.0.1:${backend.port}; }
        location /epoch { expires epoch; proxy_pass http://127.0.0.1:${backend.port}; }
        location /off { expires off; proxy_pass http://127.0.0.1:${backend.port}; }
        location /merged { add_header_inherit merge; add_header X-Inner 1; return 200; }
        location /none { add_header_inherit off; return 200; location /none/inner { return 200; } } }`,
    );
    const ask = async (target: string): Promise<unknown[]> => {
      const answer = await exchange(proxy.port, get(target));
      return [value(answer, 'expires'), values(answer, 'cache-control').join('|'), value(answer, 'x-cc')];
    };
    const [at, control, cc] = await ask('/200');
    expect(Math.abs(Date.parse(String(at)) - Date.now() - 3_600_000)).toBeLessThan(5000);
    expect([control, cc]).toEqual(['max-age=3600', 'max-age=3600']);
    expect(await ask('/500')).toEqual(['theirs', 'theirs|twice', 'theirs, twice']);
    expect(await ask('/off200')).toEqual(['theirs', 'theirs|twice', 'theirs, twice']);
    expect(await ask('/epoch200')).toEqual(['Thu, 01 Jan 1970 00:00:01 GMT', 'no-cache', 'no-cache']);
    expect(await ask('/modified200')).toEqual(['Mon, 28 Sep 1970 06:34:08 GMT', 'no-cache', 'no-cache']);
    const merged = names(await exchange(proxy.port, get('/merged')));
    expect(merged.filter((name) => name.startsWith('x-'))).toEqual(['x-inner', 'x-cc']);
    for (const target of ['/none', '/none/inner']) {
      expect(names(await exchange(proxy.port, get(target)))).not.toContain('x-cc');
    }
  });
});

describe('add_trailer', () => {
  test('sends fields behind chunked bodies, of files, texts and backends', async () => {
    await using backend = await startAnswering(({ target }) =>
      target === '/chunks'
        ? `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${chunked(['ab', 'c'], ['X-Theirs: 1'])}`
        : response('x'.repeat(target === '/long' ? 100_000 : 3)),
    );
    await using proxy = await startProxy(
      (port) => `server { listen 127.0.0.1:${port}; default_type text/plain;
        add_trailer X-Length $upstream_response_length; add_trailer X-Sent $sent_trailer_x_theirs always; add_trailer X-Empty "";
        location / { proxy_pass http://127.0.0.1:${backend.port}; }
        location /text { add_trailer X-A "$host"; add_trailer X-B $sent_trailer_x_a; return 200 text; }
        location /empty { add_trailer X-A 1; return 200; }
        location /plain { chunked_transfer_encoding off; add_trailer X-A 1; return 200 text; }
        location /error { add_trailer X-A 1; return 404; }
        location /always { add_trailer X-A 1 always; return 404; }
        location /file { add_trailer X-A 1; } }`,
      { files: { file: 'content' } },
    );
    const ask = async (target: string, version?: string): Promise<unknown[]> => {
      const answer = await exchange(proxy.port, get(target, version));
      return [answer.body.length, answer.framing, answer.trailers];
    };
    expect(await ask('/short')).toEqual([3, 'chunked', [['X-Length', '3']]]);
    expect(await ask('/long')).toEqual([100_000, 'chunked', [['X-Length', '100000']]]);
    expect(await ask('/chunks')).toEqual([
      3,
      'chunked',
      [
        ['X-Theirs', '1'],
        ['X-Length', '3'],
        ['X-Sent', '1'],
      ],
    ]);
    expect(await ask('/text')).toEqual([
      4,
      'chunked',
      [
        ['X-A', 'a'],
        ['X-B', 'a'],
      ],
    ]);
    expect(await ask('/empty')).toEqual([0, 'chunked', [['X-A', '1']]]);
    expect(await ask('/file')).toEqual([7, 'chunked', [['X-A', '1']]]);
    expect((await ask('/always')).slice(1)).toEqual(['chunked', [['X-A', '1']]]);
    expect((await ask('/error')).slice(1)).toEqual(['length', []]);
    expect(await ask('/plain')).toEqual([4, 'length', []]);
    expect(await ask('/text', '1.0')).toEqual([4, 'length', []]);
    const head = await exchange(proxy.port, get('/short').replace('GET', 'HEAD'), 'HEAD');
    expect([value(head, 'content-length'), value(head, 'transfer-encoding')]).toEqual(['3', undefined]);
  });
});

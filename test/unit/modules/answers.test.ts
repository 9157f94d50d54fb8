/** return, add_header, error_page and types. */
import { describe, expect, it } from 'vitest';
import { errorPage } from '../../../lib/modules/error-page.js';
import { contentTypeOf, mimeTypes } from '../../../lib/modules/mime.js';
import { BUILTIN_TYPES } from '../../../lib/modules/mime-table.js';
import { FakeExchange, filter, innermost, location, run, server, tree } from './support.js';

const answer = async (inside: string, exchange = new FakeExchange()): Promise<FakeExchange> => {
  await run(await location(inside), exchange);
  return exchange;
};

describe('set', () => {
  it('gives variables values in order, up to the first return', async () => {
    const exchange = await answer(
      'location / { set $b "${a}2"; set $a "$uri-"; set $B "${a}1$b"; return 200 "$a $b"; set $a late; }',
      new FakeExchange({ target: '/x' }),
    );
    expect(exchange.text).toBe('/x- /x-12');
  });

  it('may use variables that are declared further down, and leaves the answer to others', async () => {
    const place = await location('location / { add_header X "$late"; set $early "$late."; set $late 1; }');
    expect(place.rewrite).toHaveLength(1);
    const exchange = new FakeExchange();
    expect(place.rewrite[0]?.(exchange)).toBe(0);
    filter(place, exchange, 200);
    expect(exchange.sent).toEqual([['X', '1']]);
  });

  it('is not inherited', async () => {
    const { locations } = await server('location / { set $a 1; location /in/ { } }');
    expect(locations.map(({ rewrite }) => rewrite.length)).toEqual([1, 0]);
  });
});

describe('if', () => {
  const TEXT = `location / {
    set $r "";
    if ($arg_a) { set $r "$r a"; }
    if ($arg_a = x) { set $r "$r =x"; }
    if ($arg_a != x) { set $r "$r !=x"; }
    if ($arg_a ~ ^(?<first>.)(.*)$) { set $r "$r ~$first-$2"; }
    if ( $arg_a ~* ^X ) { set $r "$r ~*"; }
    if ($arg_a !~ x) { set $r "$r !~"; }
    if ($arg_a !~* X) { return 403; }
    return 200 $r;
  }`;

  it.each([
    ['/?a=x', ' a =x ~x- ~*'],
    ['/?a=xyz', ' a !=x ~x-yz ~*'],
    ['/?a=XY', ' a !=x ~X-Y ~* !~'],
  ])('%s', async (target, expected) => {
    expect((await answer(TEXT, new FakeExchange({ target }))).text).toBe(expected);
  });

  it('takes empty and "0" for false, and may answer', async () => {
    for (const target of ['/', '/?a=', '/?a=0']) {
      expect((await answer(TEXT, new FakeExchange({ target }))).finalized).toBe(403);
      const passed = await answer(
        'location / { if ($arg_a) { return 200 no; } return 200 yes; }',
        new FakeExchange({ target }),
      );
      expect(passed.text).toBe('yes');
    }
  });
});

describe('return', () => {
  it.each([
    ['return 200;', 200, '', 'text/plain'],
    ['return 200 hello;', 200, 'hello', 'text/plain'],
    ['return 404 "none: $uri";', 404, 'none: /x', 'text/plain'],
    ['return 204;', 204, '', 'text/plain'],
    ['default_type a/b; return 200 x;', 200, 'x', 'a/b'],
  ])('%s', async (text, status, body, type) => {
    const exchange = await answer(`location / { ${text} }`, new FakeExchange({ target: '/x' }));
    expect([exchange.response.status, exchange.text, exchange.contentType]).toEqual([status, body, type]);
  });

  it('takes the type from the extension of the path', async () => {
    const exchange = await answer('location / { return 200 1; }', new FakeExchange({ target: '/a.json' }));
    expect(exchange.contentType).toBe('application/json');
  });

  it.each([404, 444, 503])('leaves %i to the error pages', async (status) => {
    const exchange = await answer(`location / { return ${status}; }`);
    expect([exchange.finalized, exchange.response.status]).toEqual([status, 0]);
  });

  it.each([
    ['return 301 /new;', 301, 'http://example.com:8080/new'],
    ['return 308 /new?$args;', 308, 'http://example.com:8080/new?a=b'],
    ['return 302 https://other/$uri;', 302, 'https://other//x'],
    ['return https://other;', 302, 'https://other'],
    ['return $scheme://other;', 302, 'http://other'],
    ['port_in_redirect off; return 303 /new;', 303, 'http://example.com/new'],
    ['absolute_redirect off; return 307 /new;', 307, '/new'],
    ['server_name_in_redirect on; return 301 /new;', 301, 'http://first.example:8080/new'],
  ])('%s', async (text, status, target) => {
    const exchange = new FakeExchange({ target: '/x?a=b' });
    exchange.serverName = 'first.example';
    await answer(`location / { ${text} }`, exchange);
    expect(exchange.finalized).toBe(status);
    expect(exchange.sent).toEqual([['Location', target]]);
  });

  it('runs the first of several, and before access', async () => {
    const exchange = await answer('location / { deny all; return 200 one; return 200 two; }');
    expect(exchange.text).toBe('one');
  });

  it('in a server comes before the location, and is not inherited', async () => {
    const config = await server('return 200 all; location / {}');
    expect(config.rewrite).toHaveLength(1);
    expect(config.locations[0]?.rewrite).toEqual([]);
  });

  it('leaves the usual port out', async () => {
    const exchange = new FakeExchange({ client: { serverPort: 80 } });
    await answer('location / { return 301 /new; }', exchange);
    expect(exchange.sent).toEqual([['Location', 'http://example.com/new']]);
  });

  it('names an address where there is no host', async () => {
    const exchange = new FakeExchange({ host: '', client: { serverAddress: '::1' } });
    await answer('location / { return 301 /new; }', exchange);
    expect(exchange.sent).toEqual([['Location', 'http://[::1]:8080/new']]);
  });
});

describe('add_header', () => {
  const added = async (inside: string, status: number): Promise<unknown> => {
    const exchange = new FakeExchange();
    filter(await location(`add_header Outer o; location / { ${inside} }`), exchange, status);
    return exchange.sent;
  };

  it.each([200, 201, 204, 206, 301, 302, 303, 304, 307, 308])('adds to %i', async (status) => {
    expect(await added('add_header A "x $uri";', status)).toEqual([['A', 'x /']]);
  });

  it.each([400, 404, 500, 502])('does not add to %i without always', async (status) => {
    expect(await added('add_header A a; add_header B b always;', status)).toEqual([['B', 'b']]);
  });

  it('adds several of one name, and nothing for an empty value', async () => {
    expect(await added('add_header A a; add_header A b; add_header C $arg_none;', 200)).toEqual([
      ['A', 'a'],
      ['A', 'b'],
    ]);
  });

  it('is inherited as a whole list', async () => {
    expect(await added('', 200)).toEqual([['Outer', 'o']]);
  });

  it('replaces Last-Modified and ETag', async () => {
    const exchange = new FakeExchange();
    exchange.response.setHeader('ETag', '"a"');
    exchange.response.setHeader('Last-Modified', 'then');
    const place = await location('location / { add_header etag "b"; add_header Last-Modified ""; }');
    filter(place, exchange, 200);
    expect(exchange.sent).toEqual([['etag', 'b']]);
  });

  it('costs nothing where it is not used', async () => {
    expect((await location('location / {}')).headerFilters).toEqual([]);
  });
});

describe('error_page', () => {
  const rules = (text: string) =>
    innermost(tree(`http { server { location / { ${text} } } }`)).settings.get(errorPage);

  it('reads its forms', () => {
    const pages = rules(
      'error_page 404 /404.html; error_page 500 502 =200 /oops$uri; error_page 403 = @named; error_page 404 /late;',
    );
    const shown = [...pages].map(([code, { status, target }]) => [
      code,
      status,
      target.get(new FakeExchange()),
    ]);
    expect(shown).toEqual([
      [404, undefined, '/404.html'],
      [500, 200, '/oops/'],
      [502, 200, '/oops/'],
      [403, 0, '@named'],
    ]);
  });

  it('is empty by default', () => expect(rules('').size).toBe(0));
});

describe('types', () => {
  it.each([
    ['/a.html', 'text/html'],
    ['/a.b/c', 'fallback'],
    ['/a.HTML', 'text/html'],
    ['/.css', 'text/css'],
    ['/a.', 'fallback'],
    ['', 'fallback'],
  ])('%s is %s', (path, type) => expect(contentTypeOf(path, BUILTIN_TYPES, 'fallback')).toBe(type));

  it('warns when an extension is given twice', () => {
    const warnings: string[] = [];
    const block = tree('http { types { a/a x y; } types { b/b y; } }', warnings).blocks[0];
    expect(block?.settings.get(mimeTypes)).toEqual(
      new Map([
        ['x', 'a/a'],
        ['y', 'b/b'],
      ]),
    );
    expect(warnings).toEqual([expect.stringContaining('duplicate extension "y"')]);
  });
});

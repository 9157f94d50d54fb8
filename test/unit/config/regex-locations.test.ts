/** Which location a path gets where some are regular expressions, and which server a host. */
import { describe, expect, it } from 'vitest';
import { LocationIndex } from '../../../lib/proxy/location-index.js';
import { ServerIndex } from '../../../lib/proxy/server-index.js';
import { FakeExchange, server, value } from '../modules/support.js';

const CONF = `
  location = / { }
  location / { }
  location ^~ /images/ { location ~ \\.gif$ { } location /images/deep/ { } }
  location ~* \\.(gif|jpe?g)$ { }
  location ~casefull { location ~ /(?<rest>[^/]+)$ { } }
  location /a/ { location /a/b/ { } location ^~ /a/c/ { } location = /a/d.gif { } location ~ /b/x { } }
  location /a { location /a { location ~ inner { } } }
  location @named { }
`;

async function finder(conf: string): Promise<(uri: string, exchange?: FakeExchange) => string> {
  const index = new LocationIndex(await server(conf));
  return (uri, exchange = new FakeExchange({ target: uri })) => {
    const { kind, name } = index.findByUri(exchange);
    return `${kind} ${name}`;
  };
}

describe('locations with regular expressions', () => {
  it.each([
    ['/', 'exact /'],
    ['/x', 'prefix /'],
    ['/x.GIF', 'regex \\.(gif|jpe?g)$'],
    ['/images/x.jpg', 'prefix /images/'],
    ['/images/x.gif', 'regex \\.gif$'],
    ['/images/deep/x', 'prefix /images/deep/'],
    ['/images/deep/x.gif', 'regex \\.gif$'],
    ['/casefull.gif', 'regex \\.(gif|jpe?g)$'],
    ['/casefull/', 'regex casefull'],
    ['/casefull/x', 'regex /(?<rest>[^/]+)$'],
    ['/CASEFULL/', 'prefix /'],
    ['/a/b/', 'prefix /a/b/'],
    ['/a/b/x', 'regex /b/x'],
    // The nearest `^~` holds for its own level only.
    ['/a/c/y', 'prefix /a/c/'],
    ['/a/c/y.gif', 'regex \\.(gif|jpe?g)$'],
    ['/a/d.gif', 'exact /a/d.gif'],
    ['/a/e.gif', 'regex \\.(gif|jpe?g)$'],
    ['/ab', 'prefix /a'],
    ['/a-inner', 'regex inner'],
  ])('%s', async (uri, expected) => {
    expect((await finder(CONF))(uri)).toBe(expected);
  });

  it('leave groups for $1 and for variables', async () => {
    const exchange = new FakeExchange({ target: '/u/ann/p/7' });
    const find = await finder('location ~ ^/u/(?<user>[a-z]+)/p/(\\d+)$ { return 200 $user; }');
    expect(find(exchange.uri, exchange)).toMatch(/^regex/);
    expect(value('$1-$2-$3$10').get(exchange)).toBe('ann-7-ann0');
    expect(exchange.slots).toEqual(['ann']);
  });
});

describe('server names with regular expressions', () => {
  it('come after exact names and wildcards, in order, and know no capital letters', async () => {
    const all = await Promise.all(
      ['a.com', '~^(?<label>.+)\\.com$ *.b.com', '~^X\\.COM$', '.dot.com'].map((names) =>
        server(`server_name ${names};`),
      ),
    );
    const index = new ServerIndex(all);
    const find = (host: string): number => all.indexOf(index.find(host, new FakeExchange()));
    expect(['a.com', 'c.com', 'x.com', 'x.b.com', 'y.dot.com', 'dot.com', 'nowhere', ''].map(find)).toEqual([
      0, 1, 1, 1, 3, 3, 0, 0,
    ]);
    expect(new ServerIndex([all[1]]).single).toBe(false);
    expect(new ServerIndex([all[2], all[0]]).find('x.com', new FakeExchange())).toBe(all[2]);
  });
});

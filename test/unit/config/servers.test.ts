/** Sockets, upstreams and locations as they come out of the compiler. */
import { describe, expect, it } from 'vitest';
import { compileText, inHttp, inServer, proxyConfig } from './helpers.js';

const names: Readonly<Record<string, readonly string[]>> = {
  'one.example': ['192.0.2.1'],
  'two.example': ['192.0.2.1', '2001:db8::2'],
};

function resolver(): { resolveName: (host: string) => Promise<readonly string[]>; asked: string[] } {
  const asked: string[] = [];
  return {
    asked,
    resolveName: (host) => {
      asked.push(host);
      const found = names[host];
      return found === undefined ? Promise.reject(new Error('unknown')) : Promise.resolve(found);
    },
  };
}

describe('listens', () => {
  it('share a socket by address and port, the default server first', async () => {
    const { runtime } = await compileText(
      inHttp(`
        server { listen 8080; listen [::]:8080; server_name a; }
        server { listen *:8080 default_server reuseport; listen unix:/tmp/x.sock; server_name b; }
        server { listen 0.0.0.0:8080; listen [0:0::0]:8080; server_name c; }
      `),
    );
    const shape = runtime.listens.map(({ address, port, servers }) => [
      address,
      port,
      servers.map((server) => server.names[0]).join(),
    ]);
    expect(shape).toEqual([
      ['0.0.0.0', 8080, 'b,a,c'],
      ['::', 8080, 'a,c'],
      ['/tmp/x.sock', -1, 'b'],
    ]);
    expect(runtime.listens[0]).toMatchObject({ reusePort: true, position: { line: 5 } });
    expect(runtime.listens[1]).toMatchObject({ reusePort: false, ipv6Only: true });
    const indexes = runtime.listens[0]?.servers.map((server) => server.index);
    expect(indexes).toEqual([1, 0, 2]);
    expect(runtime.listens[0]?.servers[1]).toBe(runtime.listens[1]?.servers[0]);
  });

  it('takes options from the directive that has them', async () => {
    const { runtime } = await compileText(
      inHttp('server { listen 1; } server { listen 1 backlog=77 deferred; } server { listen 1; }'),
    );
    expect(runtime.listens[0]).toMatchObject({ backlog: 77, deferred: true });
  });

  it('has a port where none is written', async () => {
    const { runtime } = await compileText(inHttp('server { }'));
    expect(runtime.listens).toMatchObject([
      { address: '0.0.0.0', port: process.geteuid?.() === 0 ? 80 : 8000 },
    ]);
  });

  it('warns of names that two servers claim', async () => {
    const { warnings } = await compileText(
      inHttp(`
        server { listen 1; listen 2; server_name a b a; }
        server { listen 1; server_name c A; }
        server { listen 3; server_name a; }
      `),
    );
    expect(warnings).toEqual(['conflicting server name "a" on 0.0.0.0:1, ignored']);
  });

  it('lets different ports and families live side by side', async () => {
    const { runtime } = await compileText(
      inHttp('server { listen 1; listen 127.0.0.1:2; listen [::]:1; listen [::1]:2; }'),
    );
    expect(runtime.listens).toHaveLength(4);
    const both = inHttp('server { listen [::]:1 ipv6only=off; listen 127.0.0.1:1; }');
    await expect(compileText(both)).rejects.toThrow(
      'listening on 127.0.0.1:1 beside [::]:1 is not supported yet',
    );
  });
});

describe('upstreams', () => {
  it('make a peer of each address of a name', async () => {
    const { resolveName, asked } = resolver();
    const { runtime } = await compileText(
      inHttp(`upstream a {
        server two.example:8080 weight=3 max_fails=0 fail_timeout=5s max_conns=9;
        server two.example backup;
        server unix:/tmp/s down;
        server [::1]:9;
      }`),
      { resolveName },
    );
    const peers = runtime.upstreams[0]?.peers.map(({ config }) => config);
    expect(peers?.map(({ name }) => name)).toEqual([
      '192.0.2.1:8080',
      '[2001:db8::2]:8080',
      '192.0.2.1:80',
      '[2001:db8::2]:80',
      'unix:/tmp/s',
      '[::1]:9',
    ]);
    expect(peers?.[1]).toEqual({
      address: '2001:db8::2',
      port: 8080,
      name: '[2001:db8::2]:8080',
      weight: 3,
      maxFails: 0,
      failTimeoutMs: 5000,
      maxConns: 9,
      backup: false,
      down: false,
    });
    expect(peers?.[4]).toMatchObject({ address: '/tmp/s', port: -1, down: true });
    expect(asked).toEqual(['two.example']);
  });

  it('are found wherever they stand, without regard to case', async () => {
    const compiled = await compileText(
      inHttp(`
        server { location / { proxy_pass http://Backend; } location /b { proxy_pass http://backend/x; } }
        upstream backend { server 127.0.0.1:1; }
      `),
    );
    const [group] = compiled.runtime.upstreams;
    expect(proxyConfig(compiled.location('/')).group).toBe(group);
    expect(proxyConfig(compiled.location('/b')).group).toBe(group);
    expect(group?.options.keepalive).toBe(32);
  });

  it('are implicit for an authority, one for each', async () => {
    const { resolveName, asked } = resolver();
    const compiled = await compileText(
      inServer(`
        location /a { proxy_pass http://two.example; }
        location /b { proxy_pass http://two.example:80/x; }
        location /c { proxy_pass http://two.example:81; }
        location /d { proxy_pass http://unix:/tmp/s:/y; }
      `),
      { resolveName },
    );
    const groupOf = (name: string): unknown => proxyConfig(compiled.location(name)).group;
    expect(groupOf('/a')).toBe(groupOf('/b'));
    expect(groupOf('/a')).not.toBe(groupOf('/c'));
    expect(asked).toEqual(['two.example']);
    expect(compiled.runtime.upstreams.map((group) => group.peers.map(({ config }) => config.name))).toEqual([
      ['192.0.2.1:80', '[2001:db8::2]:80'],
      ['192.0.2.1:81', '[2001:db8::2]:81'],
      ['unix:/tmp/s'],
    ]);
    expect(compiled.runtime.upstreams[0]?.options.keepalive).toBe(0);
  });

  it('builds a place afresh after a name was resolved, so that nothing is there twice', async () => {
    const { resolveName } = resolver();
    const compiled = await compileText(
      inServer(
        'location / { add_header X y; return 204; proxy_pass http://one.example; access_log stderr; }',
      ),
      { resolveName },
    );
    const { rewrite, headerFilters, logHandlers } = compiled.location('/');
    expect([rewrite.length, headerFilters.length, logHandlers.length]).toEqual([1, 1, 1]);
  });

  it('resolves with the system by default', async () => {
    const compiled = await compileText(inServer('location / { proxy_pass http://localhost:1; }'), {
      resolveName: (await import('../../../lib/config/upstreams.js')).systemResolver,
    });
    expect(compiled.runtime.upstreams[0]?.peers[0]?.config.name).toMatch(/^(127\.0\.0\.1|\[::1\]):1$/);
  });
});

describe('locations', () => {
  it('stand in one flat list with their kinds', async () => {
    const compiled = await compileText(
      inServer(`
        location / { location /a/ { location = /a/b { } } }
        location = / { }
        location ^~ /c { }
        location ^~/d { }
        location @e { }
        location =/f { }
      `),
    );
    expect(compiled.server.locations.map(({ kind, name }) => `${kind} ${name}`)).toEqual([
      'prefix /',
      'prefix /a/',
      'exact /a/b',
      'exact /',
      'prefix /c',
      'prefix /d',
      'named @e',
      'exact /f',
    ]);
  });

  it('let a nested one of the same name hide the outer one', async () => {
    const compiled = await compileText(
      inServer('location /a { client_max_body_size 1; location /a { client_max_body_size 2; } }'),
    );
    expect(compiled.server.locations.map((each) => each.clientMaxBodySize)).toEqual([2]);
  });

  it('run server handlers before and location handlers in the order of the modules', async () => {
    const compiled = await compileText(
      inHttp('server { listen 1; return 200 a; location / { allow 127.0.0.1; deny all; return 201; } }'),
    );
    expect(compiled.server.rewrite).toHaveLength(1);
    expect(compiled.location('/').rewrite).toHaveLength(1);
    expect(compiled.location('/').access).toHaveLength(1);
    expect(compiled.server.fallback.rewrite).toHaveLength(0);
  });
});

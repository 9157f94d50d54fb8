// First, because it takes the engine out of the modules.
import { compileNodes, proxyConfig } from './helpers.js';
import { readFileSync } from 'node:fs';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { loadConfigObject } from '../../../lib/config/object.js';
import type { ProxyOptions } from '../../../lib/config/object-types.js';
import { parseConfigText } from '../../../lib/config/parser.js';
import { BLOCKS } from '../../../lib/config/registry.js';
import type { Context, DirectiveNode } from '../../../lib/module-api/index.js';
import { builtinModules } from '../../../lib/modules/index.js';

/** A node without places and quotes, which the two spellings do not share. */
function bare(nodes: readonly DirectiveNode[]): unknown[] {
  return nodes.map(({ name, args, block }) => [
    name,
    ...args.map(({ text }) => text),
    ...(block === undefined ? [] : [{ block: bare(block) }]),
  ]);
}

function fromObject(options: ProxyOptions): unknown[] {
  return bare(loadConfigObject(options).nodes);
}

function fromText(text: string): unknown[] {
  return bare(parseConfigText(Buffer.from(text).toString('latin1'), 'f'));
}

/** Directives of http as they come out of an object; the first is the access_log that it adds. */
function http(options: ProxyOptions['http'] & object): unknown[] {
  return bare(loadConfigObject({ http: options }).nodes[0]?.block ?? []).slice(1);
}

describe('loadConfigObject', () => {
  it('makes the tree that the file makes', () => {
    const object = fromObject({
      worker_processes: 'auto',
      error_log: ['logs/error.log notice', 'stderr crit'],
      http: {
        access_log: [['/my logs/a.log', 'main'], 'b.log'],
        log_format: { main: '$remote_addr "$request"', json: ['escape=json', '{"a":"$status"}'] },
        types: { 'text/html': ['html', 'htm'], 'text/css': 'css' },
        server: [
          {
            listen: [8080, '127.0.0.1:8081 default_server'],
            server_name: 'a.example b.example',
            error_page: { 404: '/404.html', '500 502': ['=200', '/50x.html'] },
            root: '/my files',
            location: {
              '/': {
                proxy_pass: 'http://backend',
                proxy_set_header: { Host: '$host', 'X-Empty': '' },
                proxy_next_upstream: ['error', 'timeout'],
                location: { '/nested dir': { etag: false } },
              },
              '= /exact': { return: [200, 'good "morning"'] },
              '@named': { return: '204' },
            },
          },
          {},
        ],
        upstream: {
          backend: { server: ['127.0.0.1:3000 weight=2', ['127.0.0.1:3001', 'backup']], keepalive: 32 },
        },
      },
      events: { worker_connections: 100 },
    });
    const text = fromText(`
      worker_processes auto;
      error_log logs/error.log notice;
      error_log stderr crit;
      http {
        access_log "/my logs/a.log" main;
        access_log b.log;
        log_format main '$remote_addr "$request"';
        log_format json escape=json '{"a":"$status"}';
        types { text/html html htm; text/css css; }
        server {
          listen 8080;
          listen 127.0.0.1:8081 default_server;
          server_name a.example b.example;
          error_page 404 /404.html;
          error_page 500 502 =200 /50x.html;
          root "/my files";
          location / {
            proxy_pass http://backend;
            proxy_set_header Host $host;
            proxy_set_header X-Empty "";
            proxy_next_upstream error timeout;
            location "/nested dir" { etag off; }
          }
          location = /exact { return 200 'good "morning"'; }
          location @named { return 204; }
        }
        server { }
        upstream backend { server 127.0.0.1:3000 weight=2; server 127.0.0.1:3001 backup; keepalive 32; }
      }
      events { worker_connections 100; }
    `);
    expect(object).toEqual(text);
  });

  it('compiles to the same', async () => {
    const options: ProxyOptions = {
      http: {
        server: {
          listen: 8080,
          location: { '/': { proxy_pass: 'http://b', proxy_set_header: { Host: '$host' } } },
        },
        upstream: { b: { server: '127.0.0.1:1' } },
      },
    };
    const { runtime, location } = await compileNodes(loadConfigObject(options).nodes);
    expect(runtime.listens[0]).toMatchObject({ address: '0.0.0.0', port: 8080 });
    expect(location('/').logHandlers).toEqual([]);
    const { group, setHeaders } = proxyConfig(location('/'));
    expect(group).toBe(runtime.upstreams[0]);
    expect(setHeaders[0]?.name).toBe('Host');
  });

  it('adds events, and no access log', () => {
    expect(fromObject({})).toEqual([['events', { block: [] }]]);
    expect(fromObject({ http: {} })).toEqual([
      ['http', { block: [['access_log', 'off']] }],
      ['events', { block: [] }],
    ]);
  });

  it('takes paths relative to the working directory, or to another one', () => {
    expect(loadConfigObject({})).toMatchObject({ confDirectory: process.cwd(), prefix: process.cwd() });
    expect(loadConfigObject({}, '/srv')).toMatchObject({ confDirectory: '/srv', prefix: '/srv' });
  });

  it.each<[ProxyOptions['http'] & object, unknown[]]>([
    [{ sendfile: true }, [['sendfile', 'on']]],
    [{ etag: 'off' }, [['etag', 'off']]],
    [{ client_max_body_size: 0 }, [['client_max_body_size', '0']]],
    [{ root: '/a "b" \\n;' }, [['root', '/a "b" \\n;']]],
    [{ keepalive_timeout: '10s "5s"' }, [['keepalive_timeout', '10s', '5s']]],
    [{ keepalive_timeout: [10, 5] }, [['keepalive_timeout', '10', '5']]],
    [{ large_client_header_buffers: [4, '8k'] }, [['large_client_header_buffers', '4', '8k']]],
    [
      { index: ['a', 'b c'] },
      [
        ['index', 'a'],
        ['index', 'b', 'c'],
      ],
    ],
    [{ index: [['a', 'b c']] }, [['index', 'a', 'b c']]],
    [
      { allow: ['10.0.0.0/8', '::1'] },
      [
        ['allow', '10.0.0.0/8'],
        ['allow', '::1'],
      ],
    ],
    [{ add_header: ['X-A', 'b c'] }, [['add_header', 'X-A', 'b c']]],
    [
      { add_header: ['X-A b', 'X-C "d e" always'] },
      [
        ['add_header', 'X-A', 'b'],
        ['add_header', 'X-C', 'd e', 'always'],
      ],
    ],
    [{ add_header: { 'X-A': ['b', 'always'] } }, [['add_header', 'X-A', 'b', 'always']]],
    [{ proxy_set_header: 'Host $host' }, [['proxy_set_header', 'Host', '$host']]],
    [{ types: {} }, [['types', { block: [] }]]],
    [{ root: 'é' }, [['root', 'Ã©']]],
  ])('%j', (options, expected) => {
    expect(http(options)).toEqual(expected);
  });

  it('makes a block of steps of each condition', () => {
    const server = { if: { '($arg_a = "b c")': { set: '$x 1', return: [200, 'a b'] } } };
    expect(fromObject({ events: {}, http: { server } })).toEqual(
      fromText(
        'events { } http { access_log off; server { if ($arg_a = "b c") { set $x 1; return 200 "a b"; } } }',
      ),
    );
  });

  it('leaves out what is undefined', () => {
    const options = { http: { root: undefined, server: undefined } } as unknown as ProxyOptions;
    expect(fromObject(options)).toEqual(fromObject({ http: {} }));
  });
});

describe('a mistake in an object', () => {
  const location = (inner: object): ProxyOptions => ({
    http: { server: [{ listen: 1, location: { '/': inner } }] },
  });

  it.each<[ProxyOptions, string]>([
    [
      location({ prox_pass: 'http://a' }),
      'unknown directive "prox_pass" in http.server[0].location["/"].prox_pass; did you mean "proxy_pass"?',
    ],
    [location({ proxy_pass: 'ftp://a' }), 'invalid URL prefix in http.server[0].location["/"].proxy_pass'],
    [
      location({ proxy_set_header: { 'X-A': '$nope' } }),
      'unknown "nope" variable in http.server[0].location["/"].proxy_set_header["X-A"]',
    ],
    [
      location({ add_header: ['X-A b', 'X'] }),
      'invalid number of arguments in "add_header" directive in http.server[0].location["/"].add_header[1]; its syntax is: add_header name value [always]',
    ],
    [
      location({ return: '200 "x' }),
      'unexpected end of file, expecting ";" or "}" in http.server[0].location["/"].return; the " at line 1, column 5 is not closed',
    ],
    [
      location({ root: null }),
      'a text, number or boolean is expected, not null in http.server[0].location["/"].root',
    ],
    [
      location({ root: Number.NaN }),
      'a text, number or boolean is expected, not NaN in http.server[0].location["/"].root',
    ],
    [
      location({ allow: [() => 1] }),
      'a text, number or boolean is expected, not function in http.server[0].location["/"].allow[0]',
    ],
    [{ http: { server: 1 } } as unknown as ProxyOptions, 'an object is expected, not 1 in http.server'],
    [
      { http: { upstream: [] } } as unknown as ProxyOptions,
      'an object is expected, not an array in http.upstream',
    ],
    [{ http: { types: 'x' } } as unknown as ProxyOptions, 'an object is expected, not string in http.types'],
    [
      { http: { etag: [true, false] } } as unknown as ProxyOptions,
      'invalid number of arguments in "etag" directive in http.etag; its syntax is: etag on | off',
    ],
    [{ http: { upstream: { a: { server: [] } } } }, 'no servers are inside upstream in http.upstream.a'],
    [
      { http: { server: [{ listen: 1 }, { listen: '1 defalt' }] } },
      'invalid parameter "defalt" in http.server[1].listen',
    ],
  ])('%j', async (options, message) => {
    const compile = async (): Promise<unknown> => compileNodes(loadConfigObject(options).nodes);
    await expect(compile()).rejects.toMatchObject({ name: 'ConfigError', message });
  });
});

/** Property names of every interface of object-types.ts, inherited ones included. */
function interfaces(): Map<string, Set<string>> {
  const path = new URL('../../../lib/config/object-types.ts', import.meta.url);
  const source = ts.createSourceFile('object-types.ts', readFileSync(path, 'utf8'), ts.ScriptTarget.Latest);
  const found = new Map<string, Set<string>>();
  for (const statement of source.statements) {
    if (!ts.isInterfaceDeclaration(statement)) continue;
    const names = new Set<string>();
    for (const clause of statement.heritageClauses ?? []) {
      for (const type of clause.types) {
        if (!ts.isIdentifier(type.expression)) continue;
        for (const name of found.get(type.expression.text) ?? []) names.add(name);
      }
    }
    for (const member of statement.members) {
      if (member.name !== undefined && ts.isIdentifier(member.name)) names.add(member.name.text);
    }
    found.set(statement.name.text, names);
  }
  return found;
}

describe('the interfaces of typed objects', () => {
  it('let the compiler find a mistake', () => {
    // @ts-expect-error -- no such directive
    const misspelt: ProxyOptions = { http: { server: { lisen: 80 } } };
    // @ts-expect-error -- neither on nor off
    const notAFlag: ProxyOptions = { http: { etag: 'yes' } };
    // @ts-expect-error -- not in this block
    const misplaced: ProxyOptions = { http: { proxy_pass: 'http://a' } };
    for (const options of [misspelt, misplaced]) {
      expect(() => loadConfigObject(options)).not.toThrow();
    }
    expect(notAFlag).toBeDefined();
  });

  it.each<[string, Context]>([
    ['ProxyOptions', 'main'],
    ['EventsOptions', 'events'],
    ['HttpOptions', 'http'],
    ['ServerOptions', 'server'],
    ['LocationOptions', 'location'],
    ['UpstreamOptions', 'upstream'],
  ])('%s has every directive of %s', (name, context) => {
    const rows = [...BLOCKS, ...builtinModules.flatMap((module) => module.directives)];
    const expected = new Set(rows.filter((row) => row.contexts.includes(context)).map((row) => row.name));
    expect([...(interfaces().get(name) ?? [])].sort()).toEqual([...expected].sort());
  });
});

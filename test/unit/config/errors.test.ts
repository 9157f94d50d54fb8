/** Bad configurations, and the line that a person gets for each. */
import { describe, expect, it } from 'vitest';
import { ConfigError, describePosition } from '../../../lib/config/config-error.js';
import { compileText, inHttp, inServer } from './helpers.js';

/** The place of the text "HERE" in a configuration, and the configuration without it. */
function mark(text: string): { text: string; line: number; column: number } {
  const at = text.indexOf('HERE');
  const before = text.slice(0, at).split('\n');
  const column = Buffer.byteLength(before[before.length - 1] ?? '') + 1;
  return { text: text.replace('HERE', ''), line: before.length, column };
}

async function failure(text: string): Promise<ConfigError> {
  try {
    await compileText(text);
  } catch (error) {
    if (error instanceof ConfigError) return error;
    throw error;
  }
  throw new Error('compiled');
}

/** HERE stands where the mistake is. */
const CASES: readonly (readonly [text: string, reason: string, hint?: string])[] = [
  // The tree.
  ['events {}\nHEREfoo bar;', 'unknown directive "foo"'],
  [
    'events {}\n HEREworker_proceses 1;',
    'unknown directive "worker_proceses"',
    'did you mean "worker_processes"?',
  ],
  [
    inServer('location / { HEREprox_pass http://a; }'),
    'unknown directive "prox_pass"',
    'did you mean "proxy_pass"?',
  ],
  ['events {}\nHEREé 1;', 'unknown directive "é"'],
  [inHttp('HEREgzip on;'), 'directive "gzip" is known from nginx, but not supported yet'],
  ['events {} HEREstream { }', 'directive "stream" is known from nginx, but not supported yet'],
  [
    'HERElisten 80; events {}',
    '"listen" directive is not allowed here',
    'it may stand in server, and this is main',
  ],
  [
    inHttp('HEREevents {}'),
    '"events" directive is not allowed here',
    'it may stand in main, and this is http',
  ],
  [
    inServer('HEREserver 127.0.0.1;'),
    '"server" directive is not allowed here',
    'it may stand in http, upstream, and this is server',
  ],
  ['events {} HEREevents {}', '"events" directive is duplicate'],
  ['events {} pid a;\nHEREpid b;', '"pid" directive is duplicate'],
  ['HEREevents;', 'directive "events" has no opening "{"'],
  ['events {} HEREpid {}', 'directive "pid" is not terminated by ";"'],
  [inHttp('HEREtypes text/html html;'), 'directive "types" has no opening "{"'],
  ['HEREpid a b; events {}', 'invalid number of arguments in "pid" directive', 'its syntax is: pid file'],
  ['HEREevents x {}', 'invalid number of arguments in "events" directive', 'its syntax is: events { ... }'],
  [
    inHttp('HEREupstream { }'),
    'invalid number of arguments in "upstream" directive',
    'its syntax is: upstream name { ... }',
  ],
  // A missing semicolon.
  ['HEREworker_processes 1\nevents { }', 'directive "worker_processes" is not terminated by ";"'],
  [
    'HEREworker_processes 1\npid x; events { }',
    'invalid number of arguments in "worker_processes" directive',
    'its syntax is: worker_processes number | auto',
  ],

  // Values.
  [inServer('client_max_body_size HEREx;'), '"client_max_body_size" directive invalid value'],
  [inServer('keepalive_timeout HERE-1;'), '"keepalive_timeout" directive invalid value'],
  [
    inServer('sendfile on; etag HEREyes;'),
    'invalid value "yes" in "etag" directive, it must be "on" or "off"',
  ],
  [inServer('return 200\n HERE"a $foo";'), 'unknown "foo" variable'],
  [inServer('return 200 HERE$hosst;'), 'unknown "hosst" variable', 'did you mean "$host"?'],
  [inServer('return 200 HERE${host;'), 'the closing bracket in "host" variable is missing'],
  [inServer('return 200 HEREa$;'), 'invalid variable name'],

  // Locations.
  [inServer('location ~ HERE\\.php($ { }'), 'invalid regular expression: unterminated group in "\\.php($"'],
  [
    inServer('location HERE~*a(?>b) { }'),
    'invalid regular expression: an atomic group is not supported at "(?>b)" in "a(?>b)"',
  ],
  [inServer('location ~ HERE(?<host>.*) { }'), 'the duplicate "host" variable'],
  [
    inServer('server_name HERE~^(a++)$;'),
    'invalid regular expression: a possessive quantifier is not supported at "++)$" in "^(a++)$"',
  ],
  [inServer('server_name a HERE~;'), 'empty regex in server name "~"'],
  [
    inServer(
      'location ~ ^/a { location HERE/b { } }'.replace('HERE', '').replace('location /b', 'HERElocation /b'),
    ),
    'location "/b" is outside location "^/a"',
  ],
  [inServer('location HERE~~ /a { }'), 'invalid location modifier "~~"'],
  [inServer('location /a { }\nHERElocation /a { }'), 'duplicate location "/a"'],
  [inServer('location = /a { } HERElocation =/a { }'), 'duplicate location "/a"'],
  [inServer('location /a { HERElocation /b { } }'), 'location "/b" is outside location "/a"'],
  [
    inServer('location = /a { HERElocation /a/b { } }'),
    'location "/a/b" cannot be inside the exact location "/a"',
  ],
  [
    inServer('location @a { HERElocation /a/b { } }'),
    'location "/a/b" cannot be inside the named location "@a"',
  ],
  [inServer('location /a { HERElocation @b { } }'), 'named location "@b" can be on the server level only'],

  // Upstreams.
  [inHttp('upstream HEREa { }'), 'no servers are inside upstream'],
  [inHttp('upstream HEREa { server 127.0.0.1 backup; }'), 'no servers are inside upstream'],
  [inHttp('upstream a { server 127.0.0.1; } upstream HEREA { server 127.0.0.1; }'), 'duplicate upstream "A"'],
  [
    inHttp('upstream a { HEREserver b.example:1; }'),
    'host not found in upstream "b.example:1"',
    'resolver: ENOTFOUND',
  ],
  [
    inServer('location / { proxy_pass HEREhttp://b.example; }'),
    'host not found in upstream "b.example"',
    'resolver: ENOTFOUND',
  ],
  [
    inHttp('upstream a { server 127.0.0.1; } server { location / { proxy_pass HEREhttp://a:80; } }'),
    'upstream "a" may not have port 80',
  ],
  [inServer('location / { proxy_pass HEREhttp://127.0.0.1:x; }'), 'invalid port in upstream "127.0.0.1:x"'],

  // Sockets.
  [inHttp('server { listen 1; HERElisten 0.0.0.0:1; }'), 'a duplicate listen 0.0.0.0:1'],
  [
    inHttp('server { listen 1 default_server; } server { HERElisten 1 default_server; }'),
    'a duplicate default server for 0.0.0.0:1',
  ],
  [
    inHttp('server { listen 1 backlog=5; } server { HERElisten *:1 backlog=5; }'),
    'duplicate listen options for 0.0.0.0:1',
  ],
  [
    inHttp('server { listen 1; } server { HERElisten 127.0.0.1:1; }'),
    'listening on 127.0.0.1:1 beside 0.0.0.0:1 is not supported yet',
    'use the wildcard address for both',
  ],

  // Logs.
  [
    inServer('HEREerror_log nowhere/e.log;'),
    'open() "/nonexistent/nowhere/e.log" failed (2: No such file or directory)',
  ],
];

describe('a bad configuration', () => {
  it.each(CASES.map(([marked, reason, hint = '']) => ({ marked, reason, hint })))('$marked', async (row) => {
    const { marked, reason, hint } = row;
    const { text, line, column } = mark(marked);
    const error = await failure(text);
    expect(error.reason).toBe(reason);
    expect(error.hint).toBe(hint);
    expect(`${error.file}:${error.line}:${error.column}`).toBe(`nginx.conf:${line}:${column}`);
    expect(error.message).toBe(
      `${error.reason} in nginx.conf:${line}:${column}${hint === '' ? '' : `; ${hint}`}`,
    );
  });

  it('says what is missing', async () => {
    const error = await failure('pid x;');
    expect(error.message).toBe('no "events" section in configuration');
    expect(error.line).toBeUndefined();
  });

  it('reports the first of several mistakes', async () => {
    const error = await failure('events {}\nfoo;\nbar;');
    expect(error.line).toBe(2);
  });
});

describe('ConfigError', () => {
  it('decodes bytes for people', () => {
    const bytes = Buffer.from('unknown "ü"').toString('latin1');
    expect(new ConfigError(bytes).message).toBe('unknown "ü"');
    expect(new ConfigError('open() "/日本" failed').message).toBe('open() "/日本" failed');
  });

  it('describes places in files and objects', () => {
    expect(describePosition({ file: '/a/b.conf', line: 3, column: 4 })).toBe('/a/b.conf:3:4');
    const position = { file: '<object>', line: 0, column: 0, path: 'http.server[0].listen' };
    expect(new ConfigError('bad', position).message).toBe('bad in http.server[0].listen');
  });
});

/** What each row reads, and in which words it refuses. */
import { describe, expect, it } from 'vitest';
import type { AnyDirective } from '../../../lib/module-api/index.js';
import * as bodyFile from '../../../lib/modules/body-file-rows.js';
import * as core from '../../../lib/modules/core.js';
import * as errorLogRows from '../../../lib/modules/error-log.js';
import * as minRate from '../../../lib/modules/min-rate.js';
import * as keepalive from '../../../lib/modules/keepalive.js';
import { listen } from '../../../lib/modules/listen.js';
import * as main from '../../../lib/modules/main.js';
import * as proxy from '../../../lib/modules/proxy-rows.js';
import * as serverRows from '../../../lib/modules/server.js';
import * as files from '../../../lib/modules/static-rows.js';
import * as upstream from '../../../lib/modules/upstream.js';
import { innermost, tree } from './support.js';

const HTTP = 'http { server { location / { % } } }';
const SERVER = 'http { server { % } }';
const UPSTREAM = 'http { upstream u { % } }';

const read = (row: AnyDirective, around: string, text: string): unknown =>
  innermost(tree(around.replace('%', () => text))).settings.get(row);

describe('rows', () => {
  it.each<[AnyDirective, string, string, unknown]>([
    [core.clientMaxBodySize, HTTP, '', 1024 * 1024],
    [core.clientMaxBodySize, HTTP, 'client_max_body_size 0;', 0],
    [core.clientMaxBodySize, HTTP, 'client_max_body_size 8k;', 8192],
    [core.clientBodyTimeout, HTTP, '', 60_000],
    [core.clientBodyTimeout, HTTP, 'client_body_timeout 1m30s;', 90_000],
    [bodyFile.clientBodyInFileOnly, HTTP, '', 'off'],
    [bodyFile.clientBodyTempPath, HTTP, '', undefined],
    [bodyFile.clientBodyTempPath, HTTP, 'client_body_temp_path a/;', { path: '/prefix/a', levels: [] }],
    [bodyFile.clientBodyTempPath, HTTP, 'client_body_temp_path /a 1 2 3;', { path: '/a', levels: [1, 2, 3] }],
    [core.sendTimeout, HTTP, 'send_timeout 500ms;', 500],
    [minRate.clientBodyMinRate, HTTP, '', undefined],
    [minRate.clientBodyMinRate, HTTP, 'client_body_min_rate 1k;', { bytesPerSecond: 1024, graceMs: 10_000 }],
    [minRate.sendMinRate, HTTP, 'send_min_rate 500 grace=2s;', { bytesPerSecond: 500, graceMs: 2000 }],
    [minRate.sendMinRate, HTTP, 'send_min_rate 0;', undefined],
    [keepalive.keepaliveTimeout, HTTP, '', { timeoutMs: 75_000, headerSeconds: 0 }],
    [keepalive.keepaliveTimeout, HTTP, 'keepalive_timeout 65 20;', { timeoutMs: 65_000, headerSeconds: 20 }],
    [keepalive.keepaliveTimeout, HTTP, 'keepalive_timeout 0;', { timeoutMs: 0, headerSeconds: 0 }],
    [keepalive.keepaliveRequests, HTTP, '', 1000],
    [keepalive.keepaliveTime, HTTP, '', 3_600_000],
    [keepalive.keepaliveMinTimeout, HTTP, '', 0],
    [keepalive.keepaliveMinTimeout, HTTP, 'keepalive_min_timeout 1500ms;', 1500],
    [keepalive.keepaliveDisable, HTTP, '', 1],
    [keepalive.keepaliveDisable, HTTP, 'keepalive_disable none;', 0],
    [keepalive.keepaliveDisable, HTTP, 'keepalive_disable safari msie6;', 3],
    [core.chunkedTransferEncoding, HTTP, '', true],
    [core.resetTimedoutConnection, HTTP, '', false],
    [core.lingeringClose, HTTP, 'lingering_close always;', 'always'],
    [core.lingeringTime, HTTP, '', 30_000],
    [core.lingeringTimeout, HTTP, '', 5_000],
    [core.serverTokens, HTTP, 'server_tokens off;', false],
    [core.serverTokens, HTTP, 'server_tokens build;', true],
    [core.defaultType, HTTP, '', 'text/plain'],
    [core.root, HTTP, 'root html;', '/prefix/html'],
    [core.root, HTTP, 'root /srv/www/;', '/srv/www'],
    [core.alias, HTTP, 'alias /srv/www/;', '/srv/www/'],
    [files.index, HTTP, '', ['index.html']],
    [files.index, HTTP, 'index a.html b.html; index /c.html;', ['a.html', 'b.html', '/c.html']],
    [serverRows.clientHeaderTimeout, SERVER, '', 60_000],
    [serverRows.clientHeaderBufferSize, SERVER, '', 1024],
    [serverRows.maxHeaders, SERVER, '', 1000],
    [serverRows.ignoreInvalidHeaders, SERVER, '', true],
    [serverRows.underscoresInHeaders, SERVER, '', false],
    [serverRows.mergeSlashes, SERVER, 'merge_slashes off;', false],
    [serverRows.largeClientHeaderBuffers, SERVER, '', { count: 4, size: 8192 }],
    [
      serverRows.largeClientHeaderBuffers,
      SERVER,
      'large_client_header_buffers 2 16k;',
      { count: 2, size: 16384 },
    ],
    [serverRows.serverName, SERVER, '', { names: [''], patterns: [] }],
    [
      serverRows.serverName,
      SERVER,
      'server_name A.com *.b.com c.*; server_name "";',
      { names: ['a.com', '*.b.com', 'c.*', ''], patterns: [] },
    ],
    [main.workerProcesses, '%', '', 1],
    [main.workerProcesses, '%', 'worker_processes 1;', 1],
    [main.pid, '%', '', 'logs/nginx.pid'],
    [main.daemon, '%', 'daemon on;', true],
    [main.user, '%', 'user www;', { user: 'www', group: 'www' }],
    [main.user, '%', 'user www web;', { user: 'www', group: 'web' }],
    [main.workerConnections, 'events { % }', 'worker_connections 4096;', 4096],
    [errorLogRows.errorLog, '%', '', [{ target: 'logs/error.log', level: 'error' }]],
    [
      errorLogRows.errorLog,
      HTTP,
      'error_log a.log; error_log stderr debug_http;',
      [
        { target: 'a.log', level: 'error' },
        { target: 'stderr', level: 'debug' },
      ],
    ],
    [upstream.upstreamKeepalive, UPSTREAM, '', 32],
    [upstream.upstreamKeepalive, UPSTREAM, 'keepalive 256 local;', 256],
    [upstream.upstreamKeepaliveTimeout, UPSTREAM, '', 60_000],
    [upstream.upstreamKeepaliveTimeout, UPSTREAM, 'keepalive_timeout 5s;', 5_000],
    [upstream.upstreamKeepaliveRequests, UPSTREAM, '', 1000],
    [upstream.upstreamKeepaliveTime, UPSTREAM, '', 3_600_000],
    [proxy.proxyConnectTimeout, HTTP, '', 60_000],
    [proxy.proxyReadTimeout, HTTP, 'proxy_read_timeout 250ms;', 250],
    [proxy.proxyHttpVersion, HTTP, '', '1.1'],
    [proxy.proxyNextUpstreamTries, HTTP, 'proxy_next_upstream_tries 3;', 3],
    [proxy.proxyHideHeader, HTTP, 'proxy_hide_header X-A; proxy_hide_header x-b;', ['x-a', 'x-b']],
  ])('%o in %s: %s', (row, around, text, expected) => {
    expect(read(row, around, text)).toEqual(expected);
  });

  it.each([
    [HTTP, 'client_max_body_size 1x;', '"client_max_body_size" directive invalid value'],
    [HTTP, 'client_body_timeout never;', '"client_body_timeout" directive invalid value'],
    [HTTP, 'keepalive_requests -1;', '"keepalive_requests" directive invalid number'],
    [HTTP, 'etag maybe;', 'invalid value "maybe" in "etag" directive, it must be "on" or "off"'],
    [HTTP, 'root a; root b;', '"root" directive is duplicate'],
    [HTTP, 'root $host;', 'variables in "root" are not supported yet'],
    [HTTP, 'alias $host;', 'variables in "alias" are not supported yet'],
    [HTTP, 'index $hots;', 'unknown "hots" variable'],
    [HTTP, 'lingering_close maybe;', 'invalid value "maybe"'],
    [HTTP, 'if_modified_since maybe;', 'invalid value "maybe"'],
    [HTTP, 'server_tokens $nothing;', 'unknown "nothing" variable'],
    [HTTP, 'keepalive_disable none safari;', 'invalid value "none"'],
    [HTTP, 'client_body_in_file_only maybe;', 'invalid value "maybe"'],
    [HTTP, 'client_body_temp_path a 1 0;', '"client_body_temp_path" directive invalid value'],
    [HTTP, 'client_body_temp_path a 5 5;', '"client_body_temp_path" directive invalid value'],
    [HTTP, 'keepalive_disable opera;', 'invalid value "opera"'],
    [HTTP, 'keepalive_time never;', '"keepalive_time" directive invalid value'],
    [HTTP, 'reset_timedout_connection maybe;', 'it must be "on" or "off"'],
    [HTTP, 'chunked_transfer_encoding maybe;', 'it must be "on" or "off"'],
    [HTTP, 'max_headers 5;', '"max_headers" directive is not allowed here'],
    [SERVER, 'max_headers many;', '"max_headers" directive invalid number'],
    [SERVER, 'merge_slashes maybe;', 'it must be "on" or "off"'],
    [SERVER, 'client_header_buffer_size big;', '"client_header_buffer_size" directive invalid value'],
    [SERVER, 'server_name ~^a[;', 'missing terminating ] for character class at "[" in "^a["'],
    [SERVER, 'server_name a.*.b;', 'invalid server name or wildcard "a.*.b" on'],
    [SERVER, 'server_name *.*;', 'invalid server name or wildcard "*.*" on'],
    [SERVER, 'large_client_header_buffers 0 8k;', '"large_client_header_buffers" directive invalid value'],
    ['%', 'worker_processes 0;', '"worker_processes" must be greater than 0'],
    ['%', 'worker_processes many;', 'invalid value "many"'],
    ['%', 'error_log a loud;', 'invalid log level "loud"'],
    ['%', 'error_log syslog:server=a;', '"syslog:" in "error_log" is not supported yet'],
    ['events { % }', 'use magic;', 'invalid event type "magic"'],
    [HTTP, 'send_min_rate fast;', '"send_min_rate" directive invalid value'],
    [HTTP, 'send_min_rate 1k grace=0;', 'invalid parameter "grace=0"'],
    [HTTP, 'client_body_min_rate 1k 5s;', 'invalid parameter "5s"'],
    [UPSTREAM, 'server :80;', 'no host in upstream ":80"'],
    [UPSTREAM, 'server a:0;', 'invalid port in upstream "a:0"'],
    [UPSTREAM, 'server a:99999;', 'invalid port in upstream "a:99999"'],
    [UPSTREAM, 'server http://a;', 'invalid port in upstream "http://a"'],
    [UPSTREAM, 'server a/b;', 'invalid host in upstream "a/b"'],
    [UPSTREAM, 'server unix:;', 'no path in the unix domain socket in upstream "unix:"'],
    [UPSTREAM, 'server a weight=0;', 'invalid parameter "weight=0"'],
    [UPSTREAM, 'server a weight=x;', 'invalid parameter "weight=x"'],
    [UPSTREAM, 'server a fail_timeout=x;', 'invalid parameter "fail_timeout=x"'],
    [UPSTREAM, 'server a resolve;', 'the parameter "resolve" of "server" is not supported yet'],
    [UPSTREAM, 'server a what;', 'invalid parameter "what"'],
    [UPSTREAM, 'keepalive 3 remote;', 'invalid parameter "remote"'],
    [HTTP, 'proxy_http_version 2;', '"proxy_http_version" 2 is not supported yet'],
    [HTTP, 'proxy_http_version 3;', 'invalid value "3"'],
    [HTTP, 'proxy_next_upstream http_418;', 'invalid value "http_418"'],
    [HTTP, 'proxy_pass 127.0.0.1;', 'invalid URL prefix'],
    [HTTP, 'proxy_pass https://a;', '"proxy_pass" with https is not supported yet'],
    [HTTP, 'proxy_pass http://$hots;', 'unknown "hots" variable'],
    [HTTP, 'proxy_method "A B";', 'invalid method "A B"'],
    [HTTP, 'proxy_method CONNECT;', 'invalid method "CONNECT"'],
    [HTTP, 'proxy_set_body $nothing;', 'unknown "nothing" variable'],
    [HTTP, 'proxy_bind a.example;', 'invalid address "a.example"'],
    [HTTP, 'proxy_bind 127.0.0.1:99999;', 'invalid address "127.0.0.1:99999"'],
    [HTTP, 'proxy_bind 127.0.0.1 what;', 'invalid parameter "what"'],
    [
      HTTP,
      'proxy_bind $remote_addr transparent;',
      'the parameter "transparent" of "proxy_bind" is not supported yet',
    ],
    [HTTP, 'proxy_intercept_errors maybe;', 'it must be "on" or "off"'],
    [HTTP, 'proxy_ignore_headers Server;', 'invalid value "Server"'],
    [HTTP, 'if $a { }', 'invalid condition "$a"'],
    [HTTP, 'if (a) { }', 'invalid condition "a"'],
    [HTTP, 'if ($host == b) { }', 'unexpected "==" in condition'],
    [HTTP, 'if ($host ~ "(") { }', 'invalid regular expression'],
    [HTTP, 'if ($host = a b) { }', 'invalid condition "="'],
    [HTTP, 'if (-f $uri) { }', 'the condition "-f" is not supported yet'],
    [
      HTTP,
      'if ($host) { proxy_pass http://a; }',
      'the directive "proxy_pass" inside "if" is not supported yet',
    ],
    [HTTP, 'set name value;', 'invalid variable name "name"'],
    [HTTP, 'set $host value;', 'the duplicate "host" variable'],
    [HTTP, 'set $args value;', '"set $args" is not supported yet'],
    [HTTP, 'set $a $nothing;', 'unknown "nothing" variable'],
    [HTTP, 'proxy_redirect on;', 'invalid parameter "on"'],
    [HTTP, 'proxy_redirect a b; proxy_redirect off;', '"proxy_redirect" directive is duplicate'],
    [HTTP, 'proxy_redirect ~( /;', 'invalid regular expression: unterminated group'],
    [HTTP, 'proxy_redirect a $nothing;', 'unknown "nothing" variable'],
    [HTTP, 'proxy_cookie_domain on;', 'invalid parameter "on"'],
    [HTTP, 'proxy_cookie_path /a /b; proxy_cookie_path off;', '"proxy_cookie_path" directive is duplicate'],
    [HTTP, 'proxy_cookie_flags a;', 'invalid parameter "a"'],
    [HTTP, 'proxy_cookie_flags a samesite=maybe;', 'invalid parameter "samesite=maybe"'],
    [HTTP, 'expires never;', 'invalid value in "expires" directive: "never"'],
    [HTTP, 'expires later 1h;', 'invalid parameter "later"'],
    [HTTP, 'expires modified @1h;', 'daily time cannot be used with "modified" parameter'],
    [HTTP, 'expires modified epoch;', 'invalid value in "expires" directive: "epoch"'],
    [HTTP, 'expires @25h;', 'daily time value must be less than 24 hours'],
    [HTTP, 'add_trailer A b sometimes;', 'invalid parameter "sometimes"'],
    [HTTP, 'add_header_inherit maybe;', 'invalid value "maybe"'],
    [HTTP, 'proxy_pass http:///a;', 'no host in upstream'],
    [HTTP, 'proxy_set_header A $nothing;', 'unknown "nothing" variable'],
    [HTTP, 'return abc;', 'invalid return code "abc"'],
    [HTTP, 'return 1000;', 'invalid return code "1000"'],
    [HTTP, 'return /a b;', 'invalid return code "/a"'],
    [HTTP, 'add_header A b sometimes;', 'invalid parameter "sometimes"'],
    [HTTP, 'error_page 200 /a;', 'value "200" must be between 300 and 599'],
    [HTTP, 'error_page 499 /a;', 'invalid value "499"'],
    [HTTP, 'error_page x /a;', 'invalid value "x"'],
    [HTTP, 'error_page 404 =x /a;', 'invalid value "=x"'],
    [HTTP, 'error_page =200 /a;', 'invalid number of arguments in "error_page" directive'],
  ])('in %s refuses %s', (around, text, message) => {
    expect(() => tree(around.replace('%', () => text))).toThrow(message);
  });

  it('warns of more worker processes than one, but not of auto', () => {
    const warnings: string[] = [];
    tree('worker_processes 4;', warnings);
    expect(warnings).toEqual([expect.stringContaining('4 worker processes were asked for, one is run')]);
    warnings.length = 0;
    tree('worker_processes auto;', warnings);
    expect(warnings).toEqual([]);
  });

  it('reads the servers of an upstream', () => {
    const servers = read(
      upstream.upstreamServer,
      UPSTREAM,
      `server 127.0.0.1:3000 weight=3 max_fails=0 fail_timeout=1m max_conns=9;
       server [::1]:80 backup; server name down; server unix:/tmp/s;`,
    ) as upstream.UpstreamServerSetting[];
    expect(servers).toMatchObject([
      { address: { name: '127.0.0.1:3000' }, weight: 3, maxFails: 0, failTimeoutMs: 60_000, maxConns: 9 },
      {
        address: { name: '[::1]:80', host: '::1' },
        weight: 1,
        maxFails: 1,
        failTimeoutMs: 10_000,
        backup: true,
      },
      { address: { name: 'name:80', hasPort: false }, down: true },
      { address: { name: 'unix:/tmp/s', host: '/tmp/s', port: -1 } },
    ]);
  });
});

describe('listen', () => {
  it.each([
    ['8080', [{ address: '0.0.0.0', port: 8080 }]],
    ['127.0.0.1', [{ address: '127.0.0.1', port: 80 }]],
    ['127.0.0.1:8080', [{ address: '127.0.0.1', port: 8080 }]],
    ['*:8080', [{ address: '0.0.0.0', port: 8080 }]],
    ['localhost:8080', [{ address: '127.0.0.1', port: 8080 }]],
    ['[::1]:8080', [{ address: '::1', port: 8080 }]],
    ['[::]', [{ address: '::', port: 80 }]],
    ['unix:/tmp/s', [{ address: '/tmp/s', port: -1 }]],
    [
      '127.0.0.1:8080-8081',
      [
        { address: '127.0.0.1', port: 8080 },
        { address: '127.0.0.1', port: 8081 },
      ],
    ],
    ['80 default_server', [{ defaultServer: true, hasOptions: false }]],
    [
      '80 backlog=128 reuseport deferred',
      [{ backlog: 128, reusePort: true, deferred: true, hasOptions: true }],
    ],
    ['[::]:80 ipv6only=off', [{ ipv6Only: false }]],
    ['80', [{ ipv6Only: true, backlog: undefined }]],
  ])('listen %s', (text, expected) => {
    expect(read(listen, SERVER, `listen ${text};`)).toMatchObject(expected);
  });

  it.each([
    ['80 ssl', 'the "ssl" parameter of "listen" is not supported yet'],
    ['80 http2', 'the "http2" parameter of "listen" is not supported yet'],
    ['80 proxy_protocol', 'the "proxy_protocol" parameter of "listen" is not supported yet'],
    ['80 what', 'invalid parameter "what"'],
    ['80 backlog=0', 'invalid backlog "0"'],
    ['80 ipv6only=x', 'it must be "on" or "off"'],
    ['0', 'invalid port in "0" of the "listen" directive'],
    ['99999', 'invalid port in "99999" of the "listen" directive'],
    ['127.0.0.1:90-80', 'invalid port range in "127.0.0.1:90-80" of the "listen" directive'],
    ['example.com:80', 'host not found in "example.com:80" of the "listen" directive'],
    ['[::x]:80', 'host not found in "[::x]:80" of the "listen" directive'],
    ['unix:', 'no path in "unix:" of the "listen" directive'],
    ['80; listen 80', 'a duplicate listen 80'],
  ])('listen %s is refused', (text, message) => {
    expect(() => tree(SERVER.replace('%', `listen ${text};`))).toThrow(message);
  });
});

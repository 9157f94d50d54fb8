/** Every variable over one exchange. */
// First: it puts a stand-in in the place of the engine.
import { FakeExchange, TextWriter, value, type FakeRequest } from './support.js';
import { hostname } from 'node:os';
import { describe, expect, it } from 'vitest';
import type { Variable } from '../../../lib/module-api/index.js';
import { builtinModules } from '../../../lib/modules/index.js';
import { argumentOf, basicUser, cookieOf } from '../../../lib/modules/variables/lookup.js';
import { seconds } from '../../../lib/modules/variables/times.js';

const request: FakeRequest = {
  method: 'POST',
  target: '/a%20b?X=1&y=&z=a%20b',
  host: 'www.example.com',
  headers: [
    ['X-Real-Ip', '1.2.3.4'],
    ['X-Forwarded-For', '10.0.0.1'],
    ['X-Forwarded-For', '10.0.0.2'],
    ['Cookie', 'first=1; Second= two,2;third=3'],
    ['Content-Type', 'text/x'],
    ['Content-Length', '12'],
    ['Authorization', `basic ${Buffer.from('ann:se:cret').toString('base64')}`],
  ],
};

function exchange(): FakeExchange {
  const made = new FakeExchange(request);
  made.uri = '/a b';
  made.requestBody = 'q=1';
  made.location = { name: '/', root: '/srv/www', serverIndex: 0 };
  made.response.status = 404;
  made.response.bytesSent = 300;
  made.response.bodyBytesSent = 200;
  made.response.setHeader('X-Sent', 'yes');
  made.upstreamCookies = { sid: 'c1' };
  made.upstreamTrailers = { 'x-sum': 't1' };
  made.upstreamHeaders = [['X-Backend', 'b1']];
  made.attempts = [
    {
      address: '127.0.0.1:1',
      status: 0,
      connectTimeMs: -1,
      headerTimeMs: -1,
      responseTimeMs: 5,
      bytesSent: 0,
      bytesReceived: 0,
      bodyBytesReceived: 0,
    },
    {
      address: 'unix:/tmp/s',
      status: 200,
      connectTimeMs: 0,
      headerTimeMs: 1500,
      responseTimeMs: 61_002,
      bytesSent: 10,
      bytesReceived: 20,
      bodyBytesReceived: 10,
    },
  ];
  return made;
}

describe('variables', () => {
  it.each<[string, string | undefined]>([
    ['$host', 'www.example.com'],
    ['$hostname', hostname()],
    ['$http_x_real_ip', '1.2.3.4'],
    ['$http_x_forwarded_for', '10.0.0.1, 10.0.0.2'],
    ['$http_nothing', undefined],
    ['$arg_x', '1'],
    ['$arg_y', ''],
    ['$arg_z', 'a%20b'],
    ['$arg_none', undefined],
    ['$cookie_first', '1'],
    ['$cookie_second', 'two,2'],
    ['$cookie_none', undefined],
    ['$args', 'X=1&y=&z=a%20b'],
    ['$query_string', 'X=1&y=&z=a%20b'],
    ['$is_args', '?'],
    ['$uri', '/a b'],
    ['$document_uri', '/a b'],
    ['$document_root', '/srv/www'],
    ['$request_uri', '/a%20b?X=1&y=&z=a%20b'],
    ['$request', 'POST /a%20b?X=1&y=&z=a%20b HTTP/1.1'],
    ['$request_method', 'POST'],
    ['$request_length', '321'],
    ['$request_time', '0.234'],
    ['$request_completion', 'OK'],
    ['$scheme', 'http'],
    ['$https', ''],
    ['$server_addr', '127.0.0.1'],
    ['$server_name', 'example.com'],
    ['$server_port', '8080'],
    ['$server_protocol', 'HTTP/1.1'],
    ['$remote_addr', '192.0.2.7'],
    ['$remote_port', '40000'],
    ['$remote_user', 'ann'],
    ['$binary_remote_addr', '\xc0\x00\x02\x07'],
    ['$proxy_add_x_forwarded_for', '10.0.0.1, 10.0.0.2, 192.0.2.7'],
    ['$upstream_addr', '127.0.0.1:1, unix:/tmp/s'],
    ['$upstream_status', '-, 200'],
    ['$upstream_response_time', '0.005, 61.002'],
    ['$upstream_connect_time', '-, 0.000'],
    ['$upstream_header_time', '-, 1.500'],
    ['$upstream_bytes_sent', '0, 10'],
    ['$upstream_bytes_received', '0, 20'],
    ['$upstream_http_x_backend', 'b1'],
    ['$upstream_http_none', undefined],
    ['$upstream_cookie_sid', 'c1'],
    ['$upstream_cookie_none', undefined],
    ['$upstream_trailer_x_sum', 't1'],
    ['$upstream_response_length', '0, 10'],
    ['$sent_trailer_x_sum', 'sum'],
    ['$sent_trailer_x_none', undefined],
    ['$sent_http_x_sent', 'yes'],
    ['$sent_http_none', undefined],
    ['$status', '404'],
    ['$bytes_sent', '300'],
    ['$body_bytes_sent', '200'],
    ['$connection', '5'],
    ['$connection_requests', '2'],
    ['$request_body', 'q=1'],
    ['$is_request_port$request_port', ':8080'],
    ['$connection_time', '1.234'],
    ['$msec', `${Math.floor(Date.UTC(2026, 10, 21, 2, 35, 15) / 1000)}.678`],
    ['$pid', String(process.pid)],
    ['$nginx_version', '1.31.4'],
    ['$pipe', '.'],
    ['$content_length', '12'],
    ['$content_type', 'text/x'],
  ])('%s is %s', (text, expected) => {
    const made = exchange();
    expect(value(text).getOrUndefined(made)).toBe(expected);
    const out = new TextWriter();
    expect(value(text).write(made, out)).toBe(expected !== undefined);
    expect(out.written).toBe(expected ?? '');
  });

  it('are empty or unset where there is nothing', () => {
    const bare = new FakeExchange({ client: { remoteAddress: 'unix:', remotePort: 0, pipelined: true } });
    bare.completed = false;
    const get = (text: string): string | undefined => value(text).getOrUndefined(bare);
    expect(get('$args')).toBeUndefined();
    expect(get('$is_args')).toBe('');
    expect(get('$remote_user')).toBeUndefined();
    expect(get('$upstream_addr')).toBeUndefined();
    expect(get('$proxy_add_x_forwarded_for')).toBe('unix:');
    expect(get('$remote_port')).toBe('');
    expect(get('$binary_remote_addr')).toBe('unix:');
    expect(get('$request_completion')).toBe('');
    expect(get('$status')).toBe('000');
    expect(get('$pipe')).toBe('p');
    bare.args = '';
    expect(value('$args').getOrUndefined(new FakeExchange({ target: '/?' }))).toBe('');
  });

  it('$binary_remote_addr has 16 bytes for IPv6, 4 for a mapped address', () => {
    const of = (remoteAddress: string): number =>
      value('$binary_remote_addr').get(new FakeExchange({ client: { remoteAddress } })).length;
    expect([of('2001:db8::1'), of('::ffff:1.2.3.4')]).toEqual([16, 4]);
  });

  it('$request_id stays the same for a request', () => {
    const one = new FakeExchange();
    const other = new FakeExchange();
    const id = value('$request_id').get(one);
    expect(id).toMatch(/^[0-9a-f]{32}$/);
    expect(value('$request_id').get(one)).toBe(id);
    expect(value('$request_id').get(other)).not.toBe(id);
  });

  it('show local time in two forms', () => {
    const shown = value('$time_local|$time_iso8601').get(new FakeExchange());
    expect(shown).toMatch(/^2\d\/Nov\/2026:\d\d:\d\d:15 [+-]\d{4}\|2026-11-2\dT\d\d:\d\d:15[+-]\d\d:\d\d$/);
  });

  it('are documented, and have names of their own', () => {
    const all: readonly Variable[] = builtinModules.flatMap((module) => module.variables ?? []);
    expect(new Set(all.map(({ name }) => name)).size).toBe(all.length);
    for (const { name, prefix, doc } of all) {
      expect(doc, name).toMatch(/\.$/);
      expect(name.endsWith('_'), name).toBe(prefix === true);
    }
  });
});

describe('looking up', () => {
  it.each([
    ['a=1&b=2', 'b', '2'],
    ['a&b=2', 'a', undefined],
    ['ab=1&b=2', 'b', '2'],
    ['b', 'b', undefined],
    ['A=x', 'a', 'x'],
    ['a=b=c', 'a', 'b=c'],
    ['a=1&a=2', 'a', '1'],
    ['', 'a', undefined],
    ['&&a=1', 'a', '1'],
  ])('argument in %s: %s', (args, name, expected) => expect(argumentOf(args, name)).toBe(expected));

  it.each([
    ['a=1; b=2', 'b', '2'],
    ['xb=1; b=2', 'b', '2'],
    ['b=x,y; c=1', 'b', 'x,y'],
    ['a=1,b=2', 'b', undefined],
    ['a=1,b=2', 'a', '1,b=2'],
    ['b = 2', 'b', '2'],
    ['b', 'b', undefined],
    ['', 'b', undefined],
    ['a; b=1', 'b', '1'],
  ])('cookie in %s: %s', (header, name, expected) => expect(cookieOf(header, name)).toBe(expected));

  it('are found in time that grows with the length alone', () => {
    expect(cookieOf(`${';'.repeat(500_000)}a=b`, 'a')).toBe('b');
    expect(cookieOf(`${'a ;'.repeat(200_000)}a  = b`, 'a')).toBe('b');
    expect(argumentOf(`${'&'.repeat(500_000)}a=b`, 'a')).toBe('b');
    expect(argumentOf('&'.repeat(500_000), 'a')).toBeUndefined();
  });

  it.each([
    ['Bearer x', undefined],
    ['Basic', undefined],
    [`Basic ${Buffer.from('nocolon').toString('base64')}`, undefined],
    [`Basic ${Buffer.from(':secret').toString('base64')}`, undefined],
    [`Basic ${Buffer.from('ann:').toString('base64')}`, 'ann'],
  ])('user in %s', (header, expected) => expect(basicUser(header)).toBe(expected));

  it.each([
    [0, '0.000'],
    [7, '0.007'],
    [1999.9, '1.999'],
    [-3, '0.000'],
  ])('%d ms are %s s', (ms, expected) => expect(seconds(ms)).toBe(expected));
});

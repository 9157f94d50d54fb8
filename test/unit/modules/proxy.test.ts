/** What proxy_pass and its neighbours become for the engine. */
// First: it puts a stand-in in the place of the engine.
import { FakeExchange, innermost, location, tree, value } from './support.js';
import { describe, expect, it } from 'vitest';
import { hiddenHeaders, HIDDEN_HEADERS } from '../../../lib/modules/proxy.js';
import { proxyNextUpstream, proxyPass } from '../../../lib/modules/proxy-rows.js';
import type { LocationConfig, ProxyPassConfig } from '../../../lib/proxy/runtime.js';

const configOf = (place: LocationConfig): ProxyPassConfig =>
  (place.content as unknown as { readonly config: ProxyPassConfig }).config;

const compile = async (inside: string, around = ''): Promise<ProxyPassConfig> =>
  configOf(await location(`location /a/ { ${inside} }`, `access_log off; ${around}`));

const pass = (url: string) =>
  innermost(tree(`http { server { location / { proxy_pass ${url}; } } }`)).settings.get(proxyPass);

describe('proxy_pass', () => {
  it.each([
    ['http://127.0.0.1:3000', '127.0.0.1:3000', undefined, '127.0.0.1:3000', '3000'],
    ['http://127.0.0.1', '127.0.0.1', undefined, '127.0.0.1', '80'],
    ['HTTP://backend/', 'backend', '/', 'backend', '80'],
    ['http://backend/b/c?d', 'backend', '/b/c?d', 'backend', '80'],
    ['http://backend?d', 'backend', '/?d', 'backend', '80'],
    ['http://[::1]:3000/x', '[::1]:3000', '/x', '[::1]:3000', '3000'],
    ['http://[::1]', '[::1]', undefined, '[::1]', '80'],
    ['http://unix:/tmp/s', 'unix:/tmp/s', undefined, 'localhost', ''],
    ['http://unix:/tmp/s:', 'unix:/tmp/s', undefined, 'localhost', ''],
    ['http://unix:/tmp/s:/x/', 'unix:/tmp/s', '/x/', 'localhost', ''],
  ])('%s', (url, authority, uri, proxyHost, proxyPort) => {
    expect(pass(url)).toMatchObject({ authority, uri, proxyHost, proxyPort, target: undefined });
  });

  it('takes a URI with variables for the whole target', () => {
    const setting = pass('http://backend/x$request_uri');
    expect(setting?.uri).toBeUndefined();
    expect(setting?.target?.get(new FakeExchange({ target: '/q' }))).toBe('/x/q');
    const bare = pass('http://backend:81$request_uri');
    expect([bare?.authority, bare?.target?.get(new FakeExchange({ target: '/q?r' }))]).toEqual([
      'backend:81',
      '/q?r',
    ]);
  });

  it('is not inherited, and may have no URI in a named location', async () => {
    const named = location('location @a { proxy_pass http://127.0.0.1:1/x; }');
    await expect(named).rejects.toThrow('"proxy_pass" cannot have URI part');
  });
});

describe('the configuration of the proxy', () => {
  it("has nginx's defaults", async () => {
    const config = await compile('proxy_pass http://127.0.0.1:3000;');
    expect(config).toMatchObject({
      proxyHost: '127.0.0.1:3000',
      uri: undefined,
      locationPrefix: '/a/',
      hideHeaders: HIDDEN_HEADERS,
      connectTimeoutMs: 60_000,
      sendTimeoutMs: 60_000,
      requestBuffering: true,
      ignoreClientAbort: false,
      readTimeoutMs: 60_000,
      httpVersion: '1.1',
      nextUpstream: { error: true, timeout: true, invalidHeader: false, tries: 0, timeoutMs: 0 },
    });
    expect(config.setHeaders.map(({ name, value: { constant } }) => [name, constant])).toEqual([
      ['Host', '127.0.0.1:3000'],
    ]);
  });

  it('puts constants in the place of $proxy_host and $proxy_port', async () => {
    const config = await compile(`proxy_pass http://127.0.0.1:3000;
      proxy_set_header Host $proxy_host; proxy_set_header A "\${proxy_host}-$proxy_port.$host";`);
    const [host, other] = config.setHeaders;
    expect(host?.value.constant).toBe('127.0.0.1:3000');
    expect(other?.value.get(new FakeExchange())).toBe('127.0.0.1:3000-3000.example.com');
  });

  it('adds Connection: close for 1.0, unless something else is said', async () => {
    const version = 'proxy_pass http://127.0.0.1:3000; proxy_http_version 1.0;';
    const fields = async (inside: string): Promise<unknown> =>
      (await compile(version + inside)).setHeaders.map((each) => [each.name, each.value.constant]);
    expect(await fields('')).toEqual([
      ['Host', '127.0.0.1:3000'],
      ['Connection', 'close'],
    ]);
    expect(await fields('proxy_set_header connection ""; proxy_set_header host x;')).toEqual([
      ['connection', ''],
      ['host', 'x'],
    ]);
  });

  it('inherits fields as a whole list', async () => {
    const around = 'proxy_set_header A a;';
    const names = async (inside: string): Promise<unknown> =>
      (await compile(`proxy_pass http://127.0.0.1:3000; ${inside}`, around)).setHeaders.map(
        (each) => each.name,
      );
    expect(await names('')).toEqual(['A', 'Host']);
    expect(await names('proxy_set_header B b;')).toEqual(['B', 'Host']);
  });

  it('hides and passes fields', () => {
    expect(hiddenHeaders(['x-a'], [])).toEqual([...HIDDEN_HEADERS, 'x-a']);
    expect(hiddenHeaders(['x-a'], ['server', 'x-a'])).not.toContain('server');
    expect(hiddenHeaders(['x-a'], ['server', 'x-a'])).not.toContain('x-a');
  });

  it.each([
    ['error timeout', { error: true, timeout: true, statuses: new Set() }],
    ['http_502 http_404', { error: false, timeout: false, statuses: new Set([502, 404]) }],
    ['error invalid_header non_idempotent', { error: true, invalidHeader: true, nonIdempotent: true }],
    [
      'off',
      { error: false, timeout: false, invalidHeader: false, nonIdempotent: false, statuses: new Set() },
    ],
    ['error http_500 off', { error: false, statuses: new Set() }],
  ])('proxy_next_upstream %s', (words, expected) => {
    const block = innermost(tree(`http { server { location / { proxy_next_upstream ${words}; } } }`));
    expect(block.settings.get(proxyNextUpstream)).toMatchObject(expected);
  });

  it('names what is passed to in $proxy_host and $proxy_port', async () => {
    const exchange = new FakeExchange();
    expect(value('$proxy_host').getOrUndefined(exchange)).toBeUndefined();
    exchange.location = await location('location / { proxy_pass http://127.0.0.1:3000; }');
    expect(value('$proxy_host $proxy_port').get(exchange)).toBe('127.0.0.1:3000 3000');
  });
});

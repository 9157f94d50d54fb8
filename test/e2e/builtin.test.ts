/**
 * Features that answer or decide without a backend: return, files, add_header, allow
 * and deny, location matching, the access log.
 */
import { describe, expect, test } from 'vitest';
import { response, startAnswering } from './support/backend.js';
import { value, values } from './support/message.js';
import { exchange, Peer } from './support/peer.js';
import { startProxy } from './support/proxy.js';

const get = (target: string, ...fields: string[]): string =>
  [`GET ${target} HTTP/1.1`, 'Host: a', ...fields, '', ''].join('\r\n');

describe('location', () => {
  test('exact before the longest prefix, on the decoded and cleaned path', async () => {
    await using proxy = await startProxy(
      (port) => `server { listen 127.0.0.1:${port};
        location / { return 200 root; }
        location /a { return 200 a; }
        location /a/b/ { return 200 ab; }
        location = /a/b/c { return 200 exact; } }`,
    );
    const expected: Record<string, string> = {
      '/': 'root',
      '/b': 'root',
      '/a': 'a',
      '/abc': 'a',
      '/a/b/x': 'ab',
      '/a/b/c': 'exact',
      '/a/b/c?d': 'exact',
      '/a/b/c/': 'ab',
      '/%61//b/./x/../c': 'exact',
      '/a/../b': 'root',
    };
    for (const [target, body] of Object.entries(expected)) {
      expect([target, (await exchange(proxy.port, get(target))).body]).toEqual([target, body]);
    }
    expect((await exchange(proxy.port, get('/../x'))).status).toBe(400);
  });
});

describe('return', () => {
  test('gives a text, a status or a redirect, with variables', async () => {
    await using proxy = await startProxy(
      (port) => `default_type text/plain; server { listen 127.0.0.1:${port}; server_name a;
        location /text { return 200 "$request_method $uri $args"; }
        location /none { return 204; }
        location /gone { return 410; }
        location /away { return 301 https://$host$request_uri; }
        location /here { return 302 /there; } }`,
    );
    const text = await exchange(proxy.port, get('/text?x=1'));
    expect([text.status, text.body, value(text, 'content-type')]).toEqual([
      200,
      'GET /text x=1',
      'text/plain',
    ]);
    expect((await exchange(proxy.port, get('/none'))).status).toBe(204);
    const gone = await exchange(proxy.port, get('/gone'));
    expect([gone.status, gone.body.includes('410 Gone')]).toEqual([410, true]);
    const away = await exchange(proxy.port, get('/away?y'));
    expect([away.status, value(away, 'location')]).toEqual([301, 'https://a/away?y']);
    const here = await exchange(proxy.port, get('/here'));
    expect([here.status, value(here, 'location')]).toEqual([302, `http://a:${proxy.port}/there`]);
  });
});

describe('add_header', () => {
  test('adds to certain statuses, to all with always, and lists replace the enclosing ones', async () => {
    await using backend = await startAnswering(({ target }) =>
      response('x', ['X-Own: backend'], target === '/broken' ? '500 Oh' : '200 OK'),
    );
    await using proxy = await startProxy(
      (port) => `server { listen 127.0.0.1:${port};
        add_header X-Server $server_port;
        location / { proxy_pass http://127.0.0.1:${backend.port};
          add_header X-Own proxy; add_header X-Status $status always; add_header X-Empty ""; }
        location /inherit { return 200; } }`,
    );
    const ok = await exchange(proxy.port, get('/'));
    expect(values(ok, 'x-own')).toEqual(['backend', 'proxy']);
    expect([values(ok, 'x-status'), values(ok, 'x-empty'), values(ok, 'x-server')]).toEqual([
      ['200'],
      [],
      [],
    ]);
    const broken = await exchange(proxy.port, get('/broken'));
    expect([values(broken, 'x-own'), values(broken, 'x-status')]).toEqual([['backend'], ['500']]);
    expect(values(await exchange(proxy.port, get('/inherit')), 'x-server')).toEqual([String(proxy.port)]);
  });
});

describe('allow and deny', () => {
  test('the first rule that fits decides', async () => {
    await using proxy = await startProxy(
      (port) => `server { listen 127.0.0.1:${port};
        location /open { allow 127.0.0.0/8; deny all; }
        location /closed { deny 127.0.0.1; allow all; }
        location /other { allow 10.0.0.0/8; deny all; }
        location /none { } }`,
      { files: { open: 'x', none: 'x', closed: 'x', other: 'x' } },
    );
    const statuses: number[] = [];
    for (const target of ['/open', '/closed', '/other', '/none']) {
      statuses.push((await exchange(proxy.port, get(target))).status);
    }
    expect(statuses).toEqual([200, 403, 403, 200]);
    await proxy.readUntil('error.log', /\[error\] .*access forbidden by rule/);
  });
});

describe('files', () => {
  test('are served with type, length and date; to HEAD without body', async () => {
    await using proxy = await startProxy(
      (port) => `types { text/html html; text/css css; } default_type application/octet-stream;
        server { listen 127.0.0.1:${port}; }`,
      { files: { 'index.html': '<b>index</b>', 'a b.css': 'b{}', data: 'x'.repeat(300_000), empty: '' } },
    );
    const client = await Peer.connect(proxy.port);
    const ask = async (target: string, ...fields: string[]) => {
      client.send(get(target, ...fields));
      return await client.readMessage();
    };
    const index = await ask('/');
    expect([index.body, value(index, 'content-type')]).toEqual(['<b>index</b>', 'text/html']);
    const style = await ask('/a%20b.css?v=1');
    expect([style.body, value(style, 'content-type')]).toEqual(['b{}', 'text/css']);
    expect((await ask('/data')).body).toBe('x'.repeat(300_000));
    const empty = await ask('/empty');
    expect([empty.status, empty.body, value(empty, 'content-length')]).toEqual([200, '', '0']);
    client.send('HEAD /data HTTP/1.1\r\nHost: a\r\n\r\n');
    expect(value(await client.readMessage('HEAD'), 'content-length')).toBe('300000');
    expect((await ask('/missing')).status).toBe(404);
    const modified = value(index, 'last-modified') ?? '';
    expect((await ask('/', `If-Modified-Since: ${modified}`)).status).toBe(304);
    client.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n');
    expect((await client.readMessage()).status).toBe(405);
    client.close();
  });

  test('outside of the root are out of reach', async () => {
    await using proxy = await startProxy((port) => `server { listen 127.0.0.1:${port}; }`);
    for (const target of [
      '/../etc/passwd',
      '/%2e%2e/%2e%2e/etc/passwd',
      '/x/%2e%2e/%2e%2e/etc/passwd',
      '/a%00b',
    ]) {
      expect([400, 403, 404]).toContain((await exchange(proxy.port, get(target))).status);
    }
  });
});

describe('access_log', () => {
  test('has a line for each request in its format, the default one and none', async () => {
    await using backend = await startAnswering(() => response('12345'));
    await using proxy = await startProxy(
      (
        port,
      ) => `log_format short '$remote_addr "$request" $status $body_bytes_sent $upstream_addr $upstream_status';
        server { listen 127.0.0.1:${port};
          location / { proxy_pass http://127.0.0.1:${backend.port}; access_log access.log short; }
          location /usual { return 200 ok; access_log usual.log; }
          location /quiet { return 200 ok; access_log off; } }`,
    );
    await exchange(proxy.port, get('/x?y'));
    await exchange(proxy.port, get('/usual', 'User-Agent: me "x"', 'Referer: there'));
    await exchange(proxy.port, get('/quiet'));
    await proxy.readUntil('usual.log', /\n/);
    expect(proxy.read('access.log')).toBe(
      `127.0.0.1 "GET /x?y HTTP/1.1" 200 5 127.0.0.1:${backend.port} 200\n`,
    );
    expect(proxy.read('usual.log')).toMatch(
      /^127\.0\.0\.1 - - \[\d\d\/\w{3}\/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\] "GET \/usual HTTP\/1\.1" 200 2 "there" "me \\x22x\\x22"\n$/,
    );
  });

  test('has the first line as it came: with other spaces, behind a redirect, of what is no request', async () => {
    await using proxy = await startProxy(
      (port) => `log_format line '$status "$request" $request_method $uri'; access_log access.log line;
        server { listen 127.0.0.1:${port}; error_page 405 /page;
          location / { return 405; } location = /page { return 200 page; } }`,
    );
    const send = async (text: string): Promise<void> => void (await exchange(proxy.port, text));
    await send('\r\nPOST  /a"b?c  HTTP/1.1 \r\nHost: a\r\nContent-Length: 0\r\n\r\n');
    await send('GET /old HTTP/1.0\n\n');
    await send('GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n');
    await send('GET /fields HTTP/1.1\r\nHo st: a\r\n\r\n');
    const client = await Peer.connect(proxy.port);
    client.send('GET /half HT');
    await new Promise((resolve) => setTimeout(resolve, 50));
    client.close();
    await proxy.readUntil('access.log', /half/);
    expect(proxy.read('access.log').split('\n').slice(0, -1)).toEqual([
      '405 "POST  /a\\x22b?c  HTTP/1.1 " GET /page',
      '405 "GET /old HTTP/1.0" GET /page',
      expect.stringMatching(/^400 "GET\\x09\/ HTTP\/1\.1" /),
      expect.stringMatching(/^400 "GET \/fields HTTP\/1\.1" /),
      expect.stringMatching(/^400 "GET \/half HT" /),
    ]);
  });

  test('has no more of a line without end than a line may be long', async () => {
    await using proxy = await startProxy(
      (port) => `log_format line '$status "$request"'; access_log access.log line;
        server { listen 127.0.0.1:${port}; large_client_header_buffers 4 2k; }`,
    );
    await exchange(proxy.port, `GET /${'a'.repeat(100_000)}`);
    await proxy.readUntil('access.log', /\n/);
    const [line = ''] = proxy.read('access.log').split('\n');
    expect(line).toMatch(/^414 "GET \/a+"$/);
    expect(line.length).toBe('414 ""'.length + 2048);
  });

  test('has a line for a client that left: 499', async () => {
    await using backend = await startAnswering(() => '');
    await using proxy = await startProxy(
      (
        port,
      ) => `log_format s '$status $request_uri $upstream_connect_time $upstream_header_time $upstream_response_time'; server { listen 127.0.0.1:${port};
        location / { proxy_pass http://127.0.0.1:${backend.port}; access_log access.log s; } }`,
    );
    const client = await Peer.connect(proxy.port);
    client.send(get('/left'));
    while (backend.requests.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    // Long enough to be seen in a time with three digits.
    await new Promise((resolve) => setTimeout(resolve, 20));
    client.close();
    await proxy.readUntil('access.log', /^499 \/left 0\.\d{3} - 0\.\d{3}$/m);
  });
});

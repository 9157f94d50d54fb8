/**
 * What a client sees when something goes wrong: dead and slow backends, requests that
 * are too large, too slow or malformed, and error_page.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { response, startAnswering, startBackend } from './support/backend.js';
import { value } from './support/message.js';
import { exchange, Peer } from './support/peer.js';
import { freePort, startProxy } from './support/proxy.js';

const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';

describe('a backend', () => {
  test('that refuses connections gives 502 with a page', async () => {
    const dead = await freePort();
    await using proxy = await startProxy(
      (port) => `server { listen 127.0.0.1:${port}; location / { proxy_pass http://127.0.0.1:${dead}; } }`,
    );
    const answer = await exchange(proxy.port, GET);
    expect([answer.status, value(answer, 'content-type')]).toEqual([502, 'text/html']);
    expect(answer.body).toContain('<h1>502 Bad Gateway</h1>');
    expect(value(answer, 'connection')).toBe('keep-alive');
    const log = await proxy.readUntil('error.log', /Connection refused/);
    expect(log).toMatch(
      /\[error\] .*connect\(\) failed .*Connection refused.*upstream: "http:\/\/127\.0\.0\.1:/,
    );
  });

  test('that refuses connections is passed over for the next', async () => {
    const dead = await freePort();
    await using backend = await startAnswering(({ body }) => response(`alive ${body}`));
    await using proxy = await startProxy(
      (port) => `
        upstream pair { server 127.0.0.1:${dead}; server 127.0.0.1:${backend.port}; }
        server { listen 127.0.0.1:${port}; location / { proxy_pass http://pair; } }`,
    );
    for (let i = 0; i < 6; i++) expect((await exchange(proxy.port, GET)).body).toBe('alive ');
    // Nothing was sent, so a POST may go on as well.
    const post = 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody';
    for (let i = 0; i < 4; i++) expect((await exchange(proxy.port, post)).body).toBe('alive body');
  });

  test('that refuses connections is not passed over with proxy_next_upstream off', async () => {
    const dead = await freePort();
    await using backend = await startAnswering(() => response('alive'));
    await using proxy = await startProxy(
      (port) => `
        upstream pair { server 127.0.0.1:${dead}; server 127.0.0.1:${backend.port}; }
        server { listen 127.0.0.1:${port}; location / { proxy_pass http://pair; proxy_next_upstream off; } }`,
    );
    const statuses = new Set<number>();
    for (let i = 0; i < 4; i++) statuses.add((await exchange(proxy.port, GET)).status);
    expect([...statuses].sort()).toEqual([200, 502]);
  });

  test('that does not answer gives 504', async () => {
    await using backend = await startBackend(async (connection) => {
      await connection.waitEnd();
    });
    await using proxy = await startProxy(
      (port) => `server { listen 127.0.0.1:${port}; location / {
        proxy_pass http://127.0.0.1:${backend.port}; proxy_read_timeout 300ms; } }`,
    );
    const before = Date.now();
    const answer = await exchange(proxy.port, GET);
    expect(answer.status).toBe(504);
    expect(Date.now() - before).toBeGreaterThan(250);
    expect(await backend.connections[0]?.waitEnd()).toBeDefined();
  });

  test('that took a long upload and does not answer gives 504 after proxy_read_timeout, not proxy_send_timeout', async () => {
    await using backend = await startBackend(async (connection) => {
      const { target } = await connection.readMessage();
      await sleep(1500);
      if (target === '/late') connection.send(response('late'));
      else await connection.waitEnd();
    });
    const location = (path: string, read: string, send: string): string => `location ${path} {
      proxy_pass http://127.0.0.1:${backend.port}; proxy_read_timeout ${read}; proxy_send_timeout ${send}; }`;
    await using proxy = await startProxy(
      (port) => `client_max_body_size 0; server { listen 127.0.0.1:${port};
        ${location('/never', '1s', '60s')} ${location('/late', '60s', '1s')} }`,
    );
    const upload = (target: string): string =>
      `POST ${target} HTTP/1.1\r\nHost: a\r\nContent-Length: 3000000\r\n\r\n${'x'.repeat(3_000_000)}`;
    expect((await exchange(proxy.port, upload('/never'))).status).toBe(504);
    expect((await exchange(proxy.port, upload('/late'))).body).toBe('late');
  });

  test('that stops in the middle is waited for, and then broken off', async () => {
    await using backend = await startBackend(async (connection) => {
      await connection.readMessage();
      connection.send('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n');
      // Each read starts the time anew: 4 x 200 ms pass, 1 x 600 ms does not.
      await connection.sendSlowly(['a', 'b', 'c', 'd'], 200);
    });
    await using proxy = await startProxy(
      (port) => `server { listen 127.0.0.1:${port}; location / {
        proxy_pass http://127.0.0.1:${backend.port}; proxy_read_timeout 600ms; proxy_buffering off; } }`,
    );
    const answer = await exchange(proxy.port, GET);
    expect([answer.status, answer.body, answer.complete]).toEqual([200, 'abcd', false]);
  });
});

describe('a request', () => {
  test('with a body over client_max_body_size gets 413 before it is sent', async () => {
    await using backend = await startAnswering(({ body }) => response(String(body.length)));
    await using proxy = await startProxy(
      (port) => `client_max_body_size 1k; server { listen 127.0.0.1:${port};
        location / { proxy_pass http://127.0.0.1:${backend.port}; }
        location /large { proxy_pass http://127.0.0.1:${backend.port}; client_max_body_size 1m; }
        location /any { proxy_pass http://127.0.0.1:${backend.port}; client_max_body_size 0; } }`,
    );
    const post = (target: string, length: number): string =>
      `POST ${target} HTTP/1.1\r\nHost: a\r\nContent-Length: ${length}\r\n\r\n`;
    const refused = await exchange(proxy.port, post('/', 1025));
    expect([refused.status, value(refused, 'connection')]).toEqual([413, 'close']);
    expect((await exchange(proxy.port, post('/', 1024) + 'x'.repeat(1024))).body).toBe('1024');
    expect((await exchange(proxy.port, post('/large', 1025) + 'x'.repeat(1025))).body).toBe('1025');
    expect((await exchange(proxy.port, post('/any', 2_000_000) + 'x'.repeat(2_000_000))).body).toBe(
      '2000000',
    );
    expect(backend.requests).toHaveLength(3);
  });

  test('in chunks gets 413 when it grows over client_max_body_size', async () => {
    await using backend = await startAnswering(({ body }) => response(String(body.length)));
    await using proxy = await startProxy(
      (port) => `client_max_body_size 1k; server { listen 127.0.0.1:${port};
        location / { proxy_pass http://127.0.0.1:${backend.port}; } }`,
    );
    const client = await Peer.connect(proxy.port);
    client.send('POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n');
    await sleep(20);
    client.send(`800\r\n${'x'.repeat(2048)}\r\n0\r\n\r\n`);
    expect((await client.readMessage()).status).toBe(413);
    client.close();
  });

  test('whose line or fields are too long gets 414 or 400', async () => {
    await using proxy = await startProxy(
      (port) => `large_client_header_buffers 4 2k; client_header_buffer_size 1k;
        server { listen 127.0.0.1:${port}; location / { return 200 ok; } }`,
    );
    const line = `GET /${'x'.repeat(3000)} HTTP/1.1\r\nHost: a\r\n\r\n`;
    const field = `GET / HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(3000)}\r\n\r\n`;
    const many = `GET / HTTP/1.1\r\nHost: a\r\n${`X: ${'x'.repeat(1000)}\r\n`.repeat(20)}\r\n`;
    const fits = `GET /${'x'.repeat(1500)} HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(1500)}\r\nY: ${'y'.repeat(1500)}\r\n\r\n`;
    expect((await exchange(proxy.port, line)).status).toBe(414);
    expect((await exchange(proxy.port, field)).status).toBe(400);
    expect((await exchange(proxy.port, many)).status).toBe(400);
    expect((await exchange(proxy.port, fits)).status).toBe(200);
  });

  test('that is no HTTP gets 400', async () => {
    await using proxy = await startProxy((port) => `server { listen 127.0.0.1:${port}; return 200 ok; }`);
    for (const bad of [
      '\x16\x03\x01\x02\x00',
      'get / HTTP/1.1\r\n\r\n',
      'GET  HTTP/1.1\r\n\r\n',
      'GET x HTTP/1.1\r\n\r\n',
    ]) {
      const answer = await exchange(proxy.port, `${bad}\r\n\r\n`);
      expect([bad, answer.status, value(answer, 'connection')]).toEqual([bad, 400, 'close']);
    }
    expect((await exchange(proxy.port, 'GET / HTTP/2.0\r\nHost: a\r\n\r\n')).status).toBe(505);
  });

  test('whose head takes too long is closed, though bytes keep coming', async () => {
    await using proxy = await startProxy(
      (port) => `client_header_timeout 500ms; server { listen 127.0.0.1:${port}; return 200 ok; }`,
    );
    const client = await Peer.connect(proxy.port);
    client.send('GET / HTTP/1.1\r\nHost: a\r\nX: ');
    const before = Date.now();
    while (client.ending === undefined && Date.now() - before < 4000) await client.sendSlowly(['x'], 50);
    expect(client.ending).toBeDefined();
    expect(Date.now() - before).toBeGreaterThan(400);
    expect(Date.now() - before).toBeLessThan(3000);
    expect(client.received).toMatch(/^(HTTP\/1\.1 408 .*)?$/s);
    client.close();
  });

  test('whose body stops gets 408; one that only comes slowly does not', async () => {
    await using backend = await startAnswering(({ body }) => response(body));
    await using proxy = await startProxy(
      (port) => `client_body_timeout 500ms; server { listen 127.0.0.1:${port};
        location / { proxy_pass http://127.0.0.1:${backend.port}; } }`,
    );
    const head = 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n';
    const slow = await Peer.connect(proxy.port);
    await slow.sendSlowly([head, ...'hello'], 200);
    expect((await slow.readMessage()).body).toBe('hello');
    slow.close();
    const stopped = await Peer.connect(proxy.port);
    stopped.send(`${head}he`);
    await stopped.waitEnd();
    expect(stopped.received).toMatch(/^(HTTP\/1\.1 408 .*)?$/s);
    stopped.close();
  });
});

describe('error_page', () => {
  test('answers with a file, another status or a redirect, and the client keeps its connection', async () => {
    const dead = await freePort();
    await using proxy = await startProxy(
      (port) => `server { listen 127.0.0.1:${port};
        location / { proxy_pass http://127.0.0.1:${dead}; error_page 502 /sorry.html; }
        location /ok { proxy_pass http://127.0.0.1:${dead}; error_page 502 =200 /sorry.html; }
        location /moved { return 404; error_page 404 =302 http://elsewhere.example/; }
        location /named { proxy_pass http://127.0.0.1:${dead}; error_page 502 504 @fallback; }
        location /taken { proxy_pass http://127.0.0.1:${dead}; error_page 502 504 = @fallback; }
        location @fallback { return 503 fallback; }
        location = /sorry.html { } }`,
      { files: { 'sorry.html': '<p>sorry</p>' } },
    );
    const client = await Peer.connect(proxy.port);
    const ask = async (target: string): Promise<[number, string]> => {
      client.send(`GET ${target} HTTP/1.1\r\nHost: a\r\n\r\n`);
      const answer = await client.readMessage();
      return [answer.status, value(answer, 'location') ?? answer.body];
    };
    expect(await ask('/')).toEqual([502, '<p>sorry</p>']);
    expect(await ask('/ok')).toEqual([200, '<p>sorry</p>']);
    expect(await ask('/moved')).toEqual([302, 'http://elsewhere.example/']);
    // The status of the error stays, unless "=" takes that of the page.
    expect(await ask('/named')).toEqual([502, 'fallback']);
    expect(await ask('/taken')).toEqual([503, 'fallback']);
    client.close();
  });

  test('is not hidden behind the first error when its own location answers with an error or a redirect', async () => {
    await using proxy = await startProxy(
      (port) => `server { listen 127.0.0.1:${port}; server_name a;
        location /away { error_page 404 /moved; return 404; }
        location /moved { return 301 http://elsewhere.example/; }
        location /gone { error_page 404 /nothing; return 404; }
        location /nothing { return 410; }
        location /missing { error_page 404 410 /no-such-file; return 410; }
        location /first { error_page 302 /second; return 302 http://first.example/; }
        location /second { return 301 http://second.example/; }
        location /folder-first { error_page 302 /folder; return 302 http://first.example/; }
        location /folder/ { proxy_pass http://127.0.0.1:1; } }`,
    );
    const ask = async (target: string): Promise<[number, string | undefined]> => {
      const answer = await exchange(proxy.port, `GET ${target} HTTP/1.1\r\nHost: a\r\n\r\n`);
      return [answer.status, value(answer, 'location')];
    };
    expect(await ask('/away')).toEqual([301, 'http://elsewhere.example/']);
    expect(await ask('/gone')).toEqual([410, undefined]);
    expect(await ask('/missing')).toEqual([404, undefined]);
    expect(await ask('/first')).toEqual([301, 'http://second.example/']);
    expect(await ask('/folder-first')).toEqual([301, `http://a:${proxy.port}/folder/`]);
  });
});

test('a path that is refused is no $uri', async () => {
  await using proxy = await startProxy(
    (port) =>
      `log_format path '[$uri]'; server { listen 127.0.0.1:${port}; access_log path.log path; return 200; }`,
  );
  for (const target of ['/a/../b', '/../b', '/%zz']) {
    const { status } = await exchange(proxy.port, `GET ${target} HTTP/1.1\r\nHost: a\r\n\r\n`);
    expect([target, status]).toEqual([target, target === '/a/../b' ? 200 : 400]);
  }
  expect(await proxy.readUntil('path.log', /(?:.*\n){3}/)).toBe('[/b]\n[]\n[]\n');
});

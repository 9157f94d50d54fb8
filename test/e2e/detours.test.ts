/**
 * Requests that take a detour: an error page that is proxied, a second backend after a
 * first one that had part of the body, values that come from a decoded URI. On such
 * ways a proxy joins pieces that were never meant to be joined; what each backend
 * received is looked at whole.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { chunked, response, startAnswering, startBackend } from './support/backend.js';
import { names, value } from './support/message.js';
import { exchange, Peer } from './support/peer.js';
import { IS_MILLRACE, startProxy } from './support/proxy.js';

const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';

test('the rest of an upload never follows the request for an error page', async () => {
  await using dying = await startBackend(async (connection) => {
    await connection.readUntil('\r\n\r\n');
    connection.close();
  });
  await using page = await startBackend(async (connection) => {
    await connection.readUntil('\r\n\r\n');
    await sleep(300);
    connection.send(response('page'));
    await connection.waitEnd();
  });
  await using proxy = await startProxy(
    (port) => `server { listen 127.0.0.1:${port}; proxy_request_buffering off;
      location / { proxy_pass http://127.0.0.1:${dying.port}; error_page 502 /page; }
      location /page { proxy_pass http://127.0.0.1:${page.port}; } }`,
  );
  const client = await Peer.connect(proxy.port);
  client.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\nfirst');
  await sleep(150);
  client.send('GET /smuggled HTTP/1.1\r\nHost: evil\r\n\r\n');
  const answer = await client.readMessage();
  expect([answer.status, answer.body]).toEqual([502, 'page']);
  const received = page.connections.map((connection) => connection.received).join('');
  expect(received).not.toContain('smuggled');
  client.close();
});

test('a body of which a first backend had too much is not sent on in part', async () => {
  await using first = await startBackend(async (connection) => {
    await connection.readUntil('0\r\n\r\n');
    connection.close();
  });
  await using second = await startAnswering(({ body }) => response(String(body.length)));
  await using proxy = await startProxy(
    (port) => `server { listen 127.0.0.1:${port}; proxy_request_buffering off; proxy_http_version 1.1;
      location / { proxy_pass http://127.0.0.1:${first.port}; error_page 502 @second; }
      location @second { proxy_pass http://127.0.0.1:${second.port}; } }`,
  );
  const client = await Peer.connect(proxy.port);
  client.send(
    `POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n${chunked(['x'.repeat(40_000)])}`,
  );
  expect((await client.readMessage()).status).toBe(502);
  expect(second.requests).toEqual([]);
  // What fits the bound is sent again, whole.
  client.close();
  const small = await Peer.connect(proxy.port);
  small.send(
    `POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n${chunked(['x'.repeat(4000)])}`,
  );
  expect((await small.readMessage()).body).toBe('4000');
  small.close();
});

test('nothing of a refused head reaches the backend of its error page', async () => {
  await using page = await startAnswering(() => response('page'));
  await using proxy = await startProxy(
    (port) => `server { listen 127.0.0.1:${port}; error_page 400 405 /page;
      location / { return 200 ok; }
      location /page { proxy_pass http://127.0.0.1:${page.port}; } }`,
  );
  for (let i = 0; i < 3; i++)
    await exchange(proxy.port, `GET / HTTP/1.1\r\nHost: a\r\nCookie: secret${i}\r\n\r\n`);
  const refused = await exchange(proxy.port, 'GET / HTTP/1.1\r\nHost: a\r\nX-Mine: 1\r\nHost: b\r\n\r\n');
  expect(refused.status).toBe(400);
  if (!IS_MILLRACE) return;
  expect(page.requests).toHaveLength(1);
  const [request] = page.requests;
  expect(request && names(request)).toEqual(['host']);
  expect(page.connections[0]?.received ?? '').not.toContain('secret');
});

test('a line end in a decoded URI begins no field and no request', async () => {
  await using backend = await startAnswering(() => response('ok'));
  await using proxy = await startProxy(
    (port) => `server { listen 127.0.0.1:${port};
      location /field { proxy_pass http://127.0.0.1:${backend.port}; proxy_set_header X-Path $uri; }
      location /own { add_header X-Path $uri; return 200 ok; }
      location /away { return 302 http://elsewhere.example$uri; } }`,
  );
  const evil = '%0d%0aX-Evil:%201';
  if (!IS_MILLRACE) return;
  await exchange(proxy.port, `GET /field${evil} HTTP/1.1\r\nHost: a\r\n\r\n`);
  expect(backend.requests[0] && names(backend.requests[0])).toEqual(['host']);
  expect(names(await exchange(proxy.port, `GET /own${evil} HTTP/1.1\r\nHost: a\r\n\r\n`))).not.toContain(
    'x-evil',
  );
  const away = await exchange(proxy.port, `GET /away${evil} HTTP/1.1\r\nHost: a\r\n\r\n`);
  expect(value(away, 'location')).toContain('/away%0D%0AX-Evil');
  expect(names(away)).not.toContain('x-evil');
});

test('framing cannot be configured away, nor taken from an answer without a body', async () => {
  await using backend = await startAnswering(({ target }) =>
    target === '/304' ? 'HTTP/1.1 304 Not Modified\r\nContent-Length: 1234\r\n\r\n' : response('hello'),
  );
  await using proxy = await startProxy(
    (port) => `server { listen 127.0.0.1:${port}; error_page 404 /304;
      location / { proxy_pass http://127.0.0.1:${backend.port}; proxy_hide_header Content-Length;
                   proxy_set_header Content-Length ""; }
      location /missing { return 404; } }`,
  );
  if (!IS_MILLRACE) return;
  const client = await Peer.connect(proxy.port);
  client.send(
    `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhelloGET /missing HTTP/1.1\r\nHost: a\r\n\r\n${GET}`,
  );
  expect((await client.readMessage()).body).toBe('hello');
  expect((await client.readMessage()).status).toBe(304);
  expect((await client.readMessage()).body).toBe('hello');
  expect(backend.requests.map(({ body }) => body)).toEqual(['hello', '', '']);
  client.close();
});

test('an answer that nobody takes is given up in every state, and draining does not wait for it', async () => {
  await using backend = await startAnswering(() => response('x'.repeat(6_000_000)));
  await using proxy = await startProxy(
    (port) => `server { listen 127.0.0.1:${port}; send_timeout 500ms; keepalive_timeout 700ms;
      location / { proxy_pass http://127.0.0.1:${backend.port}; } }`,
  );
  const stalled = await Peer.connect(proxy.port);
  stalled.stopReading();
  stalled.send(GET);
  const closing = await Peer.connect(proxy.port);
  closing.stopReading();
  closing.send('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nmore');
  await sleep(300);
  const before = Date.now();
  expect(await proxy.stop('SIGQUIT')).toBe(0);
  expect(Date.now() - before).toBeLessThan(6000);
  stalled.close();
  closing.close();
});

test('a client that asks and never reads has a bounded queue, and is given up', async () => {
  await using proxy = await startProxy(
    (port) => `server { listen 127.0.0.1:${port}; send_timeout 500ms; keepalive_requests 1000000;
      location / { return 200 "${'x'.repeat(3000)}"; } }`,
  );
  for (let i = 0; i < 200; i++) await exchange(proxy.port, GET);
  const before = proxy.residentBytes();
  const client = await Peer.connect(proxy.port);
  client.stopReading();
  client.send(GET.repeat(30_000));
  await sleep(400);
  // Without a bound, 90 MB.
  expect(proxy.residentBytes() - before).toBeLessThan(32 * 1024 * 1024);
  expect(await proxy.stop('SIGQUIT')).toBe(0);
  client.close();
});

test('pipelined requests are all answered by and by to a client that reads late', async () => {
  await using proxy = await startProxy(
    (port) => `server { listen 127.0.0.1:${port}; keepalive_requests 1000000;
      location / { return 200 "${'x'.repeat(3000)}"; } }`,
  );
  const client = await Peer.connect(proxy.port);
  client.stopReading();
  client.send(`${GET.repeat(5000)}GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`);
  await sleep(300);
  client.startReading();
  expect((await client.readToEnd()).split('HTTP/1.1 200').length - 1).toBe(5001);
});

test('a tunnel outlives SIGQUIT until its ends have had enough', async () => {
  await using backend = await startBackend(async (connection) => {
    await connection.readMessage();
    connection.send('HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n');
    connection.send(await connection.readUntil('ping'));
    await connection.waitEnd();
    connection.end();
  });
  await using proxy = await startProxy(
    (port) => `server { listen 127.0.0.1:${port}; location / { proxy_pass http://127.0.0.1:${backend.port};
      proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade; } }`,
  );
  const client = await Peer.connect(proxy.port);
  client.send('GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n');
  expect((await client.readMessage()).status).toBe(101);
  const stopped = proxy.stop('SIGQUIT');
  await sleep(200);
  client.send('ping');
  expect(await client.readBytes(4)).toBe('ping');
  client.end();
  await client.waitEnd();
  expect(await stopped).toBe(0);
});

test('a truncated body that ends with the connection ends with a reset', async () => {
  await using backend = await startBackend(async (connection) => {
    await connection.readMessage();
    connection.send('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n');
    await sleep(100);
    connection.close();
  });
  await using proxy = await startProxy(
    (port) => `server { listen 127.0.0.1:${port}; location / {
      proxy_pass http://127.0.0.1:${backend.port}; proxy_http_version 1.1; } }`,
  );
  if (!IS_MILLRACE) return;
  const client = await Peer.connect(proxy.port);
  client.send('GET / HTTP/1.0\r\nHost: a\r\n\r\n');
  await client.readUntil('hello');
  expect(await client.waitEnd()).toBe('reset');
});

test.runIf(IS_MILLRACE)(
  'a body that came whole leaves nothing to wait for, whatever becomes of it',
  async () => {
    await using backend = await startAnswering(({ body }) => response(String(body.length)));
    await using refusing = await startBackend((connection) => connection.close());
    await using proxy = await startProxy(
      (port) => `server { listen 127.0.0.1:${port}; client_body_buffer_size 4k; lingering_timeout 10s;
        location / { proxy_pass http://127.0.0.1:${backend.port}; proxy_http_version 1.1; }
        location /off { proxy_pass http://127.0.0.1:${backend.port}; proxy_http_version 1.1;
                        proxy_request_buffering off; }
        location /old { proxy_pass http://127.0.0.1:${backend.port}; proxy_http_version 1.0; }
        location /dead { proxy_pass http://127.0.0.1:${refusing.port}; proxy_http_version 1.1;
                         proxy_request_buffering off; error_page 502 /page; }
        location /second { proxy_pass http://127.0.0.1:${refusing.port}; proxy_http_version 1.1;
                           error_page 502 @again; }
        location @again { proxy_pass http://127.0.0.1:${backend.port}; proxy_http_version 1.1; }
        location /small { client_max_body_size 100; proxy_pass http://127.0.0.1:${backend.port}; }
        location /page { return 200 page; } }`,
    );
    const body = (size: number): string =>
      chunked(Array.from({ length: size / 100 }, (_, i) => String(i % 10).repeat(100)));
    const ask = async (target: string, size: number): Promise<string> => {
      const client = await Peer.connect(proxy.port);
      client.send(
        `POST ${target} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n${body(size)}` +
          'GET /page HTTP/1.1\r\nHost: a\r\n\r\n',
      );
      const answer = await client.readMessage();
      const next = await client.readMessage().catch(() => undefined);
      client.close();
      return `${answer.status} ${answer.status < 300 ? answer.body : ''} then ${next?.body ?? 'closed'}`;
    };
    // What fits the buffer, and what outgrows it with its last piece.
    for (const target of ['/', '/off']) {
      expect(await ask(target, 300)).toBe('200 300 then page');
      expect(await ask(target, 8000)).toBe('200 8000 then page');
    }
    expect(await ask('/old', 300)).toBe('200 300 then page');
    expect(await ask('/old', 8000)).toBe('200 8000 then page');
    expect(await ask('/dead', 300)).toMatch(/^502 {2}then (page|closed)$/);
    expect(await ask('/dead', 8000)).toMatch(/^502 {2}then (page|closed)$/);
    expect(await ask('/second', 300)).toBe('502  then page');
    expect(await ask('/small', 300)).toBe('413  then closed');
    expect(backend.requests.every(({ complete }) => complete)).toBe(true);
  },
);

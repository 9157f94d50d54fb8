/**
 * What a backend is sent where the configuration changes it, from where, and what
 * becomes of answers that are not the client's.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { chunked, response, startAnswering, startBackend } from './support/backend.js';
import { names, value, values } from './support/message.js';
import { exchange, Peer } from './support/peer.js';
import { freePort, startProxy } from './support/proxy.js';

const get = (target: string): string => `GET ${target} HTTP/1.1\r\nHost: a\r\n\r\n`;
const post = (target: string, body: string): string =>
  `POST ${target} HTTP/1.1\r\nHost: a\r\nX-Mine: 1\r\nContent-Length: ${body.length}\r\n\r\n${body}`;

describe('the request to a backend', () => {
  test('goes without fields, without a body, or with another one', async () => {
    await using backend = await startAnswering(() => response('ok'));
    await using proxy = await startProxy(
      (port) => `server { listen 127.0.0.1:${port}; proxy_set_header X-Ours 2;
        location /fields { proxy_pass http://127.0.0.1:${backend.port}; proxy_pass_request_headers off; }
        location /body { proxy_pass http://127.0.0.1:${backend.port}; proxy_pass_request_body off; }
        location /own { proxy_pass http://127.0.0.1:${backend.port}; proxy_set_body "<$request_method>"; } }`,
    );
    const client = await Peer.connect(proxy.port);
    for (const target of ['/fields', '/body', '/own']) {
      client.send(post(target, 'hello'));
      expect((await client.readMessage()).body).toBe('ok');
    }
    client.send(
      'POST /fields HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n',
    );
    expect((await client.readMessage()).body).toBe('ok');
    client.send(get('/own'));
    expect((await client.readMessage()).body).toBe('ok');
    client.close();
    const [fields, none, own, chunks, ofGet] = backend.requests;
    expect([names(fields), fields.body]).toEqual([['x-ours', 'host', 'content-length'], 'hello']);
    expect([value(none, 'x-mine'), value(none, 'content-length'), none.body]).toEqual(['1', '0', '']);
    expect([own.body, values(own, 'content-length')]).toEqual(['<POST>', ['6']]);
    expect([chunks.framing, chunks.body]).toEqual(['chunked', 'abc']);
    expect([ofGet.body, values(ofGet, 'content-length')]).toEqual(['<GET>', ['5']]);
  });

  test('has another method, and its answer is framed by what was asked', async () => {
    await using backend = await startAnswering((request) => {
      const head = response('answer', [`X-Method: ${request.method}`]);
      return request.method === 'HEAD' ? head.replace(/answer$/, '') : head;
    });
    await using proxy = await startProxy(
      (port) => `server { listen 127.0.0.1:${port};
        location /put { proxy_pass http://127.0.0.1:${backend.port}; proxy_method PUT; }
        location /var { proxy_pass http://127.0.0.1:${backend.port}; proxy_method $arg_m; } }`,
    );
    const client = await Peer.connect(proxy.port);
    const ask = async (request: string, method = 'GET'): Promise<unknown[]> => {
      client.send(request);
      const answer = await client.readMessage(method);
      return [value(answer, 'x-method'), answer.body];
    };
    expect(await ask(post('/put', 'body'))).toEqual(['PUT', 'answer']);
    expect(await ask(get('/var?m=DELETE'))).toEqual(['DELETE', 'answer']);
    expect(await ask(get('/var'))).toEqual(['GET', 'answer']);
    expect(await ask(get('/var?m=a(b'))).toEqual(['GET', 'answer']);
    expect(await ask(get('/var?m=CONNECT'))).toEqual(['GET', 'answer']);
    expect(await ask(get('/var?m=HEAD'))).toEqual(['HEAD', '']);
    expect(await ask(get('/put').replace('GET', 'HEAD'), 'HEAD')).toEqual(['PUT', '']);
    expect(await ask(get('/var'))).toEqual(['GET', 'answer']);
    client.close();
    expect(backend.requests[0]?.body).toBe('body');
  });

  test('goes where variables say, to groups and numeric addresses only', async () => {
    await using backend = await startAnswering(({ target }) => response(target));
    await using proxy = await startProxy(
      (port) => `upstream known { server 127.0.0.1:${backend.port}; }
        server { listen 127.0.0.1:${port}; add_header X-Host "$proxy_host $proxy_port" always;
        location / { proxy_pass http://$arg_b; }
        location ~ ^/re/(.*)$ { proxy_pass http://127.0.0.1:$arg_p/x/$1?$args; }
        location /url { proxy_pass $arg_u; } }`,
    );
    const ask = async (target: string): Promise<unknown[]> => {
      const answer = await exchange(proxy.port, get(target));
      return [answer.status, answer.status === 200 ? answer.body : '', value(answer, 'x-host')];
    };
    const there = `127.0.0.1:${backend.port}`;
    expect(await ask('/%61?b=known')).toEqual([200, '/%61?b=known', 'known 80']);
    expect(await ask('/?b=KNOWN/uri?q')).toEqual([200, '/uri?q', 'KNOWN 80']);
    expect(await ask(`/a%20b?b=${there}`)).toEqual([200, `/a%20b?b=${there}`, `${there} ${backend.port}`]);
    expect(await ask(`/re/a%20b?p=${backend.port}`)).toEqual([
      200,
      `/x/a%20b?p=${backend.port}`,
      `${there} ${backend.port}`,
    ]);
    expect(await ask(`/url?u=http://${there}/z`)).toEqual([200, '/z', `${there} ${backend.port}`]);
    expect((await ask('/?b=unknown.example'))[0]).toBe(502);
    for (const bad of ['/', '/?b=/x', '/?b=a:0', '/url?u=ftp://a', '/url?u=https://a', '/url']) {
      expect([bad, (await ask(bad))[0]]).toEqual([bad, 500]);
    }
    const log = await proxy.readUntil('error.log', /invalid URL prefix in ""/);
    expect(log).toContain('no resolver defined to resolve unknown.example');
    expect(log).toContain('https is not supported yet in "https://a"');
  });

  test('comes from the address that proxy_bind names, and kept connections with it', async () => {
    await using backend = await startAnswering((_request, peer) =>
      response(`${peer.socket.remoteAddress} ${peer.socket.remotePort}`),
    );
    await using proxy = await startProxy(
      (port) => `upstream u { server 127.0.0.1:${backend.port}; keepalive 4; }
        server { listen 127.0.0.1:${port}; proxy_bind 127.0.0.2; proxy_socket_keepalive on;
        location / { proxy_pass http://u; }
        location /off { proxy_pass http://u; proxy_bind off; }
        location /var { proxy_pass http://u; proxy_bind $arg_b; } }`,
    );
    const ask = async (target: string): Promise<string> => (await exchange(proxy.port, get(target))).body;
    const bound = await ask('/');
    const free = await ask('/off');
    expect(bound).toMatch(/^127\.0\.0\.2 /);
    expect(free).toMatch(/^127\.0\.0\.1 /);
    // Each has its own kept connection.
    expect([await ask('/'), await ask('/off'), await ask('/var?b=127.0.0.2')]).toEqual([bound, free, bound]);
    const port = await freePort();
    expect(await ask(`/var?b=127.0.0.3:${port}`)).toBe(`127.0.0.3 ${port}`);
    expect(await ask('/var?b=nonsense')).toMatch(/^127\.0\.0\.1 /);
    await proxy.readUntil('error.log', /invalid local address "nonsense"/);
    expect((await exchange(proxy.port, get('/var?b=192.0.2.77'))).status).toBe(502);
  });
});

describe('the answer of a backend', () => {
  test('gives way to error_page where it has a rule, with its WWW-Authenticate', async () => {
    await using backend = await startAnswering(({ target }) =>
      response(
        'theirs',
        ['WWW-Authenticate: a', 'X-Why: because', 'WWW-Authenticate: b'],
        `${target.slice(1, 4)} X`,
      ),
    );
    await using proxy = await startProxy(
      (port) => `server { listen 127.0.0.1:${port};
        location / { proxy_pass http://127.0.0.1:${backend.port}; proxy_intercept_errors on;
          error_page 401 /page; error_page 404 =200 /page; error_page 503 @named; error_page 500 /502; }
        location /off { proxy_pass http://127.0.0.1:${backend.port}/404; error_page 404 /page; }
        location = /page { return 200 "ours $upstream_status $upstream_http_x_why"; }
        location @named { return 200 "named $uri"; } }`,
    );
    const ask = async (target: string): Promise<unknown[]> => {
      const answer = await exchange(proxy.port, get(target));
      return [answer.status, answer.body, values(answer, 'www-authenticate')];
    };
    expect(await ask('/401')).toEqual([401, 'ours 401 because', ['a', 'b']]);
    expect(await ask('/404')).toEqual([200, 'ours 404 because', []]);
    expect(await ask('/503x')).toEqual([503, 'named /503x', []]);
    expect(await ask('/403')).toEqual([403, 'theirs', ['a', 'b']]);
    expect(await ask('/off')).toEqual([404, 'theirs', ['a', 'b']]);
    // The page is proxied too, and its own status has no rule.
    expect(await ask('/500')).toEqual([500, 'theirs', ['a', 'b']]);
  });

  test('sends elsewhere with X-Accel-Redirect, unless it is ignored', async () => {
    await using backend = await startAnswering(({ target }) => {
      const to = decodeURIComponent(target.slice(target.indexOf('?') + 1));
      return response('theirs', [
        `X-Accel-Redirect: ${to}`,
        'Set-Cookie: a=1',
        'Set-Cookie: b=2',
        'Content-Type: text/theirs',
        'X-Other: gone',
      ]);
    });
    await using proxy = await startProxy(
      (port) => `server { listen 127.0.0.1:${port};
        location / { proxy_pass http://127.0.0.1:${backend.port}; }
        location /ignored { proxy_pass http://127.0.0.1:${backend.port}; proxy_ignore_headers X-Accel-Redirect; }
        location /in { return 200 "$request_method $uri $args $upstream_http_x_accel_redirect"; }
        location @named { return 200 "named $uri"; } }`,
    );
    const answer = await exchange(proxy.port, post('/?/in/a%2520b%3Fq=1', 'body'));
    expect(answer.body).toBe('GET /in/a b q=1 /in/a%20b?q=1');
    expect([values(answer, 'set-cookie'), value(answer, 'content-type'), value(answer, 'x-other')]).toEqual([
      ['a=1', 'b=2'],
      'text/theirs',
      undefined,
    ]);
    expect((await exchange(proxy.port, get('/x?@named'))).body).toBe('named /x');
    expect((await exchange(proxy.port, get('/ignored?/in'))).body).toBe('theirs');
    for (const bad of ['/in/..', '../in', '/in/.%252e', '/in%2500']) {
      expect([bad, (await exchange(proxy.port, get(`/?${bad}`))).status]).toEqual([bad, 404]);
    }
  });

  test('comes without trailers where they are not wanted', async () => {
    await using backend = await startAnswering(
      () => `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${chunked(['ab'], ['X-Sum: 1'])}`,
    );
    await using proxy = await startProxy(
      (port) => `server { listen 127.0.0.1:${port};
        location / { proxy_pass http://127.0.0.1:${backend.port}; }
        location /none { proxy_pass http://127.0.0.1:${backend.port}; proxy_pass_trailers off; } }`,
    );
    expect((await exchange(proxy.port, get('/'))).trailers).toEqual([['X-Sum', '1']]);
    expect((await exchange(proxy.port, get('/none'))).trailers).toEqual([]);
  });
});

describe('a client that leaves', () => {
  const SLOW = 'proxy_ignore_client_abort on;';

  test('by half gets its answer with proxy_ignore_client_abort', async () => {
    await using backend = await startAnswering(({ target }) => response(target));
    await using proxy = await startProxy(
      (port) =>
        `server { listen 127.0.0.1:${port}; ${SLOW} location / { proxy_pass http://127.0.0.1:${backend.port}; } }`,
    );
    const client = await Peer.connect(proxy.port);
    client.send(get('/x'));
    client.end();
    const answer = await client.readMessage();
    expect([answer.body, value(answer, 'connection')]).toEqual(['/x', 'close']);
  });

  test('altogether does not keep the backend from its work', async () => {
    const seen: string[] = [];
    await using backend = await startBackend(async (connection) => {
      const { target } = await connection.readMessage();
      await sleep(300);
      connection.send(response('x'.repeat(300_000)));
      seen.push(`${target} ${await connection.waitEnd()}`);
    });
    await using proxy = await startProxy(
      (port) => `log_format s "$uri $status $request_completion"; access_log access.log s;
        server { listen 127.0.0.1:${port};
        location /on { ${SLOW} proxy_pass http://127.0.0.1:${backend.port}; }
        location /off { proxy_pass http://127.0.0.1:${backend.port}; } }`,
    );
    for (const target of ['/on', '/off']) {
      const client = await Peer.connect(proxy.port);
      client.send(get(target));
      await expect.poll(() => backend.connections.length).toBe(target === '/on' ? 1 : 2);
      await sleep(100);
      client.reset();
    }
    await proxy.readUntil('access.log', /\/on 200 OK\n/);
    expect(await proxy.readUntil('access.log', /\/off/)).toMatch(/\/off 499 \n/);
    await expect.poll(() => seen.length).toBe(2);
    await expect.poll(() => proxy.descriptors()).toBeLessThan(60);
  });
});

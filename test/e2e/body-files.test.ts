/**
 * Bodies that become files: who gets to read them, when they go, what the backend gets, and
 * that nothing of them stays when a client leaves, a disk fails or the process is stopped.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { chunked, response, startAnswering, startBackend } from './support/backend.js';
import { value, values } from './support/message.js';
import { exchange, PATIENCE_MS, Peer } from './support/peer.js';
import { descriptorsBack, IS_MILLRACE, startProxy, type Proxy } from './support/proxy.js';

const MB = 1024 * 1024;

const PASS = (backend: number, more = ''): string =>
  `proxy_pass http://127.0.0.1:${backend}; proxy_http_version 1.1; ${more}`;
const SERVER = (port: number, locations: string): string =>
  `server { listen 127.0.0.1:${port}; client_max_body_size 0; access_log access.log; ${locations} }`;
/** For a backend that reads the file itself. */
const BY_FILE = `client_body_in_file_only clean; proxy_pass_request_body off;
  proxy_set_header Content-Length ""; proxy_set_header X-File $request_body_file;`;

const upload = (target: string, length: number, ...fields: string[]): string =>
  [`PUT ${target} HTTP/1.1`, 'Host: a', `Content-Length: ${length}`, ...fields, '', ''].join('\r\n');
const CHUNKED = 'PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n';
const LONG = Array.from({ length: 40_000 }, (_, i) => i.toString(36).padStart(5, '.')).join('');

const folder = (proxy: Proxy): string => join(proxy.prefix, 'client_body_temp');
const files = (proxy: Proxy): string[] => readdirSync(folder(proxy)).sort();

/** Waits until no file is left there. */
async function emptied(path: string): Promise<void> {
  const limit = Date.now() + PATIENCE_MS;
  while (readdirSync(path).length > 0 && Date.now() < limit) await sleep(10);
  expect(readdirSync(path)).toEqual([]);
}

describe('client_body_in_file_only on', () => {
  test('keeps every body as a file of the owner, and sends it as it came', async () => {
    await using backend = await startAnswering(({ body, trailers }) =>
      response(`${body.length} ${trailers.join()}`),
    );
    await using proxy = await startProxy((port) =>
      SERVER(
        port,
        `location / { client_body_in_file_only on; client_body_buffer_size 1k;
          add_header X-File $request_body_file; add_header X-Body $request_body; ${PASS(backend.port)} }`,
      ),
    );
    const before = proxy.descriptors();
    const cases: [string, string][] = [
      [`${upload('/', 5)}hello`, 'hello'],
      [`${upload('/', LONG.length)}${LONG}`, LONG],
      [`${CHUNKED}${chunked(['hel', 'lo'], ['X-Sum: 5'])}`, 'hello'],
      [`${CHUNKED}${chunked(LONG.match(/.{1,9000}/g) ?? [])}`, LONG],
      [`${CHUNKED}${chunked([])}`, ''],
      [upload('/', 0), ''],
    ];
    for (const [index, [request, body]] of cases.entries()) {
      const answer = await exchange(proxy.port, request);
      const trailers = IS_MILLRACE && index === 2 ? 'X-Sum,5' : '';
      expect(answer.body).toBe(`${body.length} ${trailers}`);
      expect(backend.requests[index]?.body).toBe(body);
      const path = value(answer, 'x-file') ?? '';
      expect(path.startsWith(`${folder(proxy)}/`)).toBe(true);
      expect(readFileSync(path, 'latin1')).toBe(body);
      expect(statSync(path).mode & 0o7777).toBe(0o600);
      expect(values(answer, 'x-body')).toEqual([]);
    }
    expect(files(proxy)).toHaveLength(cases.length);
    expect(values(await exchange(proxy.port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'), 'x-file')).toEqual([]);
    expect(files(proxy)).toHaveLength(cases.length);
    expect(proxy.read('error.log')).toContain(
      `[notice] ${proxy.pid}#${proxy.pid}: *1 a client request body is buffered to a temporary file ${folder(proxy)}/`,
    );
    expect(await descriptorsBack(proxy, before + 1)).toBeLessThanOrEqual(before + 1);
  });

  test('does nothing where bodies are passed on unread, nor where nobody reads them', async () => {
    await using backend = await startAnswering(({ body }) => response(body));
    await using proxy = await startProxy((port) =>
      SERVER(
        port,
        `client_body_in_file_only on; add_header X-File $request_body_file; proxy_request_buffering off;
         location / { ${PASS(backend.port)} } location /own { return 200 own; }`,
      ),
    );
    for (const target of ['/', '/own']) {
      const answer = await exchange(proxy.port, `${upload(target, 5)}hello`);
      expect([answer.body, values(answer, 'x-file')]).toEqual([target === '/' ? 'hello' : 'own', []]);
    }
    expect(files(proxy)).toEqual([]);
  });

  test('asks a client that waits for 100 (Continue), and gives HTTP/1.0 a length', async () => {
    await using backend = await startAnswering((request) =>
      response(`${request.body.length} ${values(request, 'content-length').join()}`),
    );
    await using proxy = await startProxy((port) =>
      SERVER(
        port,
        `client_body_in_file_only on; proxy_http_version 1.0; location / { proxy_pass http://127.0.0.1:${backend.port}; }`,
      ),
    );
    const client = await Peer.connect(proxy.port);
    client.send(upload('/', 5, 'Expect: 100-continue'));
    expect((await client.readMessage()).status).toBe(100);
    client.send('hello');
    expect((await client.readMessage()).body).toBe('5 5');
    client.close();
    expect(
      (await exchange(proxy.port, `${CHUNKED}${chunked(['a'.repeat(50_000), 'b'.repeat(50_000)])}`)).body,
    ).toBe('100000 100000');
  });
});

describe('client_body_in_file_only clean', () => {
  test('lets a backend read the file instead of the body, and removes it then', async () => {
    const seen: string[] = [];
    await using backend = await startAnswering((request) => {
      const path = value(request, 'x-file') ?? '';
      seen.push(path);
      return response(`${request.body.length} ${readFileSync(path, 'latin1').length}`);
    });
    await using proxy = await startProxy((port) =>
      SERVER(port, `location / { ${BY_FILE} ${PASS(backend.port)} }`),
    );
    const before = proxy.descriptors();
    const client = await Peer.connect(proxy.port);
    for (const [request, length] of [
      [`${upload('/', 5)}hello`, 5],
      [`${upload('/', LONG.length)}${LONG}`, LONG.length],
      [`${CHUNKED}${chunked(['hello'])}`, 5],
      [upload('/', 0), 0],
    ] as const) {
      client.send(request);
      expect((await client.readMessage()).body).toBe(`0 ${length}`);
    }
    client.close();
    await emptied(folder(proxy));
    expect(new Set(seen).size).toBe(4);
    expect(await descriptorsBack(proxy, before + 1)).toBeLessThanOrEqual(before + 1);
  });

  test('leaves nothing of a client that goes, whenever that is', async () => {
    await using backend = await startBackend(async (peer) => {
      await peer.readUntil('\r\n\r\n');
      await peer.waitEnd();
      peer.close();
    });
    await using proxy = await startProxy((port) =>
      SERVER(port, `location / { ${BY_FILE} ${PASS(backend.port)} }`),
    );
    const before = proxy.descriptors();
    const half = `${upload('/', LONG.length)}${LONG.slice(0, 100_000)}`;
    for (const how of ['close', 'reset', 'end'] as const) {
      for (const [request, gapMs] of [
        [half, 0],
        [half, 50],
        [`${upload('/', 5)}hello`, 0],
        [`${upload('/', 5)}hello`, 50],
      ] as const) {
        const client = await Peer.connect(proxy.port);
        client.send(request);
        await sleep(gapMs);
        client[how]();
        if (how === 'end') await client.waitEnd();
        client.close();
      }
    }
    const log = await proxy.readUntil('access.log', /(?:.*\n){12}/);
    const statuses = [...log.matchAll(/" ([0-9]{3}) /g)].map((match) => match[1]).sort();
    expect(statuses.every((status) => status === '400' || status === '499')).toBe(true);
    expect(statuses.filter((status) => status === '499').length).toBeGreaterThanOrEqual(3);
    await emptied(folder(proxy));
    expect(await descriptorsBack(proxy, before)).toBe(before);
  });

  test.runIf(IS_MILLRACE)('leaves nothing of requests that a stop of the process cuts off', async () => {
    await using backend = await startBackend(async (peer) => {
      await peer.waitEnd();
    });
    const proxy = await startProxy((port) => SERVER(port, `location / { ${BY_FILE} ${PASS(backend.port)} }`));
    try {
      const [one, two] = [await Peer.connect(proxy.port), await Peer.connect(proxy.port)];
      one.send(`${upload('/', 5)}hello`);
      two.send(`${upload('/', LONG.length)}${LONG.slice(0, 100_000)}`);
      for (let i = 0; i < 400 && files(proxy).length < 2; i++) await sleep(10);
      expect(files(proxy)).toHaveLength(2);
      expect(await proxy.stop()).toBe(0);
      expect(files(proxy)).toEqual([]);
      one.close();
      two.close();
    } finally {
      await proxy[Symbol.asyncDispose]();
    }
  });
});

describe('a body that is too long for memory, where a text names $request_body_file', () => {
  const locations = (backend: number): string => `
    client_body_buffer_size 1k;
    location / { add_header X-File $request_body_file; add_header X-Body $request_body; ${PASS(backend)} }
    location /unnamed { ${PASS(backend)} }`;

  test('is read to its end first, into a file without a name', async () => {
    await using backend = await startAnswering(({ body }) => response(String(body.length)));
    await using proxy = await startProxy((port) => SERVER(port, locations(backend.port)));
    const before = proxy.descriptors();
    for (const request of [
      `${upload('/', LONG.length)}${LONG}`,
      `${CHUNKED}${chunked(LONG.match(/.{1,700}/g) ?? [])}`,
    ]) {
      const client = await Peer.connect(proxy.port);
      const asked = backend.requests.length;
      client.send(request.slice(0, 3000));
      await sleep(50);
      expect(backend.connections.length).toBe(backend.requests.length);
      client.send(request.slice(3000));
      const answer = await client.readMessage();
      expect([answer.body, values(answer, 'x-body')]).toEqual([String(LONG.length), []]);
      expect(backend.requests[asked]?.body).toBe(LONG);
      expect(value(answer, 'x-file')).toMatch(/\/client_body_temp\/[0-9]{10}$/);
      expect(existsSync(value(answer, 'x-file') ?? '')).toBe(false);
      client.close();
    }
    const short = await exchange(proxy.port, `${upload('/', 5)}hello`);
    expect([values(short, 'x-file'), values(short, 'x-body')]).toEqual([[], ['hello']]);
    expect(files(proxy)).toEqual([]);
    expect(await descriptorsBack(proxy, before + 1)).toBeLessThanOrEqual(before + 1);
    expect(proxy.read('error.log').match(/\[warn\].* buffered to a temporary file/g)).toHaveLength(2);
    if (!IS_MILLRACE) return;
    // Nobody would see the file there: the body goes on as it comes.
    await exchange(proxy.port, `${upload('/unnamed', LONG.length)}${LONG}`);
    expect(proxy.read('error.log').match(/\[warn\].* buffered to a temporary file/g)).toHaveLength(2);
  });

  test('can be sent again: to the next backend, and to the one of an error page', async () => {
    await using failing = await startBackend(async (peer, index) => {
      // One reads all of it, one only the beginning.
      await peer.readUntil('\r\n\r\n');
      if (index % 2 === 0) await peer.readBytes(LONG.length);
      peer.reset();
    });
    await using backend = await startAnswering(({ body, target }) =>
      response(`${target} ${String(body === LONG)}`),
    );
    await using proxy = await startProxy(
      (
        port,
      ) => `upstream u { server 127.0.0.1:${failing.port} max_fails=0; server 127.0.0.1:${backend.port} backup; }
        ${SERVER(
          port,
          `client_body_buffer_size 1k; add_header X-File $request_body_file;
           location /next { proxy_pass http://u; }
           location /page { proxy_pass http://127.0.0.1:${failing.port}; error_page 502 @page; }
           location @page { proxy_pass http://127.0.0.1:${backend.port}; }`,
        )}`,
    );
    const before = proxy.descriptors();
    for (const target of ['/next', '/next', '/page', '/page']) {
      const answer = await exchange(proxy.port, `${upload(target, LONG.length)}${LONG}`);
      expect([target, answer.body]).toEqual([target, `${target} true`]);
    }
    expect(failing.errors).toEqual([]);
    expect(await descriptorsBack(proxy, before + 1)).toBeLessThanOrEqual(before + 1);
  });
});

describe('files', () => {
  test('lie in the folders that client_body_temp_path says, next to those that are there', async () => {
    await using backend = await startAnswering(() => response('ok'));
    await using proxy = await startProxy((port) =>
      SERVER(
        port,
        `client_body_in_file_only on; client_body_temp_path levels/ 1 2; add_header X-File $request_body_file;
         location / { ${PASS(backend.port)} }`,
      ),
    );
    const root = join(proxy.prefix, 'levels');
    expect(statSync(root).mode & 0o777).toBe(0o700);
    const put = async (): Promise<string> =>
      value(await exchange(proxy.port, `${upload('/', 1)}x`), 'x-file')?.slice(root.length) ?? '';
    const first = await put();
    expect(first).toMatch(/^\/(.)\/(..)\/[0-9]{7}\2\1$/);
    const number = Number(first.slice(-10)) + 1;
    const name = String(number).padStart(10, '0');
    const taken = `/${name.slice(9)}/${name.slice(7, 9)}/${name}`;
    await put();
    const third = String(number + 1).padStart(10, '0');
    const next = join(root, third.slice(9), third.slice(7, 9));
    expect(readFileSync(join(root, taken), 'latin1')).toBe('x');
    // Somebody else has the third.
    mkdirSync(next, { recursive: true });
    writeFileSync(join(next, third), 'mine');
    expect((await put()).endsWith(third)).toBe(false);
    expect(readFileSync(join(next, third), 'latin1')).toBe('mine');
    if (!IS_MILLRACE) return;
    rmSync(root, { recursive: true });
    expect(existsSync(root + (await put()))).toBe(true);
  });

  test.runIf(process.getuid?.() === 0)('can be made by the user that the process becomes', async () => {
    await using backend = await startAnswering(({ body }) => response(String(body.length)));
    await using proxy = await startProxy(
      (port) =>
        SERVER(port, `location / { proxy_pass http://127.0.0.1:${backend.port}; proxy_http_version 1.0; }`),
      { main: 'user nobody nogroup;' },
    );
    expect((await exchange(proxy.port, `${CHUNKED}${chunked([LONG])}`)).body).toBe(String(LONG.length));
  });

  test.runIf(process.getuid?.() === 0)('belong to the user that the process becomes', async () => {
    await using backend = await startAnswering(() => response('ok'));
    await using proxy = await startProxy(
      (port) =>
        SERVER(
          port,
          `client_body_in_file_only on; add_header X-File $request_body_file; location / { ${PASS(backend.port)} }`,
        ),
      { main: 'user nobody nogroup;' },
    );
    const path = value(await exchange(proxy.port, `${upload('/', 5)}hello`), 'x-file') ?? '';
    expect(statSync(path).uid).toBeGreaterThan(0);
    expect(statSync(folder(proxy)).uid).toBe(statSync(path).uid);
  });

  test('are no memory: a long body goes through one, and waits in it for a backend that is slow', async () => {
    let received = 0;
    await using backend = await startBackend(async ({ socket }) => {
      socket.pause();
      socket.on('data', (chunk) => (received += chunk.length));
      await sleep(300);
      socket.resume();
      while (received < 64 * MB) await sleep(10);
      socket.write(response('ok'));
    });
    await using proxy = await startProxy((port) =>
      SERVER(port, `client_body_in_file_only clean; location / { ${PASS(backend.port)} }`),
    );
    const before = proxy.residentBytes();
    const client = await Peer.connect(proxy.port);
    client.send(upload('/', 64 * MB));
    client.send(Buffer.alloc(64 * MB, 'm'));
    let most = 0;
    const watch = setInterval(() => (most = Math.max(most, proxy.residentBytes())), 10);
    expect((await client.readMessage()).body).toBe('ok');
    clearInterval(watch);
    client.close();
    expect(most - before).toBeLessThan(16 * MB * Number(process.env['MILLRACE_TEST_SLOW'] ?? '1'));
    await emptied(folder(proxy));
  });

  test('that cannot be made are 500, and the log says why', async () => {
    await using backend = await startAnswering(() => response('ok'));
    await using proxy = await startProxy(
      (port) =>
        SERVER(
          port,
          `client_body_in_file_only clean; client_body_temp_path blocked;
           location / { ${PASS(backend.port)} } location /again { return 200 again; }`,
        ),
      { files: { blocked: 'no folder' } },
    );
    const client = await Peer.connect(proxy.port);
    client.send(`${upload('/', LONG.length)}${LONG}`);
    const answer = await client.readMessage();
    expect([answer.status, value(answer, 'connection')]).toEqual([500, 'close']);
    client.close();
    const log = await proxy.readUntil('error.log', /\[crit\]/);
    expect(log).toMatch(
      /\[crit\] .*open\(\) ".*\/blocked\/[0-9]{10}" failed \(20: Not a directory\), client: /,
    );
    expect(backend.connections).toHaveLength(0);
    expect((await exchange(proxy.port, 'GET /again HTTP/1.1\r\nHost: a\r\n\r\n')).body).toBe('again');
  });
});

test('$request_body is there for what the backend is sent, however the body comes', async () => {
  await using backend = await startAnswering((request) =>
    response(`${value(request, 'x-body') ?? '-'}|${request.body}`),
  );
  await using proxy = await startProxy((port) =>
    SERVER(
      port,
      `location /field { proxy_set_header X-Body "<$request_body>"; ${PASS(backend.port)} }
       location /set { proxy_set_body "[$request_body]"; ${PASS(backend.port)} }
       location /off { proxy_pass_request_body off; proxy_set_header X-Body $request_body;
         proxy_set_header Content-Length ""; ${PASS(backend.port)} }`,
    ),
  );
  for (const gapMs of [0, 20]) {
    for (const [target, expected] of [
      ['/field', '<hello>|hello'],
      ['/set', '-|[hello]'],
      ['/off', 'hello|'],
    ] as const) {
      const client = await Peer.connect(proxy.port);
      const parts = [upload(target, 5), 'he', 'llo'];
      await client.sendSlowly(gapMs === 0 ? [parts.join('')] : parts, gapMs);
      expect([target, (await client.readMessage()).body]).toEqual([target, expected]);
      client.send(CHUNKED.replace('/', target));
      await client.sendSlowly([chunked(['hel', 'lo'])], gapMs);
      expect([target, (await client.readMessage()).body]).toEqual([target, expected]);
      client.close();
    }
  }
});

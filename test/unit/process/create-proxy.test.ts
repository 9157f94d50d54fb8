/** The proxy as a library: its life, several in one process, modules of one's own, what is refused. */
import { createServer, get, type Server } from 'node:http';
import { createServer as createSocketServer } from 'node:net';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  ConfigError,
  createProxy,
  createProxyFromFile,
  DONE,
  MillraceError,
  NEXT,
} from '../../../lib/index.js';
import type { Module, Proxy, ProxyOptions } from '../../../lib/index.js';
import type { ConnectionHandler } from '../../../lib/reactor/connection.js';
import { ignoringHandler } from '../../../lib/reactor/ignoring-handler.js';
import { Reactor } from '../../../lib/reactor/reactor.js';
import { Deferred } from '../../../lib/util/deferred.js';

const opened: Proxy[] = [];
let backend: Server;
let backendPort: number;
/** Called for each request of the backend; answers at once unless a test sets it. */
let onRequest: (end: () => void) => void;

beforeEach(async () => {
  onRequest = (end) => end();
  backend = createServer((request, response) => {
    onRequest(() => response.end(`backend ${request.url} ${request.headers.host}`));
  });
  await new Promise<void>((resolve) => backend.listen(0, '127.0.0.1', resolve));
  ({ port: backendPort } = backend.address() as { port: number });
});
afterEach(async () => {
  await Promise.all(opened.splice(0).map((proxy) => proxy.close()));
  backend.closeAllConnections();
  await new Promise((resolve) => backend.close(resolve));
});

function proxyOf(config: ProxyOptions, modules: readonly Module[] = []): Proxy {
  const proxy = createProxy(config, { modules });
  opened.push(proxy);
  return proxy;
}

function answering(body: string): ProxyOptions {
  return { http: { server: { listen: '127.0.0.1:0', location: { '/': { return: [200, body] } } } } };
}

async function url(proxy: Proxy, path = '/'): Promise<string> {
  const [first] = await proxy.listen();
  return `http://${first?.address}:${first?.port}${path}`;
}

describe('createProxy', () => {
  test('proxies, and says where it listens', async () => {
    const proxy = proxyOf({
      http: {
        upstream: { app: { server: `127.0.0.1:${backendPort}`, keepalive: 4 } },
        server: {
          listen: '127.0.0.1:0',
          location: { '/': { proxy_pass: 'http://app', proxy_set_header: { Host: 'example.org' } } },
        },
      },
    });
    expect(proxy.addresses).toEqual([]);
    const response = await fetch(await url(proxy, '/x?y'));
    expect(await response.text()).toBe('backend /x?y example.org');
    expect(proxy.addresses).toEqual([{ address: '127.0.0.1', port: expect.any(Number) as number }]);
  });

  test('two live side by side, and with a server of Node', async () => {
    const [one, two] = [proxyOf(answering('one')), proxyOf(answering('two'))];
    const texts = await Promise.all(
      [await url(one), await url(two), `http://127.0.0.1:${backendPort}/`].map(async (each) =>
        (await fetch(each)).text(),
      ),
    );
    expect(texts).toEqual(['one', 'two', `backend / 127.0.0.1:${backendPort}`]);
  });

  test('listen, drain and close may be called again', async () => {
    const proxy = proxyOf(answering('x'));
    expect(await proxy.listen()).toEqual(await proxy.listen());
    await Promise.all([proxy.drain(), proxy.drain(), proxy.close()]);
    await proxy.close();
    expect(proxy.addresses).toEqual([]);
  });

  test('drain lets an exchange finish and refuses new clients', async () => {
    const { promise: reached, resolve: reach } = deferred<() => void>();
    onRequest = reach;
    const proxy = proxyOf({
      http: {
        server: {
          listen: '127.0.0.1:0',
          location: { '/': { proxy_pass: `http://127.0.0.1:${backendPort}` } },
        },
      },
    });
    const address = await url(proxy);
    const waiting = fetch(address);
    const end = await reached;
    const drained = proxy.drain();
    await expect(fetch(address)).rejects.toThrow();
    end();
    expect(await (await waiting).text()).toContain('backend /');
    await drained;
  });

  test('close cuts what is under way', async () => {
    const { promise: reached, resolve: reach } = deferred<() => void>();
    onRequest = reach;
    const proxy = proxyOf({
      http: {
        server: {
          listen: '127.0.0.1:0',
          location: { '/': { proxy_pass: `http://127.0.0.1:${backendPort}` } },
        },
      },
    });
    const waiting = fetch(await url(proxy)).then(
      () => 'answered',
      () => 'cut',
    );
    await reached;
    await proxy.close();
    expect(await waiting).toBe('cut');
  });

  test("a module of one's own: a handler and a variable", async () => {
    const teapot: Module = {
      name: 'teapot',
      directives: [],
      variables: [
        { name: 'brew', get: (exchange) => exchange.request.header('x-brew'), doc: 'What to brew.' },
      ],
      location: (builder) =>
        builder.access((exchange) =>
          exchange.request.header('x-brew') === 'coffee' ? exchange.respond(418, 'short and stout\n') : NEXT,
        ),
    };
    const location = {
      '/': { proxy_pass: `http://127.0.0.1:${backendPort}`, add_header: { 'X-Brew': '$brew' } },
    };
    const proxy = proxyOf({ http: { server: { listen: '127.0.0.1:0', location } } }, [teapot]);
    const address = await url(proxy);
    expect((await fetch(address, { headers: { 'x-brew': 'tea' } })).headers.get('x-brew')).toBe('tea');
    const refused = await fetch(address, { headers: { 'x-brew': 'coffee' } });
    expect([refused.status, await refused.text()]).toEqual([418, 'short and stout\n']);
  });

  test('a variable may write to a connection while a message is put together', async () => {
    const heads: unknown[] = [];
    backend.on('request', ({ headers }) =>
      heads.push([headers['x-one'], headers['x-two'], headers['x-three']]),
    );
    const sink = createSocketServer((socket) => socket.resume());
    await new Promise<void>((resolve) => sink.listen(0, '127.0.0.1', resolve));
    const reactor = new Reactor();
    const connected = new Deferred<undefined>();
    const handler = Object.create(ignoringHandler) as ConnectionHandler;
    handler.onConnect = () => connected.resolve(undefined);
    const other = reactor.connectRaw('127.0.0.1', (sink.address() as { port: number }).port, handler);
    await connected.promise;
    const noisy: Module = {
      name: 'noisy',
      directives: [],
      variables: [{ name: 'noisy', get: () => String(other.write(Buffer.alloc(200_000, 'X'))), doc: '' }],
    };
    const location = {
      '/': {
        proxy_pass: `http://127.0.0.1:${backendPort}`,
        proxy_set_header: { 'X-One': '1 $arg_a', 'X-Two': '$noisy', 'X-Three': '3 $arg_a' },
        add_trailer: { 'X-Noisy': '$noisy' },
      },
    };
    const proxy = proxyOf({ http: { server: { listen: '127.0.0.1:0', location } } }, [noisy]);
    const answer = await fetch(await url(proxy, '/?a=b'));
    expect(await answer.text()).toContain('backend /?a=b');
    expect(heads).toEqual([['1 b', expect.stringMatching(/true|false/), '3 b']]);
    await reactor.close();
    sink.close();
  });
});

describe('a variable that answers another request', () => {
  /** `$release` answers the request that waits, if one does. */
  function gate(): Module {
    const waiting: (() => unknown)[] = [];
    return {
      name: 'gate',
      directives: [],
      variables: [
        {
          name: 'release',
          get: () => (waiting.shift()?.() === undefined ? 'nothing' : 'released'),
          doc: '',
        },
      ],
      location: (builder) =>
        builder.access((exchange) => {
          if (exchange.uri !== '/held') return NEXT;
          return new Promise((resolve) => {
            waiting.push(() => (resolve(DONE), exchange.respond(200, 'was held\n')));
          });
        }),
    };
  }
  let folder: string;
  /** The answer to "/go". */
  let text = '';
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'millrace-lib-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  /** Asks for "/held", then for "/go"; the lines of the log without their order. */
  async function both(location: Record<string, object>, format: string, headers = {}): Promise<string[]> {
    const log = join(folder, 'log');
    const server = { listen: '127.0.0.1:0', location, access_log: `${log} main` };
    const proxy = proxyOf({ http: { log_format: `main ${format}`, server } }, [gate()]);
    const address = await url(proxy, '/held');
    const held = fetch(address);
    await new Promise((resolve) => setTimeout(resolve, 100));
    text = await new Promise((resolve) => {
      get(address.replace('/held', '/go?a=b'), { headers }, (answer) => {
        answer.setEncoding('latin1').on('data', resolve);
      });
    });
    expect(await (await held).text()).toBe('was held\n');
    await proxy.close();
    return readFileSync(log, 'utf8').trimEnd().split('\n').sort();
  }

  test('does not change the line of the log that it is asked for', async () => {
    const lines = await both(
      { '/go': { return: [200, 'own\n'] }, '/held': {} },
      "'$request_method $uri $request <$arg_a> $release $status $body_bytes_sent'",
    );
    expect(lines).toEqual([
      'GET /go GET /go?a=b HTTP/1.1 <b> released 200 4',
      'GET /held GET /held HTTP/1.1 <-> nothing 200 9',
    ]);
  });

  test('does not change a line that is written value by value', async () => {
    const format = "'$request_method $release $uri $http_user_agent'";
    const twice = { 'User-Agent': ['one', 'two'] };
    const lines = await both({ '/go': { return: [200, 'own\n'] }, '/held': {} }, format, twice);
    expect(lines).toEqual(['GET nothing /held node', 'GET released /go one, two']);
  });

  test('does not change the answer whose trailer it is asked for', async () => {
    const location = {
      '/go': { proxy_pass: `http://127.0.0.1:${backendPort}`, add_trailer: { 'X-Release': '$release' } },
      '/held': {},
    };
    expect(await both(location, '$uri')).toEqual(['/go', '/held']);
    expect(text).toMatch(/^backend \/go/);
  });

  test('does not change the answer whose Server field it is asked for', async () => {
    const location = { '/go': { return: [200, 'own\n'], server_tokens: 'is $release' }, '/held': {} };
    expect(await both(location, '$uri')).toEqual(['/go', '/held']);
    expect(text).toBe('own\n');
  });

  test('does not change the head that it is asked for', async () => {
    const heads: unknown[] = [];
    backend.on('request', ({ url: target, headers }) =>
      heads.push([target, headers['x-one'], headers['x-two'], headers['x-three']]),
    );
    const proxied = {
      proxy_pass: `http://127.0.0.1:${backendPort}`,
      proxy_set_header: { 'X-One': '1 $arg_a', 'X-Two': '$release', 'X-Three': '3 $arg_a' },
    };
    const lines = await both(
      { '/go': proxied, '/held': {} },
      "'$request_method $uri $request <$arg_a> $status'",
    );
    expect(heads).toEqual([['/go?a=b', '1 b', 'released', '3 b']]);
    expect(lines).toEqual(['GET /go GET /go?a=b HTTP/1.1 <b> 200', 'GET /held GET /held HTTP/1.1 <-> 200']);
  });
});

describe('what is refused', () => {
  test('a mistake names the place in the object', async () => {
    const config = { http: { server: { listen: '127.0.0.1:0', gzipp: 'on' } } } as ProxyOptions;
    const error = await proxyOf(config)
      .listen()
      .catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(ConfigError);
    expect((error as ConfigError).message).toContain('http.server');
  });

  test('a port in use rejects, and can be had once it is free', async () => {
    const taken = { http: { server: { listen: `127.0.0.1:${backendPort}` } } };
    const error = await proxyOf(taken)
      .listen()
      .catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(MillraceError);
    expect(error).toMatchObject({ code: 'EADDRINUSE', port: backendPort });
  });

  test('listen after close', async () => {
    const proxy = proxyOf(answering('x'));
    await proxy.close();
    await expect(proxy.listen()).rejects.toMatchObject({ code: 'ERR_CLOSED' });
  });

  test('close while it starts leaves nothing open', async () => {
    const proxy = proxyOf(answering('x'));
    const starting = proxy.listen().catch((reason: unknown) => reason);
    await proxy.close();
    expect(await starting).toMatchObject({ code: 'ERR_CLOSED' });
    expect(proxy.addresses).toEqual([]);
  });
});

test('createProxyFromFile', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-'));
  writeFileSync(
    join(folder, 'nginx.conf'),
    'events { } http { access_log off; server { listen 127.0.0.1:0; location / { return 200 "from a file"; } } }',
  );
  const proxy = createProxyFromFile('nginx.conf', { prefix: folder });
  opened.push(proxy);
  expect(await (await fetch(await url(proxy))).text()).toBe('from a file');
  rmSync(folder, { recursive: true });
});

function deferred<T>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve!: (value: T) => void;
  const promise = new Promise<T>((settle) => (resolve = settle));
  return { promise, resolve };
}

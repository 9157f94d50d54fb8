/**
 * Everything that a backend or a client may do wrong, one fault a test: what the client
 * saw, what the backend saw, what the logs say, and that every descriptor is back.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { response, startBackend, type Backend } from './support/backend.js';
import { Peer } from './support/peer.js';
import { descriptorsBack, IS_MILLRACE, startProxy, type Proxy } from './support/proxy.js';

const FORMAT = `log_format f '$status $upstream_status "$request"';`;
const LOG = 'access_log access.log f;';
const HEAD = 'HTTP/1.1 200 OK\r\n';
const CHUNKED = `${HEAD}Transfer-Encoding: chunked\r\n\r\n`;

/** How many descriptors are open when nobody is connected, once everything that is opened once was. */
async function idleDescriptors(proxy: Proxy): Promise<number> {
  const counts: number[] = [];
  while (counts.length < 3 || counts.at(-1) !== counts.at(-2)) {
    const client = await Peer.connect(proxy.port);
    client.send('GET /well HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
    await client.waitEnd();
    client.close();
    await sleep(50);
    counts.push(proxy.descriptors());
  }
  return counts.at(-1) ?? 0;
}

/** What a backend does with a connection, and what must come of it. */
interface BackendFault {
  readonly act: (peer: Peer) => Promise<void> | void;
  /** What the client is sent; "cut" behind a status: the body is visibly incomplete. */
  readonly seen: string;
  /** `$status $upstream_status`. */
  readonly logged: string;
  readonly error?: RegExp;
  /** nginx of old does otherwise. */
  readonly ours?: boolean;
}

/** Reads the request, then does the rest: "end", "reset", "wait" for the other side's end, or sends. */
const after =
  (...parts: readonly string[]): BackendFault['act'] =>
  async (peer) => {
    await peer.readUntil('\r\n\r\n');
    for (const part of parts) {
      if (part === 'end') peer.end();
      else if (part === 'reset') peer.reset();
      else if (part === 'wait') await peer.waitEnd();
      else peer.send(part);
      // Bytes before a reset would be lost with it.
      await sleep(30);
    }
  };

/** One byte after the other, until the other side has had enough of it. */
const slowly =
  (bytes: string, gapMs: number): BackendFault['act'] =>
  async (peer) => {
    await peer.readUntil('\r\n\r\n');
    for (const byte of bytes) {
      if (peer.ending !== undefined) return;
      await peer.sendSlowly([byte], gapMs);
    }
    peer.end();
  };

const CLOSED =
  /\[error\] .*upstream prematurely closed connection while reading response header from upstream/;
const RESET = /\[error\] .*recv\(\) failed \(104: Connection reset by peer\) while reading/;
const BROKEN = /\[error\] .*upstream prematurely closed connection while reading upstream/;
const TIMED = /\[error\] .*upstream timed out \(110: Connection timed out\) while reading/;

const BACKEND: Readonly<Record<string, BackendFault>> = {
  'closes before it has read anything': {
    act: (peer) => peer.end(),
    seen: '502',
    logged: '502 502',
    error: CLOSED,
  },
  'resets before it has read anything': {
    act: (peer) => peer.reset(),
    seen: '502',
    logged: '502 502',
    error: /\[error\] .*104: Connection reset by peer/,
  },
  'closes before its head': { act: after('end'), seen: '502', logged: '502 502', error: CLOSED },
  'resets before its head': { act: after('reset'), seen: '502', logged: '502 502', error: RESET },
  'closes within its status line': {
    act: after('HTTP/1.', 'end'),
    seen: '502',
    logged: '502 502',
    error: CLOSED,
  },
  'closes within its head': {
    act: after(`${HEAD}Content-Len`, 'end'),
    seen: '502',
    logged: '502 502',
    error: CLOSED,
  },
  'resets within its head': {
    act: after(`${HEAD}X: y\r\n`, 'reset'),
    seen: '502',
    logged: '502 502',
    error: RESET,
  },
  'closes behind its head': {
    act: after(`${HEAD}Content-Length: 9\r\n\r\n`, 'end'),
    seen: '200 cut ""',
    logged: '200 200',
    error: BROKEN,
  },
  'closes within a body with a length': {
    act: after(`${HEAD}Content-Length: 9\r\n\r\nhalf`, 'end'),
    seen: '200 cut "half"',
    logged: '200 200',
    error: BROKEN,
  },
  'resets within a body with a length': {
    act: after(`${HEAD}Content-Length: 9\r\n\r\nhalf`, 'reset'),
    seen: '200 cut "half"',
    logged: '200 200',
    error: RESET,
  },
  'closes in the middle of a chunk': {
    act: after(`${CHUNKED}9\r\nhalf`, 'end'),
    seen: '200 cut "half"',
    logged: '200 200',
    error: BROKEN,
  },
  'closes between two chunks': {
    act: after(`${CHUNKED}4\r\nhalf\r\n`, 'end'),
    seen: '200 cut "half"',
    logged: '200 200',
    error: BROKEN,
  },
  'closes within its trailers': {
    act: after(`${CHUNKED}4\r\nhalf\r\n0\r\nX-Sum`, 'end'),
    seen: '200 cut "half"',
    logged: '200 200',
    error: BROKEN,
  },
  'resets within a body that ends with the connection': {
    act: after(`${HEAD}\r\nhalf`, 'reset'),
    seen: '200 cut "half"',
    logged: '200 200',
    error: RESET,
  },
  'ends a body with the connection': {
    act: after(`${HEAD}\r\nwhole`, 'end'),
    seen: '200 "whole"',
    logged: '200 200',
  },
  'sends two responses': {
    act: after(response('one') + response('two'), 'wait'),
    seen: '200 "one"',
    logged: '200 200',
  },
  'sends a body where there is none': {
    act: after(`HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\nabc`, 'wait'),
    seen: '204 ""',
    logged: '204 204',
  },
  'sends 101 unasked': {
    act: after('HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nbytes', 'wait'),
    seen: '502',
    logged: '502 502',
    error: /upstream switched protocols unasked/,
    ours: true,
  },
  'sends a 100 unasked, and others': {
    act: after('HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n', response('x'), 'wait'),
    seen: '103 200 "x"',
    logged: '200 200',
    ours: true,
  },
  'sends what is no HTTP': {
    act: after('220 mail.example.com ESMTP\r\n', 'wait'),
    seen: '502',
    logged: '502 502',
    error: /upstream sent no valid HTTP\/1.0 header/,
    ours: true,
  },
  'sends a head that does not end': {
    act: async (peer) => {
      await peer.readUntil('\r\n\r\n');
      peer.send(HEAD);
      for (let i = 0; i < 400 && peer.ending === undefined; i++) {
        await peer.sendSlowly([`X-${i}: ${'x'.repeat(4000)}\r\n`], 1);
      }
    },
    seen: '502',
    logged: '502 502',
    error: /upstream sent too big header/,
  },
  'stalls before its head': { act: after('wait'), seen: '504', logged: '504 504', error: TIMED },
  'stalls within its head': {
    act: after(`${HEAD}X: `, 'wait'),
    seen: '504',
    logged: '504 504',
    error: TIMED,
  },
  'stalls within its body': {
    act: after(`${HEAD}Content-Length: 9\r\n\r\nhalf`, 'wait'),
    seen: '200 cut "half"',
    logged: '200 200',
    error: TIMED,
  },
  'sends its head a byte at a time': {
    act: slowly(`${HEAD}X: ${'x'.repeat(100)}\r\n\r\n`, 40),
    seen: '504',
    logged: '504 504',
    error: TIMED,
    ours: true,
  },
  'sends its body a byte at a time': {
    act: async (peer) => {
      await peer.readUntil('\r\n\r\n');
      peer.send(`${HEAD}Content-Length: 8\r\n\r\n`);
      await peer.sendSlowly('slowbody', 150);
    },
    seen: '200 "slowbody"',
    logged: '200 200',
  },
};

describe('a backend that', () => {
  let backend: Backend;
  let proxy: Proxy;
  /** Descriptors while nobody is connected. */
  let idle = 0;
  let act: BackendFault['act'] = () => undefined;

  beforeAll(async () => {
    backend = await startBackend((peer) => act(peer));
    proxy = await startProxy(
      (port) => `${FORMAT} server { listen 127.0.0.1:${port}; ${LOG} location / {
        proxy_pass http://127.0.0.1:${backend.port}; proxy_http_version 1.1; proxy_set_header Connection "";
        proxy_buffering off; proxy_read_timeout 800ms; proxy_next_upstream off; } }`,
    );
    act = after(response('well'), 'wait');
    idle = await idleDescriptors(proxy);
  });
  afterAll(async () => {
    await proxy[Symbol.asyncDispose]();
    await backend.close();
  });

  /** Reads what comes until a final answer is there, or broke off. */
  async function outcome(client: Peer): Promise<string> {
    let seen = '';
    for (;;) {
      const { status, complete, body } = await client.readMessage();
      seen += `${status}`;
      if (status < 200) {
        seen += ' ';
        continue;
      }
      if (status >= 500) return seen;
      return `${seen}${complete ? '' : ' cut'} "${body}"`;
    }
  }

  for (const [what, fault] of Object.entries(BACKEND)) {
    test.runIf(IS_MILLRACE || fault.ours !== true)(what, async () => {
      ({ act } = fault);
      const index = backend.connections.length;
      const target = `/${encodeURIComponent(what)}`;
      const client = await Peer.connect(proxy.port);
      client.send(`GET ${target} HTTP/1.1\r\nHost: a\r\n\r\n`);
      expect(await outcome(client)).toBe(fault.seen);
      const upstream = backend.connections[index];
      // It was asked once, and its connection is gone: nothing that it still says can reach anybody.
      expect(backend.connections).toHaveLength(index + 1);
      await upstream?.waitEnd();
      upstream?.close();
      await proxy.readUntil('access.log', new RegExp(`^${fault.logged} "GET ${target} `, 'm'));
      if (fault.error !== undefined) {
        const log = await proxy.readUntil('error.log', new RegExp(target));
        const lines = log.split('\n').filter((line) => line.includes(target));
        expect(lines.filter((line) => fault.error?.test(line))).toHaveLength(1);
      }
      // The next client is served as if nothing had been.
      act = after(response('well'), 'wait');
      const next = await Peer.connect(proxy.port);
      next.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
      expect(await outcome(next)).toBe('200 "well"');
      for (const peer of [client, next]) peer.close();
      expect(await descriptorsBack(proxy, idle)).toBeLessThanOrEqual(idle);
    });
  }
});

describe('a backend whose connection is kept', () => {
  const POOLED = (port: number, backend: number): string => `${FORMAT}
    upstream u { server 127.0.0.1:${backend}; keepalive 8; }
    server { listen 127.0.0.1:${port}; ${LOG} location / {
      proxy_pass http://u; proxy_http_version 1.1; proxy_set_header Connection ""; } }`;

  const FAULTS: Readonly<Record<string, (peer: Peer) => Promise<void> | void>> = {
    'closes it after an idle second': async (peer) => {
      await sleep(1000);
      peer.end();
    },
    'resets it after an idle second': async (peer) => {
      await sleep(1000);
      peer.reset();
    },
    'sends a second response when nobody asks': async (peer) => {
      await sleep(50);
      peer.send(response('unasked'));
      await peer.waitEnd();
    },
    'sends half a response when nobody asks': async (peer) => {
      await sleep(50);
      peer.send('HTTP/1.1 2');
      await peer.waitEnd();
    },
    'closes it when the next request arrives': async (peer) => {
      await peer.until('a request', () => peer.received.includes('/2') || peer.ending !== undefined);
      peer.end();
    },
    'resets it when the next request arrives': async (peer) => {
      await peer.until('a request', () => peer.received.includes('/2') || peer.ending !== undefined);
      peer.reset();
    },
  };
  const METHODS = ['GET', 'HEAD', 'PUT', 'DELETE', 'POST'];

  for (const [what, then] of Object.entries(FAULTS)) {
    // nginx goes on to another kept connection, which is as dead.
    test.runIf(IS_MILLRACE || !what.includes('arrives'))(
      `${what}: the next request is answered all the same, and a POST never sent twice`,
      async () => {
        const asked: string[] = [];
        let firsts = 0;
        await using backend = await startBackend(async (peer) => {
          for (;;) {
            await peer.until('work', () => peer.received !== '' || peer.ending !== undefined);
            if (peer.ending !== undefined) return;
            const { target, method } = await peer.readMessage();
            asked.push(`${method} ${target}`);
            if (target === '/1') break;
            // Not kept, so that each of the second requests finds one of the first connections.
            const answer = response('2', ['Connection: close']);
            peer.send(method === 'HEAD' ? answer.slice(0, -1) : answer);
          }
          // Each of the first requests gets a connection of its own, which is kept.
          firsts++;
          await peer.until('the others', () => firsts === METHODS.length || peer.ending !== undefined);
          peer.send(response('1'));
          for (const each of backend.connections) each.socket.emit('data', Buffer.alloc(0));
          await then(peer);
          const second = /[A-Z]+ \/2/.exec(peer.received)?.[0];
          if (second !== undefined) asked.push(second);
        });
        await using proxy = await startProxy((port) => POOLED(port, backend.port));
        const clients = await Promise.all(METHODS.map(() => Peer.connect(proxy.port)));
        for (const client of clients) client.send('GET /1 HTTP/1.1\r\nHost: a\r\n\r\n');
        for (const client of clients) expect((await client.readMessage()).body).toBe('1');
        await sleep(what.includes('idle') ? 1150 : what.includes('nobody') ? 150 : 0);
        const late = what.includes('arrives');
        for (const [i, method] of METHODS.entries()) {
          const client = clients[i];
          if (client === undefined) throw new Error('no client');
          client.send(`${method} /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody`);
          const { status, body } = await client.readMessage(method);
          const refused = late && method === 'POST';
          expect([method, status, refused || method === 'HEAD' ? '' : body]).toEqual([
            method,
            refused ? 502 : 200,
            refused || method === 'HEAD' ? '' : '2',
          ]);
          client.close();
        }
        expect(asked.filter((line) => line === 'POST /2')).toHaveLength(1);
        const errors = proxy
          .read('error.log')
          .split('\n')
          .filter((line) => line.includes('[error]'));
        expect(errors.map((line) => /"([A-Z]+) \/2/.exec(line)?.[1])).toEqual(
          late ? errors.map(() => 'POST') : [],
        );
      },
    );
  }
});

/** How far a client gets before it goes. */
const STAGES: Readonly<
  Record<string, { readonly send: string; readonly status: string; readonly ours?: boolean }>
> = {
  'before its first byte': { send: '', status: '' },
  'within the request line': { send: 'GET /a', status: '400' },
  'within its head': { send: 'GET /a HTTP/1.1\r\nHost: a\r\nX', status: '400' },
  'within a body that is being collected': {
    send: 'PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf',
    status: '400',
  },
  'within a chunk that is being passed on': {
    send: 'PUT /stream HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhalf',
    status: '400',
  },
  'while a backend is silent': { send: 'GET /silent HTTP/1.1\r\nHost: a\r\n\r\n', status: '499' },
  'while the first of two requests waits': {
    send: 'GET /silent HTTP/1.1\r\nHost: a\r\n\r\nGET /second HTTP/1.1\r\nHost: a\r\n\r\n',
    status: '499',
  },
  'within a response with a length': { send: 'GET /length HTTP/1.1\r\nHost: a\r\n\r\n', status: '200' },
  'within a response in chunks': { send: 'GET /chunks HTTP/1.1\r\nHost: a\r\n\r\n', status: '200' },
  'between two requests': { send: 'GET /whole HTTP/1.1\r\nHost: a\r\n\r\n', status: '200' },
};

describe('a client that leaves', () => {
  let backend: Backend;
  let proxy: Proxy;
  /** Descriptors while nobody is connected. */
  let idle = 0;

  beforeAll(async () => {
    backend = await startBackend(async (peer) => {
      const head = await peer.readUntil('\r\n\r\n');
      if (head.includes('/length')) peer.send(`${HEAD}Content-Length: 1000000000\r\n\r\n`);
      if (head.includes('/chunks')) peer.send(CHUNKED);
      if (head.includes('/whole') || head.includes('/well')) peer.send(response('whole'));
      while (/\/(length|chunks)/.test(head) && peer.ending === undefined) {
        const bytes = 'x'.repeat(1000);
        await peer.sendSlowly([head.includes('/chunks') ? `3e8\r\n${bytes}\r\n` : bytes], 2);
      }
      await peer.waitEnd();
      peer.close();
    });
    proxy = await startProxy(
      (port) => `${FORMAT} server { listen 127.0.0.1:${port}; ${LOG}
        location / { proxy_pass http://127.0.0.1:${backend.port}; proxy_http_version 1.1; }
        location /stream { proxy_pass http://127.0.0.1:${backend.port}; proxy_http_version 1.1;
          proxy_request_buffering off; } }`,
    );
    idle = await idleDescriptors(proxy);
  });
  afterAll(async () => {
    await proxy[Symbol.asyncDispose]();
    await backend.close();
  });

  for (const [stage, { send, status }] of Object.entries(STAGES)) {
    for (const how of ['close', 'reset', 'end'] as const) {
      test(`${stage}, by ${how === 'end' ? 'a half-close' : `a ${how}`}`, async () => {
        const logged = proxy.read('access.log').length;
        const connections = backend.connections.length;
        const client = await Peer.connect(proxy.port);
        client.send(send);
        const proxied = /\/(silent|stream|length|chunks|whole)/.test(send);
        for (let i = 0; proxied && i < 400 && backend.connections.length === connections; i++)
          await sleep(10);
        if (proxied) await backend.connections.at(-1)?.until('a request', () => true);
        if (status === '200') await client.readUntil(stage.includes('between') ? 'whole' : 'xxx');
        else await sleep(30);
        client[how]();
        // Its end is seen: the proxy's side closes, and with it what a backend did for the client.
        if (how === 'end') await client.waitEnd();
        expect(await descriptorsBack(proxy, idle)).toBeLessThanOrEqual(idle);
        if (proxied) await backend.connections.at(-1)?.waitEnd();
        const lines = (): string[] =>
          proxy
            .read('access.log')
            .slice(logged)
            .split('\n')
            .slice(0, -1)
            .filter((line) => !line.includes('/well'));
        for (let i = 0; status !== '' && i < 100 && lines().length === 0; i++) await sleep(20);
        expect(lines().map((line) => line.split(' ')[0])).toEqual(status === '' ? [] : [status]);
        const next = await Peer.connect(proxy.port);
        next.send('GET /well HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
        expect((await next.readMessage()).body).toBe('whole');
        next.close();
        await proxy.readUntil('access.log', /\/well [^\n]*\n$/);
      });
    }
  }
});

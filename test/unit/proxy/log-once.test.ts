/** Whatever becomes of a request, its log handlers are called once, with what it came to. */
import { describe, expect, it } from 'vitest';
import { DONE, type Exchange } from '../../../lib/module-api/index.js';
import type { Peer } from '../../e2e/support/peer.js';
import { startAnswering, startBackend } from '../../e2e/support/backend.js';
import { freePort } from '../../e2e/support/proxy.js';
import { proxyTo, request, start, turns, type StartOptions } from './engine-support.js';

function hello(exchange: Exchange): number {
  return exchange.respond(200, 'hello');
}

function begin(exchange: Exchange): number {
  exchange.begin(200, 100);
  exchange.write(Buffer.from('part'));
  return DONE;
}

const CHUNKED = 'Transfer-Encoding: chunked';
const EXPECT = 'Expect: 100-continue';

/** What a client does, and what is in the log behind that: "status" or "status cut". */
type Outcome = readonly [name: string, client: (client: Peer) => unknown, logged: string[], StartOptions?];

const OUTCOMES: readonly Outcome[] = [
  ['an answer', (c) => c.send(request('GET', '/')), ['200']],
  ['an answer, then FIN', (c) => (c.send(request('GET', '/')), c.end()), ['200']],
  ['pipelined answers', (c) => c.send(request('GET', '/').repeat(3)), ['200', '200', '200']],
  ['HTTP/1.0', (c) => c.send('GET / HTTP/1.0\r\n\r\n'), ['200']],
  ['a bad request line', (c) => c.send('GET\r\n\r\n'), ['400']],
  ['a bad request behind a good one', (c) => c.send(`${request('GET', '/')}\x01\r\n\r\n`), ['200', '400']],
  ['no Host', (c) => c.send('GET / HTTP/1.1\r\n\r\n'), ['400']],
  ['a URI that is too long', (c) => c.send(request('GET', `/${'x'.repeat(9000)}`)), ['414']],
  ['a field that is too long', (c) => c.send(request('GET', '/', `X: ${'x'.repeat(9000)}`)), ['494']],
  ['a body announced too large', (c) => c.send(request('POST', '/', 'Content-Length: 9999999')), ['413']],
  ['a body that is not read', (c) => c.send(`${request('POST', '/', 'Content-Length: 4')}body`), ['200']],
  [
    'a request behind a body that is not read',
    (c) => c.sendSlowly([request('POST', '/', 'Content-Length: 4'), 'bo', `dy${request('GET', '/')}`]),
    ['200', '200'],
  ],
  [
    'RST within a body that is not read',
    (c) => c.sendSlowly([request('POST', '/', 'Content-Length: 4'), 'bo'], 10).then(() => c.reset()),
    ['200'],
  ],
  [
    'FIN within a body that is not read',
    (c) => c.sendSlowly([request('POST', '/', 'Content-Length: 4'), 'bo'], 10).then(() => c.end()),
    ['200'],
  ],
  [
    'a chunked body that is bad and not read',
    (c) => c.send(`${request('POST', '/', CHUNKED)}zz\r\n`),
    ['400'],
  ],
  ['Expect without the body', (c) => c.send(request('POST', '/', EXPECT, 'Content-Length: 4')), ['200']],
  ['FIN within a head', (c) => (c.send('GET / HT'), c.end()), ['400 cut']],
  ['RST within a head', (c) => c.sendSlowly(['GET / HT'], 20).then(() => c.reset()), ['400 cut']],
  ['a head that does not end', (c) => c.send('GET / HT'), ['408'], { clientHeaderTimeoutMs: 30 }],
  ['nothing, then FIN', (c) => c.end(), []],
  ['nothing, then RST', (c) => c.reset(), []],
  ['nothing at all', () => undefined, [], { clientHeaderTimeoutMs: 30 }],
  [
    'RST while it waits',
    (c) => c.sendSlowly([request('GET', '/wait')], 20).then(() => c.reset()),
    ['499 cut'],
  ],
  [
    'RST within an answer',
    (c) => c.sendSlowly([request('GET', '/begin')], 20).then(() => c.reset()),
    ['200 cut'],
  ],
  ['an answer that ends too early', (c) => c.send(request('GET', '/short')), ['200 cut']],
  ['444', (c) => c.send(request('GET', '/drop')), ['444 cut']],
];

describe('log handlers', () => {
  it.each(OUTCOMES.map((outcome) => [outcome[0], outcome] as const))('%s', async (_name, outcome) => {
    const [, act, expected, options] = outcome;
    const rig = start(
      {
        '/': hello,
        '/begin': begin,
        '/wait': () => new Promise<number>(() => undefined),
        '/drop': () => 444,
        '/short': (exchange) => {
          begin(exchange);
          exchange.end();
          return DONE;
        },
      },
      options,
    );
    const client = await rig.connect();
    await act(client);
    await rig.until('the log', () => rig.logged.length >= expected.length);
    // Time for a second call, and for one when the connection is gone.
    await turns(40);
    client.close();
    await rig.until('the end', () => rig.engine.context.clients.size === 0);
    const seen = rig.logged.map(({ status, completed }) => (completed ? `${status}` : `${status} cut`));
    expect(seen).toEqual(expected);
  });

  it('are all called, in order, also behind one that throws', async () => {
    const calls: string[] = [];
    const rig = start({
      '/': {
        content: hello,
        logHandlers: [
          () => calls.push('first'),
          () => {
            throw new Error('boom');
          },
          () => calls.push('third'),
        ],
      },
    });
    const client = await rig.send(request('GET', '/').repeat(2));
    await client.readMessage();
    await client.readMessage();
    expect(calls).toEqual(['first', 'third', 'first', 'third']);
    expect(rig.errorLog.matching(/^alert: a log handler threw: Error: boom$/)).toHaveLength(2);
  });

  it('see what was received and sent', async () => {
    const seen: number[][] = [];
    const rig = start({
      '/': {
        content: hello,
        logHandlers: [
          ({ request: { bytesReceived }, response: { bytesSent, bodyBytesSent } }) => {
            seen.push([bytesReceived, bytesSent, bodyBytesSent]);
          },
        ],
      },
    });
    const text = request('GET', '/', 'X: y');
    const client = await rig.send(text);
    const { head } = await client.readMessage();
    expect(seen).toEqual([[text.length, head.length + 5, 5]]);
  });
});

describe('log handlers of a proxied request', () => {
  it('are called once for an answer, and the backend is free again', async () => {
    await using backend = await startAnswering(() => 'HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\nok');
    const { group, handler } = proxyTo(backend.port);
    const rig = start({ '/': handler }, { upstreams: [group] });
    expect(await rig.get('/')).toBe('201 ok');
    expect(await rig.get('/')).toBe('201 ok');
    expect(rig.logged.map(({ status }) => status)).toEqual([201, 201]);
    expect([group.peers[0].active, group.idleCount, backend.connections.length]).toEqual([0, 1, 1]);
  });

  it('are called once when there is no backend', async () => {
    const { group, handler } = proxyTo(await freePort());
    const rig = start({ '/': handler }, { upstreams: [group] });
    expect(await rig.get('/')).toContain('502 Bad Gateway');
    expect(rig.logged).toEqual([{ uri: '/', status: 502, completed: true }]);
    expect(group.peers[0].active).toBe(0);
  });

  it('are called once when the backend is silent for too long', async () => {
    await using backend = await startBackend(() => undefined);
    const { group, handler } = proxyTo(backend.port, { readTimeoutMs: 30 });
    const rig = start({ '/': handler }, { upstreams: [group] });
    expect(await rig.get('/')).toContain('504 Gateway Time-out');
    expect(rig.logged).toEqual([{ uri: '/', status: 504, completed: true }]);
    expect(group.peers[0].active).toBe(0);
  });

  it('are called once when the backend breaks off', async () => {
    await using backend = await startBackend(async (connection) => {
      await connection.readUntil('\r\n\r\n');
      connection.send('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf');
      connection.end();
    });
    const { group, handler } = proxyTo(backend.port);
    const rig = start({ '/': handler }, { upstreams: [group] });
    const client = await rig.send(request('GET', '/'));
    const { body, complete } = await client.readMessage();
    expect([body, complete]).toEqual(['half', false]);
    expect(rig.logged).toEqual([{ uri: '/', status: 200, completed: false }]);
    expect(group.peers[0].active).toBe(0);
  });

  it.each(['FIN', 'RST'])(
    'are called once when the client leaves with %s while the backend works',
    async (how) => {
      await using backend = await startBackend(() => undefined);
      const { group, handler } = proxyTo(backend.port);
      const rig = start({ '/': handler }, { upstreams: [group] });
      const client = await rig.send(request('GET', '/'));
      await rig.until('the backend', () => backend.connections.at(0)?.received.includes('\r\n\r\n') === true);
      if (how === 'FIN') client.end();
      else client.reset();
      await rig.until('the log', () => rig.logged.length > 0);
      await turns(20);
      expect(rig.logged).toEqual([{ uri: '/', status: 499, completed: false }]);
      expect(group.peers[0].active).toBe(0);
      await backend.connections[0].waitEnd();
    },
  );
});

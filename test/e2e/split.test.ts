/**
 * Where the network cuts a message must not matter: every head and body below is sent
 * in two parts, cut at each byte, and one byte at a time, and must give what the whole
 * one gave. All cuts of a case run at once, each on a connection of its own; the second
 * part is sent when the first has long been read.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { chunked, response, startAnswering, startBackend, type Backend } from './support/backend.js';
import { value, type Message } from './support/message.js';
import { Peer, type Bytes } from './support/peer.js';
import { startProxy } from './support/proxy.js';

/** Between two parts. Every part that came is read in the meantime, also on a busy machine. */
const GAP_MS = 40;

const SERVER = (port: number, backend: Backend): string => `
  upstream pool { server 127.0.0.1:${backend.port}; keepalive 16; }
  server {
    listen 127.0.0.1:${port};
    location / {
      proxy_pass http://pool;
      proxy_http_version 1.1;
      proxy_set_header Host $host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header Connection "";
    }
  }`;

/** A way to cut: the parts of a message that is `length` bytes long. */
interface Cut {
  readonly name: string;
  readonly parts: (bytes: string) => string[];
}

/** The whole first, then every cut in two, then byte by byte. */
function cuts(length: number): Cut[] {
  const two = Array.from({ length: length - 1 }, (_, i) => ({
    name: `cut at ${i + 1}`,
    parts: (bytes: string) => [bytes.slice(0, i + 1), bytes.slice(i + 1)],
  }));
  const whole = { name: 'whole', parts: (bytes: string) => [bytes] };
  return [whole, ...two, { name: 'byte by byte', parts: (bytes: string) => [...bytes] }];
}

/** Sends the parts; the last of many quicker, for only that each is a segment matters there. */
async function sendParts(peer: Peer, parts: readonly Bytes[]): Promise<void> {
  await peer.sendSlowly(parts, parts.length > 2 ? 2 : GAP_MS);
}

/** What must not depend on the cut: everything but how chunks were cut. */
function essence(message: Message): unknown {
  const fields = message.fields.filter(([name]) => !/^(date|x-cut)$/i.test(name));
  const { startLine, body, framing, complete, trailers } = message;
  return { startLine, fields, body, framing, complete, trailers };
}

/** Runs the jobs, a hundred at a time. */
async function all(jobs: readonly (() => Promise<void>)[]): Promise<void> {
  for (let at = 0; at < jobs.length; at += 100) {
    await Promise.all(jobs.slice(at, at + 100).map((job) => job()));
  }
}

const REQUESTS: Record<string, string> = {
  'a plain head': 'GET /path?query=1 HTTP/1.1\r\nHost: example.com\r\nX-Cut: ????\r\nAccept: */*\r\n\r\n',
  'a head with bare line feeds and odd spaces':
    'GET /a%20b/../c HTTP/1.1\nHost:example.com:80  \nX-Cut: ????\nX-Forwarded-For:\t1.2.3.4\nX-Empty:\n\n',
  'a body with a length':
    'POST /post HTTP/1.1\r\nHost: a\r\nX-Cut: ????\r\nContent-Length: 12\r\n\r\nGET / HTTP/\r\n',
  'a body in chunks':
    'PUT /chunked HTTP/1.1\r\nHost: a\r\nX-Cut: ????\r\nTransfer-Encoding: chunked\r\n\r\n' +
    '5;ext="x;y"\r\nhello\r\nA\r\n, world\r\n0\r\n001\r\n!\r\n0\r\nX-Trailer: t\r\n\r\n',
  'two requests at once':
    'POST /1 HTTP/1.1\r\nHost: a\r\nX-Cut: ????\r\nContent-Length: 2\r\n\r\nab' +
    'GET /last HTTP/1.1\r\nHost: a\r\nX-Cut: ????\r\n\r\n',
  'a bad request': 'GET / HTTP/1.1\r\nHost: a\r\nX-Cut: ????\r\nContent-Length: 1x\r\n\r\n',
};

describe('a request', () => {
  for (const [what, template] of Object.entries(REQUESTS)) {
    test(`${what}, cut at each byte`, { timeout: 30_000 }, async () => {
      const seen = new Map<string, unknown[]>();
      await using backend = await startAnswering((request) => {
        const id = value(request, 'x-cut') ?? '';
        seen.set(id, [...(seen.get(id) ?? []), essence(request)]);
        return response(`${request.method} ${request.target} ${request.body}`);
      });
      await using proxy = await startProxy((port) => SERVER(port, backend));
      const answers = new Map<string, unknown[]>();
      const variants = cuts(template.length).map((cut, i) => ({ ...cut, id: String(i).padStart(4, '0') }));
      const run = async ({ id, parts }: (typeof variants)[number]): Promise<void> => {
        const client = await Peer.connect(proxy.port);
        client.socket.on('error', () => {});
        await sendParts(client, parts(template.replaceAll('????', id)));
        const got: unknown[] = [];
        for (let i = template.match(/HTTP\/1\.1\r?\n/g)?.length ?? 0; i > 0; i--) {
          got.push(essence(await client.readMessage()));
        }
        answers.set(id, got);
        client.close();
      };
      await all(variants.map((one) => () => run(one)));
      const [whole] = variants;
      expect(answers.get('0000')?.length).toBeGreaterThan(0);
      for (const { id, name } of variants) {
        expect([name, answers.get(id)]).toEqual([name, answers.get(whole?.id ?? '')]);
        expect([name, seen.get(id)]).toEqual([name, seen.get(whole?.id ?? '')]);
      }
      expect(backend.errors).toEqual([]);
    });
  }
});

const RESPONSES: Record<string, string> = {
  'a body with a length':
    'HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nSet-Cookie: a\r\nSet-Cookie: b\r\nContent-Length: 6\r\n\r\n\r\n\r\nab',
  'a body in chunks': `HTTP/1.1 200 Fine by me\r\nTransfer-Encoding: chunked\r\nX-A:  b \r\n\r\n${chunked(['hello', ', world', '\r\n0\r\n'])}`,
  'a body until the end': 'HTTP/1.1 200 OK\r\nX-A: b\r\nConnection: close\r\n\r\nuntil the end',
  'a body of HTTP/1.0, with bare line feeds': 'HTTP/1.0 404 Not\nX-A:b\n\nbody\n\n',
  'no body': 'HTTP/1.1 304 Not Modified\r\nETag: "e"\r\n\r\n',
  'an empty body': 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n',
};

describe('a response', () => {
  for (const [what, bytes] of Object.entries(RESPONSES)) {
    test(`${what}, cut at each byte`, { timeout: 30_000 }, async () => {
      const variants = cuts(bytes.length);
      await using backend = await startBackend(async (connection) => {
        for (;;) {
          await connection.until(
            'a request',
            () => connection.received !== '' || connection.ending !== undefined,
          );
          if (connection.received === '') return;
          const { target } = await connection.readMessage();
          await sendParts(connection, variants[Number(target.slice(1))]?.parts(bytes) ?? []);
          if (/until the end|1\.0/.test(bytes)) return connection.end();
        }
      });
      await using proxy = await startProxy((port) => SERVER(port, backend));
      const answers: unknown[] = [];
      const run = async (index: number): Promise<void> => {
        const client = await Peer.connect(proxy.port);
        client.send(`GET /${index} HTTP/1.1\r\nHost: a\r\n\r\n`);
        answers[index] = essence(await client.readMessage());
        // Nothing may come behind it.
        await sleep(5);
        expect(client.received).toBe('');
        client.close();
      };
      await all(variants.map((_, index) => () => run(index)));
      expect(answers[0]).toMatchObject({ complete: true });
      variants.forEach(({ name }, index) => expect([name, answers[index]]).toEqual([name, answers[0]]));
    });
  }
});

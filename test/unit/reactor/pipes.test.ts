/** Pipes between connections, and the Duplex. */
import { createInterface } from 'node:readline';
import { pipeline } from 'node:stream/promises';
import { PassThrough } from 'node:stream';
import { describe, expect, test } from 'vitest';
import type { ConnectionListener } from '../../../lib/reactor/listen.js';
import type { Listener } from '../../../lib/reactor/listener.js';
import type { Reactor } from '../../../lib/reactor/reactor.js';
import type { StreamConnection } from '../../../lib/reactor/stream-connection.js';
import { Deferred } from '../../../lib/util/deferred.js';
import { expectNothingLeft, run } from './support.js';

expectNothingLeft();

const MB = 1024 * 1024;

function pattern(length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let i = 0; i < length; i++) bytes[i] = (i * 31 + (i >> 8)) & 255;
  return bytes;
}

async function readAll(connection: StreamConnection): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of connection) chunks.push(chunk);
  return Buffer.concat(chunks);
}

function serve(reactor: Reactor, listener: ConnectionListener): Listener {
  return reactor.listen({ host: '127.0.0.1', port: 0 }, listener);
}

function dial(reactor: Reactor, listener: Listener): Promise<StreamConnection> {
  return reactor.connect({ host: '127.0.0.1', port: listener.port });
}

describe('pipe', () => {
  test('relays both ways at the pace of the slower side and counts', () =>
    run(async (reactor) => {
      const sent = pattern(6 * MB);
      const backend = serve(reactor, async (connection) => {
        for await (const chunk of connection) {
          await reactor.sleep(1);
          if (!connection.write(chunk)) await connection.drained();
        }
      });
      const counts = new Deferred<number[]>();
      let largestQueue = 0;
      const relay = serve(reactor, async (client) => {
        const upstream = await dial(reactor, backend);
        const watch = setInterval(() => (largestQueue = Math.max(largestQueue, upstream.queuedBytes)), 1);
        counts.resolve(await Promise.all([client.pipe(upstream), upstream.pipe(client)]));
        clearInterval(watch);
      });
      const client = await dial(reactor, relay);
      client.write(sent);
      client.end();
      expect((await readAll(client)).equals(sent)).toBe(true);
      expect(await counts.promise).toEqual([sent.length, sent.length]);
      // High watermark plus what one window can add.
      expect(largestQueue).toBeLessThanOrEqual(64 * 1024 + 256 * 1024);
    }));

  test('bytes that had arrived before go first; the target can be left open', () =>
    run(async (reactor) => {
      const received = new Deferred<string>();
      const sink = serve(reactor, async (connection) =>
        received.resolve((await readAll(connection)).toString()),
      );
      const source = serve(reactor, async (connection) => {
        connection.write('early ');
        await reactor.sleep(20);
        connection.write('late ');
      });
      const from = await dial(reactor, source);
      const to = await dial(reactor, sink);
      await reactor.sleep(10);
      expect(await from.pipe(to, { end: false })).toBe(11);
      to.end('more');
      expect(await received.promise).toBe('early late more');
      from.end();
    }));

  test('a target that goes away rejects and destroys the source', () =>
    run(async (reactor) => {
      const source = serve(reactor, async (connection) => {
        while (!connection.closed) {
          connection.write(pattern(1000));
          await reactor.sleep(1);
        }
      });
      const sink = serve(reactor, async (connection) => {
        await connection.read();
        connection.reset();
      });
      const from = await dial(reactor, source);
      const to = await dial(reactor, sink);
      await expect(from.pipe(to)).rejects.toMatchObject({
        code: expect.stringMatching(/ECONNRESET|EPIPE/) as string,
      });
      await from.finished;
    }));

  test('a source that breaks destroys the target; so does the signal', () =>
    run(async (reactor) => {
      const silent = serve(reactor, async (connection) => {
        await connection.finished;
      });
      const rude = serve(reactor, async (connection) => {
        connection.write('x');
        await reactor.sleep(10);
        connection.reset();
      });
      const from = await dial(reactor, rude);
      const to = await dial(reactor, silent);
      await expect(from.pipe(to)).rejects.toMatchObject({ code: 'ECONNRESET' });
      await to.finished;

      const a = await dial(reactor, silent);
      const b = await dial(reactor, silent);
      const abort = new AbortController();
      const piped = a.pipe(b, { signal: abort.signal });
      abort.abort(new Error('stop'));
      await expect(piped).rejects.toThrow('stop');
      await Promise.all([a.finished, b.finished]);
    }));
});

describe('toDuplex', () => {
  test('works in a pipeline with backpressure', () =>
    run(async (reactor) => {
      const sent = pattern(5 * MB);
      const listener = serve(reactor, (connection) => {
        const duplex = connection.toDuplex();
        void pipeline(duplex, new PassThrough(), duplex);
      });
      const client = (await dial(reactor, listener)).toDuplex();
      client.end(sent);
      const chunks: Buffer[] = [];
      for await (const chunk of client) chunks.push(chunk as Buffer);
      expect(Buffer.concat(chunks).equals(sent)).toBe(true);
    }));

  test('serves a line reader; an error of the connection is an error of the stream', () =>
    run(async (reactor) => {
      const listener = serve(reactor, async (connection) => {
        connection.write('one\ntwo\n');
        await reactor.sleep(10);
        connection.reset();
      });
      const duplex = (await dial(reactor, listener)).toDuplex();
      const failed = new Promise((resolve) => duplex.once('error', resolve));
      const lines: string[] = [];
      createInterface({ input: duplex })
        .on('line', (line) => lines.push(line))
        .on('error', () => undefined);
      expect(await failed).toMatchObject({ code: 'ECONNRESET' });
      expect(lines).toEqual(['one', 'two']);
    }));

  test('destroy() destroys the connection', () =>
    run(async (reactor) => {
      const gone = new Deferred<void>();
      const listener = serve(reactor, async (connection) => {
        await readAll(connection).catch(() => undefined);
        gone.resolve();
      });
      const duplex = (await dial(reactor, listener)).toDuplex();
      duplex.on('error', () => undefined);
      duplex.destroy(new Error('enough'));
      await gone.promise;
    }));
});

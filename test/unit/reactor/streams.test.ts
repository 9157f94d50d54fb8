/** Stream connections: chunks, callbacks, drain, half-close, deadlines, unix sockets, errors of listeners. */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { ConnectionListener, ListenOptions } from '../../../lib/reactor/listen.js';
import type { Reactor } from '../../../lib/reactor/reactor.js';
import type { StreamConnection } from '../../../lib/reactor/stream-connection.js';
import { Deferred } from '../../../lib/util/deferred.js';
import { collectUncaught, expectNothingLeft, run } from './support.js';

expectNothingLeft();

const MB = 1024 * 1024;

async function readAll(connection: StreamConnection): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of connection) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** A client of a server on a free loopback port. */
async function dial(
  reactor: Reactor,
  serve: ConnectionListener,
  options: Partial<ListenOptions> = {},
): Promise<StreamConnection> {
  const listener = reactor.listen({ host: '127.0.0.1', port: 0, ...options }, serve);
  return reactor.connect({ host: '127.0.0.1', port: listener.port });
}

const echo = async (connection: StreamConnection): Promise<void> => {
  for await (const chunk of connection) {
    if (!connection.write(chunk)) await connection.drained();
  }
};

describe('chunks', () => {
  test('for await until the peer ends; strings go out in UTF-8', () =>
    run(async (reactor) => {
      const client = await dial(reactor, echo);
      client.end('grüße');
      expect((await readAll(client)).toString()).toBe('grüße');
      await client.finished;
      expect(client.error).toBeUndefined();
      expect(client.closed).toBe(true);
    }));

  test('are copies, and none is lost while nobody reads', () =>
    run(async (reactor) => {
      const sent = Buffer.alloc(5 * MB);
      for (let i = 0; i < sent.length; i++) sent[i] = (i * 13) & 255;
      const client = await dial(reactor, async (connection) => {
        connection.write(sent);
        await connection.drained();
      });
      await reactor.sleep(30);
      expect(client.paused).toBe(true);
      const received = await readAll(client);
      expect(received.equals(sent)).toBe(true);
      client.end();
    }));

  test('a loop that is left early can be gone on with; read() gives one chunk', () =>
    run(async (reactor) => {
      const client = await dial(reactor, echo);
      client.write('first');
      for await (const chunk of client) {
        expect(chunk.toString()).toBe('first');
        break;
      }
      client.write('second');
      expect((await client.read())?.toString()).toBe('second');
      client.end();
      expect(await client.read()).toBeNull();
      expect(await client.read()).toBeNull();
    }));

  test('one reader at a time', () =>
    run(async (reactor) => {
      const client = await dial(reactor, echo);
      const first = client.read();
      await expect(client.read()).rejects.toMatchObject({ code: 'ERR_BUSY' });
      expect(() => client.setCallbacks({})).toThrow(expect.objectContaining({ code: 'ERR_BUSY' }));
      client.end('x');
      expect((await first)?.toString()).toBe('x');
      await readAll(client);
    }));

  test('an aborted read loses no byte', () =>
    run(async (reactor) => {
      const client = await dial(reactor, echo);
      const abort = new AbortController();
      const read = client.read({ signal: abort.signal });
      abort.abort(new Error('enough'));
      await expect(read).rejects.toThrow('enough');
      await expect(client.read({ signal: abort.signal })).rejects.toThrow('enough');
      client.end('kept');
      expect((await client.read())?.toString()).toBe('kept');
    }));

  test('the error that closed the connection comes after the chunks', () =>
    run(async (reactor) => {
      const client = await dial(reactor, async (connection) => {
        connection.write('half');
        await reactor.sleep(20);
        connection.reset();
      });
      await reactor.sleep(40);
      const chunks: string[] = [];
      const loop = async (): Promise<void> => {
        for await (const chunk of client) chunks.push(chunk.toString());
      };
      await expect(loop()).rejects.toMatchObject({ code: 'ECONNRESET', retry: 'if-reused', status: 502 });
      expect(chunks).toEqual(['half']);
      await client.finished;
      expect(client.error?.code).toBe('ECONNRESET');
      await expect(client.drained()).rejects.toMatchObject({ code: 'ECONNRESET' });
    }));

  test('promises settle between the callbacks of one turn', () =>
    run(async (reactor) => {
      const order: string[] = [];
      const open = new Deferred<void>();
      const serve = async (connection: StreamConnection): Promise<void> => {
        await connection.read();
        order.push('read');
        await Promise.resolve();
        order.push('after');
        if (order.length === 4) open.resolve();
      };
      const listener = reactor.listen({ host: '127.0.0.1', port: 0 }, serve);
      const clients = [
        await reactor.connect({ host: '127.0.0.1', port: listener.port }),
        await reactor.connect({ host: '127.0.0.1', port: listener.port }),
      ];
      await reactor.sleep(10);
      for (const client of clients) client.write('x');
      await open.promise;
      expect(order).toEqual(['read', 'after', 'read', 'after']);
    }));
});

describe('callbacks', () => {
  test('get views that are gone afterwards, and what came before they were set', () =>
    run(async (reactor) => {
      const done = new Deferred<string>();
      const client = await dial(reactor, (connection) => {
        reactor.setTimer(15, () => {
          let text = '';
          connection.setCallbacks({
            onData: (view) => (text += Buffer.from(view).toString()),
            onEnd: () => connection.end('thanks'),
            onClose: (error) => {
              expect(error).toBeUndefined();
              done.resolve(text);
            },
          });
        });
      });
      client.write('before ');
      await reactor.sleep(30);
      client.end('after');
      expect((await readAll(client)).toString()).toBe('thanks');
      expect(await done.promise).toBe('before after');
    }));

  test('that are set after the close still hear everything, and not at once', () =>
    run(async (reactor) => {
      const client = await dial(reactor, async (connection) => {
        connection.write('left behind');
        await connection.drained();
      });
      await reactor.sleep(20);
      client.end();
      await client.finished;
      const heard: string[] = [];
      const done = new Deferred<void>();
      client.setCallbacks({
        onData: (view) => heard.push(Buffer.from(view).toString()),
        onEnd: () => heard.push('end'),
        onClose: () => {
          heard.push('close');
          done.resolve();
        },
      });
      expect(heard).toEqual([]);
      await done.promise;
      expect(heard).toEqual(['left behind', 'end', 'close']);
    }));

  test('drain, and the end by default', () =>
    run(async (reactor) => {
      const drained = new Deferred<void>();
      const client = await dial(reactor, (connection) => {
        connection.setCallbacks({ onDrain: () => drained.resolve() });
        expect(connection.write(Buffer.alloc(8 * MB))).toBe(false);
      });
      let bytes = 0;
      client.setCallbacks({ onData: (view) => (bytes += view.length) });
      await drained.promise;
      client.end();
      await client.finished;
      expect(bytes).toBe(8 * MB);
    }));
});

describe('deadlines', () => {
  test('destroy the connection with ERR_DEADLINE', () =>
    run(async (reactor) => {
      const client = await dial(reactor, async (connection) => {
        await connection.finished;
      });
      client.setDeadline(20);
      await expect(client.read()).rejects.toMatchObject({ code: 'ERR_DEADLINE', status: 504 });
      expect(client.error?.code).toBe('ERR_DEADLINE');
    }));

  test('or call back', () =>
    run(async (reactor) => {
      const client = await dial(reactor, echo);
      const called = new Deferred<void>();
      client.setCallbacks({ onDeadline: () => called.resolve() });
      client.setDeadline(10_000);
      client.setDeadline(10);
      await called.promise;
      expect(client.closed).toBe(false);
      client.clearDeadline();
      client.destroy();
    }));
});

describe('listeners', () => {
  test('serve a unix socket and remove its file', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'reactor-'));
    const path = join(folder, 'socket');
    try {
      await run(async (reactor) => {
        const listener = reactor.listen({ path }, echo);
        expect(listener.address).toBe(path);
        const client = await reactor.connect({ path });
        expect([client.remotePort, client.localPort]).toEqual([0, 0]);
        client.end('by file');
        expect((await readAll(client)).toString()).toBe('by file');
        listener.close();
        await listener.finished;
        expect(existsSync(path)).toBe(false);
        await expect(reactor.connect({ path })).rejects.toMatchObject({ code: 'ENOENT', retry: 'safe' });
      });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test('listen on every address by default', () =>
    run(async (reactor) => {
      const listener = reactor.listen({ port: 0 }, echo);
      for (const host of ['127.0.0.1', '::1', 'localhost']) {
        const client = await reactor.connect({ host, port: listener.port });
        client.end(host);
        expect((await readAll(client)).toString()).toBe(host);
      }
    }));

  test('say what is wrong with an address', () =>
    run((reactor) => {
      const { port } = reactor.listen({ host: '127.0.0.1', port: 0 }, echo);
      const failing = (options: ListenOptions): unknown => {
        try {
          return reactor.listen(options, echo);
        } catch (error) {
          return error;
        }
      };
      expect(failing({ host: '127.0.0.1', port })).toMatchObject({ code: 'EADDRINUSE', port });
      expect(failing({ host: 'example.org', port })).toMatchObject({ code: 'ERR_INVALID_ADDRESS' });
      expect(failing({ host: '192.0.2.1', port: 0 })).toMatchObject({ code: 'EADDRNOTAVAIL' });
      expect(failing({ path: '/no/such/folder/socket' })).toMatchObject({ code: 'ENOENT' });
      expect(failing({})).toMatchObject({ code: 'EINVAL' });
    }));

  test('pause, resume, and close by a signal', () =>
    run(async (reactor) => {
      const abort = new AbortController();
      let served = 0;
      const listener = reactor.listen(
        { host: '127.0.0.1', port: 0, signal: abort.signal },
        () => void served++,
      );
      listener.pause();
      const client = await reactor.connect({ host: '127.0.0.1', port: listener.port });
      await reactor.sleep(20);
      expect(served).toBe(0);
      listener.resume();
      await reactor.sleep(20);
      expect(served).toBe(1);
      expect(listener.fileDescriptor).toBeGreaterThan(2);
      abort.abort();
      await listener.finished;
      expect(listener.handle).toBe(-1);
      await expect(reactor.connect({ host: '127.0.0.1', port: listener.port })).rejects.toMatchObject({
        code: 'ECONNREFUSED',
      });
      client.destroy();
    }));

  test('an async function that fails: a bug is reported, a peer that went away is not', () =>
    run(async (reactor) => {
      const errors = await collectUncaught(async () => {
        const bug = await dial(reactor, async () => {
          await reactor.sleep(1);
          throw new Error('a bug');
        });
        await bug.read().catch(() => undefined);
        const rude = await dial(reactor, echo);
        rude.reset();
        await reactor.sleep(20);
      });
      expect(errors).toEqual([expect.objectContaining({ message: 'a bug' })]);
      const caught = new Deferred<unknown>();
      const client = await dial(
        reactor,
        async () => {
          throw new Error('another');
        },
        { onError: (error) => caught.resolve(error) },
      );
      expect(await caught.promise).toMatchObject({ message: 'another' });
      client.destroy();
    }));
});

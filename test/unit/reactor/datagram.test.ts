/** UDP sockets. */
import { describe, expect, test } from 'vitest';
import { Deferred } from '../../../lib/util/deferred.js';
import { expectNothingLeft, run } from './support.js';

expectNothingLeft();

describe('datagrams', () => {
  test.each([['127.0.0.1'], ['::1']])('come whole and with their sender on %s', (host) =>
    run(async (reactor) => {
      const server = reactor.datagram({ host });
      const client = reactor.datagram({ host });
      expect(server.address).toBe(host);
      const big = Buffer.alloc(9000, 'x');
      for (const bytes of ['one', '', big]) expect(client.send(bytes, host, server.port)).toBe(true);
      const received = [await server.receive(), await server.receive(), await server.receive()];
      expect(received.map((each) => each?.bytes.length)).toEqual([3, 0, 9000]);
      expect(received[0]).toEqual({ bytes: Buffer.from('one'), address: host, port: client.port });
      server.send('answer', host, received[0]?.port as number);
      for await (const { bytes, port } of client) {
        expect([bytes.toString(), port]).toEqual(['answer', server.port]);
        break;
      }
      client.close();
      server.close();
    }),
  );

  test('go to a callback as views; more than a batch in one turn', () =>
    run(async (reactor) => {
      const texts: string[] = [];
      const all = new Deferred<void>();
      const server = reactor.datagram({
        host: '127.0.0.1',
        onMessage: (view) => {
          texts.push(Buffer.from(view).toString());
          if (texts.length === 100) all.resolve();
        },
      });
      const client = reactor.datagram({ host: '127.0.0.1' });
      for (let i = 0; i < 100; i++) client.send(String(i), '127.0.0.1', server.port);
      await all.promise;
      expect(texts).toEqual(Array.from({ length: 100 }, (_, i) => String(i)));
    }));

  test('that nobody takes are dropped, the oldest first', () =>
    run(async (reactor) => {
      const server = reactor.datagram({ host: '127.0.0.1' });
      const client = reactor.datagram({ host: '127.0.0.1' });
      for (let i = 0; i < 1124; i++) {
        client.send(String(i), '127.0.0.1', server.port);
        if (i % 50 === 49) await reactor.sleep(1);
      }
      await reactor.sleep(10);
      expect(server.dropped).toBe(100);
      expect((await server.receive())?.bytes.toString()).toBe('100');
    }));

  test('close ends who waits; errors are typed', () =>
    run(async (reactor) => {
      const abort = new AbortController();
      const socket = reactor.datagram({ host: '127.0.0.1', signal: abort.signal });
      const waiting = socket.receive();
      await expect(socket.receive()).rejects.toMatchObject({ code: 'ERR_BUSY' });
      expect(() => socket.send(Buffer.alloc(100_000), '127.0.0.1', 9)).toThrow(
        expect.objectContaining({ code: 'EMSGSIZE' }),
      );
      expect(() => socket.send('x', 'not-an-address', 9)).toThrow(
        expect.objectContaining({ code: 'EINVAL' }),
      );
      const taken = socket.port;
      expect(() => reactor.datagram({ host: '127.0.0.1', port: taken })).toThrow(
        expect.objectContaining({ code: 'EADDRINUSE', syscall: 'bind' }),
      );
      abort.abort();
      expect(await waiting).toBeNull();
      expect(await socket.receive()).toBeNull();
      expect(() => socket.send('x', '127.0.0.1', 9)).toThrow(expect.objectContaining({ code: 'ERR_CLOSED' }));
      await socket.finished;
    }));

  test('a port that nobody has does not disturb the socket', () =>
    run(async (reactor) => {
      const socket = reactor.datagram({ host: '127.0.0.1' });
      const gone = reactor.datagram({ host: '127.0.0.1' });
      const { port } = gone;
      gone.close();
      await gone.finished;
      socket.send('x', '127.0.0.1', port);
      await reactor.sleep(5);
      socket.send('to myself', '127.0.0.1', socket.port);
      expect((await socket.receive())?.bytes.toString()).toBe('to myself');
    }));
});

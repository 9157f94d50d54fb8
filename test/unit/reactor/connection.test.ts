/** The raw connection: bytes both ways, ends, closing, deadlines, errors. */
import { describe, expect, test } from 'vitest';
import { connectedPair, errno, expectNothingLeft, host, Recorder, run } from './support.js';

expectNothingLeft();

describe('bytes', () => {
  test('go both ways; strings are latin1', () =>
    run(async (reactor) => {
      const { client, clientSide, server, serverSide } = await connectedPair(reactor);
      client.write('caf\xe9');
      await serverSide.seen('data');
      expect(serverSide.text).toBe('caf\xe9');
      server.write(Buffer.from([1, 2, 3]));
      await clientSide.seen('data');
      expect(clientSide.chunks).toEqual([Buffer.from([1, 2, 3])]);
      client.destroy();
      server.destroy();
    }));

  test('two arena ranges leave in one call', () =>
    run(async (reactor) => {
      const { client, server, serverSide } = await connectedPair(reactor);
      const { scratch } = host.layout;
      host.u8.set(Buffer.from('headbody'), scratch);
      client.writeArena(scratch, 4);
      client.writeArena(scratch + 4, 4);
      await serverSide.until(() => serverSide.bytes === 8);
      expect(serverSide.text).toBe('headbody');
      client.close();
      server.close();
    }));

  test('written while connecting are sent when connected', () =>
    run(async (reactor) => {
      const serverSide = new Recorder();
      const listener = reactor.listenRaw({ address: '127.0.0.1', port: 0 }, () => serverSide);
      const client = reactor.connectRaw('127.0.0.1', listener.port, new Recorder());
      expect(client.connecting).toBe(true);
      client.write('early');
      client.end();
      await serverSide.seen('end');
      expect(serverSide.text).toBe('early');
      serverSide.events.length = 0;
    }));

  test.each([['127.0.0.1'], ['::1']])('addresses are known on %s', (address) =>
    run(async (reactor) => {
      const { client, server } = await connectedPair(reactor, address);
      expect(client.remoteAddress).toBe(address);
      expect(client.remotePort).toBe(server.localPort);
      expect(server.remotePort).toBe(client.localPort);
      expect(server.localAddress).toBe(address);
      client.destroy();
      expect(client.remoteAddress).toBe(address);
      expect(client.handle).toBe(-1);
      server.destroy();
    }),
  );

  test('more than the window arrives in full', () =>
    run(async (reactor) => {
      const { client, server, serverSide } = await connectedPair(reactor);
      const sent = Buffer.alloc(3_000_000);
      for (let i = 0; i < sent.length; i++) sent[i] = (i * 7) & 255;
      client.write(sent);
      client.end();
      await serverSide.seen('end');
      expect(Buffer.concat(serverSide.chunks).equals(sent)).toBe(true);
      server.close();
    }));
});

describe('ends', () => {
  test('half-close: the other direction goes on, then the connection closes by itself', () =>
    run(async (reactor) => {
      const { client, clientSide, server, serverSide } = await connectedPair(reactor);
      client.end();
      client.end();
      expect(client.ended).toBe(true);
      await serverSide.seen('end');
      expect(server.readEnded).toBe(true);
      server.write('still here');
      await clientSide.seen('data');
      server.end();
      await clientSide.seen('close');
      await serverSide.seen('close');
      expect(clientSide.events).toEqual(['connect', 'data', 'end', 'close']);
      expect([clientSide.errno, serverSide.errno]).toEqual([0, 0]);
      expect(serverSide.events).toEqual(['end', 'close']);
    }));

  test('writing after end() is a mistake; after the close it is dropped', () =>
    run(async (reactor) => {
      const { client, server } = await connectedPair(reactor);
      client.end();
      expect(() => client.write('x')).toThrow(expect.objectContaining({ code: 'ERR_WRITE_AFTER_END' }));
      server.destroy();
      expect(server.write('x')).toBe(false);
      expect(server.closed).toBe(true);
      client.destroy();
    }));

  test('a FIN that comes with data is seen although the read was short', () =>
    run(async (reactor) => {
      const { client, serverSide, server } = await connectedPair(reactor);
      client.write('bye');
      client.end();
      await serverSide.seen('end');
      expect(serverSide.events).toEqual(['data', 'end']);
      server.end();
      await serverSide.seen('close');
    }));

  test('onClose comes once, and never from inside a method', () =>
    run(async (reactor) => {
      const { client, clientSide, server, serverSide } = await connectedPair(reactor);
      client.destroy();
      client.destroy(5);
      client.close();
      client.end();
      expect(clientSide.errno).toBeUndefined();
      await clientSide.seen('close');
      await serverSide.seen('end');
      server.close();
      await serverSide.seen('close');
      expect(clientSide.count('close')).toBe(1);
      expect(clientSide.errno).toBe(0);
    }));

  test('reset() reaches the peer as ECONNRESET', () =>
    run(async (reactor) => {
      const { client, serverSide } = await connectedPair(reactor);
      client.reset();
      await serverSide.seen('close');
      expect(serverSide.errno).toBe(errno('ECONNRESET'));
      expect(serverSide.events).toEqual(['close']);
    }));
});

describe('errors', () => {
  test('a refused connection is reported by onClose', () =>
    run(async (reactor) => {
      const listener = reactor.listenRaw({ address: '127.0.0.1', port: 0 }, () => new Recorder());
      const { port } = listener;
      listener.close();
      await listener.finished;
      const clientSide = new Recorder();
      reactor.connectRaw('127.0.0.1', port, clientSide);
      expect(clientSide.events).toEqual([]);
      await clientSide.seen('close');
      expect(clientSide.errno).toBe(errno('ECONNREFUSED'));
      expect(clientSide.events).toEqual(['close']);
    }));

  test('an address that is none fails in a later turn as well', () =>
    run(async (reactor) => {
      const clientSide = new Recorder();
      const client = reactor.connectRaw('no-such-address', 80, clientSide);
      expect(client.closed).toBe(true);
      expect(clientSide.events).toEqual([]);
      await clientSide.seen('close');
      expect(clientSide.errno).toBe(errno('EINVAL'));
    }));

  test('a port in use throws a typed error at once', () =>
    run((reactor) => {
      const { port, close } = reactor.listenRaw({ address: '127.0.0.1', port: 0 }, () => new Recorder());
      expect(close).toBeTypeOf('function');
      expect(() => reactor.listenRaw({ address: '127.0.0.1', port }, () => new Recorder())).toThrow(
        expect.objectContaining({
          name: 'MillraceError',
          code: 'EADDRINUSE',
          syscall: 'listen',
          port,
          message: `listen EADDRINUSE: Address already in use 127.0.0.1:${port}`,
        }),
      );
    }));

  test('what the peer sent before it went away is read before a failed write closes', () =>
    run(async (reactor) => {
      const { client, clientSide, server } = await connectedPair(reactor);
      server.write('sorry');
      server.close();
      await new Promise((resolve) => setTimeout(resolve, 20));
      // The first write is answered by a reset, the next one fails.
      client.pause();
      client.write('request');
      await new Promise((resolve) => setTimeout(resolve, 20));
      client.resume();
      expect(client.write('more')).toBe(false);
      await clientSide.seen('close');
      expect(clientSide.text).toBe('sorry');
      expect([errno('EPIPE'), errno('ECONNRESET')]).toContain(clientSide.errno);
    }));
});

describe('deadlines', () => {
  test('fire once, not early', () =>
    run(async (reactor) => {
      const { client, clientSide, server } = await connectedPair(reactor);
      const start = reactor.nowMs;
      client.setDeadline(start + 30);
      expect(client.deadline).toBe(start + 30);
      await clientSide.seen('deadline');
      expect(reactor.nowMs - start).toBeGreaterThanOrEqual(30);
      expect(client.deadline).toBe(Infinity);
      await reactor.sleep(40);
      expect(clientSide.count('deadline')).toBe(1);
      client.destroy();
      server.destroy();
    }));

  test('move later by a store, earlier by a new place in the heap', () =>
    run(async (reactor) => {
      const { client, clientSide, server, serverSide } = await connectedPair(reactor);
      const start = reactor.nowMs;
      client.setDeadline(start + 20);
      client.setDeadline(start + 300);
      server.setDeadline(start + 10_000);
      server.setDeadline(start + 40);
      await serverSide.seen('deadline');
      expect(reactor.nowMs - start).toBeGreaterThanOrEqual(40);
      expect(clientSide.events).not.toContain('deadline');
      await clientSide.seen('deadline');
      expect(reactor.nowMs - start).toBeGreaterThanOrEqual(300);
      client.destroy();
      server.destroy();
    }));

  test('can be taken back, and end with the connection', () =>
    run(async (reactor) => {
      const { client, clientSide, server, serverSide } = await connectedPair(reactor);
      client.setDeadline(reactor.nowMs + 15);
      client.clearDeadline();
      server.setDeadline(reactor.nowMs + 15);
      server.destroy();
      server.setDeadline(reactor.nowMs + 15);
      await reactor.sleep(40);
      expect(clientSide.events).not.toContain('deadline');
      expect(serverSide.events).not.toContain('deadline');
      client.destroy();
    }));

  test('moved later by a callback of the very turn in which it is due', () =>
    run(async (reactor) => {
      const { client, clientSide, server } = await connectedPair(reactor);
      server.write('x');
      client.setDeadline(reactor.nowMs + 5);
      clientSide.react = (event) => {
        if (event === 'data') client.setDeadline(reactor.nowMs + 60);
      };
      // Both the data and the deadline wait when the next turn begins.
      const until = performance.now() + 15;
      while (performance.now() < until);
      await clientSide.seen('data');
      await reactor.sleep(20);
      expect(clientSide.events).not.toContain('deadline');
      await clientSide.seen('deadline');
      client.destroy();
      server.destroy();
    }));
});

/** The raw connection under pressure: stalled peers, watermarks, pauses, budgets, re-entrancy. */
import { describe, expect, test } from 'vitest';
import {
  collectUncaught,
  connectedPair,
  errno,
  expectNothingLeft,
  host,
  native,
  Recorder,
  run,
} from './support.js';

expectNothingLeft();

const MB = 1024 * 1024;

function pattern(length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let i = 0; i < length; i++) bytes[i] = (i * 31 + (i >> 8)) & 255;
  return bytes;
}

describe('a peer that does not read', () => {
  test('the rest is queued, false is returned, and drain comes at the low watermark', () =>
    run(async (reactor) => {
      const { client, clientSide, server, serverSide } = await connectedPair(reactor);
      server.pause();
      const piece = pattern(100_000);
      let written = 0;
      while (client.write(piece)) written += piece.length;
      written += piece.length;
      expect(client.awaitsDrain).toBe(true);
      expect(client.queuedBytes).toBeGreaterThan(64 * 1024);
      expect(native.counters().blocks).toBeGreaterThan(0);
      let queuedAtDrain = -1;
      clientSide.react = (event) => {
        if (event === 'drain') queuedAtDrain = client.queuedBytes;
      };
      server.resume();
      await clientSide.seen('drain');
      expect(queuedAtDrain).toBeLessThanOrEqual(32 * 1024);
      client.end();
      await serverSide.seen('end');
      expect(serverSide.bytes).toBe(written);
      const whole = Buffer.concat(serverSide.chunks);
      for (let at = 0; at < whole.length; at += piece.length) {
        expect(whole.subarray(at, at + piece.length).equals(piece)).toBe(true);
      }
      expect(clientSide.count('drain')).toBe(1);
      expect(native.counters().blocks).toBe(0);
      server.close();
    }));

  test('watermarks can be set', () =>
    run(async (reactor) => {
      const { client, clientSide, server } = await connectedPair(reactor);
      client.setWatermarks(0, 8 * MB);
      server.pause();
      const big = pattern(6 * MB);
      expect(client.write(big)).toBe(true);
      expect(client.queuedBytes).toBeGreaterThan(0);
      expect(client.write(big)).toBe(false);
      server.resume();
      let atDrain = -1;
      clientSide.react = (event) => {
        if (event === 'drain') atDrain = client.queuedBytes;
      };
      await clientSide.seen('drain');
      expect(atDrain).toBe(0);
      client.destroy();
      server.destroy();
    }));

  test('close() flushes, destroy() drops', () =>
    run(async (reactor) => {
      const first = await connectedPair(reactor);
      first.server.pause();
      first.client.write(pattern(8 * MB));
      first.client.close();
      first.client.close();
      expect(first.client.closed).toBe(false);
      expect(() => first.client.write('x')).toThrow('write() after end()');
      first.server.resume();
      await first.clientSide.seen('close');
      await first.serverSide.seen('end');
      expect(first.serverSide.bytes).toBe(8 * MB);
      first.server.close();

      const second = await connectedPair(reactor);
      second.server.pause();
      second.client.write(pattern(8 * MB));
      second.client.destroy();
      second.server.resume();
      await second.serverSide.until(() => second.serverSide.events.some((e) => e === 'end' || e === 'close'));
      expect(second.serverSide.bytes).toBeLessThan(8 * MB);
      second.server.destroy();
    }));

  test('end() sends FIN behind the queue', () =>
    run(async (reactor) => {
      const { client, server, serverSide } = await connectedPair(reactor);
      server.pause();
      client.write(pattern(8 * MB));
      client.end();
      expect(client.queuedBytes).toBeGreaterThan(0);
      server.resume();
      await serverSide.seen('end');
      expect(serverSide.bytes).toBe(8 * MB);
      server.end();
      await serverSide.seen('close');
    }));

  test('a reset while bytes wait closes with the error', () =>
    run(async (reactor) => {
      const { client, clientSide, server } = await connectedPair(reactor);
      server.pause();
      client.write(pattern(8 * MB));
      server.reset();
      await clientSide.seen('close');
      expect([errno('ECONNRESET'), errno('EPIPE')]).toContain(clientSide.errno);
      expect(client.queuedBytes).toBe(0);
    }));
});

describe('pause and resume', () => {
  test('count, and what came meanwhile is served after the last resume', () =>
    run(async (reactor) => {
      const { client, server, serverSide } = await connectedPair(reactor);
      server.pause();
      server.pause();
      client.write('one');
      await reactor.sleep(10);
      server.resume();
      await reactor.sleep(10);
      expect(server.paused).toBe(true);
      expect(serverSide.bytes).toBe(0);
      server.resume();
      server.resume();
      expect(serverSide.bytes).toBe(0);
      await serverSide.seen('data');
      expect(serverSide.text).toBe('one');
      client.write('two');
      await serverSide.until(() => serverSide.bytes === 6);
      client.destroy();
      server.destroy();
    }));

  test('inside onData, in the middle of a long delivery', () =>
    run(async (reactor) => {
      const { client, server, serverSide } = await connectedPair(reactor);
      serverSide.react = (event) => {
        if (event !== 'data') return;
        server.pause();
        reactor.setTimer(1, () => server.resume());
      };
      const sent = pattern(2 * MB);
      client.write(sent);
      client.end();
      await serverSide.seen('end');
      expect(Buffer.concat(serverSide.chunks).equals(sent)).toBe(true);
      server.close();
    }));

  test('a FIN that arrives while paused is told by onHangup and seen after resume', () =>
    run(async (reactor) => {
      const { client, server, serverSide } = await connectedPair(reactor);
      const hangups: boolean[] = [];
      Object.assign(serverSide, { onHangup: (_: unknown, reset: boolean) => hangups.push(reset) });
      server.pause();
      client.write('last words');
      client.end();
      await reactor.sleep(20);
      expect(hangups).toEqual([false]);
      expect(serverSide.events).toEqual([]);
      server.resume();
      await serverSide.seen('end');
      expect(serverSide.text).toBe('last words');
      server.close();
    }));

  test('a FIN that came with the data whose handler pauses is told by onHangup', () =>
    run(async (reactor) => {
      const { client, server, serverSide } = await connectedPair(reactor);
      const hangups: boolean[] = [];
      Object.assign(serverSide, { onHangup: (_: unknown, reset: boolean) => hangups.push(reset) });
      serverSide.react = (event) => {
        if (event === 'data') server.pause();
      };
      // Data and FIN are there before the turn that reads.
      client.write('last words');
      client.end();
      await serverSide.seen('data');
      await reactor.sleep(20);
      expect(hangups).toEqual([false]);
      expect(serverSide.events).toEqual(['data']);
      server.resume();
      await serverSide.seen('end');
      expect(serverSide.text).toBe('last words');
      server.close();
    }));

  test('a reset while paused is told by onHangup', () =>
    run(async (reactor) => {
      const { client, server, serverSide } = await connectedPair(reactor);
      const hangups: boolean[] = [];
      Object.assign(serverSide, {
        onHangup: (_: unknown, reset: boolean) => {
          hangups.push(reset);
          server.destroy(7);
        },
      });
      server.pause();
      client.reset();
      await serverSide.seen('close');
      expect(hangups).toEqual([true]);
      expect(serverSide.errno).toBe(7);
    }));
});

describe('fairness', () => {
  test('a peer that never stops sending leaves room for the others in every turn', () =>
    run(async (reactor) => {
      const flood = await connectedPair(reactor);
      const calm = await connectedPair(reactor);
      const block = pattern(4 * MB);
      flood.client.write(block);
      flood.clientSide.react = (event) => {
        if (event === 'drain') flood.client.write(block);
      };
      let largest = 0;
      let sinceCalm = 0;
      flood.serverSide.react = (event) => {
        if (event !== 'data') return;
        sinceCalm += (flood.serverSide.chunks.pop() as Buffer).length;
      };
      calm.serverSide.react = (event) => {
        if (event !== 'data') return;
        largest = Math.max(largest, sinceCalm);
        sinceCalm = 0;
        calm.server.write('pong');
      };
      for (let i = 0; i < 50; i++) {
        const before = calm.clientSide.bytes;
        calm.client.write('ping');
        await calm.clientSide.until(() => calm.clientSide.bytes === before + 4);
      }
      // A few turns lie between ping and pong; in each the flood gets one window of 256 KB at most.
      expect(largest).toBeGreaterThan(0);
      expect(largest).toBeLessThanOrEqual(8 * host.layout.windowSize);
      for (const c of [flood.client, flood.server, calm.client, calm.server]) c.destroy();
    }));
});

describe('inside a callback', () => {
  test('destroy in onData stops the delivery', () =>
    run(async (reactor) => {
      const { client, server, serverSide } = await connectedPair(reactor);
      serverSide.react = (event) => {
        if (event === 'data') server.destroy();
      };
      client.write(pattern(MB));
      await serverSide.seen('close');
      expect(serverSide.count('data')).toBe(1);
      expect(serverSide.errno).toBe(0);
      client.destroy();
    }));

  test('setHandler in onData: the rest goes to the new handler', () =>
    run(async (reactor) => {
      const { client, server, serverSide } = await connectedPair(reactor);
      const second = new Recorder();
      serverSide.react = () => server.setHandler(second);
      client.write(pattern(MB));
      client.end();
      await second.seen('end');
      expect(serverSide.count('data')).toBe(1);
      expect(serverSide.bytes + second.bytes).toBe(MB);
      server.close();
      await second.seen('close');
      expect(serverSide.events).not.toContain('close');
    }));

  test('close in onEnd, write in onDrain, connect in onClose', () =>
    run(async (reactor) => {
      const { client, clientSide, server, serverSide } = await connectedPair(reactor);
      serverSide.react = (event) => {
        if (event === 'end') server.close();
      };
      let again = 0;
      clientSide.react = (event) => {
        if (event !== 'drain') return;
        again++;
        if (again < 3) client.write(pattern(6 * MB));
        else client.end();
      };
      client.write(pattern(6 * MB));
      const next = new Recorder();
      serverSide.react = (event) => {
        if (event === 'end') server.close();
        if (event === 'close') reactor.connectRaw('127.0.0.1', 1, next);
      };
      await serverSide.seen('close');
      await next.seen('close');
      expect(again).toBe(3);
      expect(serverSide.bytes).toBe(18 * MB);
      expect(next.errno).toBe(errno('ECONNREFUSED'));
    }));

  test('destroying another connection voids its event of the same turn', () =>
    run(async (reactor) => {
      const a = await connectedPair(reactor);
      const b = await connectedPair(reactor);
      const killOther = (own: Recorder, other: typeof a): void => {
        own.react = (event) => {
          if (event === 'data') other.server.destroy();
        };
      };
      killOther(a.serverSide, b);
      killOther(b.serverSide, a);
      a.client.write('x');
      b.client.write('x');
      await Promise.race([a.serverSide.seen('close'), b.serverSide.seen('close')]);
      await reactor.sleep(5);
      expect(a.serverSide.count('data') + b.serverSide.count('data')).toBe(1);
      for (const c of [a.client, a.server, b.client, b.server]) c.destroy();
    }));

  test('a callback that throws closes its connection and reaches uncaughtException', () =>
    run(async (reactor) => {
      const { client, server, serverSide } = await connectedPair(reactor);
      const other = await connectedPair(reactor);
      const errors = await collectUncaught(async () => {
        serverSide.react = (event) => {
          if (event === 'data') throw new Error('a bug');
        };
        client.write('x');
        other.client.write('y');
        await serverSide.seen('close');
        await other.serverSide.seen('data');
      });
      expect(errors).toEqual([expect.objectContaining({ message: 'a bug' })]);
      expect(server.closed).toBe(true);
      expect(serverSide.errno).toBe(errno('ECANCELED'));
      for (const c of [client, other.client, other.server]) c.destroy();
    }));
});

/** The scope: tasks, timers, sleep, gather, closing, two reactors, signals, what was left open. */
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, test } from 'vitest';
import type { MillraceError } from '../../../lib/errors/millrace-error.js';
import type { LeftOpen } from '../../../lib/reactor/left-open.js';
import { Reactor } from '../../../lib/reactor/reactor.js';
import { Deferred } from '../../../lib/util/deferred.js';
import {
  collectUncaught,
  connectedPair,
  errno,
  expectNothingLeft,
  native,
  Recorder,
  run,
} from './support.js';

expectNothingLeft();

describe('tasks', () => {
  test('run first in, first out; what they add waits for the next turn', () =>
    run(async (reactor) => {
      const order: string[] = [];
      const done = new Deferred<void>();
      reactor.post(() => {
        order.push('a');
        reactor.post(() => {
          order.push('d');
          done.resolve();
        });
        void Promise.resolve().then(() => order.push('promise of a'));
      });
      reactor.post(() => void order.push('b'));
      reactor.setTimer(0, () => void order.push('timer'));
      reactor.post(() => void order.push('c'));
      await done.promise;
      expect(order.filter((each) => each !== 'timer')).toEqual(['a', 'promise of a', 'b', 'c', 'd']);
    }));

  test('one that throws does not stop the others', () =>
    run(async (reactor) => {
      const done = new Deferred<void>();
      const errors = await collectUncaught(async () => {
        reactor.post(() => {
          throw new Error('task');
        });
        reactor.setTimer(1, () => {
          throw new Error('timer');
        });
        reactor.setTimer(2, () => done.resolve());
        await done.promise;
      });
      expect(errors.map((error) => (error as Error).message)).toEqual(['task', 'timer']);
    }));
});

describe('timers', () => {
  test('run by deadline, ties in start order, also when several are overdue', () =>
    run(async (reactor) => {
      const order: number[] = [];
      const until = reactor.nowMs + 20;
      for (const [id, delay] of [
        [1, 10],
        [2, 5],
        [3, 10],
        [4, 0],
        [5, -3],
      ] as const) {
        reactor.setTimer(delay, () => void order.push(id));
      }
      while (performance.now() < until && reactor.nowMs < until);
      await reactor.sleep(1);
      expect(order.slice(2)).toEqual([2, 1, 3]);
      expect(order.slice(0, 2).sort()).toEqual([4, 5]);
    }));

  test('cancel, restart, and a timer that cancels its neighbour of the same turn', () =>
    run(async (reactor) => {
      const ran: string[] = [];
      const cancelled = reactor.setTimer(5, () => void ran.push('cancelled'));
      cancelled.cancel();
      cancelled.cancel();
      cancelled.restart(1);
      expect(cancelled.active).toBe(false);
      reactor.setTimer(10, () => second.cancel());
      const second = reactor.setTimer(10, () => void ran.push('second'));
      const moved = reactor.setTimer(10_000, () => void ran.push('moved'));
      moved.restart(15);
      await reactor.sleep(30);
      expect(ran).toEqual(['moved']);
      expect(moved.active).toBe(false);
    }));

  test('sleep is never early and can be aborted', () =>
    run(async (reactor) => {
      const start = reactor.nowMs;
      await reactor.sleep(12);
      expect(reactor.nowMs - start).toBeGreaterThanOrEqual(12);
      // Also when the turn has already taken a while: the delay counts from the call.
      const called = performance.now() + 20;
      while (performance.now() < called);
      await reactor.sleep(10);
      expect(performance.now() - called).toBeGreaterThanOrEqual(9.9);
      const abort = new AbortController();
      const sleep = reactor.sleep(10_000, { signal: abort.signal });
      abort.abort(new Error('woken'));
      await expect(sleep).rejects.toThrow('woken');
      await expect(reactor.sleep(1, { signal: AbortSignal.abort() })).rejects.toMatchObject({
        name: 'AbortError',
      });
      expect(Math.abs(reactor.wallMs - Date.now())).toBeLessThan(1000);
    }));
});

describe('gather', () => {
  test('waits for all and keeps the order and the types', () =>
    run(async (reactor) => {
      const [a, b, c] = await reactor.gather([
        async (signal) => {
          await reactor.sleep(15, { signal });
          return 'a';
        },
        () => 2,
        async () => true,
      ]);
      const typed: [string, number, boolean] = [a, b, c];
      expect(typed).toEqual(['a', 2, true]);
      expect(await reactor.gather([])).toEqual([]);
    }));

  test('the first failure cancels the rest, which is waited for', () =>
    run(async (reactor) => {
      const log: string[] = [];
      const gathered = reactor.gather([
        async (signal) => {
          try {
            await reactor.sleep(10_000, { signal });
          } finally {
            await reactor.sleep(5);
            log.push('cleaned up');
          }
        },
        async () => {
          await reactor.sleep(5);
          throw new Error('first');
        },
        async (signal) => {
          await reactor.sleep(10_000, { signal }).catch(() => {
            throw new Error('second');
          });
        },
      ]);
      await expect(gathered).rejects.toThrow('first');
      expect(log).toEqual(['cleaned up']);
    }));

  test('a signal from outside cancels all', () =>
    run(async (reactor) => {
      const abort = new AbortController();
      const jobs = Array.from(
        { length: 20 },
        () => (signal: AbortSignal) => reactor.sleep(10_000, { signal }),
      );
      const gathered = reactor.gather(jobs, { signal: abort.signal });
      abort.abort(new Error('outside'));
      await expect(gathered).rejects.toThrow('outside');
    }));
});

describe('run', () => {
  test('gives what main gives, throws what main throws', async () => {
    expect(await Reactor.run(() => 42)).toBe(42);
    await expect(
      Reactor.run(async () => {
        throw new Error('main');
      }),
    ).rejects.toThrow('main');
  });

  test('closes all it owns and tells what was left open', async () => {
    const clientSide = new Recorder();
    let left: LeftOpen | undefined;
    let seen: Reactor | undefined;
    await Reactor.run(
      async (reactor) => {
        seen = reactor;
        const pair = await connectedPair(reactor);
        pair.client.setHandler(clientSide);
        reactor.listen({ host: '127.0.0.1', port: 0 }, () => undefined);
        reactor.datagram({ host: '127.0.0.1' });
        reactor.setTimer(10_000, () => undefined);
        reactor.post(() => {
          throw new Error('a dropped task must not run');
        });
      },
      { onLeftOpen: (found) => (left = found) },
    );
    expect(clientSide.errno).toBe(errno('ECANCELED'));
    expect(left).toMatchObject({ timers: 1, tasks: 1, jobs: 0 });
    expect(left?.connections).toHaveLength(2);
    expect(left?.connections[0]).toMatch(/^127\.0\.0\.1:\d+$/);
    expect(left?.listeners).toHaveLength(1);
    expect(left?.datagramSockets).toHaveLength(1);
    const reactor = seen as Reactor;
    expect(reactor.closed).toBe(true);
    expect(() => reactor.post(() => undefined)).toThrow(
      expect.objectContaining({ code: 'ERR_REACTOR_CLOSED' }),
    );
    expect(() => reactor.setTimer(1, () => undefined)).toThrow('The reactor is closed');
    await expect(reactor.sleep(1)).rejects.toMatchObject({ code: 'ERR_REACTOR_CLOSED' });
    await expect(reactor.connect({ port: 1 })).rejects.toMatchObject({ code: 'ERR_REACTOR_CLOSED' });
  });

  test('warns once, in one line, when nobody listens to the report', async () => {
    const warning = new Promise<Error>((resolve) => process.once('warning', resolve));
    await Reactor.run((reactor) => {
      reactor.setTimer(10_000, () => undefined);
    });
    expect((await warning).message).toBe('Reactor.run closed what main left open: 1 timer');
  });

  test('what waits rejects when the reactor closes, and its signal is aborted', async () => {
    const waiting = new Deferred<Promise<unknown>[]>();
    const run = Reactor.run(async (reactor) => {
      const listener = reactor.listen({ host: '127.0.0.1', port: 0 }, () => undefined);
      const client = await reactor.connect({ host: '127.0.0.1', port: listener.port });
      waiting.resolve([
        reactor.sleep(10_000),
        client.read(),
        reactor.connect({ host: '127.0.0.1', port: listener.port }),
      ]);
      await reactor.close();
      expect(reactor.signal.aborted).toBe(true);
      await listener.finished;
      return (await reactor.close()).timers;
    });
    const results = await Promise.allSettled(await waiting.promise);
    expect(
      results.map((r) => (r.status === 'rejected' ? (r.reason as MillraceError).code : r.status)),
    ).toEqual(['ERR_REACTOR_CLOSED', 'ECANCELED', 'ERR_REACTOR_CLOSED']);
    expect(await run).toBe(2);
  });

  test('a signal ends it', async () => {
    const abort = new AbortController();
    setTimeout(() => abort.abort(), 10);
    await Reactor.run(
      async (reactor) => {
        const listener = reactor.listen({ host: '127.0.0.1', port: 0 }, () => undefined);
        await listener.finished;
      },
      { signal: abort.signal },
    );
    await expect(Reactor.run(() => 1, { signal: abort.signal })).rejects.toMatchObject({
      name: 'AbortError',
    });
  });
});

describe('side by side', () => {
  test('two reactors, and the end of one leaves the other alone', async () => {
    const stop = new Deferred<void>();
    const port = new Deferred<number>();
    const server = run(async (reactor) => {
      const listener = reactor.listen({ host: '127.0.0.1', port: 0 }, async (connection) => {
        for await (const chunk of connection) connection.write(chunk);
      });
      port.resolve(listener.port);
      await stop.promise;
    });
    for (let i = 0; i < 3; i++) {
      await run(async (reactor) => {
        const client = await reactor.connect({ host: '127.0.0.1', port: await port.promise });
        client.end(`round ${i}`);
        expect((await client.read())?.toString()).toBe(`round ${i}`);
      });
    }
    stop.resolve();
    await server;
  });

  test("Node's own server, timers and promises go on", () =>
    run(async (reactor) => {
      const server = createServer((_request, response) => response.end('from node'));
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      const { port } = server.address() as AddressInfo;
      let ticks = 0;
      const interval = setInterval(() => ticks++, 2);
      const client = await reactor.connect({ host: '127.0.0.1', port });
      client.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
      let text = '';
      for await (const chunk of client) text += chunk.toString();
      expect(text).toContain('from node');
      // And the other way round: Node's client at our listener.
      const listener = reactor.listen({ host: '127.0.0.1', port: 0 }, async (connection) => {
        await connection.read();
        connection.write('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello');
        connection.end();
        await connection.finished;
      });
      const status = await new Promise((resolve, reject) => {
        request({ host: '127.0.0.1', port: listener.port, agent: false }, (response) => {
          response.resume().on('end', () => resolve(response.statusCode));
        })
          .on('error', reject)
          .end();
      });
      expect(status).toBe(200);
      await reactor.sleep(20);
      expect(ticks).toBeGreaterThan(2);
      clearInterval(interval);
      client.end();
      await new Promise((resolve) => server.close(resolve));
    }));
});

describe('lag', () => {
  test('a callback that computes is seen by the next sample', () =>
    run(async (reactor) => {
      const meter = reactor.measureLag({ intervalMs: 5 });
      while (meter.counters.samples < 2) await reactor.sleep(5);
      const idle = meter.counters;
      expect(idle.meanMs).toBeLessThanOrEqual(idle.maxMs);
      meter.reset();
      expect(meter.counters).toEqual({ samples: 0, lastMs: 0, meanMs: 0, maxMs: 0 });
      const until = performance.now() + 40;
      while (performance.now() < until);
      await reactor.sleep(10);
      expect(meter.counters.maxMs).toBeGreaterThan(25);
      meter.stop();
      const { samples } = meter.counters;
      await reactor.sleep(15);
      expect(meter.counters.samples).toBe(samples);
      expect(native.counters().turns).toBeGreaterThan(0);
    }));
});

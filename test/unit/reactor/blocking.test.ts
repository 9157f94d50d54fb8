/** runBlocking: where it runs, what it gets and gives, how it ends. */
import { describe, expect, test } from 'vitest';
import { Reactor } from '../../../lib/reactor/reactor.js';
import { expectNothingLeft, run } from './support.js';

expectNothingLeft();

const file = new URL('./fixtures/blocking-work.mjs', import.meta.url);

describe('runBlocking', () => {
  test('runs an export of a file on another thread while the loop goes on', () =>
    run(async (reactor) => {
      let ticks = 0;
      const interval = setInterval(() => ticks++, 5);
      const result = await reactor.runBlocking({ file, export: 'spin' }, { ms: 60 });
      clearInterval(interval);
      expect(result).toEqual({ isMainThread: false });
      expect(ticks).toBeGreaterThan(2);
    }));

  test('runs a self-contained function; input and result are clones', () =>
    run(async (reactor) => {
      const input = { words: ['b', 'a'], seen: new Set([1]) };
      const result = await reactor.runBlocking(({ words, seen }: typeof input) => {
        words.sort();
        return { words, seen, at: new Date(0) };
      }, input);
      expect(result).toEqual({ words: ['a', 'b'], seen: new Set([1]), at: new Date(0) });
      expect(input.words).toEqual(['b', 'a']);
      expect(await reactor.runBlocking(async (n: number) => n * 2, 21)).toBe(42);
    }));

  test('moves what is transferred', () =>
    run(async (reactor) => {
      const { buffer } = new Uint8Array([1, 2, 3]);
      expect(
        await reactor.runBlocking({ file: String(file), export: 'sum' }, buffer, { transfer: [buffer] }),
      ).toBe(6);
      expect(buffer.byteLength).toBe(0);
    }));

  test('passes errors on', () =>
    run(async (reactor) => {
      await expect(reactor.runBlocking({ file }, 'no luck')).rejects.toMatchObject({
        name: 'RangeError',
        message: 'no luck',
      });
      const { method } = { method(): void {} };
      await expect(reactor.runBlocking(method, undefined as never)).rejects.toMatchObject({
        code: 'ERR_NOT_TRANSFERABLE',
      });
      await expect(reactor.runBlocking(Math.max, 1)).rejects.toMatchObject({
        code: 'ERR_NOT_TRANSFERABLE',
      });
    }));

  test('a signal ends it', () =>
    run(async (reactor) => {
      const abort = new AbortController();
      const job = reactor.runBlocking({ file, export: 'spin' }, { ms: 60_000 }, { signal: abort.signal });
      setTimeout(() => abort.abort(new Error('too long')), 50);
      await expect(job).rejects.toThrow('too long');
      await expect(
        reactor.runBlocking({ file, export: 'spin' }, { ms: 0 }, { signal: abort.signal }),
      ).rejects.toThrow('too long');
    }));

  test('the end of the scope ends it, and it is told', async () => {
    let job: Promise<unknown> | undefined;
    let jobs = 0;
    await Reactor.run(
      async (reactor) => {
        job = reactor.runBlocking({ file, export: 'spin' }, { ms: 60_000 });
        job.catch(() => undefined);
        await reactor.sleep(50);
      },
      { maxThreads: 1, onLeftOpen: (left) => (jobs = left.jobs) },
    );
    await expect(job).rejects.toMatchObject({ code: 'ERR_REACTOR_CLOSED' });
    expect(jobs).toBe(1);
  });
});

/** connect(): names, several addresses, deadlines, signals. */
import { lookup } from 'node:dns/promises';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { collectUncaught, expectNothingLeft, run } from './support.js';

vi.mock('node:dns/promises', { spy: true });
const fakeLookup = vi.mocked(
  lookup as (host: string, options: object) => Promise<{ address: string; family: number }[]>,
);

expectNothingLeft();
beforeEach(() => {
  fakeLookup.mockReset();
});

/** Nobody answers there (RFC 5737), or the system says so at once. */
const SILENT = '192.0.2.1';

function answer(...addresses: string[]): void {
  fakeLookup.mockResolvedValue(
    addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
  );
}

describe('a name with several addresses', () => {
  test('is served by the first that answers; families take turns', () =>
    run(async (reactor) => {
      answer('127.0.0.2', '127.0.0.3', '::1');
      const listener = reactor.listen({ host: '::1', port: 0 }, () => undefined);
      const client = await reactor.connect({ host: 'three.example', port: listener.port });
      expect(client.remoteAddress).toBe('::1');
      client.destroy();
    }));

  test('does not wait for one that is silent', () =>
    run(async (reactor) => {
      answer(SILENT, '127.0.0.1');
      const listener = reactor.listen({ host: '127.0.0.1', port: 0 }, () => undefined);
      const start = reactor.nowMs;
      const client = await reactor.connect({ host: 'two.example', port: listener.port, attemptDelayMs: 20 });
      expect(client.remoteAddress).toBe('127.0.0.1');
      expect(reactor.nowMs - start).toBeLessThan(1000);
      client.destroy();
    }));

  test('fails with all errors when none answers', () =>
    run(async (reactor) => {
      answer('127.0.0.1', '::1');
      const failed = await reactor
        .connect({ host: 'none.example', port: 1 })
        .catch((error: unknown) => error);
      expect(failed).toMatchObject({ code: 'ECONNREFUSED', address: 'none.example', port: 1, retry: 'safe' });
      expect((failed as Error).message).toContain('all 2 addresses failed');
      expect((failed as { cause: AggregateError }).cause.errors).toHaveLength(2);
    }));
});

describe('failures', () => {
  test('a name that does not resolve', () =>
    run(async (reactor) => {
      fakeLookup.mockRejectedValue(new Error('ENOTFOUND'));
      await expect(reactor.connect({ host: 'no.example', port: 1 })).rejects.toMatchObject({
        code: 'ERR_RESOLVE',
        address: 'no.example',
        cause: { message: 'ENOTFOUND' },
      });
    }));

  test('one deadline covers the resolving', () =>
    run(async (reactor) => {
      fakeLookup.mockReturnValue(new Promise(() => undefined));
      const start = reactor.nowMs;
      await expect(reactor.connect({ host: 'slow.example', port: 1, timeoutMs: 20 })).rejects.toMatchObject({
        code: 'ERR_CONNECT_TIMEOUT',
        status: 504,
      });
      expect(reactor.nowMs - start).toBeLessThan(2000);
    }));

  test('a signal aborts it, before and during', () =>
    run(async (reactor) => {
      fakeLookup.mockReturnValue(new Promise(() => undefined));
      const abort = new AbortController();
      const connecting = reactor.connect({ host: 'slow.example', port: 1, signal: abort.signal });
      abort.abort(new Error('changed my mind'));
      await expect(connecting).rejects.toThrow('changed my mind');
      await expect(reactor.connect({ port: 1, signal: abort.signal })).rejects.toThrow('changed my mind');
    }));

  test('an answer that comes after the end does no harm', () =>
    run(async (reactor) => {
      let give!: (addresses: { address: string; family: number }[]) => void;
      fakeLookup.mockReturnValue(new Promise((resolve) => (give = resolve)));
      const errors = await collectUncaught(async () => {
        await expect(reactor.connect({ host: 'late.example', port: 1, timeoutMs: 5 })).rejects.toThrow();
        give([{ address: '127.0.0.1', family: 4 }]);
        await reactor.sleep(10);
      });
      expect(errors).toEqual([]);
    }));

  test('neither port nor path', () =>
    run(async (reactor) => {
      await expect(reactor.connect({})).rejects.toMatchObject({ code: 'EINVAL' });
    }));
});

test('binds to a local address', () =>
  run(async (reactor) => {
    const listener = reactor.listen({ host: '127.0.0.1', port: 0 }, () => undefined);
    const client = await reactor.connect({
      host: '127.0.0.1',
      port: listener.port,
      localAddress: '127.0.0.9',
    });
    expect(client.localAddress).toBe('127.0.0.9');
    client.destroy();
  }));

/** Relays: what the owners of both connections see and do not see, and every way to end one. */
import { describe, expect, test } from 'vitest';
import type { Connection } from '../../../lib/reactor/connection.js';
import type { Reactor } from '../../../lib/reactor/reactor.js';
import { canRelay, startRelay } from '../../../lib/reactor/relay.js';
import { connectedPair, errno, expectNothingLeft, native, type Recorder, run } from './support.js';

expectNothingLeft();

const MB = 1024 * 1024;
const PATIENT = { sourceMs: Infinity, targetMs: Infinity };

/** backend ──► source ══ relay ══► target ──► client */
interface Chain {
  backend: Connection;
  backendSide: Recorder;
  source: Connection;
  sourceSide: Recorder;
  target: Connection;
  targetSide: Recorder;
  client: Connection;
  clientSide: Recorder;
}

async function chain(reactor: Reactor): Promise<Chain> {
  const into = await connectedPair(reactor);
  const out = await connectedPair(reactor);
  return {
    backend: into.server,
    backendSide: into.serverSide,
    source: into.client,
    sourceSide: into.clientSide,
    target: out.server,
    targetSide: out.serverSide,
    client: out.client,
    clientSide: out.clientSide,
  };
}

function destroyAll(c: Chain): void {
  for (const connection of [c.backend, c.source, c.target, c.client]) connection.destroy();
}

function pattern(length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let i = 0; i < length; i++) bytes[i] = (i * 31 + (i >> 8)) & 255;
  return bytes;
}

describe('a relay', () => {
  test('moves the bytes, then says so, and reading goes on', () =>
    run(async (reactor) => {
      const c = await chain(reactor);
      const body = pattern(3 * MB + 7);
      const relay = startRelay(c.source, c.target, body.length, PATIENT, false);
      c.backend.write(body);
      c.backend.write('behind');
      await c.sourceSide.seen('data');
      await c.clientSide.until(() => c.clientSide.bytes >= body.length);
      expect(Buffer.concat(c.clientSide.chunks).equals(body)).toBe(true);
      expect(c.sourceSide.events).toEqual(['connect', 'relayed', 'data']);
      expect(c.sourceSide.text).toBe('behind');
      expect(relay.over).toBe(true);
      expect([relay.received, relay.sent]).toEqual([body.length, body.length]);
      c.target.write('more');
      await c.clientSide.until(() => c.clientSide.bytes === body.length + 4);
      destroyAll(c);
    }));

  test('wakes JavaScript for none of its pieces', () =>
    run(async (reactor) => {
      const c = await chain(reactor);
      const relay = startRelay(c.source, c.target, Infinity, PATIENT, false);
      for (let i = 0; i < 20; i++) {
        c.backend.write(pattern(10_000));
        await c.clientSide.until(() => c.clientSide.bytes >= (i + 1) * 10_000);
      }
      expect(c.sourceSide.events).toEqual(['connect']);
      expect(c.targetSide.events).toEqual([]);
      expect(relay.sent).toBe(200_000);
      destroyAll(c);
      expect(relay.over).toBe(true);
      expect(relay.sent).toBe(200_000);
    }));

  test('begins inside onData with what comes behind it', () =>
    run(async (reactor) => {
      const c = await chain(reactor);
      const body = pattern(MB);
      c.sourceSide.react = (event) => {
        if (event === 'data') startRelay(c.source, c.target, MB - c.sourceSide.bytes, PATIENT, true);
      };
      c.backend.write(body);
      await c.sourceSide.seen('relayed');
      expect(c.sourceSide.count('data')).toBe(1);
      const first = c.sourceSide.bytes;
      await c.clientSide.until(() => c.clientSide.bytes === MB - first);
      expect(Buffer.concat(c.clientSide.chunks).equals(body.subarray(first))).toBe(true);
      destroyAll(c);
    }));

  test('waits for what is queued at its target', () =>
    run(async (reactor) => {
      const c = await chain(reactor);
      c.client.pause();
      const before = pattern(12 * MB);
      c.target.write(before);
      expect(c.target.queuedBytes).toBeGreaterThan(0);
      c.backend.write('tail');
      startRelay(c.source, c.target, 4, PATIENT, false);
      c.client.resume();
      await c.sourceSide.seen('relayed');
      await c.clientSide.until(() => c.clientSide.bytes === before.length + 4);
      expect(c.clientSide.text.endsWith('tail')).toBe(true);
      destroyAll(c);
    }));

  test('into a connection that fails moves nothing, and stop() gives the source back', () =>
    run(async (reactor) => {
      const c = await chain(reactor);
      const target = reactor.connectRaw('127.0.0.1', c.backend.localPort, c.targetSide);
      expect(target.connecting).toBe(true);
      // Nobody listens there any more.
      const relay = startRelay(c.source, target, 4, PATIENT, false);
      c.backend.write('four');
      await c.targetSide.seen('close');
      expect(relay.received).toBe(0);
      expect(c.sourceSide.bytes).toBe(0);
      relay.stop();
      await c.sourceSide.seen('data');
      expect(c.sourceSide.text).toBe('four');
      destroyAll(c);
    }));

  test('has its target to itself, and end() waits for it', () =>
    run(async (reactor) => {
      const c = await chain(reactor);
      startRelay(c.source, c.target, 6, PATIENT, false);
      expect(c.target.relayedInto).toBe(true);
      expect(() => c.target.write('x')).toThrow(expect.objectContaining({ code: 'ERR_BUSY' }) as Error);
      expect(canRelay(c.client, c.target)).toBe(false);
      expect(canRelay(c.source, c.client)).toBe(false);
      c.target.end();
      c.backend.write('abcdef');
      await c.clientSide.seen('end');
      expect(c.clientSide.text).toBe('abcdef');
      destroyAll(c);
    }));

  test('close() of its target waits too', () =>
    run(async (reactor) => {
      const c = await chain(reactor);
      startRelay(c.source, c.target, 6, PATIENT, false);
      c.target.close();
      expect(c.target.closed).toBe(false);
      c.backend.write('abcdef');
      await c.clientSide.seen('end');
      expect(c.clientSide.text).toBe('abcdef');
      await c.targetSide.seen('close');
      expect(c.targetSide.errno).toBe(0);
      destroyAll(c);
    }));

  test('leaves the other directions alone', () =>
    run(async (reactor) => {
      const c = await chain(reactor);
      startRelay(c.source, c.target, MB, PATIENT, false);
      c.client.write('question');
      await c.targetSide.seen('data');
      expect(c.targetSide.text).toBe('question');
      c.source.write('answer');
      await c.backendSide.seen('data');
      c.client.end();
      await c.targetSide.seen('end');
      expect(c.target.closed).toBe(false);
      destroyAll(c);
    }));
});

describe('the end of a relay', () => {
  test('an early end of the source is its onEnd', () =>
    run(async (reactor) => {
      const c = await chain(reactor);
      const relay = startRelay(c.source, c.target, 1000, PATIENT, false);
      c.backend.write(pattern(600));
      c.backend.end();
      await c.sourceSide.seen('end');
      expect(c.sourceSide.count('relayed')).toBe(0);
      expect(relay.received).toBe(600);
      expect(c.target.relayedInto).toBe(false);
      c.target.end();
      await c.clientSide.seen('end');
      expect(c.clientSide.bytes).toBe(600);
      destroyAll(c);
    }));

  test('an end right behind the last byte is known in onRelayed, and comes after it', () =>
    run(async (reactor) => {
      const c = await chain(reactor);
      c.source.pause();
      c.backend.write(pattern(600));
      c.backend.end();
      await new Promise((resolve) => setTimeout(resolve, 20));
      let unread: boolean | undefined;
      c.sourceSide.react = (event) => {
        if (event === 'relayed') unread = c.source.unread;
      };
      startRelay(c.source, c.target, 600, PATIENT, false);
      c.source.resume();
      await c.sourceSide.seen('end');
      expect(unread).toBe(true);
      expect(c.sourceSide.events).toEqual(['connect', 'relayed', 'end']);
      destroyAll(c);
    }));

  test('a reset of the source is its onClose', () =>
    run(async (reactor) => {
      const c = await chain(reactor);
      startRelay(c.source, c.target, 1000, PATIENT, false);
      c.backend.reset();
      await c.sourceSide.seen('close');
      expect(c.sourceSide.errno).toBe(errno('ECONNRESET'));
      expect(c.target.relayedInto).toBe(false);
      destroyAll(c);
    }));

  test('a reset of the target is its onClose, and the source is silent until stop()', () =>
    run(async (reactor) => {
      const c = await chain(reactor);
      const relay = startRelay(c.source, c.target, 20 * MB, PATIENT, false);
      c.backend.write(pattern(16 * MB));
      await c.clientSide.seen('data');
      c.client.reset();
      await c.targetSide.seen('close');
      expect(['ECONNRESET', 'EPIPE'].map(errno)).toContain(c.targetSide.errno);
      expect(relay.over).toBe(true);
      expect(c.sourceSide.events).toEqual(['connect']);
      relay.stop();
      await c.sourceSide.seen('data');
      destroyAll(c);
    }));

  test('either side can be destroyed by its owner, at any moment', () =>
    run(async (reactor) => {
      for (const side of ['source', 'target'] as const) {
        const c = await chain(reactor);
        const relay = startRelay(c.source, c.target, 20 * MB, PATIENT, false);
        c.backend.write(pattern(4 * MB));
        await c.clientSide.seen('data');
        c[side].destroy();
        expect(relay.over).toBe(true);
        expect(relay.received).toBeGreaterThanOrEqual(relay.sent);
        expect(c[side === 'source' ? 'target' : 'source'].closed).toBe(false);
        destroyAll(c);
      }
    }));

  test('stop() gives the rest to onData', () =>
    run(async (reactor) => {
      const c = await chain(reactor);
      const relay = startRelay(c.source, c.target, Infinity, PATIENT, false);
      c.backend.write('relayed');
      await c.clientSide.seen('data');
      relay.stop();
      relay.stop();
      c.backend.write('read');
      await c.sourceSide.seen('data');
      expect(c.sourceSide.text).toBe('read');
      expect(relay.received).toBe(7);
      c.target.write('!');
      await c.clientSide.until(() => c.clientSide.text === 'relayed!');
      destroyAll(c);
    }));
});

describe('pressure and time', () => {
  test('a target that takes nothing stops the reading, and holds a bounded amount', () =>
    run(async (reactor) => {
      const c = await chain(reactor);
      c.client.pause();
      const body = pattern(40 * MB);
      const relay = startRelay(c.source, c.target, body.length, PATIENT, false);
      c.backend.write(body);
      let received = 0;
      while (received === 0 || received !== relay.received) {
        received = relay.received;
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
      expect(received - relay.sent).toBeLessThanOrEqual(MB);
      expect(received).toBeLessThan(body.length);
      c.client.resume();
      await c.sourceSide.seen('relayed');
      await c.clientSide.until(() => c.clientSide.bytes === body.length);
      expect(Buffer.concat(c.clientSide.chunks).equals(body)).toBe(true);
      destroyAll(c);
    }));

  test('the source has its deadline while bytes are waited for, moved by each piece', () =>
    run(async (reactor) => {
      const c = await chain(reactor);
      startRelay(c.source, c.target, MB, { sourceMs: 150, targetMs: 150 }, false);
      const begun = reactor.nowMs;
      for (let i = 0; i < 5; i++) {
        await new Promise((resolve) => setTimeout(resolve, 50));
        c.backend.write('.');
      }
      await c.sourceSide.seen('deadline');
      expect(reactor.nowMs - begun).toBeGreaterThanOrEqual(390);
      expect(c.targetSide.count('deadline')).toBe(0);
      destroyAll(c);
    }));

  test('the target has its deadline while it takes nothing', () =>
    run(async (reactor) => {
      const c = await chain(reactor);
      c.client.pause();
      startRelay(c.source, c.target, 40 * MB, { sourceMs: 5000, targetMs: 100 }, false);
      c.backend.write(pattern(40 * MB));
      await c.targetSide.seen('deadline');
      expect(c.source.deadline).toBe(Infinity);
      expect(c.sourceSide.count('deadline')).toBe(0);
      destroyAll(c);
    }));

  test('pipes are given back', () =>
    run(async (reactor) => {
      const chains = await Promise.all(Array.from({ length: 8 }, () => chain(reactor)));
      for (const c of chains) {
        c.client.pause();
        startRelay(c.source, c.target, 20 * MB, PATIENT, false);
        c.backend.write(pattern(20 * MB));
      }
      await new Promise((resolve) => setTimeout(resolve, 200));
      chains.forEach(destroyAll);
      expect(native.counters().pipes).toBeLessThanOrEqual(4);
    }));
});

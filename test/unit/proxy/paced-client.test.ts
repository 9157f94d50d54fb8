/**
 * What a client has taken is counted over the responses of its connection: one that asks
 * for the next as soon as it has the last has no window begin anew with it.
 */
import { expect, test } from 'vitest';
import type { EngineContext } from '../../../lib/proxy/context.js';
import { Downstream } from '../../../lib/proxy/downstream.js';
import type { ExchangeImpl } from '../../../lib/proxy/exchange.js';
import type { ListenerServers } from '../../../lib/proxy/listener-servers.js';
import { Pacer } from '../../../lib/proxy/pacer.js';
import type { Connection } from '../../../lib/reactor/connection.js';
import type { Reactor } from '../../../lib/reactor/reactor.js';
import { location } from './support.js';

const KB = 1024;
/** 100 KB a second, over a second. */
const RATE = { bytesPerSecond: 100 * KB, graceMs: 1000 };

/** A client whose responses and queue are the test's. */
class Rig {
  nowMs = 1000;
  queuedBytes = 0;
  cut = false;
  readonly client: Downstream;
  readonly #location = location({ name: '/', sendMinRate: RATE });
  #tick: (() => void) | undefined;

  constructor() {
    const reactor = {
      setTimer: (_ms: number, callback: () => void) => {
        this.#tick = callback;
        return { cancel: () => undefined, unref: () => undefined };
      },
    };
    const now = (): number => this.nowMs;
    const context = {
      get nowMs(): number {
        return now();
      },
      draining: false,
      pacer: new Pacer(reactor as unknown as Reactor, now),
    };
    const queued = (): number => this.queuedBytes;
    const connection = {
      closed: false,
      expectsHead: false,
      get queuedBytes(): number {
        return queued();
      },
      setDeadline: () => undefined,
      reset: () => void (this.cut = true),
    };
    const index = { defaultServer: { fallback: this.#location, clientHeaderTimeoutMs: 1000 } };
    this.client = new Downstream(
      connection as unknown as Connection,
      context as unknown as EngineContext,
      { index } as unknown as ListenerServers,
      1,
    );
  }

  /** So much of a response under way was handed over, and so much of that waits. */
  respond(sentBytes: number, queuedBytes: number): void {
    const exchange = { sentBytes, location: this.#location, proxy: null };
    this.client.exchange = exchange as unknown as ExchangeImpl;
    this.queuedBytes = queuedBytes;
    this.client.pace(RATE);
  }

  /** The response is handed over as a whole. */
  finish(): void {
    this.client.exchangeDone(true, false);
  }

  pass(ms: number): void {
    this.nowMs += ms;
    this.#tick?.();
  }
}

test('a client that takes one response after another is as fast as it is', () => {
  const rig = new Rig();
  rig.respond(400 * KB, 64 * KB);
  rig.pass(250);
  // It takes the rest, and nearly as much of the next, in the same window.
  rig.respond(500 * KB, 0);
  rig.finish();
  rig.respond(464 * KB, 64 * KB);
  for (let i = 0; i < 3; i++) rig.pass(250);
  expect(rig.cut).toBe(false);
  // Now it takes nothing.
  for (let i = 0; i < 5; i++) rig.pass(250);
  expect(rig.cut).toBe(true);
});

test('the end of a response, and the next one, take nothing back', () => {
  const rig = new Rig();
  rig.respond(400 * KB, 64 * KB);
  const taken = rig.client.pacedBytes;
  rig.finish();
  expect(rig.client.pacedBytes).toBe(taken);
  rig.respond(10 * KB, 74 * KB);
  expect(rig.client.pacedBytes).toBe(taken);
  rig.queuedBytes = 10 * KB;
  expect(rig.client.pacedBytes).toBe(taken + 64 * KB);
});

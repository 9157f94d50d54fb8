/** The addon's functions as lib/native/binding.ts describes them, driven turn by turn. */
import { closeSync, openSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as constants from '../../../lib/native/binding.js';
import { host } from '../../../lib/native/host.js';
import {
  COMPOSE_SLOTS,
  composeHead,
  composeLogLine,
  joinBytes,
  receiveBytes,
  receiveHead,
  scanBytes,
  sendBytes,
  sendGathered,
} from '../../../lib/native/hot.js';
import { native } from '../../../lib/native/index.js';

const { layout, u8, i32 } = host;
const { errno } = native;
const listenerFlags = new Map<number, number>();
let waiting: (() => void) | undefined;

/** The flags that the last turns reported for a slot. */
function seen(handle: number): number {
  return listenerFlags.get(handle & constants.SLOT_MASK) ?? 0;
}

/** Waits until a turn reported all of `flags` for the handle. */
async function ready(handle: number, flags: number): Promise<void> {
  while ((seen(handle) & flags) !== flags) await new Promise<void>((resolve) => (waiting = resolve));
  listenerFlags.delete(handle & constants.SLOT_MASK);
}

function put(text: string, offset = layout.scratch): number {
  return (u8.set(Buffer.from(text, 'latin1'), offset), text.length);
}

function got(length: number, offset = layout.window): string {
  return Buffer.from(host.u8.buffer as ArrayBuffer, offset, length).toString('latin1');
}

/** Composes a line of one step. */
function line(steps: number, to: number = layout.scratch, escape = 1, records = 0): number {
  return composeLogLine(steps, 1, to, 64, escape, records, 1, 0, 0);
}

/** A connected pair over TCP. */
async function connected(): Promise<{ listener: number; client: number; server: number }> {
  const listener = native.listen('127.0.0.1', 0, 16, 0);
  const client = native.connect('127.0.0.1', portOf(listener), '');
  await ready(listener, constants.READY_READ);
  expect(native.accept(listener, 10)).toBe(1);
  const server = host.table[0];
  await ready(client, constants.READY_WRITE);
  expect(native.connectResult(client)).toBe(0);
  return { listener, client, server };
}

function portOf(handle: number): number {
  return Number(native.localAddress(handle).split(' ')[1]);
}

function closeAll(...handles: number[]): void {
  for (const handle of handles) expect(native.close(handle)).toBe(0);
}

beforeAll(() => {
  host.setTurn((eventCount) => {
    for (let i = 0; i < eventCount; i++) {
      const slot = host.events[2 * i];
      listenerFlags.set(slot, (listenerFlags.get(slot) ?? 0) | host.events[2 * i + 1]);
    }
    waiting?.();
    return constants.TURN_DONE;
  });
  native.ref();
});

afterAll(() => {
  expect(native.counters()).toMatchObject({ slots: 0, timers: 0, blocks: 0, blockBytes: 0 });
  native.unref();
});

describe('the arena', () => {
  it('holds regions of the promised sizes', () => {
    expect(layout.windowSize).toBe(256 * 1024);
    expect(layout.timerCapacity).toBe(1 << 20);
    expect(layout.size).toBe(u8.length);
    expect(layout.size).toBeLessThan(2 ** 31);
    for (const offset of [layout.now, layout.events, layout.due, layout.table, layout.deadlines]) {
      expect(offset % 8).toBe(0);
    }
  });

  it('is opened once', () => {
    expect(() => native.open(() => 0)).toThrow(/open already/);
  });

  it('gives and takes blocks', () => {
    const block = native.acquireBlock(5000);
    expect(block).toBeGreaterThan(layout.scheduled);
    expect(native.counters()).toMatchObject({ blocks: 1, blockBytes: 8192 });
    expect(() => native.releaseBlock(block, 4096)).toThrow(/not a block/);
    native.releaseBlock(block, 5000);
    expect(() => native.releaseBlock(block, 5000)).toThrow(/not a block/);
    expect(native.acquireBlock(0)).toBe(-errno['EINVAL']);
    expect(native.acquireBlock((1 << 20) + 1)).toBe(-errno['EINVAL']);
  });
});

describe('arguments', () => {
  it('of the wrong type throw', () => {
    const loose = native as unknown as Record<string, (...args: unknown[]) => unknown>;
    expect(() => loose['setNames']?.('a\n', 'b', 0)).toThrow(TypeError);
    expect(() => loose['listen']?.(80, '127.0.0.1', 1, 0)).toThrow(TypeError);
    expect(() => loose['open']?.()).toThrow(TypeError);
  });

  it('outside of the arena are -EFAULT', async () => {
    const { listener, client, server } = await connected();
    const fault = -errno['EFAULT'];
    expect(receiveBytes(client, layout.size - 10, 11)).toBe(fault);
    expect(receiveBytes(client, -1, 10)).toBe(fault);
    expect(sendBytes(client, 0, -1)).toBe(fault);
    expect(sendGathered(client, layout.scratch + 2, 1)).toBe(fault);
    expect(scanBytes(0, 10, 11)).toBe(fault);
    expect(scanBytes(layout.size - 8, 10, 0)).toBe(fault);
    expect(joinBytes(layout.size - 8, layout.scratch, 4, layout.scratch, 5)).toBe(fault);
    expect(joinBytes(layout.scratch, layout.scratch, 4, layout.size, 1)).toBe(fault);
    expect(composeHead(layout.scratch + 2, 1, layout.scratch, 10, 0, 0, 0, 0, 0, -1)).toBe(fault);
    expect(composeHead(layout.size, 1, layout.scratch, 10, 0, 0, 0, 0, 0, -1)).toBe(fault);
    expect(composeHead(layout.table, 0, layout.scratch, 10, 0, 0, 0, 0, layout.size - 10, -1)).toBe(fault);
    // A step that is none, a range and a slot that are not there.
    for (const step of [
      [9, 0, 0, 0],
      [0, layout.size, 1, 0],
      [1, 0, 0, 448],
      [2, 0, 0, -1],
    ]) {
      i32.set(step, layout.table >> 2);
      expect(composeHead(layout.table, 1, layout.scratch, 10, 0, 0, 0, 0, 0, -1)).toBe(fault);
    }
    expect(line(layout.scratch + 2)).toBe(fault);
    expect(line(layout.size)).toBe(fault);
    expect(line(layout.table, layout.size - 8)).toBe(fault);
    expect(line(layout.table, layout.scratch, 9)).toBe(fault);
    expect(line(layout.table, layout.scratch, 1, layout.size)).toBe(fault);
    // Constants and a slot that are not there, a slot that holds nothing known.
    i32.set([0, -3], COMPOSE_SLOTS);
    for (const step of [
      [layout.size - 4, 8, -1, 0],
      [-1, 1, -1, 0],
      [0, 20, 448, 0],
      [0, 0, 448, 0],
      [0, 0, 0, 0],
    ]) {
      i32.set(step, layout.table >> 2);
      expect(line(layout.table)).toBe(fault);
    }
    closeAll(listener, client, server);
  });

  it('that are closed handles are -EBADF', () => {
    const listener = native.listen('127.0.0.1', 0, 16, 0);
    closeAll(listener);
    const closed = -errno['EBADF'];
    expect(native.close(listener)).toBe(closed);
    expect(native.accept(listener, 1)).toBe(closed);
    expect(receiveBytes(listener, layout.window, 1)).toBe(closed);
    expect(native.markReady(listener, 1)).toBe(closed);
    expect(native.enableListener(listener, 1)).toBe(closed);
    expect(native.localAddress(listener)).toBe('');
    expect(native.remoteAddress(-5)).toBe('');
  });
});

describe('a stream', () => {
  it('carries bytes from one range and from several', async () => {
    const { listener, client, server } = await connected();
    expect(native.remoteAddress(server)).toBe(native.localAddress(client));
    expect(sendBytes(client, layout.scratch, put('one '))).toBe(4);
    put('two ', layout.scratch);
    put('three ', layout.scratch + 100);
    i32.set([layout.scratch, 4, layout.scratch + 100, 6], layout.table >> 2);
    expect(sendGathered(client, layout.table, 2)).toBe(10);
    i32.set([layout.scratch, 0, layout.scratch + 100, 6], layout.table >> 2);
    expect(sendGathered(client, layout.table, 2)).toBe(6);
    i32.set([layout.scratch, 4, layout.scratch, 0, layout.scratch + 100, 5], layout.table >> 2);
    expect(sendGathered(client, layout.table, 3)).toBe(9);
    let text = '';
    while (text.length < 29) {
      await ready(server, constants.READY_READ);
      for (let n; (n = receiveBytes(server, layout.window, layout.windowSize)) > 0;) text += got(n);
    }
    expect(text).toBe('one two three three two three');
    expect(receiveBytes(server, layout.window, 10)).toBe(-errno['EAGAIN']);
    closeAll(listener, client, server);
  });

  it('ends with 0 after FIN and with an error after a reset', async () => {
    const { listener, client, server } = await connected();
    expect(native.shutdown(client)).toBe(0);
    await ready(server, constants.READY_READ | constants.READY_EOF);
    expect(receiveBytes(server, layout.window, 10)).toBe(0);
    expect(native.setOption(server, constants.OPTION_RESET_ON_CLOSE, 1)).toBe(0);
    closeAll(server);
    await ready(client, constants.READY_READ | constants.READY_WRITE);
    expect(receiveBytes(client, layout.window, 10)).toBe(-errno['ECONNRESET']);
    closeAll(listener, client);
  });

  it('is reported again when marked', async () => {
    const { listener, client, server } = await connected();
    listenerFlags.delete(server & constants.SLOT_MASK);
    expect(native.markReady(server, constants.READY_READ)).toBe(0);
    await ready(server, constants.READY_READ);
    closeAll(listener, client, server);
  });

  it('that is refused says so', async () => {
    const listener = native.listen('127.0.0.1', 0, 16, 0);
    const port = portOf(listener);
    closeAll(listener);
    const client = native.connect('127.0.0.1', port, '');
    await ready(client, constants.READY_WRITE);
    expect(native.connectResult(client)).toBe(-errno['ECONNREFUSED']);
    closeAll(client);
  });
});

describe('datagrams and descriptors', () => {
  it('a datagram has a sender', async () => {
    const a = native.datagram('127.0.0.1', 0, 0);
    const b = native.datagram('::1', 0, constants.LISTEN_IPV6ONLY);
    const c = native.datagram('::1', 0, 0);
    expect(native.sendTo(c, layout.scratch, put('hello'), '::1', portOf(b))).toBe(5);
    await ready(b, constants.READY_READ);
    expect(native.receiveFrom(b, layout.window, 100)).toBe(5);
    expect(got(5)).toBe('hello');
    expect(native.lastSender()).toBe(native.localAddress(c));
    expect(native.receiveFrom(b, layout.window, 100)).toBe(-errno['EAGAIN']);
    expect(native.sendTo(a, layout.scratch, 1, 'nonsense', 1)).toBe(-errno['EINVAL']);
    closeAll(a, b, c);
  });

  it('descriptors travel over a unix stream', async () => {
    const path = `/tmp/millrace-addon-test-${process.pid}.sock`;
    const listener = native.listen(path, -1, 16, 0);
    const client = native.connect(path, -1, '');
    await ready(listener, constants.READY_READ);
    expect(native.accept(listener, 1)).toBe(1);
    const server = host.table[0];
    expect(native.remoteAddress(server)).toBe('');
    expect(native.remoteAddress(client)).toBe(`${path} -1`);
    const file = openSync('/dev/null', 'r');
    i32[(layout.scratch >> 2) + 64] = file;
    expect(native.sendFds(client, layout.scratch, put('take'), layout.scratch + 256, 1)).toBe(4);
    await ready(server, constants.READY_READ);
    expect(native.receiveFds(server, layout.window, 100)).toBe(4);
    expect(host.table[0]).toBe(1);
    const received = host.table[1];
    expect(received).toBeGreaterThan(2);
    expect(native.adopt(received, 1, 0)).toBe(-errno['ENOTSOCK']);
    closeSync(received);
    closeSync(file);
    closeAll(listener, client, server);
    const { unlinkSync } = await import('node:fs');
    unlinkSync(path);
  });

  it('a descriptor is adopted', async () => {
    const { listener, client, server } = await connected();
    expect(native.fileDescriptor(listener)).toBeGreaterThan(2);
    expect(native.adopt(native.fileDescriptor(client), 0, 0)).toBe(-errno['EINVAL']);
    expect(native.adopt(99999, 1, 0)).toBe(-errno['EBADF']);
    expect(native.adopt(0, 7, 0)).toBe(-errno['EINVAL']);
    closeAll(listener, client, server);
  });
});

describe('timers', () => {
  it('fire in order and are removed', async () => {
    const now = native.updateClock();
    expect(now).toBe(host.nowMs());
    expect(Math.abs(host.wallMs() - Date.now())).toBeLessThan(1000);
    const ids = [30, 10, 20].map((delay) => {
      const id = native.timerAdd();
      host.deadlines[id] = now + delay;
      expect(native.timerArm(id)).toBe(0);
      expect(host.scheduled[id]).toBe(now + delay);
      return id;
    });
    expect(native.counters().timers).toBe(3);
    await new Promise((resolve) => setTimeout(resolve, 60));
    for (const id of ids) expect(host.scheduled[id]).toBe(Infinity);
    for (const id of ids) expect(native.timerRemove(id)).toBe(0);
    expect(native.timerRemove(ids[0])).toBe(-errno['EINVAL']);
    expect(native.timerArm(-1)).toBe(-errno['EINVAL']);
  });
});

describe('scanFields', () => {
  const CANONICAL = 1 << 8;
  const BAD = 4 << 8;
  const REPORT = (layout.registers >> 2) + 16;
  const HEAD = 'GET / HTTP/1.1\r\nHost: a\r\nX\x01: \xe9\r\n\r\nrest';

  it('writes a record for each field line, and a report', () => {
    expect(native.setNames('cookie\nhost\n', 2, 0)).toBe(0);
    const length = put(HEAD, layout.window);
    expect(scanBytes(layout.window, length, 0)).toBe(0);
    expect([...i32.subarray(REPORT - 2, REPORT + 12)]).toEqual([
      ...[layout.window, length],
      ...[2, 34, 1, CANONICAL | BAD, 14, CANONICAL, 9, 0, (1 << 2) | 1, 0, 5, 1],
    ]);
    expect([...host.table.subarray(0, 5)]).toEqual([16, 20, 22, 23, 25]);
    expect(host.table[5]).toBe(2 | CANONICAL);
    expect([...host.table.subarray(6, 12)]).toEqual([25, 27, 29, 30, 32, CANONICAL | BAD]);
  });

  it('is done along with receiving', async () => {
    const { listener, client, server } = await connected();
    const length = put(HEAD);
    sendBytes(client, layout.scratch, length);
    await ready(server, constants.READY_READ);
    expect(receiveHead(server, layout.window, layout.windowSize)).toBe(length);
    expect([...i32.subarray(REPORT - 2, REPORT + 2)]).toEqual([layout.window, length, 2, 34]);
    expect(receiveBytes(server, layout.window, 10)).toBe(-errno['EAGAIN']);
    expect(i32[REPORT - 1]).toBe(0);
    closeAll(listener, client, server);
  });

  it('refuses names that its table cannot hold', () => {
    for (const names of ['a', '\n', `${'a'.repeat(41)}\n`, 'a\n'.repeat(256)]) {
      expect(native.setNames(names, 0, 0)).toBe(-errno['EINVAL']);
    }
  });
});

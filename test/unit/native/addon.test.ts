/** The addon's functions as lib/native/binding.ts describes them, driven turn by turn. */
import { closeSync, openSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as constants from '../../../lib/native/binding.js';
import { host } from '../../../lib/native/host.js';
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
    expect(() => loose['recv']?.('1', 0, 0)).toThrow(TypeError);
    expect(() => loose['send']?.(1, 0)).toThrow(TypeError);
    expect(() => loose['listen']?.(80, '127.0.0.1', 1, 0)).toThrow(TypeError);
    expect(() => loose['open']?.()).toThrow(TypeError);
  });

  it('outside of the arena are -EFAULT', async () => {
    const { listener, client, server } = await connected();
    const fault = -errno['EFAULT'];
    expect(native.recv(client, layout.size - 10, 11)).toBe(fault);
    expect(native.recv(client, -1, 10)).toBe(fault);
    expect(native.send(client, 0, -1)).toBe(fault);
    expect(native.send2(client, 0, 1, layout.size, 1)).toBe(fault);
    expect(native.sendv(client, layout.scratch + 2, 1)).toBe(fault);
    expect(native.scanLines(0, 10, 11, layout.table, 1)).toBe(fault);
    expect(native.scanLines(0, 10, 0, layout.size - 8, 1)).toBe(fault);
    expect(native.scanLines(0, 10, 0, layout.table, 0x7fffffff)).toBe(fault);
    closeAll(listener, client, server);
  });

  it('that are closed handles are -EBADF', () => {
    const listener = native.listen('127.0.0.1', 0, 16, 0);
    closeAll(listener);
    const closed = -errno['EBADF'];
    expect(native.close(listener)).toBe(closed);
    expect(native.accept(listener, 1)).toBe(closed);
    expect(native.recv(listener, layout.window, 1)).toBe(closed);
    expect(native.markReady(listener, 1)).toBe(closed);
    expect(native.enableListener(listener, 1)).toBe(closed);
    expect(native.localAddress(listener)).toBe('');
    expect(native.remoteAddress(-5)).toBe('');
  });
});

describe('a stream', () => {
  it('carries bytes by send, send2 and sendv', async () => {
    const { listener, client, server } = await connected();
    expect(native.remoteAddress(server)).toBe(native.localAddress(client));
    expect(native.send(client, layout.scratch, put('one '))).toBe(4);
    put('two ', layout.scratch);
    put('three ', layout.scratch + 100);
    expect(native.send2(client, layout.scratch, 4, layout.scratch + 100, 6)).toBe(10);
    expect(native.send2(client, layout.scratch, 0, layout.scratch + 100, 6)).toBe(6);
    i32.set([layout.scratch, 4, layout.scratch, 0, layout.scratch + 100, 5], layout.table >> 2);
    expect(native.sendv(client, layout.table, 3)).toBe(9);
    let text = '';
    while (text.length < 29) {
      await ready(server, constants.READY_READ);
      for (let n; (n = native.recv(server, layout.window, layout.windowSize)) > 0;) text += got(n);
    }
    expect(text).toBe('one two three three two three');
    expect(native.recv(server, layout.window, 10)).toBe(-errno['EAGAIN']);
    closeAll(listener, client, server);
  });

  it('ends with 0 after FIN and with an error after a reset', async () => {
    const { listener, client, server } = await connected();
    expect(native.shutdown(client)).toBe(0);
    await ready(server, constants.READY_READ | constants.READY_EOF);
    expect(native.recv(server, layout.window, 10)).toBe(0);
    expect(native.setOption(server, constants.OPTION_RESET_ON_CLOSE, 1)).toBe(0);
    closeAll(server);
    await ready(client, constants.READY_READ | constants.READY_WRITE);
    expect(native.recv(client, layout.window, 10)).toBe(-errno['ECONNRESET']);
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

describe('scanLines', () => {
  it('writes three numbers for each line', () => {
    const head = 'GET / HTTP/1.1\r\nHost: a\r\nX\x01: \xe9\r\n\r\nrest';
    const length = put(head, layout.window);
    expect(native.scanLines(layout.window, length, 0, layout.table, 16)).toBe(4);
    expect(Array.from(host.table.subarray(0, 12))).toEqual([15, -1, 1, 24, 20, 1, 31, 27, 7, 33, -1, 1]);
    expect(native.scanLines(layout.window, length, 16, layout.table, 1)).toBe(1);
    expect(native.scanLines(layout.window, 10, 0, layout.table, 16)).toBe(0);
  });
});

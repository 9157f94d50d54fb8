/** Queue, deferred promise, abort helpers. */
import { describe, expect, test } from 'vitest';
import { abortReason, onAbort, throwIfAborted } from '../../../lib/util/abort.js';
import { Deferred } from '../../../lib/util/deferred.js';
import { Fifo } from '../../../lib/util/fifo.js';

describe('Fifo', () => {
  test('keeps the order while it grows and wraps around', () => {
    const queue = new Fifo<number>();
    let next = 0;
    let expected = 0;
    for (let round = 0; round < 200; round++) {
      for (let i = 0; i < (round % 7) + 1; i++) queue.push(next++);
      for (let i = 0; i < round % 5 && queue.length > 0; i++) expect(queue.shift()).toBe(expected++);
    }
    expect(queue.length).toBe(next - expected);
    expect(queue.peek()).toBe(expected);
    expect([...queue]).toEqual(Array.from({ length: next - expected }, (_, i) => expected + i));
    while (queue.length > 0) expect(queue.shift()).toBe(expected++);
    expect([queue.shift(), queue.peek(), queue.length]).toEqual([undefined, undefined, 0]);
  });
});

describe('Deferred', () => {
  test('settles once', async () => {
    const deferred = new Deferred<number>();
    expect(deferred.settled).toBe(false);
    deferred.resolve(1);
    deferred.reject(new Error('too late'));
    expect(deferred.settled).toBe(true);
    expect(await deferred.promise).toBe(1);
  });
});

describe('onAbort', () => {
  test('calls at once, later, or never again', () => {
    const reasons: unknown[] = [];
    onAbort(AbortSignal.abort('before'), (reason) => reasons.push(reason));
    const abort = new AbortController();
    onAbort(abort.signal, (reason) => reasons.push(reason));
    const stop = onAbort(abort.signal, () => reasons.push('stopped'));
    stop();
    stop();
    onAbort(undefined, () => reasons.push('no signal'))();
    abort.abort('after');
    expect(reasons).toEqual(['before', 'after']);
    expect(abortReason(abort.signal)).toBe('after');
    expect(() => throwIfAborted(abort.signal)).toThrow('after');
    expect(() => throwIfAborted(undefined)).not.toThrow();
  });
});

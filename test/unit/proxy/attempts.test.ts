/** The attempts of one exchange: records in order, fresh for every use. */
import { describe, expect, it } from 'vitest';
import { Attempts } from '../../../lib/proxy/attempts.js';

describe('Attempts', () => {
  it('begins with none', () => {
    const attempts = new Attempts();
    expect(attempts.count).toBe(0);
    expect(attempts.list).toEqual([]);
  });

  it('keeps them in order; the last one is the current one', () => {
    const attempts = new Attempts();
    const first = attempts.begin('a:1', 100);
    expect(attempts.last).toBe(first);
    const second = attempts.begin('b:2', 200);
    expect(attempts.last).toBe(second);
    expect(attempts.count).toBe(2);
    expect(attempts.list).toEqual([first, second]);
    expect(first).toEqual({
      address: 'a:1',
      status: 0,
      startedMs: 100,
      connectTimeMs: -1,
      headerTimeMs: -1,
      responseTimeMs: -1,
      bytesSent: 0,
      bytesReceived: 0,
      bodyBytesReceived: 0,
    });
  });

  it('shows nothing of an earlier exchange in a record that is used again', () => {
    const attempts = new Attempts();
    const fresh = { ...attempts.begin('a:1', 100) };
    const record = attempts.begin('b:2', 200);
    for (const used of [attempts.list[0], record]) {
      Object.assign(used, {
        status: 502,
        connectTimeMs: 1,
        headerTimeMs: 2,
        responseTimeMs: 3,
        bytesSent: 4,
        bytesReceived: 5,
      });
    }
    attempts.clear();
    expect(attempts.count).toBe(0);
    expect(attempts.list).toEqual([]);
    expect({ ...attempts.begin('a:1', 100) }).toEqual(fresh);
    expect(attempts.list).toHaveLength(1);
    expect(attempts.begin('c:3', 300)).toEqual({ ...fresh, address: 'c:3', startedMs: 300 });
  });
});

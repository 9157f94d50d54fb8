/** The pool of idle connections of a group, with things that only remember whether they were closed. */
import { describe, expect, it } from 'vitest';
import type { Peer, Pooled } from '../../../lib/proxy/upstream-group.js';
import { UpstreamGroup } from '../../../lib/proxy/upstream-group.js';
import { random } from './support.js';

class Idle implements Pooled {
  closed = 0;
  readonly localAddress: string;

  constructor(localAddress = '') {
    this.localAddress = localAddress;
  }

  discard(): void {
    this.closed++;
  }
}

function pool(keepalive: number, peers = 2): UpstreamGroup {
  return new UpstreamGroup({
    name: 'backends',
    keepalive,
    keepaliveRequests: 1000,
    keepaliveTimeoutMs: 60_000,
    keepaliveTimeMs: 3_600_000,
    peers: Array.from({ length: peers }, (_, index) => ({
      address: '127.0.0.1',
      port: 8000 + index,
      name: `peer${index}`,
      weight: 1,
      maxFails: 1,
      failTimeoutMs: 10_000,
      maxConns: 0,
      backup: false,
      down: false,
    })),
  });
}

/** Parks `count` connections with the peer, oldest first. */
function park(group: UpstreamGroup, peer: Peer, count: number): Idle[] {
  return Array.from({ length: count }, () => {
    const idle = new Idle();
    group.putIdle(peer, idle);
    return idle;
  });
}

describe('the idle pool', () => {
  it('gives back the most recently used connection of the peer that was asked for', () => {
    const group = pool(8);
    const [a, b] = group.peers;
    const [first, second] = park(group, a, 2);
    const [other] = park(group, b, 1);
    expect(group.idleCount).toBe(3);
    expect(group.takeIdle(a, '')).toBe(second);
    expect(group.takeIdle(a, '')).toBe(first);
    expect(group.takeIdle(a, '')).toBeUndefined();
    expect(group.idleCount).toBe(1);
    expect(group.takeIdle(b, '')).toBe(other);
    expect(group.idleCount).toBe(0);
    expect([first, second, other].map((idle) => idle.closed)).toEqual([0, 0, 0]);
  });

  it('closes what it may not keep', () => {
    const group = pool(0);
    const [idle] = park(group, group.peers[0], 1);
    expect(idle.closed).toBe(1);
    expect(group.idleCount).toBe(0);
    expect(group.takeIdle(group.peers[0], '')).toBeUndefined();
  });

  it('closes the oldest of the same peer when it is full', () => {
    const group = pool(3);
    const [a, b] = group.peers;
    const [other] = park(group, b, 1);
    const idles = park(group, a, 3);
    expect(idles.map((idle) => idle.closed)).toEqual([1, 0, 0]);
    expect(other.closed).toBe(0);
    expect(group.idleCount).toBe(3);
    expect(group.takeIdle(a, '')).toBe(idles[2]);
  });

  it('closes the oldest of the peer that keeps most when the newcomer has none', () => {
    const group = pool(3, 3);
    const [a, b, c] = group.peers;
    const [single] = park(group, a, 1);
    const pair = park(group, b, 2);
    const [newcomer] = park(group, c, 1);
    expect([single, ...pair, newcomer].map((idle) => idle.closed)).toEqual([0, 1, 0, 0]);
    expect(group.idleCount).toBe(3);
  });

  it('takes out a connection that ended, wherever it stands, and does not close it', () => {
    const group = pool(8);
    const [a, b] = group.peers;
    const idles = park(group, a, 3);
    group.removeIdle(a, idles[1]);
    expect(group.idleCount).toBe(2);
    expect(idles[1].closed).toBe(0);
    expect(group.takeIdle(a, '')).toBe(idles[2]);
    expect(group.takeIdle(a, '')).toBe(idles[0]);
    group.removeIdle(a, idles[0]);
    group.removeIdle(b, idles[1]);
    expect(group.idleCount).toBe(0);
  });

  it('closes everything, once, and can be used after that', () => {
    const group = pool(8);
    const [a, b] = group.peers;
    const idles = [...park(group, a, 2), ...park(group, b, 3)];
    group.closeIdle();
    group.closeIdle();
    expect(idles.map((idle) => idle.closed)).toEqual([1, 1, 1, 1, 1]);
    expect(group.idleCount).toBe(0);
    const [later] = park(group, a, 1);
    expect(group.takeIdle(a, '')).toBe(later);
  });

  it('gives a connection only to who is bound to the same address', () => {
    const group = pool(4);
    const [a] = group.peers;
    const [plain, bound, last] = [new Idle(), new Idle('127.0.0.2'), new Idle()];
    for (const idle of [plain, bound, last]) group.putIdle(a, idle);
    expect(group.takeIdle(a, '127.0.0.3')).toBeUndefined();
    expect(group.takeIdle(a, '127.0.0.2')).toBe(bound);
    expect(group.takeIdle(a, '127.0.0.2')).toBeUndefined();
    expect([group.takeIdle(a, ''), group.takeIdle(a, '')]).toEqual([last, plain]);
    expect(group.idleCount).toBe(0);
  });

  it('takes a connection that reports its own end from within discard', () => {
    const group = pool(2);
    const [a] = group.peers;
    const idles = Array.from({ length: 3 }, () => {
      const idle: Pooled = {
        localAddress: '',
        discard: () => {
          group.removeIdle(a, idle);
        },
      };
      group.putIdle(a, idle);
      return idle;
    });
    expect(group.idleCount).toBe(2);
    expect(a.idle).toEqual(idles.slice(1));
    group.closeIdle();
    expect(group.idleCount).toBe(0);
  });
});

describe('a pool that is looked after', () => {
  function watched(keepalive: number): { group: UpstreamGroup; told: UpstreamGroup[] } {
    const told: UpstreamGroup[] = [];
    const group = pool(keepalive);
    group.onSurplus = (one) => told.push(one);
    return { group, told };
  }
  const closed = (idles: Idle[]): number[] => idles.map((idle) => idle.closed);

  it('keeps what a burst leaves, and says so once', () => {
    const { group, told } = watched(2);
    const [a] = group.peers;
    expect(told).toEqual([]);
    const idles = park(group, a, 5);
    expect(told).toEqual([group]);
    expect(closed(idles)).toEqual([0, 0, 0, 0, 0]);
    expect(group.idleCount).toBe(5);
  });

  it('closes the longest unused of what was not wanted since the last look', () => {
    const { group, told } = watched(2);
    const [a] = group.peers;
    const idles = park(group, a, 5);
    // Wanted in between: two at once, so three were idle all the time.
    const taken = [group.takeIdle(a, ''), group.takeIdle(a, '')] as Idle[];
    for (const one of taken) group.putIdle(a, one);
    expect(group.trim()).toBe(true);
    // The first look counts from the moment of the surplus, when three were idle.
    expect(closed(idles)).toEqual([1, 0, 0, 0, 0]);
    expect(group.trim()).toBe(false);
    expect(closed(idles)).toEqual([1, 1, 1, 0, 0]);
    expect(group.idleCount).toBe(2);
    expect(told).toEqual([group]);
  });

  it('is told again when there is too much again', () => {
    const { group, told } = watched(1);
    const [a, b] = group.peers;
    park(group, a, 2);
    expect(group.takeIdle(a, '')).toBeDefined();
    expect(group.trim()).toBe(false);
    const [later] = park(group, b, 1);
    expect(told.length).toBe(2);
    expect(group.trim()).toBe(false);
    expect(group.idleCount).toBe(1);
    expect(later.closed).toBe(0);
  });

  it('has nothing to close after everything was closed', () => {
    const { group } = watched(1);
    const idles = park(group, group.peers[0], 4);
    group.closeIdle();
    expect(group.trim()).toBe(false);
    expect(closed(idles)).toEqual([1, 1, 1, 1]);
  });
});

describe('any use of the pool', () => {
  it('counts what it holds, holds no more than it may, and closes exactly what it drops', () => {
    for (let seed = 1; seed <= 40; seed++) {
      const below = random(seed);
      const limit = below(5);
      const group = pool(limit, 1 + below(4));
      const made: Idle[] = [];
      const out = new Set<Idle>();
      const anyPeer = (): Peer => group.peers[below(group.peers.length)];
      for (let step = 0; step < 400; step++) {
        const peer = anyPeer();
        const what = below(8);
        if (what < 4) {
          made.push(...park(group, peer, 1));
        } else if (what < 6) {
          const taken = group.takeIdle(peer, '');
          if (taken !== undefined) out.add(taken as Idle);
        } else if (what < 7 && made.length > 0) {
          const idle = made[below(made.length)];
          const held = peer.idle.includes(idle);
          group.removeIdle(peer, idle);
          if (held) out.add(idle);
        } else if (below(20) === 0) {
          group.closeIdle();
        }
        const held = group.peers.flatMap((each) => each.idle);
        const wrong = made.filter((idle) => idle.closed !== (held.includes(idle) || out.has(idle) ? 0 : 1));
        const counts = [group.idleCount, held.length > limit, wrong.length];
        if (group.idleCount !== held.length || held.length > limit || wrong.length > 0) {
          expect.fail(`seed ${seed}, step ${step}: ${held.length} held of ${limit}, ${counts.join()}`);
        }
      }
    }
  });
});

/** The balancer: which peer gets an attempt, and what failures and limits do to that. No sockets, a clock of its own. */
import { describe, expect, it } from 'vitest';
import type { Peer, PeerConfig } from '../../../lib/proxy/upstream-group.js';
import { UpstreamGroup } from '../../../lib/proxy/upstream-group.js';
import { random } from './support.js';

/** Any time but 0, where the clock of a fresh peer stands. */
const NOW = 1_000_000;

function group(...peers: Partial<PeerConfig>[]): UpstreamGroup {
  return new UpstreamGroup({
    name: 'backends',
    keepalive: 32,
    keepaliveRequests: 1000,
    keepaliveTimeoutMs: 60_000,
    keepaliveTimeMs: 3_600_000,
    peers: peers.map((peer, index) => ({
      address: '127.0.0.1',
      port: 8000 + index,
      name: String.fromCharCode(97 + index),
      weight: 1,
      maxFails: 1,
      failTimeoutMs: 10_000,
      maxConns: 0,
      backup: false,
      down: false,
      ...peer,
    })),
  });
}

/** Names of `count` attempts in a row that all succeed; "-" where there was no peer. */
function rotation(upstream: UpstreamGroup, count: number, nowMs = NOW): string {
  let names = '';
  for (let i = 0; i < count; i++) {
    const peer = upstream.pick(nowMs, []);
    names += peer?.config.name ?? '-';
    if (peer !== undefined) upstream.release(peer, false, nowMs);
  }
  return names;
}

/** Picks until it is this peer, and fails that attempt. */
function fail(upstream: UpstreamGroup, name: string, nowMs: number): void {
  for (let i = 0; i < 100; i++) {
    const peer = upstream.pick(nowMs, []);
    if (peer === undefined) break;
    const found = peer.config.name === name;
    upstream.release(peer, found, nowMs);
    if (found) return;
  }
  throw new Error(`${name} was not picked`);
}

describe('smooth weighted round robin', () => {
  it('is plain rotation with equal weights', () => {
    expect(rotation(group({}, {}, {}), 9)).toBe('abcabcabc');
  });

  it('spreads 5, 1, 1 as nginx does', () => {
    expect(rotation(group({ weight: 5 }, {}, {}), 14)).toBe('aabacaaaabacaa');
  });

  it('gives each peer its share in every period, for random weights', () => {
    const below = random(1);
    for (let round = 0; round < 50; round++) {
      const weights = Array.from({ length: 2 + below(5) }, () => 1 + below(9));
      const period = weights.reduce((sum, weight) => sum + weight, 0);
      const upstream = group(...weights.map((weight) => ({ weight })));
      for (let turn = 0; turn < 3; turn++) {
        const names = rotation(upstream, period);
        const counts = weights.map((_, i) => names.split(String.fromCharCode(97 + i)).length - 1);
        expect(counts, `weights ${weights.join()}`).toEqual(weights);
      }
    }
  });

  it('leaves out the peers that were tried', () => {
    const upstream = group({}, {}, {});
    const tried: Peer[] = [];
    const names: string[] = [];
    for (let peer = upstream.pick(NOW, tried); peer !== undefined; peer = upstream.pick(NOW, tried)) {
      names.push(peer.config.name);
      tried.push(peer);
      upstream.release(peer, false, NOW);
    }
    expect(names).toEqual(['a', 'b', 'c']);
  });
});

describe('down and backup', () => {
  it('never picks a peer that is down', () => {
    expect(rotation(group({}, { down: true }, {}), 4)).toBe('acac');
    expect(rotation(group({ down: true }), 2)).toBe('--');
  });

  it('picks backups, in rotation, only when no other peer is left', () => {
    const upstream = group({}, { backup: true }, { backup: true }, {});
    expect(rotation(upstream, 4)).toBe('adad');
    fail(upstream, 'a', NOW);
    expect(rotation(upstream, 2)).toBe('dd');
    fail(upstream, 'd', NOW);
    expect(rotation(upstream, 4)).toBe('bcbc');
  });

  it('offers a backup to the exchange that has tried the rest', () => {
    const upstream = group({}, { backup: true });
    const [a, b] = upstream.peers;
    expect(upstream.pick(NOW, [a])).toBe(b);
    expect(upstream.pick(NOW, [a, b])).toBeUndefined();
  });
});

describe('max_fails and fail_timeout', () => {
  it('rests a peer for fail_timeout after max_fails failures', () => {
    const upstream = group({ maxFails: 2, failTimeoutMs: 1000 }, {});
    fail(upstream, 'a', NOW);
    expect(rotation(upstream, 20, NOW)).toContain('a');
    fail(upstream, 'a', NOW);
    expect(rotation(upstream, 20, NOW)).not.toContain('a');
    expect(rotation(upstream, 20, NOW + 1000)).not.toContain('a');
    expect(rotation(upstream, 20, NOW + 1001)).toContain('a');
  });

  it('lets one attempt through after the rest; its failure begins another', () => {
    const upstream = group({ failTimeoutMs: 1000 }, {});
    fail(upstream, 'a', NOW);
    const later = NOW + 1001;
    fail(upstream, 'a', later);
    expect(rotation(upstream, 5, later)).toBe('bbbbb');
    expect(rotation(upstream, 5, later + 1000)).toBe('bbbbb');
  });

  it('lets only one attempt through while that one is under way', () => {
    const upstream = group({ failTimeoutMs: 1000 }, {});
    fail(upstream, 'a', NOW);
    const later = NOW + 1001;
    const names: (string | undefined)[] = [];
    for (let i = 0; i < 6; i++) names.push(upstream.pick(later, [])?.config.name);
    expect(names.filter((name) => name === 'a')).toHaveLength(1);
  });

  it('forgets failures with the first success after the rest', () => {
    const upstream = group({ maxFails: 2, failTimeoutMs: 1000 }, {});
    fail(upstream, 'a', NOW);
    fail(upstream, 'a', NOW);
    expect(rotation(upstream, 4, NOW + 1001)).toContain('a');
    expect(upstream.peers[0].fails).toBe(0);
    fail(upstream, 'a', NOW + 1002);
    expect(rotation(upstream, 10, NOW + 1002)).toContain('a');
  });

  it('counts failures only within fail_timeout of each other', () => {
    const upstream = group({ maxFails: 2, failTimeoutMs: 1000 }, {});
    fail(upstream, 'a', NOW);
    rotation(upstream, 4, NOW + 1001);
    fail(upstream, 'a', NOW + 1002);
    expect(upstream.peers[0].fails).toBe(1);
  });

  it('does not rest a peer with max_fails=0', () => {
    const upstream = group({ maxFails: 0 }, {});
    for (let i = 0; i < 5; i++) fail(upstream, 'a', NOW);
    expect(rotation(upstream, 4)).toContain('a');
    expect(upstream.peers[0].effectiveWeight).toBe(1);
  });

  it('lowers the weight with a failure and gives it back step by step', () => {
    const upstream = group({ weight: 4, maxFails: 2 }, { weight: 4 });
    fail(upstream, 'a', NOW);
    expect(upstream.peers[0].effectiveWeight).toBe(2);
    rotation(upstream, 1);
    expect(upstream.peers[0].effectiveWeight).toBe(3);
    rotation(upstream, 9);
    expect(upstream.peers[0].effectiveWeight).toBe(4);
  });

  it('gives undefined when every peer rests', () => {
    const upstream = group({}, {});
    fail(upstream, 'a', NOW);
    fail(upstream, 'b', NOW);
    expect(upstream.pick(NOW, [])).toBeUndefined();
    expect(upstream.peers.map((peer) => peer.active)).toEqual([0, 0]);
  });
});

describe('a single peer', () => {
  it('is picked whatever its failures', () => {
    const upstream = group({ maxFails: 1 });
    for (let i = 0; i < 5; i++) fail(upstream, 'a', NOW);
    expect(rotation(upstream, 3)).toBe('aaa');
    expect(upstream.peers[0].fails).toBe(0);
  });

  it('keeps to max_conns', () => {
    const upstream = group({ maxConns: 2 });
    const first = upstream.pick(NOW, []) as Peer;
    upstream.pick(NOW, []);
    expect(upstream.pick(NOW, [])).toBeUndefined();
    upstream.release(first, false, NOW);
    expect(upstream.pick(NOW, [])).toBe(first);
  });
});

describe('max_conns', () => {
  it('goes past a peer that has as many attempts as it may', () => {
    const upstream = group({ maxConns: 1 }, { maxConns: 2 });
    const picks = Array.from({ length: 4 }, () => upstream.pick(NOW, [])?.config.name);
    expect(picks).toEqual(['a', 'b', 'b', undefined]);
    upstream.release(upstream.peers[0], true, NOW);
    upstream.release(upstream.peers[1], false, NOW);
    expect(upstream.pick(NOW, [])?.config.name).toBe('b');
  });
});

describe('any sequence of picks and releases', () => {
  it('keeps active at the number of attempts under way, within max_conns, and picks no peer that is down', () => {
    for (let seed = 1; seed <= 40; seed++) {
      const below = random(seed);
      const upstream = group(
        ...Array.from({ length: 1 + below(5) }, () => ({
          weight: 1 + below(5),
          maxFails: below(3),
          failTimeoutMs: below(50),
          maxConns: below(4),
          backup: below(4) === 0,
          down: below(5) === 0,
        })),
      );
      const attempts: Peer[] = [];
      let nowMs = NOW;
      for (let step = 0; step < 500; step++) {
        nowMs += below(10);
        if (below(2) === 0) {
          const tried = upstream.peers.filter(() => below(4) === 0);
          const peer = upstream.pick(nowMs, tried);
          if (peer === undefined) continue;
          expect(peer.config.down, `seed ${seed}`).toBe(false);
          expect(upstream.peers.length > 1 && tried.includes(peer), `seed ${seed}`).toBe(false);
          attempts.push(peer);
        } else if (attempts.length > 0) {
          const [peer] = attempts.splice(below(attempts.length), 1);
          upstream.release(peer, below(2) === 0, nowMs);
        }
        const wrong = upstream.peers.filter((peer) => {
          const { maxConns, weight } = peer.config;
          return (
            peer.active !== attempts.filter((each) => each === peer).length ||
            (maxConns > 0 && peer.active > maxConns) ||
            peer.effectiveWeight < 0 ||
            peer.effectiveWeight > weight
          );
        });
        if (wrong.length > 0) expect.fail(`seed ${seed}, step ${step}: ${JSON.stringify(wrong)}`);
      }
    }
  });
});

/** Choices that are read from a period against the same ones computed each time. */
import { describe, expect, it } from 'vitest';
import { Peer, UpstreamGroup, type PeerConfig } from '../../../lib/proxy/upstream-group.js';
import { random } from './support.js';

const NOW = 1_000_000;

function group(peers: readonly PeerConfig[]): UpstreamGroup {
  const name = 'backends';
  return new UpstreamGroup({
    name,
    peers,
    keepalive: 32,
    keepaliveRequests: 1000,
    keepaliveTimeoutMs: 60_000,
    keepaliveTimeMs: 3_600_000,
  });
}

/** nginx's rule as it stands, over peers of its own. */
class Computed {
  readonly peers: readonly Peer[];

  constructor(peers: readonly PeerConfig[]) {
    this.peers = peers.map((peer, index) => new Peer(peer, index));
  }

  pick(nowMs: number, tried: readonly number[]): number {
    for (const backup of [false, true]) {
      const candidates = this.peers.filter(({ config, index, active, fails, checkedAtMs }) => {
        const { maxConns, maxFails, failTimeoutMs } = config;
        const rests = maxFails > 0 && fails >= maxFails && nowMs - checkedAtMs <= failTimeoutMs;
        const full = maxConns > 0 && active >= maxConns;
        return config.backup === backup && !config.down && !tried.includes(index) && !rests && !full;
      });
      let best: Peer | undefined;
      let total = 0;
      for (const peer of candidates) {
        peer.currentWeight += peer.effectiveWeight;
        total += peer.effectiveWeight;
        if (peer.effectiveWeight < peer.config.weight) peer.effectiveWeight++;
        if (best === undefined || peer.currentWeight > best.currentWeight) best = peer;
      }
      if (best === undefined) continue;
      best.currentWeight -= total;
      best.active++;
      if (nowMs - best.checkedAtMs > best.config.failTimeoutMs) best.checkedAtMs = nowMs;
      return best.index;
    }
    return -1;
  }

  release(index: number, failed: boolean, nowMs: number): void {
    const peer = this.peers[index];
    peer.active--;
    if (!failed) {
      if (peer.failedAtMs < peer.checkedAtMs) peer.fails = 0;
      return;
    }
    peer.fails++;
    peer.failedAtMs = nowMs;
    peer.checkedAtMs = nowMs;
    const { maxFails, weight } = peer.config;
    if (maxFails > 0)
      peer.effectiveWeight = Math.max(0, peer.effectiveWeight - Math.floor(weight / maxFails));
  }
}

describe('round robin', () => {
  it.each([
    ['well', 0, 0],
    ['with peers that fail now and then', 60, 0],
    ['with requests that try again', 0, 40],
    ['with both', 40, 40],
  ])('chooses what the rule says: %s', (_what, failsOf1000, triesOf1000) => {
    for (let seed = 1; seed <= 60; seed++) {
      const below = random(seed);
      const spread = 1 + below(4);
      const configs = Array.from({ length: 2 + below(7) }, (_, i): PeerConfig => ({
        address: '127.0.0.1',
        port: 8000 + i,
        name: String(i),
        weight: 1 + below(spread),
        maxFails: below(3),
        failTimeoutMs: 50,
        maxConns: below(12) === 0 ? 2 : 0,
        backup: below(6) === 0,
        down: below(9) === 0,
      }));
      const upstream = group(configs);
      const computed = new Computed(configs);
      let nowMs = NOW;
      for (let step = 0; step < 1500; step++) {
        nowMs += below(3);
        const tried = below(1000) < triesOf1000 ? [below(configs.length)] : [];
        const peer = upstream.pick(
          nowMs,
          tried.map((index) => upstream.peers[index]),
        );
        expect(peer?.index ?? -1, `seed ${seed}, step ${step}`).toBe(computed.pick(nowMs, tried));
        if (peer === undefined) continue;
        const failed = below(1000) < failsOf1000;
        upstream.release(peer, failed, nowMs);
        computed.release(peer.index, failed, nowMs);
      }
    }
  });
});

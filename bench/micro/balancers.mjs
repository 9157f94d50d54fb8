// How long it takes to pick a peer and to give it back; see harness.mjs.
import { UpstreamGroup } from '../../dist/lib/proxy/upstream-group.js';
import { measure } from './harness.mjs';

/** Any time but 0, where the clock of a fresh peer stands. */
const NOW_MS = 1_000_000;
const NONE = [];

function group(count, weightOf) {
  return new UpstreamGroup({
    name: 'backends',
    keepalive: 32,
    keepaliveRequests: 1000,
    keepaliveTimeoutMs: 60_000,
    keepaliveTimeMs: 3_600_000,
    peers: Array.from({ length: count }, (_, i) => ({
      address: '127.0.0.1',
      port: 8000 + i,
      name: `127.0.0.1:${8000 + i}`,
      weight: weightOf(i),
      maxFails: 1,
      failTimeoutMs: 10_000,
      maxConns: 0,
      backup: false,
      down: false,
    })),
  });
}

const rows = [
  ['round robin, 1 peer', group(1, () => 1)],
  ['round robin, 8 peers', group(8, () => 1)],
  ['round robin, 8 weighted peers', group(8, (i) => i + 1)],
  ['round robin, 64 peers', group(64, () => 1)],
];
for (const [name, upstream] of rows) {
  await measure(name, () => {
    const peer = upstream.pick(NOW_MS, NONE);
    upstream.release(peer, false, NOW_MS);
    return peer;
  });
}

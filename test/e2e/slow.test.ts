/**
 * Many slow clients at once, in the three modes of slowhttptest, without the tool: heads
 * that never end, bodies that never end, answers that nobody reads. Others are
 * served meanwhile, and every slow one is closed by its deadline. bench/slow.mjs runs
 * the tool itself.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { startAnswering, response } from './support/backend.js';
import { exchange, Peer } from './support/peer.js';
import { startProxy, type Proxy } from './support/proxy.js';

const SLOW = Number(process.env['MILLRACE_TEST_SLOW'] ?? '1');
/** Requests of the ordinary client beside them. */
const OTHERS = 100;
/** An answer larger than the buffers of both sockets, so that it stands when nobody reads. One for all. */
const LARGE = Buffer.from(response('l'.repeat(10 * 1024 * 1024)), 'latin1');

const CONF = (port: number, backend: number): string => `
  client_header_timeout 2s;
  client_body_timeout 2s;
  send_timeout 2s;
  lingering_timeout 1s;
  server {
    listen 127.0.0.1:${port};
    location / {
      proxy_pass http://127.0.0.1:${backend};
      proxy_request_buffering off;
      proxy_buffering off;
    }
  }`;

interface Attack {
  readonly clients: number;
  /** What each client sends when it comes. */
  readonly opening: string;
  /** What it sends again and again, "" for nothing. */
  readonly drip: string;
  /** How long it goes on with that, in drips of 100 ms. */
  readonly drips: number;
  readonly reads: boolean;
  /** Status of the answer that it may get before the close. */
  readonly status: RegExp;
}

const ATTACKS: Readonly<Record<string, Attack>> = {
  // The deadline is for the whole head: no drip moves it.
  'heads that never end': {
    clients: 200,
    opening: 'GET / HTTP/1.1\r\nHost: a\r\n',
    drip: 'X-a: b\r\n',
    drips: 100,
    reads: true,
    status: /^(HTTP\/1\.1 (408|400) |$)/,
  },
  // Between two pieces of a body: it has to come to a stop.
  'bodies that never end': {
    clients: 200,
    opening: 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n',
    drip: '&a=b',
    drips: 5,
    reads: true,
    status: /^(HTTP\/1\.1 408 |$)/,
  },
  // Each fills four buffers of the kernel, whose memory for sockets is bounded.
  'answers that nobody reads': {
    clients: 40,
    opening: 'GET /large HTTP/1.1\r\nHost: a\r\n\r\n',
    drip: '',
    drips: 0,
    reads: false,
    status: /^HTTP\/1\.1 200 /,
  },
};

/** Comes, drips, and waits to be closed. */
async function attack(client: Peer, { opening, drip, drips, reads, status }: Attack): Promise<void> {
  if (!reads) client.stopReading();
  client.send(opening);
  for (let i = 0; i < drips && client.ending === undefined; i++) {
    await sleep(100);
    client.send(drip);
  }
  // Long enough for every deadline; what was queued in the kernel may then be read.
  if (!reads) {
    await sleep(6000 * SLOW);
    client.startReading();
  }
  await client.waitEnd();
  expect(client.received.slice(0, 20)).toMatch(status);
  expect(client.received.length).toBeLessThan(LARGE.length);
}

/** An ordinary client; returns the bodies that it got. */
async function serveOthers(proxy: Proxy): Promise<string[]> {
  const bodies: string[] = [];
  for (let i = 0; i < OTHERS; i++) {
    bodies.push((await exchange(proxy.port, `GET /other/${i} HTTP/1.1\r\nHost: a\r\n\r\n`)).body);
    await sleep(10);
  }
  return bodies;
}

describe('many slow clients at once', () => {
  for (const [what, plan] of Object.entries(ATTACKS)) {
    test(`${plan.clients} of them: ${what}`, { timeout: 60_000 * SLOW }, async () => {
      await using backend = await startAnswering(({ target }) =>
        target === '/large' ? LARGE : response(target),
      );
      await using proxy = await startProxy((port) => CONF(port, backend.port));
      await exchange(proxy.port, 'GET /warm HTTP/1.1\r\nHost: a\r\n\r\n');
      const descriptors = proxy.descriptors();
      const clients = await Promise.all(Array.from({ length: plan.clients }, () => Peer.connect(proxy.port)));
      const attacks = Promise.all(clients.map((client) => attack(client, plan)));
      attacks.catch(() => {});
      const bodies = await serveOthers(proxy);
      expect(bodies).toEqual(Array.from({ length: OTHERS }, (_, i) => `/other/${i}`));
      await attacks;
      clients.forEach((client) => client.close());
      for (let i = 0; i < 200 * SLOW && proxy.descriptors() > descriptors; i++) await sleep(20);
      expect(proxy.descriptors()).toBeLessThanOrEqual(descriptors);
    });
  }
});

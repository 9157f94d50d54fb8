/**
 * drain() and stop() at any moment, with clients in any state: what was begun is logged
 * once, what was promised to the caller is kept, and nothing is left open. The order of
 * things comes from a seed; how far each had got when the end came is up to the kernel.
 */
import { describe, expect, it } from 'vitest';
import { NEXT, type PhaseHandler } from '../../../lib/module-api/index.js';
import { startBackend } from '../../e2e/support/backend.js';
import type { Peer } from '../../e2e/support/peer.js';
import { proxyTo, request, start, turns } from './engine-support.js';
import { random } from './support.js';

const SERIAL = Symbol('serial');
const POST = request('POST', '/sync', 'Content-Length: 10');

/** What a client may do, with a pause wherever two things are apart. */
const ACTIONS: readonly ((client: Peer) => unknown)[] = [
  () => undefined,
  (client) => client.send(request('GET', '/sync')),
  (client) => client.send(request('GET', '/async').repeat(3)),
  (client) => client.send(request('GET', '/proxy')),
  (client) => client.sendSlowly([request('GET', '/proxy'), request('GET', '/sync')], 3),
  (client) => client.sendSlowly(['GET /sync HT', 'TP/1.1\r\nHost: x\r\n', '\r\n'], 4),
  (client) => client.sendSlowly([POST, '12345', '67890'], 4),
  (client) => client.sendSlowly([request('POST', '/proxy', 'Content-Length: 10'), '12345', '67890'], 4),
  (client) => client.send('GET / HTTP/1.1\r\n\r\n'),
  (client) => client.sendSlowly([request('GET', '/async')], 4).then(() => client.reset()),
  (client) => client.sendSlowly([request('GET', '/proxy')], 4).then(() => client.end()),
  (client) => client.sendSlowly([request('GET', '/sync')], 4).then(() => client.close()),
];

const answer: PhaseHandler = (exchange) => exchange.respond(200, 'answer');

describe.each([
  ['drain', false],
  ['drain, then stop', true],
])('%s at any moment', (_name, stops) => {
  it('logs each request once, answers whole or not at all, and leaves nothing', async () => {
    for (let seed = 1; seed <= 12; seed++) {
      const below = random(seed);
      await using backend = await startBackend(async (connection) => {
        for (;;) {
          const { target } = await connection.readMessage();
          await turns(seed % 6);
          connection.send(`HTTP/1.1 200 OK\r\nContent-Length: ${target.length}\r\n\r\n${target}`);
        }
      });
      const { group, handler } = proxyTo(backend.port);
      let begun = 0;
      const logged: number[] = [];
      const rig = start(
        {
          '/sync': answer,
          '/async': async (exchange) => {
            await turns(below(8));
            return answer(exchange);
          },
          '/proxy': handler,
        },
        {
          upstreams: [group],
          rewrite: [
            ({ state }) => {
              state.set(SERIAL, ++begun);
              return NEXT;
            },
          ],
          // A request that was never complete has no number.
          all: { logHandlers: [({ state }) => logged.push((state.get(SERIAL) as number | undefined) ?? 0)] },
        },
      );
      const clients: Peer[] = [];
      const acting: unknown[] = [];
      for (let i = 0; i < 12; i++) {
        const client = await rig.connect();
        clients.push(client);
        acting.push(ACTIONS[below(ACTIONS.length)](client));
      }
      await turns(below(20));
      const drained = rig.engine.drain();
      if (stops) {
        await turns(below(10));
        rig.engine.stop();
      }
      await Promise.all(acting);
      // Whoever would still be waited for: a client that says nothing more, or does not close.
      for (const client of clients) client.end();
      await drained;
      const what = `seed ${seed}`;
      expect(rig.engine.context.clients.size, what).toBe(0);
      expect([group.peers[0].active, group.idleCount], what).toEqual([0, 0]);
      const numbered = logged.filter((serial) => serial > 0).sort((a, b) => a - b);
      expect(numbered, what).toEqual(Array.from({ length: begun }, (_, i) => i + 1));
      for (const client of clients) {
        await client.waitEnd();
        if (stops) continue;
        const heads = client.received.split('HTTP/1.1 200 OK').length - 1;
        const bodies = client.received.split(/answer|\/proxy/).length - 1;
        expect(bodies, `${what}: ${client.received}`).toBe(heads);
      }
    }
  });
});

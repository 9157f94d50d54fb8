/**
 * Server-sent events: milliseconds from the backend's write to the client's data event,
 * for the first event of each stream and for those that follow, direct and through a proxy.
 * Backend and clients are this process, so that one clock measures both.
 *
 *   node bench/events.mjs [--contestant millrace] [--streams 200] [--events 50]
 *
 * Exit code 1 when a first event took 50 ms or more.
 */
import { once } from 'node:events';
import { createServer, get } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { stopAll } from './lib/processes.mjs';
import { KINDS, startContestant } from './lib/proxies.mjs';

const { values } = parseArgs({
  options: {
    contestant: { type: 'string', default: 'millrace' },
    streams: { type: 'string', default: '200' },
    events: { type: 'string', default: '50' },
  },
});
const LIMIT_MS = 50;

/** The answer that is open, for the client that waits for it. @type {import('node:http').ServerResponse | undefined} */
let stream;

async function startBackend() {
  const server = createServer((_, response) => {
    response.writeHead(200, { 'Content-Type': 'text/event-stream' });
    response.flushHeaders();
    stream = response;
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { server, port: /** @type {import('node:net').AddressInfo} */ (server.address()).port };
}

/** One stream: the times of its events. */
async function measure(/** @type {number} */ port) {
  const request = get({ host: '127.0.0.1', port, path: '/events', agent: false });
  const [response] = await once(request, 'response');
  const times = [];
  for (let i = 0; i < Number(values.events); i++) {
    const data = once(response, 'data');
    const written = performance.now();
    stream?.write(`id: ${i}\ndata: ${written}\n\n`);
    await data;
    times.push(performance.now() - written);
    await sleep(1);
  }
  request.destroy();
  return times;
}

/** p50, p99 and the greatest, in ms. */
function summary(/** @type {number[]} */ times) {
  const sorted = times.toSorted((a, b) => a - b);
  const at = (/** @type {number} */ share) => sorted[Math.floor(share * (sorted.length - 1))] ?? 0;
  return { p50: at(0.5).toFixed(2), p99: at(0.99).toFixed(2), max: at(1).toFixed(2) };
}

/** All streams to one port, one after another; returns the slowest first event. */
async function run(/** @type {string} */ name, /** @type {number} */ port) {
  const first = [];
  const later = [];
  for (let i = 0; i < Number(values.streams); i++) {
    const [one = 0, ...more] = await measure(port);
    first.push(one);
    later.push(...more);
  }
  console.log(`${name}: first event`, summary(first), 'later events', summary(later));
  return Math.max(...first);
}

try {
  const kind = KINDS.find(({ name }) => name === values.contestant);
  if (kind === undefined) throw new Error(`unknown contestant "${values.contestant}"`);
  const { server, port } = await startBackend();
  const proxy = await startContestant(kind, { fast: [port], check: [port] }, { startMs: 60_000 });
  await run('direct', port);
  const slowest = await run(proxy.name, proxy.port);
  if (slowest >= LIMIT_MS) process.exitCode = 1;
  server.closeAllConnections();
  server.close();
  await proxy.stop();
} finally {
  await stopAll();
}

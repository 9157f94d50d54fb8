/**
 * Slow clients: slowhttptest in its three modes (heads, bodies, reads) on a proxy with
 * deadlines of 3 s, and beside it an ordinary client that sends a request every 20 ms.
 * Every request of that client has to be answered rightly, and the slow connections have
 * to be gone long before the tool's time is up. The tool itself does not see the end of a
 * connection that it does not read: descriptors of the proxy are counted.
 *
 *   node bench/slow.mjs [--contestant millrace] [--connections 400] [--seconds 30]
 *
 * Exit code 1 when something was wrong; 0 with a word about it where the tool is missing.
 */
import { createServer, get } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { descriptorCount } from './lib/process-meter.mjs';
import { isInstalled, start, stopAll } from './lib/processes.mjs';
import { fillTemplate, KINDS, MILLRACE, NGINX, startContestant } from './lib/proxies.mjs';

const { values } = parseArgs({
  options: {
    contestant: { type: 'string', default: 'millrace' },
    connections: { type: 'string', default: '400' },
    seconds: { type: 'string', default: '30' },
  },
});
const connections = Number(values.connections);
const seconds = Number(values.seconds);

/** Larger than the buffers of the sockets: unread, it stands. */
const LARGE = Buffer.alloc(16 * 1024 * 1024, 'l');

/** Descriptors that the ordinary client, the tool's probe and kept connections to the backend may hold. */
const OF_OTHERS = 6;
/** No slow connection may live longer: three deadlines, since what a client takes moves one of them. */
const LIMIT_S = 15;

/** Mode, its own arguments, and the share of the connections: each unread answer fills buffers of the kernel. */
const MODES = [
  { name: 'heads', args: ['-H', '-i', '1', '-x', '24', '-t', 'GET'], path: '/', share: 1 },
  { name: 'bodies', args: ['-B', '-i', '5', '-s', '8192', '-x', '10', '-t', 'POST'], path: '/', share: 1 },
  {
    name: 'reads',
    args: ['-X', '-w', '512', '-y', '1024', '-n', '5', '-z', '32'],
    path: '/large',
    share: 0.1,
  },
];

function startBackend() {
  const server = createServer((request, response) => {
    request.resume();
    request.on('end', () => response.end(request.url === '/large' ? LARGE : request.url));
    response.on('error', () => {});
  });
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
      const close = () => {
        server.closeAllConnections();
        server.close();
      };
      resolve({ port, close });
    });
  });
}

/** One request on a connection of its own: its milliseconds, or what was wrong. */
function probe(/** @type {number} */ port, /** @type {string} */ path) {
  const started = performance.now();
  return new Promise((resolve) => {
    const request = get({ host: '127.0.0.1', port, path, agent: false, timeout: 5000 }, (response) => {
      let body = '';
      response.on('data', (chunk) => (body += chunk));
      response.on('end', () =>
        resolve(body === path ? performance.now() - started : `${response.statusCode}`),
      );
      response.on('error', (error) => resolve(String(error)));
    });
    request.on('timeout', () => request.destroy(new Error('no answer in 5 s')));
    request.on('error', (error) => resolve(String(error)));
  });
}

/** The ordinary client, until `over()`. */
async function others(/** @type {number} */ port, /** @type {() => boolean} */ over) {
  /** @type {number[]} */
  const times = [];
  /** @type {string[]} */
  const failures = [];
  while (!over()) {
    const result = await probe(port, `/probe/${times.length}`);
    if (typeof result === 'number') times.push(result);
    else failures.push(result);
    await sleep(20);
  }
  times.sort((a, b) => a - b);
  const at = (/** @type {number} */ share) =>
    Math.round(10 * (times[Math.floor(share * times.length)] ?? 0)) / 10;
  return { requests: times.length, failures, p50Ms: at(0.5), p99Ms: at(0.99), maxMs: at(0.9999) };
}

/** Runs one mode; returns its line of the result. */
async function attack(
  /** @type {import('./lib/proxies.mjs').Contestant} */ proxy,
  /** @type {(typeof MODES)[number]} */ { name, args, path, share },
) {
  const before = descriptorCount(proxy.pid);
  const count = Math.ceil(connections * share);
  const tool = start('slowhttptest', [
    ...args,
    ...['-c', String(count), '-r', String(count), '-l', String(seconds), '-p', '5'],
    ...['-u', `http://127.0.0.1:${proxy.port}${path}`],
  ]);
  let over = false;
  const started = Date.now();
  tool.child.once('close', () => (over = true));
  let most = 0;
  let goneAfter = seconds;
  const watch = setInterval(() => {
    const more = descriptorCount(proxy.pid) - before;
    most = Math.max(most, more);
    if (more > OF_OTHERS) goneAfter = Infinity;
    else if (most > OF_OTHERS) goneAfter = Math.min(goneAfter, (Date.now() - started) / 1000);
  }, 100);
  const beside = await others(proxy.port, () => over);
  // The tool colours its words.
  const said = tool.output().replace(/\x1b\[[0-9;]*m/g, '');
  const down = /service available:\s*NO/.test(said);
  // The tool may end a moment before the proxy's side is closed.
  for (let i = 0; i < 50 && goneAfter === Infinity; i++) await sleep(100);
  clearInterval(watch);
  const left = descriptorCount(proxy.pid) - before;
  const wrong = [
    ...beside.failures.map((failure) => `a request beside: ${failure}`),
    ...(down ? ['the tool found the service down'] : []),
    ...(most <= OF_OTHERS ? [`no slow connection was seen: ${said.slice(-300)}`] : []),
    ...(goneAfter > LIMIT_S ? [`slow connections were there for ${goneAfter} s`] : []),
    ...(left > OF_OTHERS ? [`${left} descriptors are left`] : []),
  ];
  console.log(
    `${name}: ${count} connections, gone after ${goneAfter.toFixed(1)} s (at most ${most} descriptors); ` +
      `beside them ${beside.requests} requests, all answered: ${beside.failures.length === 0}, ` +
      `p50 ${beside.p50Ms} ms, p99 ${beside.p99Ms} ms, max ${beside.maxMs} ms`,
  );
  for (const one of wrong) console.log(`  wrong: ${one}`);
  return wrong.length === 0;
}

/** Starts with bench/conf/slow.nginx.conf. @returns {import('./lib/proxies.mjs').Kind['prepare']} */
const prepare =
  (/** @type {string} */ program) =>
  ({ listen, backends }) => {
    const { folder, path } = fillTemplate('slow.nginx.conf', { PORT: listen, FAST: backends.fast[0] ?? 0 });
    return { folder, command: [program, '-p', `${folder}/`, '-c', path, '-e', `${folder}/error.log`] };
  };

async function main() {
  if (!isInstalled('slowhttptest')) {
    console.log('skipped: slowhttptest is not installed');
    return true;
  }
  const program = { millrace: MILLRACE, nginx: NGINX }[values.contestant];
  const kind = KINDS.find((one) => one.name === values.contestant);
  if (kind === undefined || program === undefined) {
    throw new Error(`unknown contestant "${values.contestant}"`);
  }
  const backend = await startBackend();
  const ports = { fast: [backend.port], check: [backend.port] };
  const proxy = await startContestant({ ...kind, prepare: prepare(program) }, ports, { startMs: 60_000 });
  await probe(proxy.port, '/warm');
  let right = true;
  for (const mode of MODES) right = (await attack(proxy, mode)) && right;
  await proxy.stop();
  backend.close();
  return right;
}

try {
  if (!(await main())) process.exitCode = 1;
} finally {
  await stopAll();
}

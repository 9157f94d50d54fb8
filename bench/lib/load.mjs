/**
 * Load on a proxy: wrk where it is installed, autocannon always. Both run as processes
 * of their own, pinned, and say how many requests were answered.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bodyOf } from './bodies.mjs';
import { isInstalled, run } from './processes.mjs';

const AUTOCANNON = createRequire(import.meta.url).resolve('autocannon');

const EXACT = fileURLToPath(new URL('./exact-load.mjs', import.meta.url));

/** The one upload that wrk can send: see there. */
const UPLOAD = { bytes: 65_536, script: fileURLToPath(new URL('../conf/upload.lua', import.meta.url)) };

/** The tools of this machine. */
export const TOOLS = isInstalled('wrk') ? ['wrk', 'autocannon'] : ['autocannon'];

/**
 * @typedef {object} Load
 * @property {number} port
 * @property {number} connections kept open, or opened again for each request with `close`
 * @property {number} seconds
 * @property {readonly string[]} fields of the request, "Name: value"
 * @property {string} path
 * @property {number} upload bytes of the request's body, 0 for a GET
 * @property {number | undefined} [cpu]
 */

/**
 * @typedef {object} Outcome
 * @property {number} requests answered
 * @property {number} errors socket errors, timeouts, and statuses other than 2xx
 * @property {number} perSecond
 * @property {number} p50Ms
 * @property {number} p99Ms
 */

/** "1.23ms", "45.00us", "1.2s" in milliseconds. */
function milliseconds(/** @type {string | undefined} */ text) {
  const match = /^([0-9.]+)(us|ms|s|m)$/.exec(text ?? '');
  const unit = { us: 0.001, ms: 1, s: 1000, m: 60_000 }[match?.[2] ?? 'ms'] ?? NaN;
  return Number(match?.[1]) * unit;
}

/** @param {Load} load @returns {Promise<Outcome>} */
async function wrk({ port, connections, seconds, fields, path, upload, cpu }) {
  if (upload !== 0 && upload !== UPLOAD.bytes) throw new Error(`wrk sends no upload of ${upload} bytes`);
  const headers = fields.flatMap((field) => ['-H', field]);
  const args = [
    '-t1',
    `-c${connections}`,
    `-d${seconds}s`,
    '--latency',
    ...(upload > 0 ? ['-s', UPLOAD.script] : []),
    ...headers,
    `http://127.0.0.1:${port}${path}`,
  ];
  const text = String(await run('wrk', args, { cpu }));
  const find = (/** @type {RegExp} */ pattern) => pattern.exec(text)?.[1];
  const socket = /Socket errors: connect ([0-9]+), read ([0-9]+), write ([0-9]+), timeout ([0-9]+)/.exec(
    text,
  );
  const errors = (socket ?? []).slice(1).reduce((sum, one) => sum + Number(one), 0);
  return {
    requests: Number(find(/([0-9]+) requests in/)),
    errors: errors + Number(find(/Non-2xx or 3xx responses: ([0-9]+)/) ?? 0),
    perSecond: Number(find(/Requests\/sec:\s+([0-9.]+)/)),
    p50Ms: milliseconds(find(/50%\s+(\S+)/)),
    p99Ms: milliseconds(find(/99%\s+(\S+)/)),
  };
}

/** @param {Load} load @returns {Promise<Outcome>} */
async function autocannon({ port, connections, seconds, fields, path, upload, cpu }) {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-upload-'));
  const body = join(folder, 'body');
  writeFileSync(body, bodyOf(upload));
  const headers = fields.flatMap((field) => ['-H', field.replace(': ', '=')]);
  const post = upload > 0 ? ['-m', 'POST', '-i', body] : [];
  const args = [AUTOCANNON, '-j', '-c', String(connections), '-d', String(seconds), ...post, ...headers];
  const output = String(await run(process.execPath, [...args, `http://127.0.0.1:${port}${path}`], { cpu }));
  rmSync(folder, { recursive: true, force: true });
  const result = JSON.parse(output.slice(output.indexOf('{')));
  return {
    requests: result['2xx'],
    errors: result.errors + result.timeouts + result.non2xx,
    perSecond: result.requests.average,
    p50Ms: result.latency.p50,
    p99Ms: result.latency.p99,
  };
}

/**
 * Sends exactly this many requests, however long it takes.
 * @param {Omit<Load, 'seconds'>} load
 * @param {number} requests
 */
export async function runRequests(load, requests) {
  const { port, connections, fields, path, upload, cpu } = load;
  const options = JSON.stringify({ port, requests, connections, fields, path, upload });
  await run(process.execPath, [EXACT, options], { cpu });
}

/**
 * Runs a load to its end.
 * @param {string} tool one of {@link TOOLS}
 * @param {Load} load
 */
export function runLoad(tool, load) {
  return tool === 'wrk' ? wrk(load) : autocannon(load);
}

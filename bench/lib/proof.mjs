/**
 * The proof that a contestant does the same work as the others, on the very process
 * that is measured afterwards: what reaches the backend, byte by byte; bodies; the
 * pool; deadlines and limits. Who fails is not measured.
 */
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { bodyOf, hashOf, REPLIES } from './bodies.mjs';
import { fieldOf, HttpReader } from './http-reader.mjs';

/** @typedef {{ ok: boolean, what: string, detail: string }} Proof */

/**
 * Sends bytes and reads one answer, or what came until the connection ended.
 * @param {number} port
 * @param {Buffer | string} bytes
 * @param {number} [limitMs]
 * @returns {Promise<{ message: import('./http-reader.mjs').HttpMessage | undefined, afterMs: number }>}
 */
function exchange(port, bytes, limitMs = 10_000) {
  return new Promise((resolve, reject) => {
    const began = Date.now();
    const reader = new HttpReader();
    const socket = connect({ host: '127.0.0.1', port, noDelay: true });
    const finish = (/** @type {import('./http-reader.mjs').HttpMessage | undefined} */ message) => {
      clearTimeout(timer);
      socket.destroy();
      resolve({ message, afterMs: Date.now() - began });
    };
    const timer = setTimeout(() => {
      socket.destroy();
      reject(new Error(`no end within ${limitMs} ms`));
    }, limitMs);
    socket.on('connect', () => socket.write(bytes));
    socket.on('error', () => finish(undefined));
    socket.on('data', (chunk) => {
      reader.push(chunk);
      const message = reader.next();
      if (message !== undefined) finish(message);
    });
    socket.on('end', () => {
      reader.end();
      finish(reader.next());
    });
  });
}

/** Fields without their order and case of names: those are free. */
function normalised(/** @type {string} */ head) {
  const [startLine, ...lines] = head.split('\r\n');
  const fields = lines.map((line) => line.replace(/^[^:]*/, (name) => name.toLowerCase())).sort();
  return [startLine, ...fields].join('\n');
}

/** What the fields of a client are when they arrive; in the order of the client. */
const OWN = [
  'Accept: text/html,*/*;q=0.8',
  'Cookie: a=b; c=d',
  'X-Twice: 1',
  'X-Twice: 2',
  'X-Bytes: \xe4\xf6',
];
const ADDED = [
  'Host: bench.example',
  'X-Real-IP: 127.0.0.1',
  'X-Forwarded-For: 10.0.0.1, 127.0.0.1',
  'X-Forwarded-Proto: http',
];

/**
 * @typedef {object} Under
 * @property {number} port of the proxy
 * @property {import('./backends.mjs').Captured[]} captured by the checking backend
 * @property {import('./scenarios.mjs').Scenario} scenario
 * @property {string | undefined} [log] file of the access log
 */

/** @type {(path: string, ...fields: string[]) => string} */
const get = (path, ...fields) =>
  [`GET ${path} HTTP/1.1`, 'Host: bench.example', ...fields, '', ''].join('\r\n');

/** What is wrong with an upload of this body; it comes to the checking backend. */
async function wrongUpload(/** @type {number} */ port, /** @type {Buffer} */ body) {
  const head = `POST /check HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n`;
  const { message } = await exchange(port, Buffer.concat([Buffer.from(head), body]));
  return message?.body.toString() === hashOf(body)
    ? ''
    : `the hash of ${body.length} bytes is another: ${message?.head}`;
}

/** @type {readonly [what: string, prove: (under: Under) => Promise<string>][]} */
const PROOFS = [
  [
    'forwarded head',
    async ({ port, captured }) => {
      const own = [...OWN, 'X-Forwarded-For: 10.0.0.1', 'X-Real-IP: 9.9.9.9', 'Keep-Alive: 5'];
      const lines = ['GET /check/a%20b?x=%2F HTTP/1.1', 'Host: bench.example:81', ...own];
      await exchange(port, Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'));
      const head = captured.at(-1)?.head ?? '';
      const without = head.replace(/\r\nconnection: keep-alive(?=\r\n|$)/i, '');
      const expected = [['GET /check/a%20b?x=%2F HTTP/1.1'], ADDED, OWN].flat().join('\r\n');
      if (normalised(without) !== normalised(expected)) return `the backend got ${JSON.stringify(head)}`;
      const twice = [...without.matchAll(/x-twice: ([12])/gi)].map((match) => match[1]).join('');
      return twice === '12' ? '' : 'repeated fields changed their order';
    },
  ],
  [
    'bodies of replies',
    async ({ port }) => {
      for (const [path, body] of Object.entries(REPLIES)) {
        const { message } = await exchange(port, get(path));
        if (message?.status !== 200) return `${path}: got ${message?.head}`;
        if (hashOf(message.body) !== hashOf(body)) return `${path}: the hash is another`;
      }
      return '';
    },
  ],
  [
    'bodies of uploads',
    async ({ port }) => {
      const usual = await wrongUpload(port, Buffer.from(bodyOf(65_536)));
      if (usual !== '') return usual;
      return wrongUpload(port, Buffer.from(Array.from({ length: 1_000_000 }, (_, i) => (i * 31) & 255)));
    },
  ],
  [
    'every request reaches the backend',
    async ({ port, captured }) => {
      const first = captured.length;
      for (let i = 0; i < 10; i++) await exchange(port, get('/check/same'));
      const arrived = captured.length - first;
      return arrived === 10 ? '' : `${arrived} of 10`;
    },
  ],
  [
    'kept connections to the backend',
    async ({ port, captured, scenario: { peers } }) => {
      const first = captured.length;
      for (let i = 0; i < 20 * peers; i++) await exchange(port, get('/check'));
      const used = new Set(captured.slice(first).map(({ connection }) => connection)).size;
      return used <= 2 * peers ? '' : `${used} connections for ${20 * peers} requests to ${peers} peers`;
    },
  ],
  [
    'client_max_body_size',
    async ({ port, captured }) => {
      const before = captured.length;
      const head = 'POST /check HTTP/1.1\r\nHost: a\r\nContent-Length: 3000000\r\n\r\n';
      const { message } = await exchange(port, head);
      return message?.status === 413 && captured.length === before ? '' : `got ${message?.head}`;
    },
  ],
  [
    'client_header_timeout',
    async ({ port }) => {
      const { message, afterMs } = await exchange(port, 'GET / HTTP/1.1\r\nHost: a\r\nX-Slow: ', 8000);
      if (afterMs < 1500 || afterMs > 6000) return `closed after ${afterMs} ms instead of 2,000`;
      return message === undefined || message.status === 408 ? '' : `got ${message.head}`;
    },
  ],
  [
    'refusal of a bad head',
    async ({ port }) => {
      const head = 'GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxy';
      const { message } = await exchange(port, head);
      const status = message?.status;
      return status === 400 && fieldOf(message?.head ?? '', 'connection') !== 'keep-alive'
        ? ''
        : `got ${status}`;
    },
  ],
  [
    'every peer of the upstream',
    async ({ port, captured, scenario: { peers } }) => {
      const first = captured.length;
      for (let i = 0; i < 2 * peers; i++) await exchange(port, get('/check'));
      const used = new Set(captured.slice(first).map((one) => one.port)).size;
      return used === peers ? '' : `${used} of ${peers} peers got the ${2 * peers} requests`;
    },
  ],
  [
    'every location',
    async ({ port, captured, scenario: { routes } }) => {
      for (const { prefix, to } of routes) {
        const before = captured.length;
        const { message } = await exchange(port, get(`${prefix}1k`));
        const checked = captured.length > before;
        if (message?.status !== 200 || checked !== (to === 'check')) return `${prefix}: ${message?.head}`;
      }
      return '';
    },
  ],
  [
    'access log',
    async ({ port, log, scenario }) => {
      if (!scenario.log) return '';
      const marks = Array.from({ length: 5 }, (_, i) => `/check/logged-${i}-${Date.now()}`);
      for (const mark of marks) await exchange(port, get(mark));
      await sleep(1500);
      const text = log === undefined ? '' : readFileSync(log, 'utf8');
      const missing = marks.filter((mark) => text.split(mark).length !== 2);
      return missing.length === 0 ? '' : `${missing.length} of 5 requests have no line, or two`;
    },
  ],
];

/**
 * Runs the proofs, one after another.
 * @param {Under} under
 * @param {(what: string) => boolean} [wanted] every one unless given
 * @returns {Promise<Proof[]>}
 */
export async function prove(under, wanted = () => true) {
  const results = [];
  for (const [what, run] of PROOFS.filter(([name]) => wanted(name))) {
    const detail = await run(under).catch((error) => String(error));
    results.push({ ok: detail === '', what, detail });
  }
  return results;
}

/**
 * The soak's clients: each sends one request after another, on a kept connection
 * while there is one, and judges every answer.
 */
import { connect } from 'node:net';
import { HttpReader } from './http-reader.mjs';
import { planOf } from './soak-plan.mjs';

/** An answer that has not ended after this long is a hang, milliseconds. */
const HANG_MS = 20_000;

/**
 * @typedef {object} Tally
 * @property {number} right whole answers with the right bytes
 * @property {number} refused answers of the proxy's own: 502, 504
 * @property {number} broken answers that visibly broke off
 * @property {number} closed connections that ended without an answer
 * @property {number} connections that were opened
 * @property {string[]} failures wrong bytes, wrong statuses, hangs
 */

/** @returns {Tally} */
export function newTally() {
  return { right: 0, refused: 0, broken: 0, closed: 0, connections: 0, failures: [] };
}

/** @param {import('./soak-plan.mjs').Plan} plan */
function requestOf({ target, upload, uploadChunked }) {
  if (upload.length === 0) return Buffer.from(`GET ${target} HTTP/1.1\r\nHost: soak\r\n\r\n`);
  const head = `POST ${target} HTTP/1.1\r\nHost: soak\r\n`;
  if (!uploadChunked) {
    return Buffer.concat([Buffer.from(`${head}Content-Length: ${upload.length}\r\n\r\n`), upload]);
  }
  return Buffer.concat([
    Buffer.from(`${head}Transfer-Encoding: chunked\r\n\r\n${upload.length.toString(16)}\r\n`),
    upload,
    Buffer.from('\r\n0\r\n\r\n'),
  ]);
}

/** One kept connection to the proxy. */
class Connection {
  #socket;
  #reader = new HttpReader();
  #notify = () => {};
  ended = false;

  /** @param {number} port */
  constructor(port) {
    this.#socket = connect({ host: '127.0.0.1', port, noDelay: true });
    this.#socket.on('data', (chunk) => {
      this.#reader.push(chunk);
      this.#notify();
    });
    for (const event of ['end', 'close', 'error']) {
      this.#socket.on(event, () => {
        this.ended = true;
        this.#reader.end();
        this.#notify();
      });
    }
  }

  /**
   * @param {Buffer} bytes
   * @returns {Promise<import('./http-reader.mjs').HttpMessage | 'closed' | 'hang'>}
   */
  exchange(bytes) {
    this.#socket.write(bytes);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => resolve('hang'), HANG_MS);
      const done = (/** @type {import('./http-reader.mjs').HttpMessage | 'closed'} */ result) => {
        clearTimeout(timer);
        this.#notify = () => {};
        resolve(result);
      };
      this.#notify = () => {
        try {
          const message = this.#reader.next();
          if (message !== undefined) done(message);
          else if (this.ended) done('closed');
        } catch (error) {
          clearTimeout(timer);
          reject(error);
        }
      };
      this.#notify();
    });
  }

  close() {
    this.#socket.destroy();
  }
}

/**
 * @param {Tally} tally
 * @param {import('./soak-plan.mjs').Plan} plan
 * @param {import('./http-reader.mjs').HttpMessage} answer
 */
function judge(tally, plan, { status, body, complete, head }) {
  const wrong = (/** @type {string} */ what) => tally.failures.push(`${plan.target}: ${what}`);
  if (status === 502 || status === 504) tally.refused++;
  else if (status !== 200) wrong(`status ${status}: ${head}`);
  else if (complete && body.equals(plan.body)) tally.right++;
  else if (complete) wrong(`${body.length} bytes instead of ${plan.body.length}, as if they were whole`);
  else if (!body.equals(plan.body.subarray(0, body.length)))
    wrong('the beginning of a broken answer is wrong');
  else tally.broken++;
}

/**
 * Sends the requests that `take` hands out until it has no more.
 * @param {{ port: number, seed: number, tally: Tally, take: () => number | undefined }} options
 */
export async function runClient({ port, seed, tally, take }) {
  /** @type {Connection | undefined} */
  let connection;
  for (let id = take(); id !== undefined; id = take()) {
    const plan = planOf(seed, id);
    if (connection === undefined || connection.ended) {
      connection = new Connection(port);
      tally.connections++;
    }
    const answer = await connection.exchange(requestOf(plan)).catch((error) => String(error));
    if (answer === 'closed') tally.closed++;
    else if (typeof answer === 'string') tally.failures.push(`${plan.target}: ${answer}`);
    else judge(tally, plan, answer);
    if (typeof answer === 'string' || !answer.complete || !answer.keepAlive) {
      connection.close();
      connection = undefined;
    }
  }
  connection?.close();
}

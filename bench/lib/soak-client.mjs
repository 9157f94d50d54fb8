/**
 * The soak's clients: each sends one request after another, on a kept connection
 * while there is one, and judges every answer.
 */
import { playAbort, playTunnel } from './soak-aborts.mjs';
import { Connection } from './soak-connection.mjs';
import { abortOf, planOf } from './soak-plan.mjs';

/**
 * @typedef {object} Tally
 * @property {number} right whole answers with the right bytes
 * @property {number} refused answers of the proxy's own: 502, 504
 * @property {number} broken answers that visibly broke off
 * @property {number} closed connections that ended without an answer
 * @property {number} tunnels that echoed and were then left
 * @property {Record<string, number>} aborted requests that the client left, by stage and manner
 * @property {number} connections that were opened
 * @property {string[]} failures wrong bytes, wrong statuses, hangs
 */

/** @returns {Tally} */
export function newTally() {
  return {
    ...{ right: 0, refused: 0, broken: 0, closed: 0, tunnels: 0, connections: 0 },
    ...{ aborted: {}, failures: [] },
  };
}

/** @param {import('./soak-plan.mjs').Plan} plan */
export function requestOf({ target, upload, uploadChunked }) {
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
 * @typedef {object} Clients
 * @property {number} port
 * @property {number} seed
 * @property {number} aborts share of the requests that are left
 * @property {Tally} tally
 * @property {Map<number, number>} departures when the client left a request, by its number
 * @property {() => number | undefined} take hands out the requests' numbers
 */

/**
 * One request on a connection.
 * @param {Clients} clients
 * @param {Connection} connection
 * @param {number} id
 * @returns {Promise<boolean>} whether the connection can carry another one
 */
async function runRequest(clients, connection, id) {
  const { seed, aborts, tally } = clients;
  const plan = planOf(seed, id);
  const abort = abortOf(seed, id, aborts);
  if (abort !== undefined) {
    const play = abort.stage === 'tunnel' ? playTunnel : playAbort;
    await play(clients, connection, plan, abort);
    return false;
  }
  const answer = await connection.exchange(requestOf(plan)).catch((error) => String(error));
  if (answer === 'closed') tally.closed++;
  else if (typeof answer === 'string') tally.failures.push(`${plan.target}: ${answer}`);
  else judge(tally, plan, answer);
  return typeof answer !== 'string' && answer.complete && answer.keepAlive;
}

/**
 * Sends the requests that `take` hands out until it has no more.
 * @param {Clients} clients
 */
export async function runClient(clients) {
  /** @type {Connection | undefined} */
  let connection;
  for (let id = clients.take(); id !== undefined; id = clients.take()) {
    if (connection === undefined || connection.ended) {
      connection?.close();
      connection = new Connection(clients.port);
      clients.tally.connections++;
    }
    if (await runRequest(clients, connection, id)) continue;
    connection.close();
    connection = undefined;
  }
  connection?.close();
}

/**
 * Requests that the client leaves: in the head, in the body, while it waits, in the
 * middle of the answer, and tunnels. The backend holds its answer back from the requests
 * of the last three kinds, so that only a departure that was passed on ends its side.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { requestOf } from './soak-client.mjs';

/** @typedef {import('./soak-client.mjs').Clients} Clients */
/** @typedef {import('./soak-connection.mjs').Connection} Connection */
/** @typedef {import('./soak-plan.mjs').Plan} Plan */
/** @typedef {import('./soak-plan.mjs').Abort} Abort */

/**
 * What is sent before the client leaves.
 * @param {Plan} plan
 * @param {Abort} abort
 */
function sentOf(plan, { stage, share }) {
  const request = requestOf(plan);
  const headEnd = request.indexOf('\r\n\r\n') + 4;
  if (stage === 'in-head') return request.subarray(0, 1 + Math.floor(share * (headEnd - 2)));
  if (stage === 'in-body' && plan.upload.length > 0) {
    return request.subarray(0, headEnd + Math.floor(share * (request.length - headEnd - 1)));
  }
  return request;
}

/**
 * Notes the departure and leaves.
 * @param {Clients} clients
 * @param {Connection} connection
 * @param {Plan} plan
 * @param {Abort} abort
 */
async function leave({ tally, departures }, connection, plan, { stage, manner }) {
  departures.set(plan.id, performance.now());
  const key = `${stage}, ${manner}`;
  tally.aborted[key] = (tally.aborted[key] ?? 0) + 1;
  if ((await connection.leave(manner)) === 'hang') {
    tally.failures.push(`${plan.target}: not closed after a half-close (${stage})`);
  }
}

/**
 * A request that is left.
 * @param {Clients} clients
 * @param {Connection} connection
 * @param {Plan} plan
 * @param {Abort} abort
 */
export async function playAbort(clients, connection, plan, abort) {
  connection.send(sentOf(plan, abort));
  if (abort.stage === 'in-answer' && (await connection.arrival()) !== true) {
    clients.tally.failures.push(`${plan.target}: no beginning of an answer`);
  }
  if (abort.delayMs > 0) await sleep(abort.delayMs);
  await leave(clients, connection, plan, abort);
}

/**
 * A tunnel: bytes go round, then one side leaves.
 * @param {Clients} clients
 * @param {Connection} connection
 * @param {Plan} plan
 * @param {Abort} abort
 */
export async function playTunnel(clients, connection, plan, abort) {
  const { tally } = clients;
  const head = `GET ${plan.target} HTTP/1.1\r\nHost: soak\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`;
  const answer = await connection.exchange(Buffer.from(head)).catch((error) => String(error));
  if (typeof answer === 'string' || answer.status !== 101) {
    tally.failures.push(`${plan.target}: no tunnel: ${typeof answer === 'string' ? answer : answer.head}`);
    return;
  }
  connection.openTunnel();
  connection.send(plan.body);
  const echo = await connection.tunnelBytes(plan.body.length);
  if (typeof echo === 'string') tally.failures.push(`${plan.target}: no echo: ${echo}`);
  else if (!echo.equals(plan.body)) tally.failures.push(`${plan.target}: wrong bytes in a tunnel`);
  else tally.tunnels++;
  if (abort.delayMs > 0) await sleep(abort.delayMs);
  await leave(clients, connection, plan, abort);
}

/**
 * The soak's backend: answers as planned, and closes or resets its connections at
 * planned but inconvenient moments. It also counts how often each request came.
 */
import { createServer } from 'node:net';
import { HttpReader } from './http-reader.mjs';
import { abortOf, faultOf, planOf } from './soak-plan.mjs';

/**
 * @typedef {object} SoakBackend
 * @property {number} port
 * @property {Map<number, number>} deliveries how often each upload arrived whole
 * @property {Record<string, number>} faults how often each fault was played
 * @property {string[]} wrong uploads with wrong bytes
 * @property {number[]} noticed milliseconds from a client's departure to the end of its connection here
 * @property {{ id: number, ms: number }} slowest of them
 * @property {() => number} held connections of requests that were left and that are still open
 * @property {() => number} open connections that are open now
 * @property {() => void} close
 */

/**
 * @param {import('./soak-plan.mjs').Plan} plan
 * @returns {Buffer} the answer as bytes
 */
function answerOf({ body, framing }) {
  if (framing === 'length') {
    return Buffer.concat([Buffer.from(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n`), body]);
  }
  if (framing === 'close') return Buffer.concat([Buffer.from('HTTP/1.1 200 OK\r\n\r\n'), body]);
  const parts = [Buffer.from('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n')];
  for (let at = 0; at < body.length; at += 3001) {
    const part = body.subarray(at, at + 3001);
    parts.push(Buffer.from(`${part.length.toString(16)}\r\n`), part, Buffer.from('\r\n'));
  }
  parts.push(Buffer.from('0\r\n\r\n'));
  return Buffer.concat(parts);
}

/**
 * Plays an answer with its fault.
 * @param {import('node:net').Socket} socket
 * @param {import('./soak-plan.mjs').Plan} plan
 * @param {import('./soak-plan.mjs').Fault} fault
 */
function play(socket, plan, fault) {
  const answer = answerOf(plan);
  const headEnd = answer.indexOf('\r\n\r\n') + 4;
  switch (fault) {
    case 'before':
      return socket.end();
    case 'reset-before':
      return socket.resetAndDestroy();
    case 'in-head':
      return socket.end(answer.subarray(0, headEnd >> 1));
    case 'in-body':
    case 'reset-in-body': {
      // Of a body that ends with the connection nobody could tell that it was cut short: reset it.
      const cut = headEnd + Math.floor((answer.length - headEnd) / 2);
      socket.write(answer.subarray(0, cut), () => {
        if (fault === 'in-body' && plan.framing !== 'close') socket.end();
        else socket.resetAndDestroy();
      });
      return undefined;
    }
    case 'reset-after':
      // A moment later: data that still lies in the peer's socket would be dropped by the reset.
      socket.write(answer);
      return setTimeout(() => (plan.framing === 'close' ? socket.end() : socket.resetAndDestroy()), 20);
    case 'late':
      socket.write(answer);
      return setTimeout(() => socket.end(), 3);
    case 'after':
      return socket.end(answer);
    default:
      return plan.framing === 'close' ? socket.end(answer) : socket.write(answer);
  }
}

/**
 * Plays the beginning of an answer to a request that the client leaves: nothing, half of
 * it, or a tunnel that echoes.
 * @param {import('node:net').Socket} socket
 * @param {import('./soak-plan.mjs').Plan} plan
 * @param {import('./soak-plan.mjs').Abort} abort
 */
function playHeld(socket, plan, { stage }) {
  if (stage === 'in-answer') {
    // Of a body that is empty, half would be all, and the connection would be used again.
    const answer = answerOf(plan.body.length > 0 ? plan : { ...plan, body: Buffer.from('held') });
    const headEnd = answer.indexOf('\r\n\r\n') + 4;
    socket.write(answer.subarray(0, headEnd + Math.floor((answer.length - headEnd) / 2)));
  } else if (stage === 'tunnel') {
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n');
    socket.on('data', (chunk) => socket.write(chunk));
  }
}

/**
 * @typedef {object} BackendOptions
 * @property {number} seed
 * @property {number} [port] of 127.0.0.1, 0 for a free one
 * @property {number} [aborts] share of the requests that the client leaves
 * @property {Map<number, number>} [departures] when it did, by the request's number
 */

/**
 * Starts the backend.
 * @param {BackendOptions} options
 * @returns {Promise<SoakBackend>}
 */
export function startSoakBackend({ seed, port = 0, aborts = 0, departures = new Map() }) {
  /** @type {Map<number, number>} */
  const deliveries = new Map();
  /** @type {Map<number, number>} */
  const sights = new Map();
  /** @type {Record<string, number>} */
  const faults = {};
  /** @type {string[]} */
  const wrong = [];
  /** @type {Set<import('node:net').Socket>} */
  const sockets = new Set();
  /** @type {number[]} */
  const noticed = [];
  const slowest = { id: -1, ms: 0 };
  let held = 0;

  /** Keeps a connection until the proxy ends it. @param {import('node:net').Socket} socket @param {number} id */
  const hold = (socket, id) => {
    held++;
    socket.once('close', () => {
      held--;
      const departure = departures.get(id);
      if (departure === undefined) wrong.push(`request ${id}: dropped before its client left`);
      else {
        const ms = performance.now() - departure;
        noticed.push(ms);
        if (ms > slowest.ms) Object.assign(slowest, { id, ms });
      }
    });
  };

  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    sockets.add(socket);
    const reader = new HttpReader();
    let over = false;
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => {});
    socket.on('end', () => socket.end());
    socket.on('data', (chunk) => {
      if (over) return;
      reader.push(chunk);
      for (let message = reader.next(); message !== undefined && !over; message = reader.next()) {
        const id = Number(/^[A-Z]+ \/([0-9]+) /.exec(message.head)?.[1]);
        const plan = planOf(seed, id);
        if (!message.body.equals(plan.upload) && !/\r\nupgrade:/i.test(message.head))
          wrong.push(`request ${id}: ${message.body.length} wrong bytes`);
        const abort = abortOf(seed, id, aborts);
        if (abort !== undefined) {
          over = true;
          hold(socket, id);
          playHeld(socket, plan, abort);
          break;
        }
        if (plan.upload.length > 0) deliveries.set(id, (deliveries.get(id) ?? 0) + 1);
        const attempt = sights.get(id) ?? 0;
        sights.set(id, attempt + 1);
        const fault = faultOf(seed, id, attempt);
        faults[fault] = (faults[fault] ?? 0) + 1;
        over = fault !== 'none' || plan.framing === 'close';
        play(socket, plan, fault);
      }
    });
  });
  return new Promise((resolve) => {
    server.listen(port, '127.0.0.1', () => {
      const address = /** @type {import("node:net").AddressInfo} */ (server.address());
      const close = () => {
        server.close();
        for (const socket of sockets) socket.destroy();
      };
      const seen = {
        deliveries,
        faults,
        wrong,
        noticed,
        slowest,
        held: () => held,
        open: () => sockets.size,
      };
      resolve({ port: address.port, ...seen, close });
    });
  });
}

// What the contestants on Node share: `node NAME.mjs OPTIONS`, where OPTIONS is JSON with
// the port to listen on, the routes and the file of the access log, if there is one.
import { createWriteStream } from 'node:fs';

/** @type {{ listen: number, routes: { prefix: string, ports: number[] }[], log: string | null }} */
export const options = JSON.parse(process.argv[2] ?? '');

/** Deadlines of http.Server as nginx's configuration has them. */
export const DEADLINES = {
  headersTimeout: 2000,
  requestTimeout: 60_000,
  keepAliveTimeout: 120_000,
  connectionsCheckingInterval: 500,
};
export const MAX_BODY_BYTES = 2 * 1024 * 1024;
export const ADDRESS = { host: '127.0.0.1', port: options.listen, backlog: 4096 };

const routes = options.routes.map((route) => ({ ...route, turn: 0 }));

/** The port of the backend whose turn it is on the longest route of this path. */
export function choosePort(path) {
  let found;
  for (const route of routes) {
    if (path.startsWith(route.prefix) && route.prefix.length > (found?.prefix.length ?? 0)) found = route;
  }
  found.turn = (found.turn + 1) % found.ports.length;
  return found.ports[found.turn];
}

/** The fields of a request as they go to the backend; repeated ones stay repeated. */
export function forwardedFields(downstream) {
  const { connection: _, 'keep-alive': __, ...fields } = downstream.headersDistinct;
  const remote = downstream.socket.remoteAddress;
  const before = fields['x-forwarded-for'];
  fields.host = fields.host[0].replace(/:[0-9]+$/, '');
  fields['x-real-ip'] = remote;
  fields['x-forwarded-for'] = before ? `${before}, ${remote}` : remote;
  fields['x-forwarded-proto'] = 'http';
  return fields;
}

const log = options.log === null ? undefined : createWriteStream(options.log);

/** Writes the line of a request when it is over; nothing without a log. */
export function logAfter(downstream, answer) {
  if (log === undefined) return;
  const { method, url, headers, socket } = downstream;
  // A closed socket forgets its address.
  const { remoteAddress } = socket;
  answer.once('close', () => {
    const bytes = answer.getHeader('content-length') ?? '-';
    log.write(
      `${remoteAddress} - - [${new Date().toISOString()}] "${method} ${url} HTTP/1.1" ` +
        `${answer.statusCode} ${bytes} "${headers.referer ?? '-'}" "${headers['user-agent'] ?? '-'}"\n`,
    );
  });
}

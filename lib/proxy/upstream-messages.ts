/** What the error log says of a backend that failed, in nginx's words. */
import { errnoText } from '../errors/errno.js';
import type { Connection } from '../reactor/connection.js';

/** Silence for too long. `inBody`: the head of its answer had come. */
export function timedOut(connection: Connection, inBody: boolean): string {
  let doing = 'reading response header from upstream';
  if (connection.connecting) doing = 'connecting to upstream';
  else if (inBody) doing = 'reading upstream';
  else if (connection.queuedBytes > 0 || connection.relayedInto) doing = 'sending request to upstream';
  return `upstream timed out (110: Connection timed out) while ${doing}`;
}

export function connectFailed(errno: number): string {
  return `connect() failed (${errno}: ${errnoText(errno)}) while connecting to upstream`;
}

/** The connection ended before its answer did; `errno` 0: by FIN. */
export function endedEarly(errno: number, inBody: boolean): string {
  const what =
    errno === 0 ? 'upstream prematurely closed connection' : `recv() failed (${errno}: ${errnoText(errno)})`;
  return `${what} while reading ${inBody ? 'upstream' : 'response header from upstream'}`;
}

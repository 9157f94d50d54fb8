/** Listening for the stream API: see `Reactor.listen`. */
import { isIP } from 'node:net';
import { native } from '../native/index.js';
import { MillraceError } from '../errors/millrace-error.js';
import { onAbort, throwIfAborted } from '../util/abort.js';
import type { CancellableScope } from './cancellable-scope.js';
import { requestCheckpoint } from './dispatch.js';
import type { Listener } from './listener.js';
import { openListener } from './raw-sockets.js';
import { StreamConnection } from './stream-connection.js';

/** Where to listen: `port` (with `host`) or `path`. */
export interface ListenOptions {
  /** Numeric address or "localhost" (127.0.0.1). Default: every address, "::" where IPv6 exists, else "0.0.0.0". */
  host?: string;
  /** 0 takes a free port: see `listener.port`. */
  port?: number;
  /** Path of a unix socket; the file is removed when the listener closes. */
  path?: string;
  /** Connections that may wait in the kernel; default 511. */
  backlog?: number;
  /** SO_REUSEPORT. */
  reusePort?: boolean;
  /** IPV6_V6ONLY. */
  ipv6Only?: boolean;
  /** Closes the listener; its connections live on. */
  signal?: AbortSignal;
  /** Gets what a connection's async function rejected with, instead of uncaughtException. */
  onError?: (error: unknown, connection: StreamConnection) => void;
}

/**
 * Serves one connection. A plain function leaves the connection to its callbacks. When an
 * async function returns, the connection is closed in order; when it rejects, the
 * connection is destroyed and the error reaches `onError`, or uncaughtException; unless it
 * is the error that had closed this very connection: then the peer was to blame and
 * nothing follows.
 */
export type ConnectionListener = (connection: StreamConnection) => void | Promise<void>;

/** What waits gets one of these when its reactor closes. */
const CLOSED_CODES: ReadonlySet<string> = new Set(['ERR_REACTOR_CLOSED', 'ERR_CLOSED', 'ECANCELED']);

/** Throws MillraceError at once: EADDRINUSE, EACCES, EADDRNOTAVAIL, ERR_INVALID_ADDRESS. */
export function listen(
  scope: CancellableScope,
  options: ListenOptions,
  onConnection: ConnectionListener,
): Listener {
  throwIfAborted(options.signal);
  const listener = openAt(scope, options, (connection) => serve(connection, onConnection, options.onError));
  const stop = onAbort(options.signal, () => listener.close());
  void listener.finished.then(stop);
  return listener;
}

function openAt(
  scope: CancellableScope,
  options: ListenOptions,
  accept: (c: StreamConnection) => void,
): Listener {
  const open = (address: string, port: number): Listener =>
    openListener(
      scope,
      {
        address,
        port,
        acceptBatch: 1, // so that the promises of one connection settle before the next is accepted
        ...(port < 0 ? { unlinkPath: address } : {}),
        ...(options.backlog === undefined ? {} : { backlog: options.backlog }),
        ...(options.reusePort === undefined ? {} : { reusePort: options.reusePort }),
        ...(options.ipv6Only === undefined ? {} : { ipv6Only: options.ipv6Only }),
      },
      (raw) => {
        const connection = new StreamConnection(raw);
        requestCheckpoint();
        accept(connection);
        return raw.handler;
      },
    );
  if (options.path !== undefined) return open(options.path, -1);
  const { port } = options;
  if (port === undefined)
    throw new MillraceError('EINVAL', { phase: 'listen', message: 'Neither port nor path is given' });
  if (options.host !== undefined) return open(numericHost(options.host), port);
  try {
    return open('::', port);
  } catch (error) {
    if (!(error instanceof MillraceError) || !['EAFNOSUPPORT', 'EADDRNOTAVAIL'].includes(error.code))
      throw error;
    return open('0.0.0.0', port);
  }
}

/** Listening is synchronous, so a name cannot be resolved here. */
function numericHost(host: string): string {
  if (host === 'localhost') return '127.0.0.1';
  const withoutZone = host.split('%')[0];
  if (isIP(withoutZone) === 0)
    throw new MillraceError('ERR_INVALID_ADDRESS', { phase: 'listen', address: host });
  return host;
}

function serve(
  connection: StreamConnection,
  onConnection: ConnectionListener,
  onError: ListenOptions['onError'],
): void {
  const promise = onConnection(connection);
  if (promise === undefined) return;
  promise
    .then(
      () => connection.close(),
      (error: unknown) => {
        const expected = isCloseReason(connection, error);
        connection.destroy();
        if (expected) return;
        if (onError === undefined) throw error;
        onError(error, connection);
      },
    )
    .catch((error: unknown) => native.reportException(error));
}

/** Whether the function failed only because this connection, or the whole reactor, was closed under it. */
function isCloseReason(connection: StreamConnection, error: unknown): boolean {
  if (!(error instanceof MillraceError)) return false;
  if (connection.raw.scope.closed) return CLOSED_CODES.has(error.code);
  return connection.closed && (error === connection.error || error.code === 'ERR_CLOSED');
}

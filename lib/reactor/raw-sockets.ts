/** Opens listeners and connections at the level of the arena; see `Reactor.listenRaw` and `connectRaw`. */
import { native } from '../native/index.js';
import { LISTEN_DEFERRED, LISTEN_IPV6ONLY, LISTEN_REUSEPORT, LISTEN_SHARED } from '../native/binding.js';
import { systemError } from '../errors/millrace-error.js';
import { Connection, type ConnectionHandler } from './connection.js';
import type { Scope } from './dispatch.js';
import { Listener, type AcceptFunction, type ListenerOptions } from './listener.js';
import { plainTransport } from './transport.js';

/** Kind of descriptor for `native.adopt`. */
const ADOPT_LISTENER = 0;

/** nginx's default for the length of the queue of connections that nobody has accepted yet. */
export const DEFAULT_BACKLOG = 511;

/** Where and how to listen. */
export interface RawListenOptions extends ListenerOptions {
  /** Numeric IPv4 or IPv6 address, or a unix socket's path. */
  address: string;
  /** Port; 0 takes a free one; -1 says that the address is a path. */
  port: number;
  /** Connections that may wait in the kernel; default 511. */
  backlog?: number;
  /** SO_REUSEPORT: several sockets share the port, the kernel distributes. */
  reusePort?: boolean;
  /** IPV6_V6ONLY. */
  ipv6Only?: boolean;
  /** TCP_DEFER_ACCEPT: accept when the first bytes are there. Ignored where it does not exist. */
  deferred?: boolean;
  /** Other processes accept from the same socket. */
  shared?: boolean;
  /** Takes over this listening descriptor instead of opening one. */
  fd?: number;
}

/** Throws MillraceError (EADDRINUSE, EACCES, EADDRNOTAVAIL, EINVAL for an address that is not numeric). */
export function openListener(scope: Scope, options: RawListenOptions, onAccept: AcceptFunction): Listener {
  const { address, port } = options;
  const flags =
    (options.reusePort === true ? LISTEN_REUSEPORT : 0) |
    (options.ipv6Only === true ? LISTEN_IPV6ONLY : 0) |
    (options.deferred === true ? LISTEN_DEFERRED : 0) |
    (options.shared === true ? LISTEN_SHARED : 0);
  const handle =
    options.fd === undefined
      ? native.listen(address, port, options.backlog ?? DEFAULT_BACKLOG, flags)
      : native.adopt(options.fd, ADOPT_LISTENER, flags);
  if (handle < 0) throw systemError(-handle, 'listen', { address, port });
  return new Listener(scope, handle, onAccept, options);
}

/** A failure to start is reported by onClose from the turn, as one that comes later. */
export function openConnection(
  scope: Scope,
  address: string,
  port: number,
  handler: ConnectionHandler,
  localAddress: string,
): Connection {
  const handle = native.connect(address, port, localAddress);
  return new Connection(scope, handle, true, handler, plainTransport);
}

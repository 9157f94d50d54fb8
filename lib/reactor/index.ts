/**
 * The event-loop library of Millrace: `import { Reactor } from 'millrace/reactor'`.
 *
 * `Reactor.run` makes a scope; `listen` and `connect` give a {@link StreamConnection}.
 * Engines that parse bytes where they lie use {@link Connection} and its handler.
 */
export { Reactor, type ReactorOptions, type RunOptions } from './reactor.js';
export { StreamConnection, type StreamCallbacks } from './stream-connection.js';
export type { ConnectionDuplex } from './duplex.js';
export { Listener, type AcceptFunction } from './listener.js';
export type { ConnectionListener, ListenOptions } from './listen.js';
export type { ConnectOptions } from './connect.js';
export { DatagramSocket, type Datagram, type DatagramOptions } from './datagram-socket.js';
export { Timer } from './timer.js';
export type { Job, JobResults } from './waiting.js';
export type { BlockingExport, BlockingOptions, SelfContained } from './blocking-pool.js';
export { LagMeter, type LagCounters } from './lag-meter.js';
export type { LeftOpen } from './left-open.js';
export { Connection, type ConnectionHandler } from './connection.js';
export type { RawListenOptions } from './raw-sockets.js';
export type { Transport } from './transport.js';
export { MillraceError, type ErrorDetails, type ErrorSource } from '../errors/millrace-error.js';
export type { ErrorClass, RetryRule } from '../errors/error-table.js';

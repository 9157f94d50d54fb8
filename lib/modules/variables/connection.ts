/**
 * Variables of the client's connection.
 */
import type { Exchange, Variable } from '../../module-api/index.js';
import { addressBytes } from '../address.js';
import { seconds } from './times.js';

/** A port, or empty for a unix socket. */
const port = (value: number): string => (value > 0 ? String(value) : '');

function binaryAddress({ client }: Exchange): string {
  const bytes = addressBytes(client.remoteAddress);
  return bytes === undefined ? client.remoteAddress : Buffer.from(bytes).toString('latin1');
}

export const connectionVariables: readonly Variable[] = [
  {
    name: 'remote_addr',
    engine: 'remote_addr',
    get: ({ client }) => client.remoteAddress,
    write: ({ client }, out) => client.writeRemoteAddress(out),
    doc: 'The client\'s address, or "unix:".',
  },
  {
    name: 'binary_remote_addr',
    get: binaryAddress,
    doc: "The client's address as 4 or 16 bytes.",
  },
  {
    name: 'remote_port',
    get: ({ client }) => port(client.remotePort),
    write: ({ client }, out) => out.text(port(client.remotePort)),
    doc: "The client's port.",
  },
  {
    name: 'server_addr',
    get: ({ client }) => client.serverAddress,
    doc: 'Address that took the connection.',
  },
  {
    name: 'server_port',
    get: ({ client }) => port(client.serverPort),
    write: ({ client }, out) => out.text(port(client.serverPort)),
    doc: 'Port that took the connection.',
  },
  { name: 'connection', get: ({ client }) => String(client.serial), doc: 'Serial number of the connection.' },
  {
    name: 'connection_requests',
    get: ({ client }) => String(client.requests),
    doc: 'Number of requests on the connection, this one included.',
  },
  {
    name: 'connection_time',
    get: (exchange) => seconds(exchange.nowMs - exchange.client.acceptedMs),
    doc: 'Seconds since the connection was accepted, with three decimals.',
  },
  {
    name: 'pipe',
    get: ({ client }) => (client.pipelined ? 'p' : '.'),
    doc: '"p" when the request was pipelined, else ".".',
  },
];

/**
 * Variables of the client's connection.
 */
import type { ByteWriter, Exchange, Variable } from '../../module-api/index.js';
import { addressBytes } from '../address.js';
import { seconds, writeSeconds } from './times.js';

/** A port, or empty for a unix socket. */
const port = (value: number): string => (value > 0 ? String(value) : '');

function writePort(value: number, out: ByteWriter): boolean {
  if (value > 0) out.uint(value);
  return true;
}

function binaryAddress({ client }: Exchange): string {
  const bytes = addressBytes(client.remoteAddress);
  return bytes === undefined ? client.remoteAddress : Buffer.from(bytes).toString('latin1');
}

export const connectionVariables: readonly Variable[] = [
  {
    name: 'remote_addr',
    engine: 'remote_addr',
    get: ({ client }) => client.remoteAddress,
    write({ client }, out) {
      client.writeRemoteAddress(out);
      return true;
    },
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
    write: ({ client }, out) => writePort(client.remotePort, out),
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
    write: ({ client }, out) => writePort(client.serverPort, out),
    doc: 'Port that took the connection.',
  },
  {
    name: 'connection',
    get: ({ client }) => String(client.serial),
    write({ client }, out) {
      out.uint(client.serial);
      return true;
    },
    doc: 'Serial number of the connection.',
  },
  {
    name: 'connection_requests',
    get: ({ client }) => String(client.requests),
    write({ client }, out) {
      out.uint(client.requests);
      return true;
    },
    doc: 'Number of requests on the connection, this one included.',
  },
  {
    name: 'connection_time',
    get: (exchange) => seconds(exchange.nowMs - exchange.client.acceptedMs),
    write: (exchange, out) => writeSeconds(exchange.nowMs - exchange.client.acceptedMs, out),
    doc: 'Seconds since the connection was accepted, with three decimals.',
  },
  {
    name: 'pipe',
    get: ({ client }) => (client.pipelined ? 'p' : '.'),
    doc: '"p" when the request was pipelined, else ".".',
  },
];

/**
 * A backend written by the test: for every connection that the proxy opens it runs a
 * script. {@link startBackend} gives it the raw connection; {@link startAnswering}
 * reads requests and sends back what a function makes of each.
 */
import { createServer, type AddressInfo } from 'node:net';
import type { Message } from './message.js';
import { Peer, type Bytes } from './peer.js';

/** A running backend. Dispose of it with `await using`. */
export interface Backend extends AsyncDisposable {
  readonly port: number;
  /** Connections in the order of their arrival. */
  readonly connections: readonly Peer[];
  /** What {@link startAnswering} read, in order; scripts may add to it. */
  readonly requests: Message[];
  /** Errors of scripts: a test that cares asserts that there are none. */
  readonly errors: unknown[];
  close(): Promise<void>;
}

/** What a script is given. */
export type Script = (connection: Peer, index: number) => Promise<void> | void;

/** Starts a backend on a free port of 127.0.0.1. */
export async function startBackend(script: Script): Promise<Backend> {
  const connections: Peer[] = [];
  const errors: unknown[] = [];
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    const peer = new Peer(socket);
    connections.push(peer);
    Promise.resolve(script(peer, connections.length - 1)).catch((error: unknown) => errors.push(error));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const close = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve());
      for (const peer of connections) peer.close();
    });
  const { port } = server.address() as AddressInfo;
  return { port, connections, requests: [], errors, close, [Symbol.asyncDispose]: close };
}

/**
 * Starts a backend that answers each request with the bytes that `answer` returns, on
 * connections that stay open until the other side ends them or an answer is undefined.
 */
export async function startAnswering(
  answer: (request: Message, connection: Peer) => Bytes | undefined,
): Promise<Backend> {
  const requests: Message[] = [];
  const backend = await startBackend(async (connection) => {
    for (;;) {
      await waitForWork(connection);
      if (connection.received === '') break;
      const request = await connection.readMessage();
      requests.push(request);
      const bytes = answer(request, connection);
      if (bytes === undefined) break;
      connection.send(bytes);
    }
    connection.end();
  });
  return Object.assign(backend, { requests });
}

/** Waits, without a time limit, for bytes or the end: an idle connection is no failure. */
function waitForWork(connection: Peer): Promise<void> {
  if (connection.received !== '' || connection.ending !== undefined) return Promise.resolve();
  return new Promise((resolve) => {
    const { socket } = connection;
    const done = (): void => {
      for (const event of ['data', 'end', 'close']) socket.off(event, done);
      resolve();
    };
    for (const event of ['data', 'end', 'close']) socket.on(event, done);
  });
}

/** An ordinary response with a Content-Length. */
export function response(body: string, fields: readonly string[] = [], status = '200 OK'): string {
  const lines = [`HTTP/1.1 ${status}`, ...fields, `Content-Length: ${body.length}`];
  return `${lines.join('\r\n')}\r\n\r\n${body}`;
}

/** The body as chunks, with the last one. */
export function chunked(parts: readonly string[], trailers: readonly string[] = []): string {
  const chunks = parts.map((part) => `${part.length.toString(16)}\r\n${part}\r\n`).join('');
  return `${chunks}0\r\n${trailers.map((line) => `${line}\r\n`).join('')}\r\n`;
}

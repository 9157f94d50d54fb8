/**
 * A backend that writes down what it receives, read by the strict reader, and answers
 * every whole request. It never parses leniently: what it cannot read it closes on.
 */
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { readStrictly, type StrictRequest } from './strict-reader.js';

/** What an answer is made of. */
export type Answer = (request: StrictRequest) => string;

/** One connection that the proxy opened. */
interface Recorded {
  readonly socket: Socket;
  /** Bytes that are not a whole request yet. */
  rest: string;
  error: string;
  closed: boolean;
}

/** "ok", or the head of it. */
export const answerOk: Answer = ({ method }) =>
  `HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n${method === 'HEAD' ? '' : 'ok'}`;

export class RecordingBackend implements AsyncDisposable {
  /** Whole requests in the order in which they ended. */
  requests: StrictRequest[] = [];
  /** Bytes that no strict reader takes, with the reason. */
  readonly errors: string[] = [];
  /** The bytes of {@link requests}, one by one. */
  raw: string[] = [];
  answer: Answer = answerOk;
  readonly #server: Server;
  #connections: Recorded[] = [];

  constructor(server: Server) {
    this.#server = server;
    server.on('connection', (socket) => this.#record(socket));
  }

  static async start(): Promise<RecordingBackend> {
    const server = createServer({ allowHalfOpen: true });
    const backend = new RecordingBackend(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return backend;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Open connections. */
  get open(): number {
    return this.#connections.filter(({ closed }) => !closed).length;
  }

  /** Requests whose head came and whose body did not, on open connections and on closed ones. */
  unfinished(): StrictRequest[] {
    return this.#connections.flatMap(({ rest }) => {
      const { unfinished } = readStrictly(rest);
      return unfinished === undefined ? [] : [unfinished];
    });
  }

  /** Connections with a part of a request that are still open. */
  get waiting(): number {
    return this.#connections.filter(({ rest, closed }) => rest !== '' && !closed).length;
  }

  /** Forgets what was recorded; closed connections and those in the middle of something, too. */
  forget(): void {
    this.requests = [];
    this.errors.length = 0;
    this.raw = [];
    for (const { socket, rest, closed } of this.#connections) if (rest !== '' && !closed) socket.destroy();
    this.#connections = this.#connections.filter(({ rest, closed }) => rest === '' && !closed);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { socket } of this.#connections) socket.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #record(socket: Socket): void {
    const recorded: Recorded = { socket, rest: '', error: '', closed: false };
    this.#connections.push(recorded);
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => {
      recorded.rest += chunk.toString('latin1');
      this.#read(recorded);
    });
    socket.on('error', () => {});
    socket.on('end', () => socket.end());
    socket.on('close', () => (recorded.closed = true));
  }

  #read(recorded: Recorded): void {
    if (recorded.error !== '') return;
    const input = recorded.rest;
    const { requests, rest, error } = readStrictly(input);
    recorded.rest = rest;
    let from = 0;
    for (const request of requests) {
      this.requests.push(request);
      this.raw.push(input.slice(from, request.end));
      from = request.end;
      recorded.socket.write(Buffer.from(this.answer(request), 'latin1'));
    }
    if (error !== '') {
      recorded.error = error;
      this.errors.push(`${error} in ${JSON.stringify(rest.slice(0, 2000))}`);
      recorded.socket.destroy();
    }
  }
}

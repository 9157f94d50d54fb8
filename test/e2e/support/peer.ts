/**
 * One end of a TCP connection under a test's control: a client that speaks raw bytes
 * to the proxy, or a backend's side of a connection that the proxy opened. Nothing is
 * sent or read that the test did not ask for.
 */
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { readMessage, type Message } from './message.js';

/** Bytes, or a string with one character a byte. */
export type Bytes = Buffer | string;

/** How a connection ended: by FIN, or by RST. */
export type Ending = 'fin' | 'reset';

/** How long a test waits for bytes before it fails, milliseconds. */
export const PATIENCE_MS = 8000 * Number(process.env['MILLRACE_TEST_SLOW'] ?? '1');

/** One end of a connection. */
export class Peer {
  readonly socket: Socket;
  #received = '';
  #ending: Ending | undefined;
  #waiting = new Set<() => void>();

  constructor(socket: Socket) {
    this.socket = socket;
    socket.setNoDelay(true);
    socket.on('data', (chunk) => {
      this.#received += chunk.toString('latin1');
      this.#wake();
    });
    socket.on('end', () => {
      this.#ending ??= 'fin';
      this.#wake();
    });
    socket.on('error', () => {
      this.#ending ??= 'reset';
      this.#wake();
    });
    socket.on('close', () => {
      this.#ending ??= 'fin';
      this.#wake();
    });
  }

  /** Connects to a port on 127.0.0.1. Half-open: the other side's FIN does not end ours. */
  static connect(port: number): Promise<Peer> {
    return new Promise((resolve, reject) => {
      const socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true });
      socket.once('error', reject);
      socket.once('connect', () => {
        socket.off('error', reject);
        resolve(new Peer(socket));
      });
    });
  }

  /** Bytes that came and were not taken by a read. */
  get received(): string {
    return this.#received;
  }

  /** How the other side ended the connection; undefined while it has not. */
  get ending(): Ending | undefined {
    return this.#ending;
  }

  /** Sends; what the kernel does not take waits in this process. */
  send(bytes: Bytes): void {
    this.socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes);
  }

  /** Sends the parts as segments of their own, `gapMs` apart. */
  async sendSlowly(parts: Iterable<Bytes>, gapMs = 2): Promise<void> {
    for (const part of parts) {
      this.send(part);
      await sleep(gapMs);
    }
  }

  /** Sends FIN; reading goes on. */
  end(): void {
    this.socket.end();
  }

  /** Sends RST. */
  reset(): void {
    this.socket.resetAndDestroy();
  }

  /** Closes at once: a FIN, or a RST when unread bytes are left. */
  close(): void {
    this.socket.destroy();
  }

  /** Stops reading: the kernel's buffer fills and its window closes. */
  stopReading(): void {
    this.socket.pause();
  }

  startReading(): void {
    this.socket.resume();
  }

  /** Waits until the test's condition holds; it is asked again whenever something arrives. */
  async until(what: string, condition: () => boolean): Promise<void> {
    const limit = Date.now() + PATIENCE_MS;
    while (!condition()) {
      const left = limit - Date.now();
      if (left <= 0) {
        const seen = JSON.stringify(this.#received.slice(0, 2000));
        throw new Error(
          `waited ${PATIENCE_MS} ms for ${what}; ending ${String(this.#ending)}, received ${seen}`,
        );
      }
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.#waiting.add(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }

  /** Takes the bytes up to and with `mark`. */
  async readUntil(mark: string): Promise<string> {
    await this.until(JSON.stringify(mark), () => this.#received.includes(mark) || this.#ending !== undefined);
    const at = this.#received.indexOf(mark);
    if (at < 0) throw new Error(`ended before ${JSON.stringify(mark)}: ${JSON.stringify(this.#received)}`);
    return this.#take(at + mark.length);
  }

  /** Takes `count` bytes. */
  async readBytes(count: number): Promise<string> {
    await this.until(`${count} bytes`, () => this.#received.length >= count || this.#ending !== undefined);
    if (this.#received.length < count)
      throw new Error(`ended after ${this.#received.length} of ${count} bytes`);
    return this.#take(count);
  }

  /** Takes all until the other side's FIN or RST. */
  async readToEnd(): Promise<string> {
    await this.waitEnd();
    return this.#take(this.#received.length);
  }

  /** Waits until the other side ended the connection, and says how. */
  async waitEnd(): Promise<Ending> {
    await this.until('the end of the connection', () => this.#ending !== undefined);
    return this.#ending ?? 'fin';
  }

  /**
   * Takes one request or response. When the connection ended in the middle of its body, it
   * is incomplete; when it ended before it began, an Error.
   *
   * @param method of the request that a response answers, when it is HEAD
   */
  async readMessage(method?: string): Promise<Message> {
    let found: ReturnType<typeof readMessage>;
    await this.until('a message', () => {
      const ended = this.#ending !== undefined;
      found = readMessage(this.#received, method === undefined ? { ended } : { ended, method });
      return found !== undefined || ended;
    });
    if (found === undefined) throw new Error(`ended (${String(this.#ending)}) instead of a message`);
    this.#take(found.length);
    return found.message;
  }

  #take(count: number): string {
    const taken = this.#received.slice(0, count);
    this.#received = this.#received.slice(count);
    return taken;
  }

  #wake(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const resolve of waiting) resolve();
  }
}

/** Sends a whole request on a connection of its own, takes the response and closes. */
export async function exchange(port: number, request: Bytes, method?: string): Promise<Message> {
  const client = await Peer.connect(port);
  try {
    client.send(request);
    return await client.readMessage(method);
  } finally {
    client.close();
  }
}

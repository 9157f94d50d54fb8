/** A stream connection as a Duplex of node:stream, for libraries that want one. */
import { Duplex } from 'node:stream';
import { host } from '../native/host.js';
import type { MillraceError } from '../errors/millrace-error.js';
import type { Connection } from './connection.js';
import type { StreamHandler } from './stream-handler.js';
import type { StreamReader } from './stream-reader.js';

const { u8 } = host;

/**
 * Owns the connection from now on: destroying the Duplex destroys the connection, and
 * when both sides have ended the connection is closed. Half-open connections are allowed.
 */
export class ConnectionDuplex extends Duplex implements StreamReader {
  readonly #connection: Connection;
  readonly #handler: StreamHandler;
  #held = false;
  #ended = false;

  /** @internal Made by `StreamConnection.toDuplex`. */
  constructor(connection: Connection, handler: StreamHandler) {
    super({ allowHalfOpen: true });
    this.#connection = connection;
    this.#handler = handler;
    handler.setReader(this);
  }

  onView(offset: number, length: number): void {
    this.onChunk(Buffer.from(u8.subarray(offset, offset + length)));
  }

  onChunk(chunk: Buffer): void {
    if (this.push(chunk) || this.#held) return;
    this.#held = true;
    this.#handler.pause();
  }

  onEnd(): void {
    this.#ended = true;
    this.push(null);
  }

  onClose(error: MillraceError | undefined): void {
    if (error !== undefined) this.destroy(error);
    else if (!this.#ended) this.destroy();
    // Otherwise what the peer sent may still wait in this stream; it destroys itself when that is read.
  }

  override _read(): void {
    if (!this.#held) return;
    this.#held = false;
    this.#handler.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    if (this.#connection.write(chunk)) {
      callback();
      return;
    }
    this.#handler.drained().then(() => callback(), callback);
  }

  override _final(callback: (error?: Error | null) => void): void {
    this.#connection.end();
    callback();
  }

  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    if (error === null) this.#connection.close();
    else this.#connection.destroy();
    callback(error);
  }
}

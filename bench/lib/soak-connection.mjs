/**
 * One connection of a soak's client to the proxy: whole exchanges, bytes of a tunnel, and
 * the ways in which a client leaves.
 */
import { connect } from 'node:net';
import { HttpReader } from './http-reader.mjs';

/** What has not come after this long is a hang, milliseconds. */
const HANG_MS = 20_000;

/** @typedef {import('./http-reader.mjs').HttpMessage} HttpMessage */

export class Connection {
  #socket;
  #reader = new HttpReader();
  #notify = () => {};
  /** Bytes since {@link openTunnel}. @type {Buffer[] | undefined} */
  #tunnel;
  #bytes = 0;
  ended = false;

  /** @param {number} port */
  constructor(port) {
    this.#socket = connect({ host: '127.0.0.1', port, noDelay: true, allowHalfOpen: true });
    this.#socket.on('data', (chunk) => {
      this.#bytes += chunk.length;
      if (this.#tunnel === undefined) this.#reader.push(chunk);
      else this.#tunnel.push(chunk);
      this.#notify();
    });
    for (const event of ['end', 'close', 'error']) {
      this.#socket.on(event, () => {
        this.ended = true;
        this.#reader.end();
        this.#notify();
      });
    }
  }

  /** @param {Buffer} bytes */
  send(bytes) {
    this.#socket.write(bytes);
  }

  /**
   * Waits for what `look` finds; it is asked again whenever something arrives.
   * @template T
   * @param {() => T | undefined} look
   * @returns {Promise<T | 'closed' | 'hang'>}
   */
  #wait(look) {
    return new Promise((resolve, reject) => {
      const finish = (/** @type {() => void} */ settle) => {
        clearTimeout(timer);
        this.#notify = () => {};
        settle();
      };
      const timer = setTimeout(() => finish(() => resolve('hang')), HANG_MS);
      this.#notify = () => {
        try {
          const found = look();
          if (found !== undefined) finish(() => resolve(found));
          else if (this.ended) finish(() => resolve('closed'));
        } catch (error) {
          finish(() => reject(error));
        }
      };
      this.#notify();
    });
  }

  /**
   * Sends a request and reads the answer.
   * @param {Buffer} bytes
   * @returns {Promise<HttpMessage | 'closed' | 'hang'>}
   */
  exchange(bytes) {
    this.send(bytes);
    return this.#wait(() => this.#reader.next());
  }

  /** Waits until anything more arrives. */
  arrival() {
    const before = this.#bytes;
    return this.#wait(() => (this.#bytes > before ? true : undefined));
  }

  /** After a 101: bytes are no messages any more. */
  openTunnel() {
    this.#tunnel = [];
  }

  /** Waits for `length` bytes of the tunnel and takes them all. @param {number} length */
  tunnelBytes(length) {
    return this.#wait(() => {
      const all = Buffer.concat(this.#tunnel ?? []);
      if (all.length < length) return undefined;
      this.#tunnel = [];
      return all;
    });
  }

  /** Waits until the other side has closed. @returns {Promise<'closed' | 'hang'>} */
  end() {
    return this.#wait(() => /** @type {undefined} */ (undefined));
  }

  /**
   * Leaves: a close (FIN, or RST where something was not read), a reset, or a half-close,
   * after which the proxy has to close its side too.
   * @param {import('./soak-plan.mjs').Manner} manner
   * @returns {Promise<'closed' | 'hang'>}
   */
  async leave(manner) {
    if (manner === 'half-close') {
      this.#socket.end();
      const outcome = await this.end();
      this.close();
      return outcome;
    }
    if (manner === 'reset') this.#socket.resetAndDestroy();
    else this.#socket.destroy();
    return 'closed';
  }

  close() {
    this.#socket.destroy();
  }
}

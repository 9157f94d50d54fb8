/**
 * A connection to the inspector of a Node process, by which V8 is asked about itself while the
 * process serves.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { WebSocket } from 'ws';

const ATTEMPTS = 50;

/** @param {number} port @returns {Promise<string>} */
async function addressOf(port) {
  for (let i = 0; ; i++) {
    try {
      const answer = await fetch(`http://127.0.0.1:${port}/json/list`);
      const [target] = /** @type {{ webSocketDebuggerUrl: string }[]} */ (await answer.json());
      if (target !== undefined) return target.webSocketDebuggerUrl;
    } catch (error) {
      if (i === ATTEMPTS) throw error;
    }
    await sleep(100);
  }
}

export class Inspector {
  /** @type {WebSocket} */
  #socket;
  #id = 0;
  /** @type {Map<number, { resolve: (result: unknown) => void, reject: (error: Error) => void }>} */
  #waiting = new Map();

  /** @param {WebSocket} socket */
  constructor(socket) {
    this.#socket = socket;
    socket.on('message', (data) => {
      const { id, result, error } = JSON.parse(String(data));
      const waiting = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (error === undefined) waiting?.resolve(result);
      else waiting?.reject(new Error(`the inspector says: ${error.message}`));
    });
    socket.on('close', () => {
      for (const { reject } of this.#waiting.values()) reject(new Error('the inspector has gone'));
    });
  }

  /** The inspector of the process that was started with `--inspect=127.0.0.1:port`. */
  static async connect(/** @type {number} */ port) {
    const socket = new WebSocket(await addressOf(port), { maxPayload: 1 << 30 });
    await new Promise((resolve, reject) => {
      socket.once('open', resolve);
      socket.once('error', reject);
    });
    return new Inspector(socket);
  }

  /**
   * Calls a method of the protocol.
   * @param {string} method
   * @param {object} [params]
   * @returns {Promise<any>}
   */
  call(method, params = {}) {
    const id = ++this.#id;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#socket.send(JSON.stringify({ id, method, params }));
    });
  }

  /**
   * Evaluates an expression in the process; its value must fit into JSON.
   * @param {string} expression
   * @returns {Promise<any>}
   */
  async evaluate(expression) {
    const { result, exceptionDetails } = await this.call('Runtime.evaluate', {
      expression,
      returnByValue: true,
    });
    if (exceptionDetails !== undefined) throw new Error(exceptionDetails.exception?.description);
    return result.value;
  }

  close() {
    this.#socket.close();
  }
}

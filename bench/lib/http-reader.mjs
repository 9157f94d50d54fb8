/**
 * Reads HTTP/1.1 messages from a socket for the instruments: quick enough to keep up
 * with a proxy, strict enough to notice a wrong byte. Bodies are Buffers.
 */

/**
 * @typedef {object} HttpMessage
 * @property {string} head first line and fields, without the blank line (latin1)
 * @property {number} status 0 for a request
 * @property {Buffer} body
 * @property {boolean} complete false when the connection ended too early
 * @property {boolean} keepAlive whether another message may follow
 */

/**
 * The value of a field in a head, or undefined.
 * @param {string} head
 * @param {string} name lower case
 * @returns {string | undefined}
 */
export function fieldOf(head, name) {
  const at = head.toLowerCase().indexOf(`\r\n${name}:`);
  if (at < 0) return undefined;
  const from = at + name.length + 3;
  const end = head.indexOf('\r\n', from);
  return head.slice(from, end < 0 ? undefined : end).trim();
}

/** Collects bytes and cuts them into messages. One per connection. */
export class HttpReader {
  #pending = Buffer.alloc(0);
  #ended = false;

  /** Bytes that belong to no message yet. */
  get pending() {
    return this.#pending.length;
  }

  /** @param {Buffer} chunk */
  push(chunk) {
    this.#pending = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk]);
  }

  /** The connection ended: a body that ends with it is now whole, others are cut short. */
  end() {
    this.#ended = true;
  }

  /**
   * Takes the next message, or undefined while bytes are missing.
   * @param {boolean} [noBody] for the answer to a HEAD
   * @returns {HttpMessage | undefined}
   * @throws {Error} when the bytes are not HTTP
   */
  next(noBody = false) {
    const headEnd = this.#pending.indexOf('\r\n\r\n');
    if (headEnd < 0) return undefined;
    const head = this.#pending.toString('latin1', 0, headEnd);
    const isResponse = head.startsWith('HTTP/');
    const status = isResponse ? Number(head.slice(9, 12)) : 0;
    if (isResponse && !(status >= 100 && status < 600)) throw new Error(`not a status line: ${head}`);
    const keepAlive = !/\r\nconnection:[^\r]*close/i.test(head);
    const from = headEnd + 4;
    const bare = noBody || status === 204 || status === 304 || (status >= 100 && status < 200);
    const found = bare
      ? { body: Buffer.alloc(0), end: from, complete: true }
      : this.#body(head, from, isResponse);
    if (found === undefined) return undefined;
    this.#pending = this.#pending.subarray(found.end);
    return { head, status, body: found.body, complete: found.complete, keepAlive };
  }

  /**
   * @param {string} head
   * @param {number} from where the body begins
   * @param {boolean} isResponse
   */
  #body(head, from, isResponse) {
    const bytes = this.#pending;
    if (fieldOf(head, 'transfer-encoding') !== undefined) return this.#chunked(from);
    const length = fieldOf(head, 'content-length');
    if (length === undefined && !isResponse) return { body: Buffer.alloc(0), end: from, complete: true };
    if (length === undefined) {
      return this.#ended ? { body: bytes.subarray(from), end: bytes.length, complete: true } : undefined;
    }
    const end = from + Number(length);
    if (bytes.length >= end) return { body: bytes.subarray(from, end), end, complete: true };
    return this.#ended ? { body: bytes.subarray(from), end: bytes.length, complete: false } : undefined;
  }

  /** @param {number} from */
  #chunked(from) {
    const bytes = this.#pending;
    const parts = [];
    let at = from;
    let end = -1;
    for (;;) {
      const lineEnd = bytes.indexOf('\r\n', at);
      if (lineEnd < 0) break;
      const line = bytes.toString('latin1', at, lineEnd);
      if (!/^[0-9a-f]+(;.*)?$/i.test(line)) throw new Error(`not a chunk size: ${JSON.stringify(line)}`);
      const size = Number.parseInt(line, 16);
      at = lineEnd + 2;
      if (size === 0) {
        end = bytes.indexOf('\r\n', at) === at ? at + 2 : bytes.indexOf('\r\n\r\n', at) + 4;
        break;
      }
      parts.push(bytes.subarray(at, at + size));
      at += size + 2;
      if (bytes.length < at) break;
    }
    const complete = end > 3;
    if (complete) return { body: Buffer.concat(parts), end, complete };
    return this.#ended ? { body: Buffer.concat(parts), end: bytes.length, complete } : undefined;
  }
}

/**
 * The two backends of a bench. The fast one sends a fixed reply and costs as little
 * as possible: nginx where it is installed, else a few lines on node:net. The checking
 * one keeps every byte that it is sent and is never measured.
 */
import { createHash } from 'node:crypto';
import { createServer } from 'node:net';
import { rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { HttpReader } from './http-reader.mjs';
import { freePort, isInstalled, start, waitForPort } from './processes.mjs';
import { fillTemplate } from './proxies.mjs';

/** The body of the fast backend's reply: 1,024 bytes. */
export const BODY = 'millrace '.repeat(114).slice(0, 1024);

/**
 * Starts the fast backend.
 * @param {{ cpu?: number | undefined, port?: number | undefined }} options
 * @returns {Promise<{ port: number, program: string, stop: () => Promise<void> }>}
 */
export async function startFastBackend({ cpu, port: wanted }) {
  const port = wanted ?? (await freePort());
  if (!isInstalled('nginx')) {
    const script = fileURLToPath(new URL('./fast-backend.mjs', import.meta.url));
    const one = start(process.execPath, [script, String(port), BODY], { cpu });
    await waitForPort(port, one);
    return { port, program: 'node:net', stop: one.stop };
  }
  const { folder, path } = fillTemplate('backend.nginx.conf', { PORT: port, BODY });
  const one = start('nginx', ['-p', `${folder}/`, '-c', path, '-e', `${folder}/error.log`], { cpu });
  await waitForPort(port, one);
  const stop = async () => {
    await one.stop();
    rmSync(folder, { recursive: true, force: true });
  };
  return { port, program: 'nginx', stop };
}

/**
 * @typedef {object} Captured
 * @property {string} head as it came, without the blank line
 * @property {string} bodyHash sha256 of the body, hexadecimal
 * @property {number} connection number of the connection that brought it, from 0
 */

/**
 * Starts the checking backend in this process. It answers each request with the hash
 * of its body.
 * @param {{ port?: number | undefined }} [options]
 * @returns {Promise<{ port: number, captured: Captured[], stop: () => void }>}
 */
export function startCheckingBackend({ port: wanted = 0 } = {}) {
  /** @type {Captured[]} */
  const captured = [];
  /** @type {Set<import('node:net').Socket>} */
  const sockets = new Set();
  let connections = 0;
  const server = createServer({ noDelay: true }, (socket) => {
    const connection = connections++;
    const reader = new HttpReader();
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => {});
    socket.on('data', (chunk) => {
      reader.push(chunk);
      for (let message = reader.next(); message !== undefined; message = reader.next()) {
        const bodyHash = createHash('sha256').update(message.body).digest('hex');
        captured.push({ head: message.head, bodyHash, connection });
        socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${bodyHash.length}\r\n\r\n${bodyHash}`);
      }
    });
  });
  return new Promise((resolve) => {
    server.listen(wanted, '127.0.0.1', () => {
      const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
      const stop = () => {
        server.close();
        for (const socket of sockets) socket.destroy();
      };
      resolve({ port, captured, stop });
    });
  });
}

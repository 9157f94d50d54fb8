/**
 * The two backends of a bench, each on several ports. The fast one sends fixed replies and
 * costs as little as possible: nginx where it is installed, else a few lines on node:net.
 * The checking one keeps every byte that it is sent and is never measured.
 */
import { createServer } from 'node:net';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { hashOf, REPLIES } from './bodies.mjs';
import { HttpReader } from './http-reader.mjs';
import { freePort, isInstalled, start, waitForPort } from './processes.mjs';
import { fillTemplate, NGINX } from './proxies.mjs';
import { MOST_PEERS } from './scenarios.mjs';

/**
 * Ports for the backends: the first may be given.
 * @param {number | undefined} first
 */
async function ports(first) {
  const rest = Array.from({ length: MOST_PEERS - 1 }, freePort);
  return [first ?? (await freePort()), ...(await Promise.all(rest))];
}

/**
 * Starts the fast backend.
 * @param {{ cpu?: number | undefined, port?: number | undefined }} options
 * @returns {Promise<{ ports: number[], program: string, stop: () => Promise<void> }>}
 */
export async function startFastBackend({ cpu, port }) {
  const all = await ports(port);
  if (!isInstalled(NGINX)) {
    const script = fileURLToPath(new URL('./fast-backend.mjs', import.meta.url));
    const one = start(process.execPath, [script, ...all.map(String)], { cpu });
    for (const each of all) await waitForPort(each, one);
    return { ports: all, program: 'node:net', stop: one.stop };
  }
  const listen = all.map((each) => `        listen 127.0.0.1:${each} backlog=4096;`).join('\n');
  const { folder, path } = fillTemplate('backend.nginx.conf', { LISTEN: listen, BODY: REPLIES['/1k'] });
  for (const name of /** @type {const} */ (['/64k', '/1m'])) writeFileSync(join(folder, name), REPLIES[name]);
  const one = start(NGINX, ['-p', `${folder}/`, '-c', path, '-e', `${folder}/error.log`], { cpu });
  for (const each of all) await waitForPort(each, one);
  const stop = async () => {
    await one.stop();
    rmSync(folder, { recursive: true, force: true });
  };
  return { ports: all, program: 'nginx', stop };
}

/**
 * @typedef {object} Captured
 * @property {string} head as it came, without the blank line
 * @property {string} bodyHash sha256 of the body, hexadecimal
 * @property {number} connection number of the connection that brought it, from 0
 * @property {number} port that it came to
 */

/**
 * Starts the checking backend in this process. It answers each request with the hash
 * of its body.
 * @param {{ port?: number | undefined }} [options]
 * @returns {Promise<{ ports: number[], captured: Captured[], stop: () => void }>}
 */
export async function startCheckingBackend({ port: wanted } = {}) {
  /** @type {Captured[]} */
  const captured = [];
  /** @type {Set<import('node:net').Socket>} */
  const sockets = new Set();
  let connections = 0;
  /** @type {(port: number, socket: import('node:net').Socket) => void} */
  const serve = (port, socket) => {
    const connection = connections++;
    const reader = new HttpReader();
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => {});
    socket.on('data', (chunk) => {
      reader.push(chunk);
      for (let message = reader.next(); message !== undefined; message = reader.next()) {
        const bodyHash = hashOf(message.body);
        captured.push({ head: message.head, bodyHash, connection, port });
        socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${bodyHash.length}\r\n\r\n${bodyHash}`);
      }
    });
  };
  const all = await ports(wanted);
  const servers = await Promise.all(
    all.map((port) => {
      const server = createServer({ noDelay: true }, (socket) => serve(port, socket));
      return /** @type {Promise<typeof server>} */ (
        new Promise((resolve, reject) => {
          server.once('error', reject);
          server.listen(port, '127.0.0.1', () => resolve(server));
        })
      );
    }),
  );
  const stop = () => {
    for (const server of servers) server.close();
    for (const socket of sockets) socket.destroy();
  };
  return { ports: all, captured, stop };
}

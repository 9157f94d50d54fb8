/**
 * Sends an exact number of requests: `node exact-load.mjs OPTIONS`, where OPTIONS is JSON with
 * port, requests, connections, fields, path and upload as in a workload. For counts that
 * are divided by the number of requests: a load that ends by the clock leaves some half done.
 * Ends with an error when an answer is not 2xx or a connection breaks.
 */
import { connect } from 'node:net';
import { bodyOf } from './bodies.mjs';
import { HttpReader } from './http-reader.mjs';

const { port, requests, connections, fields, path, upload } = JSON.parse(process.argv[2] ?? '{}');
const method = upload > 0 ? 'POST' : 'GET';
const length = upload > 0 ? [`Content-Length: ${upload}`] : [];
const head = [`${method} ${path} HTTP/1.1`, ...fields, ...length, '', ''].join('\r\n');
const request = Buffer.from(head + bodyOf(upload));
const closes = fields.some((/** @type {string} */ field) => /^connection: *close/i.test(field));
let taken = 0;

/**
 * Sends requests on one connection after another, or on one, until all were taken.
 * @returns {Promise<void>}
 */
function runClient() {
  return new Promise((resolve, reject) => {
    const open = () => {
      const reader = new HttpReader();
      const socket = connect({ host: '127.0.0.1', port, noDelay: true });
      let waits = false;
      const send = () => {
        waits = taken < requests;
        if (waits) socket.write(request);
        else {
          socket.end();
          resolve();
        }
        taken++;
      };
      socket.on('error', reject);
      socket.on('connect', send);
      socket.on('data', (chunk) => {
        reader.push(chunk);
        const message = reader.next();
        if (message === undefined) return;
        if (message.status < 200 || message.status > 299) reject(new Error(`got ${message.head}`));
        waits = false;
        if (!closes) send();
      });
      socket.on('end', () => {
        if (waits) reject(new Error('a connection was closed before the answer'));
        else if (taken < requests) open();
        else resolve();
      });
    };
    open();
  });
}

await Promise.all(Array.from({ length: connections }, runClient));

/**
 * Holds idle connections: `node idle.mjs PORT COUNT` opens them, sends one request on
 * each, reads the answers, says "ready" and stays until it is ended. A process of its
 * own, so that its memory and descriptors are nobody else's.
 */
import { connect } from 'node:net';

const [port, count] = process.argv.slice(2).map(Number);
/** Opened at the same time; more would only fill the backlog. */
const BATCH = 100;

function open() {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port: port ?? 0 });
    let received = '';
    socket.on('error', reject);
    socket.on('end', () => reject(new Error('an idle connection was closed')));
    socket.on('connect', () =>
      socket.write('GET /1k HTTP/1.1\r\nHost: bench.example\r\nAccept: */*\r\n\r\n'),
    );
    socket.on('data', (chunk) => {
      received += chunk.toString('latin1');
      const end = received.indexOf('\r\n\r\n');
      // Idle from here on; 1,024 is the length of the fast backend's body.
      if (end >= 0 && received.length - end - 4 >= 1024) resolve(undefined);
    });
  });
}

for (let opened = 0; opened < (count ?? 0); opened += BATCH) {
  await Promise.all(Array.from({ length: Math.min(BATCH, (count ?? 0) - opened) }, open));
}
console.log('ready');

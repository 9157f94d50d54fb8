/**
 * A backend for machines without nginx: `node fast-backend.mjs PORT...`. It reads no more
 * of a request than its path and the length of its body, and answers when it has both.
 */
import { createServer } from 'node:net';
import { REPLIES } from './bodies.mjs';

const head = (/** @type {string} */ body) =>
  `HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: ${body.length}\r\n\r\n`;
const replies = new Map(
  Object.entries(REPLIES).map(([path, body]) => [path, Buffer.from(head(body) + body)]),
);
const usual = replies.get('/1k') ?? Buffer.alloc(0);

/** @param {import('node:net').Socket} socket */
function serve(socket) {
  let rest = '';
  let bodyLeft = 0;
  let reply = usual;
  socket.on('error', () => {});
  socket.on('data', (chunk) => {
    rest += chunk.toString('latin1');
    for (;;) {
      if (bodyLeft > 0) {
        const taken = Math.min(bodyLeft, rest.length);
        rest = rest.slice(taken);
        bodyLeft -= taken;
        if (bodyLeft > 0) return;
        socket.write(reply);
      }
      const end = rest.indexOf('\r\n\r\n');
      if (end < 0) return;
      const text = rest.slice(0, end);
      rest = rest.slice(end + 4);
      reply = replies.get(text.split(' ', 2)[1] ?? '') ?? usual;
      bodyLeft = Number(/\r\ncontent-length: *([0-9]+)/i.exec(text)?.[1] ?? 0);
      if (bodyLeft === 0) socket.write(reply);
    }
  });
}

for (const port of process.argv.slice(2).map(Number)) {
  createServer({ noDelay: true }, serve).listen({ host: '127.0.0.1', port, backlog: 4096 });
}

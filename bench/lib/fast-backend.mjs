/**
 * A backend for machines without nginx: `node fast-backend.mjs PORT BODY`. It counts
 * the ends of heads and answers each with the same bytes; bodies are not expected.
 */
import { createServer } from 'node:net';

const [port, body = ''] = process.argv.slice(2);
const head = `HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: ${body.length}\r\n\r\n`;
const reply = Buffer.from(head + body);

createServer({ noDelay: true }, (socket) => {
  let rest = '';
  socket.on('error', () => {});
  socket.on('data', (chunk) => {
    const heads = (rest + chunk.toString('latin1')).split('\r\n\r\n');
    rest = heads.pop() ?? '';
    for (let i = 0; i < heads.length; i++) socket.write(reply);
  });
}).listen({ host: '127.0.0.1', port: Number(port), backlog: 4096 });

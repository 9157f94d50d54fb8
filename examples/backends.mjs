// Two small backends for `npm start`: each says its name, so that one sees who answered.
//
//   /          the name, and the head of the request as it arrived
//   /slow      the answer comes after two seconds
//   /events    ten server-sent events, one every half second
//   /upload    how many bytes of a body arrived
import { createServer } from 'node:http';

/** Answers one request in the name of a backend. */
function answer(name, request, response) {
  const path = new URL(request.url ?? '/', 'http://backend').pathname;
  response.setHeader('X-Backend', name);
  if (path === '/slow') {
    setTimeout(() => response.end(`${name}: sorry for the delay\n`), 2000);
  } else if (path === '/events') {
    sendEvents(name, response);
  } else if (path === '/upload') {
    let bytes = 0;
    request.on('data', (chunk) => (bytes += chunk.length));
    request.on('end', () => response.end(`${name}: ${bytes} bytes arrived\n`));
  } else {
    const fields = Object.entries(request.headers).map(([field, value]) => `  ${field}: ${value}`);
    response.end(`${name} answers\n${request.method} ${request.url}\n${fields.join('\n')}\n`);
  }
}

function sendEvents(name, response) {
  response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-cache' });
  let count = 0;
  const timer = setInterval(() => {
    response.write(`data: ${name} ${++count}\n\n`);
    if (count === 10) response.end();
  }, 500);
  response.on('close', () => clearInterval(timer));
}

/** Listens on 127.0.0.1; resolves with the server, rejects when the port is taken. */
export function startBackend(name, port) {
  const server = createServer((request, response) => answer(name, request, response));
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => resolve(server));
  });
}

/**
 * A kept backend connection that turns out to be dead in the very turn in which a request
 * is given to it. The proxy is stopped while the client sends and then the backend resets,
 * so that it finds both when it goes on, the client's bytes first.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { response, startBackend, type Backend } from './support/backend.js';
import { exchange, Peer } from './support/peer.js';
import { IS_MILLRACE, startProxy, type Proxy } from './support/proxy.js';

/** Answers the first request of each connection; what comes behind it is the test's. */
function startOnce(): Promise<Backend> {
  return startBackend(async (connection) => {
    const { method, body } = await connection.readMessage();
    connection.send(response(`${method} ${body.length}`));
  });
}

const CONF =
  (backend: Backend) =>
  (port: number): string => `
    upstream pool { server 127.0.0.1:${backend.port}; keepalive 8; }
    client_max_body_size 0;
    server { listen 127.0.0.1:${port}; location / { proxy_pass http://pool; } }`;

/** Sends while the proxy does not look, and resets its kept connection after that. */
async function sendToStale(proxy: Proxy, backend: Backend, client: Peer, send: () => void): Promise<void> {
  await exchange(proxy.port, 'GET /warm HTTP/1.1\r\nHost: a\r\n\r\n');
  await sleep(20);
  process.kill(proxy.pid, 'SIGSTOP');
  try {
    client.send('');
    send();
    await sleep(50);
    backend.connections[0]?.reset();
    await sleep(50);
  } finally {
    process.kill(proxy.pid, 'SIGCONT');
  }
}

test.runIf(IS_MILLRACE)('a client that left meanwhile takes the second attempt with it', async () => {
  await using backend = await startBackend(async (connection, index) => {
    await connection.readMessage();
    // The second is never answered: only the client's departure ends it.
    if (index === 0) connection.send(response('warm'));
  });
  await using proxy = await startProxy(CONF(backend));
  const client = await Peer.connect(proxy.port);
  await sendToStale(proxy, backend, client, () => {
    client.send('GET /left HTTP/1.1\r\nHost: a\r\n\r\n');
    client.end();
  });
  await client.waitEnd();
  await sleep(100);
  for (const connection of backend.connections) expect(connection.ending).toBeDefined();
});

test.runIf(IS_MILLRACE)('an upload goes on over the second connection', async () => {
  await using backend = await startOnce();
  await using proxy = await startProxy(CONF(backend));
  const client = await Peer.connect(proxy.port);
  await sendToStale(proxy, backend, client, () =>
    client.send('PUT /up HTTP/1.1\r\nHost: a\r\nContent-Length: 4000000\r\n\r\n'),
  );
  // Not before: a long body that was begun on the first connection could not be sent again.
  while (backend.connections.length < 2) await sleep(10);
  client.send(Buffer.alloc(4_000_000, 'u'));
  expect((await client.readMessage()).body).toBe('PUT 4000000');
  expect(backend.connections).toHaveLength(2);
  client.close();
});

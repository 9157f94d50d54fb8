// A client that reads one byte a second stalls nobody, and costs a bounded amount of
// memory: the server stops producing for it at the high watermark.
//
//   node examples/reactor/slow-reader.mjs          one byte each 1000 ms
//   node examples/reactor/slow-reader.mjs 20       one byte each 20 ms
import { connect } from 'node:net';
import { Reactor } from 'millrace/reactor';

const intervalMs = Number(process.argv[2] ?? 1000);
const FAST_CLIENTS = 10;
const FAST_BYTES = 4 * 1024 * 1024;
const BLOCK = Buffer.alloc(64 * 1024, 'm');

/** Node's own socket, told to read one byte, and then nothing for a while. */
function readSlowly(port) {
  const state = { bytes: 0, stop: () => {} };
  const socket = connect({
    port,
    host: '127.0.0.1',
    onread: {
      buffer: Buffer.alloc(1),
      callback: (count) => {
        state.bytes += count;
        setTimeout(() => socket.resume(), intervalMs);
        return false;
      },
    },
  });
  socket.on('error', () => {});
  state.stop = () => socket.destroy();
  return state;
}

await Reactor.run(async (reactor) => {
  const open = new Set();
  const server = reactor.listen({ host: '127.0.0.1', port: 0 }, async (connection) => {
    open.add(connection);
    while (!connection.closed) if (!connection.write(BLOCK)) await connection.drained();
  });

  const slow = readSlowly(server.port);
  await reactor.sleep(3 * intervalMs + 20);
  const [forSlow] = open;

  const start = reactor.nowMs;
  await reactor.gather(
    Array.from({ length: FAST_CLIENTS }, () => async () => {
      const client = await reactor.connect({ host: '127.0.0.1', port: server.port });
      for (let bytes = 0; bytes < FAST_BYTES;) bytes += (await client.read()).length;
      client.destroy();
    }),
  );
  const tookMs = Math.round(reactor.nowMs - start);
  console.log(`${FAST_CLIENTS} clients read ${FAST_BYTES} bytes each in ${tookMs} ms`);
  console.log(`the slow one has read ${slow.bytes} bytes; ${forSlow.queuedBytes} wait for it in the server`);
  slow.stop();
  for (const connection of open) connection.destroy();
  server.close();
  await server.finished;
});

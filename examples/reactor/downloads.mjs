// Three downloads that take 3, 2 and 1 seconds, at once in one thread: the whole takes 3
// seconds and not 6, and they end in the order C, B, A.
//
//   node examples/reactor/downloads.mjs          seconds of 1000 ms
//   node examples/reactor/downloads.mjs 50       seconds of 50 ms
import { Reactor } from 'millrace/reactor';

const secondMs = Number(process.argv[2] ?? 1000);
const CHUNKS_PER_SECOND = 4;

await Reactor.run(async (reactor) => {
  // Stands for a slow server somewhere: sends as many seconds long as it is asked to.
  const server = reactor.listen({ host: '127.0.0.1', port: 0 }, async (connection) => {
    const seconds = Number(await connection.read());
    for (let i = 0; i < seconds * CHUNKS_PER_SECOND; i++) {
      await reactor.sleep(secondMs / CHUNKS_PER_SECOND);
      connection.write('x'.repeat(1000));
    }
  });

  const start = reactor.nowMs;
  const elapsed = () => `${((reactor.nowMs - start) / secondMs).toFixed(1)} s`;

  async function download(name, seconds, signal) {
    const connection = await reactor.connect({ host: '127.0.0.1', port: server.port, signal });
    connection.write(String(seconds));
    let bytes = 0;
    for await (const chunk of connection) bytes += chunk.length;
    connection.end();
    console.log(`${name}: ${bytes} bytes after ${elapsed()}`);
    return bytes;
  }

  const sizes = await reactor.gather([
    (signal) => download('A', 3, signal),
    (signal) => download('B', 2, signal),
    (signal) => download('C', 1, signal),
  ]);
  console.log(`all: ${sizes.join(' + ')} bytes after ${elapsed()}`);
  server.close();
  await server.finished;
});

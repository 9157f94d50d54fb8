// An echo server: what comes goes back, at the pace of the one who reads it.
//
//   node examples/reactor/echo.mjs [port]        9003 by default
//   nc 127.0.0.1 9003
import { Reactor } from 'millrace/reactor';

const port = Number(process.argv[2] ?? 9003);

await Reactor.run(async (reactor) => {
  const listener = reactor.listen({ host: '127.0.0.1', port }, async (connection) => {
    for await (const chunk of connection) {
      // False: more than the high watermark waits, because the peer does not read.
      if (!connection.write(chunk)) await connection.drained();
    }
  });
  console.log(`echo on port ${listener.port}`);
  await listener.finished;
});

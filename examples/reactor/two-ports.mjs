// Two services in one thread, on 9001 and 9002 (or the ports given as arguments).
//
//   node examples/reactor/two-ports.mjs
//   nc 127.0.0.1 9001        and type nothing: a blocking server would now wait for you
//   nc 127.0.0.1 9002        answers all the same
//
// A blocking version accepts on the first port, reads from whoever came, and stalls
// everybody until that one speaks. Here every wait is a turn of the loop for the others.
import { Reactor } from 'millrace/reactor';

const [firstPort = '9001', secondPort = '9002'] = process.argv.slice(2);

/** Greets, then answers each chunk in capitals. */
async function shout(connection) {
  connection.write('Say something.\n');
  for await (const chunk of connection) {
    if (!connection.write(chunk.toString().toUpperCase())) await connection.drained();
  }
}

/** Tells the time and closes. */
async function clock(connection) {
  connection.end(`${new Date().toISOString()}\n`);
  for await (const _ of connection);
}

await Reactor.run(async (reactor) => {
  const first = reactor.listen({ host: '127.0.0.1', port: Number(firstPort) }, shout);
  const second = reactor.listen({ host: '127.0.0.1', port: Number(secondPort) }, clock);
  console.log(`shouting on port ${first.port}, the time on port ${second.port}`);
  await Promise.all([first.finished, second.finished]);
});

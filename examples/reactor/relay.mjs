// A TCP relay: every connection is passed on to a target, both ways, half-close included.
//
//   node examples/reactor/relay.mjs 9004 127.0.0.1:9003
//
// pipe() moves bytes from the receive window to the other socket without copying them,
// and stops reading where the other side does not keep up.
import { Reactor } from 'millrace/reactor';

const [listenPort = '9004', target = '127.0.0.1:9003'] = process.argv.slice(2);
const colon = target.lastIndexOf(':');
const backend = { host: target.slice(0, colon), port: Number(target.slice(colon + 1)) };

await Reactor.run(async (reactor) => {
  const listener = reactor.listen({ host: '127.0.0.1', port: Number(listenPort) }, async (client) => {
    try {
      const upstream = await reactor.connect({ ...backend, timeoutMs: 5000 });
      const [up, down] = await Promise.all([client.pipe(upstream), upstream.pipe(client)]);
      console.log(`${client.remoteAddress}:${client.remotePort} sent ${up} bytes, got ${down}`);
    } catch (error) {
      // A refused or broken connection ends this client only.
      console.log(`${client.remoteAddress}:${client.remotePort} failed: ${error.message}`);
      client.destroy();
    }
  });
  console.log(`relay on port ${listener.port} to ${target}`);
  await listener.finished;
});

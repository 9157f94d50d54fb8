// The same work with node:http and nothing else; see proxy.nginx.conf.
import { Agent, createServer, request } from 'node:http';

const [listen, fast, check] = process.argv.slice(2).map(Number);
const agent = new Agent({ keepAlive: true, maxFreeSockets: 256 });
const options = { headersTimeout: 2000, requestTimeout: 60_000, keepAliveTimeout: 120_000 };
const server = createServer({ ...options, connectionsCheckingInterval: 500 }, (downstream, answer) => {
  const fail = (status) => (answer.headersSent ? answer.destroy() : answer.writeHead(status).end());
  if (Number(downstream.headers['content-length'] ?? 0) > 2 * 1024 * 1024) return fail(413);
  const { connection: _, 'keep-alive': __, ...headers } = downstream.headersDistinct;
  const remote = downstream.socket.remoteAddress;
  headers.host = headers.host[0].replace(/:[0-9]+$/, '');
  headers['x-real-ip'] = remote;
  headers['x-forwarded-for'] = headers['x-forwarded-for']
    ? `${headers['x-forwarded-for']}, ${remote}`
    : remote;
  headers['x-forwarded-proto'] = 'http';
  const port = downstream.url.startsWith('/check') ? check : fast;
  const upstream = request(
    { host: '127.0.0.1', port, method: downstream.method, path: downstream.url, headers, agent },
    (response) => {
      const { connection: ___, 'keep-alive': ____, ...fields } = response.headersDistinct;
      answer.writeHead(response.statusCode, response.statusMessage, fields);
      response.pipe(answer);
    },
  );
  upstream.setTimeout(10_000, () => upstream.destroy());
  upstream.on('error', () => fail(502));
  return downstream.pipe(upstream);
});
server.listen({ host: '127.0.0.1', port: listen, backlog: 4096 });

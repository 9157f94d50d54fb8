// The same work with node:http and nothing else; see proxy.nginx.conf.
import { Agent, createServer, request } from 'node:http';
import { ADDRESS, choosePort, DEADLINES, forwardedFields, logAfter, MAX_BODY_BYTES } from './node-common.mjs';

const agent = new Agent({ keepAlive: true, maxFreeSockets: 256 });
const server = createServer(DEADLINES, (downstream, answer) => {
  const fail = (status) => (answer.headersSent ? answer.destroy() : answer.writeHead(status).end());
  logAfter(downstream, answer);
  if (Number(downstream.headers['content-length'] ?? 0) > MAX_BODY_BYTES) return fail(413);
  const { method, url: path } = downstream;
  const target = { host: '127.0.0.1', port: choosePort(path), method, path, agent };
  const upstream = request({ ...target, headers: forwardedFields(downstream) }, (response) => {
    const { connection: _, 'keep-alive': __, ...fields } = response.headersDistinct;
    answer.writeHead(response.statusCode, response.statusMessage, fields);
    response.pipe(answer);
  });
  upstream.setTimeout(10_000, () => upstream.destroy());
  upstream.on('error', () => fail(502));
  return downstream.pipe(upstream);
});
server.listen(ADDRESS);

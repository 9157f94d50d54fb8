// The same work with the package http-proxy; see proxy.nginx.conf.
import { Agent, createServer } from 'node:http';
import httpProxy from 'http-proxy';
import { ADDRESS, choosePort, DEADLINES, forwardedFields, logAfter, MAX_BODY_BYTES } from './node-common.mjs';

const agent = new Agent({ keepAlive: true, maxFreeSockets: 256 });
const proxy = httpProxy.createProxyServer({ agent, proxyTimeout: 10_000 });
proxy.on('proxyReq', (upstream, downstream) => {
  for (const name of upstream.getHeaderNames()) upstream.removeHeader(name);
  for (const [name, value] of Object.entries(forwardedFields(downstream))) upstream.setHeader(name, value);
});
proxy.on('error', (_error, _downstream, answer) =>
  answer.headersSent ? answer.destroy() : answer.writeHead(502).end(),
);
createServer(DEADLINES, (downstream, answer) => {
  logAfter(downstream, answer);
  if (Number(downstream.headers['content-length'] ?? 0) > MAX_BODY_BYTES) answer.writeHead(413).end();
  else proxy.web(downstream, answer, { target: `http://127.0.0.1:${choosePort(downstream.url)}` });
}).listen(ADDRESS);

// The same work with the package @fastify/http-proxy; see proxy.nginx.conf.
import httpProxy from '@fastify/http-proxy';
import fastify from 'fastify';
import { ADDRESS, choosePort, DEADLINES, forwardedFields, logAfter, MAX_BODY_BYTES } from './node-common.mjs';

const app = fastify({ http: DEADLINES, bodyLimit: MAX_BODY_BYTES, keepAliveTimeout: 120_000 });
app.addHook('onRequest', async (request, reply) => {
  logAfter(request.raw, reply.raw);
  return Number(request.headers['content-length'] ?? 0) > MAX_BODY_BYTES ? reply.code(413).send() : undefined;
});
// undici takes lists only of fields that may be repeated.
const single = (fields) =>
  Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [name, value.length === 1 ? value[0] : value]),
  );
app.register(httpProxy, {
  upstream: '',
  undici: { connections: 256, keepAliveTimeout: 60_000, bodyTimeout: 10_000, headersTimeout: 10_000 },
  replyOptions: {
    getUpstream: (request) => `http://127.0.0.1:${choosePort(request.raw.url)}`,
    rewriteRequestHeaders: (request) => single(forwardedFields(request.raw)),
  },
});
await app.listen(ADDRESS);

/**
 * Variables of the response that goes to the client.
 */
import type { Variable } from '../../module-api/index.js';
import { fieldName } from './names.js';
import { seconds, writeSeconds } from './times.js';

export const responseVariables: readonly Variable[] = [
  {
    name: 'status',
    engine: 'status',
    get: ({ response }) => String(response.status).padStart(3, '0'),
    write({ response }, out) {
      out.uint(response.status, 3);
      return true;
    },
    doc: 'Status of the response.',
  },
  {
    name: 'body_bytes_sent',
    engine: 'body_bytes_sent',
    get: ({ response }) => String(response.bodyBytesSent),
    write({ response }, out) {
      out.uint(response.bodyBytesSent);
      return true;
    },
    doc: 'Bytes of the body sent to the client.',
  },
  {
    name: 'bytes_sent',
    get: ({ response }) => String(response.bytesSent),
    write({ response }, out) {
      out.uint(response.bytesSent);
      return true;
    },
    doc: 'Bytes sent to the client, head included.',
  },
  {
    name: 'sent_http_',
    prefix: true,
    get: ({ response }, suffix) => response.getHeader(fieldName(suffix)),
    doc: 'A field of the response: lower-cased, dashes as underscores.',
  },
  {
    name: 'sent_trailer_',
    prefix: true,
    get: ({ response }, suffix) => response.getTrailer(fieldName(suffix)),
    doc: 'A trailer of the response: lower-cased, dashes as underscores.',
  },
  {
    name: 'request_time',
    get: (exchange) => seconds(exchange.nowMs - exchange.startedMs),
    write: (exchange, out) => writeSeconds(exchange.nowMs - exchange.startedMs, out),
    doc: 'Seconds since the first byte of the request, with three decimals.',
  },
  {
    name: 'request_completion',
    get: (exchange) => (exchange.completed ? 'OK' : ''),
    doc: '"OK" when the response is complete, else empty.',
  },
];

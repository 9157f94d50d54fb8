/**
 * Variables of the attempts at backends. With several attempts the values stand in
 * their order with ", " between them; what an attempt did not reach is "-".
 */
import type { Exchange, UpstreamAttempt, Variable } from '../../module-api/index.js';
import { fieldName } from './names.js';
import { seconds } from './times.js';

function perAttempt(show: (attempt: UpstreamAttempt) => string): (exchange: Exchange) => string | undefined {
  return ({ attempts }) => {
    const [first] = attempts;
    if (first === undefined) return undefined;
    return attempts.length === 1 ? show(first) : attempts.map(show).join(', ');
  };
}

const time = (ms: number): string => (ms < 0 ? '-' : seconds(ms));

export const upstreamVariables: readonly Variable[] = [
  { name: 'upstream_addr', get: perAttempt((attempt) => attempt.address), doc: 'Addresses of the backends.' },
  {
    name: 'upstream_status',
    get: perAttempt((attempt) => (attempt.status === 0 ? '-' : String(attempt.status))),
    doc: 'Statuses of the backends.',
  },
  {
    name: 'upstream_connect_time',
    get: perAttempt((attempt) => time(attempt.connectTimeMs)),
    doc: 'Seconds to establish the connections, with three decimals.',
  },
  {
    name: 'upstream_header_time',
    get: perAttempt((attempt) => time(attempt.headerTimeMs)),
    doc: 'Seconds until the heads of the responses were read.',
  },
  {
    name: 'upstream_response_time',
    get: perAttempt((attempt) => time(attempt.responseTimeMs)),
    doc: 'Seconds until the responses were read.',
  },
  {
    name: 'upstream_bytes_sent',
    get: perAttempt((attempt) => String(attempt.bytesSent)),
    doc: 'Bytes sent to the backends.',
  },
  {
    name: 'upstream_bytes_received',
    get: perAttempt((attempt) => String(attempt.bytesReceived)),
    doc: 'Bytes received from the backends.',
  },
  {
    name: 'upstream_http_',
    prefix: true,
    get: (exchange, suffix) => exchange.upstreamHeader(fieldName(suffix)),
    doc: "A field of the last backend's response: lower-cased, dashes as underscores.",
  },
  {
    name: 'upstream_cookie_',
    prefix: true,
    get: (exchange, suffix) => exchange.upstreamCookie(suffix),
    doc: 'A cookie that the last backend sets.',
  },
  {
    name: 'upstream_trailer_',
    prefix: true,
    get: (exchange, suffix) => exchange.upstreamTrailer(fieldName(suffix)),
    doc: "A trailer of the last backend's response: lower-cased, dashes as underscores.",
  },
  {
    name: 'upstream_response_length',
    get: perAttempt((attempt) => String(attempt.bodyBytesReceived)),
    doc: 'Bytes of the bodies that backends sent, without framing.',
  },
];

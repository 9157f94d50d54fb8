/**
 * Variables of the request as the client sent it, and of where it is served from.
 */
import { randomFillSync } from 'node:crypto';
import { HeaderName } from '../../http/header-name.js';
import type { Exchange, Variable } from '../../module-api/index.js';
import { argumentOf, basicUser, cookieOf } from './lookup.js';
import { fieldName, headerName } from './names.js';

/** Query string; undefined when the target has no "?" at all. */
function query(exchange: Exchange): string | undefined {
  const { args } = exchange;
  return args === '' && !exchange.request.target.includes('?') ? undefined : args;
}

const REQUEST_ID = Symbol('request_id');
const ID_BYTES = 16;
const HTTP = Buffer.from('http');
const AUTHORIZATION = new HeaderName('Authorization');
const randomPool = Buffer.alloc(ID_BYTES * 256);
let randomUsed = randomPool.length;

function requestId(exchange: Exchange): string {
  const known = exchange.state.get(REQUEST_ID);
  if (typeof known === 'string') return known;
  if (randomUsed === randomPool.length) {
    randomFillSync(randomPool);
    randomUsed = 0;
  }
  const id = randomPool.toString('hex', randomUsed, randomUsed + ID_BYTES);
  randomUsed += ID_BYTES;
  exchange.state.set(REQUEST_ID, id);
  return id;
}

export const requestVariables: readonly Variable[] = [
  {
    name: 'request',
    engine: 'request',
    get: ({ request }) => request.line,
    write: ({ request }, out) => request.writeLine(out),
    doc: 'The request line as received.',
  },
  {
    name: 'request_method',
    get: ({ request }) => request.method,
    doc: 'Method: "GET", "POST".',
  },
  {
    name: 'request_uri',
    get: ({ request }) => request.target,
    write({ request }, out) {
      request.writeTarget(out);
      return true;
    },
    doc: 'Target of the request with its query string, exactly as received.',
  },
  {
    name: 'uri',
    get: (exchange) => exchange.uri,
    write(exchange, out) {
      out.text(exchange.uri);
      return true;
    },
    doc: 'Path, decoded and normalised; it changes with internal redirects.',
  },
  { name: 'document_uri', get: (exchange) => exchange.uri, doc: 'Same as `$uri`.' },
  { name: 'args', get: query, doc: 'Query string without its "?".' },
  { name: 'query_string', get: query, doc: 'Same as `$args`.' },
  {
    name: 'is_args',
    get: (exchange) => (exchange.args === '' ? '' : '?'),
    doc: '"?" when there is a query string, else empty.',
  },
  {
    name: 'arg_',
    prefix: true,
    get: (exchange, suffix) => argumentOf(exchange.args, suffix),
    doc: 'An argument of the query string as received; the name without regard to case.',
  },
  {
    name: 'cookie_',
    prefix: true,
    get({ request }, suffix) {
      const header = request.header('cookie');
      return header === undefined ? undefined : cookieOf(header, suffix);
    },
    doc: 'A cookie of the request; the name without regard to case.',
  },
  {
    name: 'http_',
    prefix: true,
    get: ({ request }, suffix) => request.header(fieldName(suffix)),
    bind(suffix) {
      const name = headerName(suffix);
      return {
        get: ({ request }) => request.header(name),
        write: ({ request }, out) => request.writeHeader(name, out),
        field: name,
      };
    },
    doc: 'A field of the request: lower-cased, dashes as underscores. Several of one name are joined.',
  },
  {
    name: 'host',
    engine: 'host',
    get: ({ request }) => request.host,
    write({ request }, out) {
      request.writeHost(out);
      return true;
    },
    doc: "Host of the request without its port, lower-cased: from the request line, else the Host field, else the server's name.",
  },
  {
    name: 'request_port',
    get: ({ request }) => (request.givenPort > 0 ? String(request.givenPort) : ''),
    doc: 'Port that the request itself names: in its line, else in the Host field.',
  },
  {
    name: 'is_request_port',
    get: ({ request }) => (request.givenPort > 0 ? ':' : ''),
    doc: '":" when the request names a port, else empty.',
  },
  {
    name: 'server_protocol',
    get: ({ request }) => request.protocol,
    doc: '"HTTP/1.0" or "HTTP/1.1".',
  },
  {
    name: 'scheme',
    engine: 'scheme',
    get: (exchange) => exchange.scheme,
    write(exchange, out) {
      if (exchange.scheme === 'http') out.bytes(HTTP);
      else out.text(exchange.scheme);
      return true;
    },
    doc: '"http" or "https".',
  },
  {
    name: 'https',
    get: (exchange) => (exchange.scheme === 'https' ? 'on' : ''),
    doc: '"on" with TLS, else empty.',
  },
  {
    name: 'content_length',
    get: ({ request }) => request.header('content-length'),
    doc: 'Content-Length of the request.',
  },
  {
    name: 'content_type',
    get: ({ request }) => request.header('content-type'),
    doc: 'Content-Type of the request.',
  },
  {
    name: 'request_body',
    get: (exchange) => (exchange.requestBody === '' ? undefined : exchange.requestBody),
    doc: 'Body of a request that was passed to a backend, once it was read whole and if it is not longer than `client_body_buffer_size`.',
  },
  {
    name: 'request_body_file',
    get: ({ requestBodyFile }) => (requestBodyFile === '' ? undefined : requestBodyFile),
    doc: 'Path of the file that the body was written to: with `client_body_in_file_only`, or where a text of this location, or around it, names this variable and the body is longer than `client_body_buffer_size`. Such a longer one has no name any more when a backend is asked.',
  },
  {
    name: 'remote_user',
    get({ request }) {
      const header = request.header(AUTHORIZATION);
      return header === undefined ? undefined : basicUser(header);
    },
    doc: 'User name of Basic authentication.',
  },
  {
    name: 'request_length',
    get: ({ request }) => String(request.bytesReceived),
    write({ request }, out) {
      out.uint(request.bytesReceived);
      return true;
    },
    doc: 'Bytes of the request received: line, fields and body.',
  },
  {
    name: 'request_id',
    get: requestId,
    doc: '32 random hexadecimal digits, the same for the whole request.',
  },
  {
    name: 'document_root',
    get: (exchange) => exchange.location.root,
    doc: 'Value of `root` (or `alias`) in effect.',
  },
  {
    name: 'server_name',
    get: (exchange) => exchange.serverName,
    doc: 'Name of the server that took the request.',
  },
];

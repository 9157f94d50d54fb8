/**
 * Rows of the proxy: where to, with which fields, how long, and what is tried next.
 * lib/modules/proxy.ts makes the engine's configuration of them.
 */
import {
  directive,
  type Argument,
  type Directive,
  type ParseContext,
  type Value,
} from '../module-api/index.js';
import { argument, flagRow, HTTP_SERVER_LOCATION, MANY, numberRow, timeRow } from './rows.js';

/** `proxy_pass` as written, taken apart. */
export interface ProxyPassSetting {
  /** "127.0.0.1:3000", "backend", "unix:/tmp/s": what a group is looked up by. */
  readonly authority: string;
  /** `$proxy_host`: "backend", "127.0.0.1:3000"; a unix socket's is "localhost". */
  readonly proxyHost: string;
  readonly proxyPort: string;
  /** The part behind the authority, or undefined when there is none. */
  readonly uri: string | undefined;
  /** Set when that part holds variables: then it is the whole target. */
  readonly target: Value | undefined;
  /** The whole URL, when scheme or host hold variables: `authority` is empty then. */
  readonly url: Value | undefined;
  /** Where it was written, for messages. */
  readonly at: Argument;
}

export const proxyPass = directive<ProxyPassSetting | undefined>({
  name: 'proxy_pass',
  contexts: ['location'],
  args: 1,
  parse: (node, context) => parseProxyPass(argument(node, 0), context),
  default: undefined,
  syntax: 'URL',
  defaultText: '-',
  doc: 'Passes requests to a group or an address: http://name[:port][/uri] or http://unix:/path[:/uri]. A URI replaces the part that the location matched; one with variables is the whole target. Where scheme or host hold variables, they must give a name of the configuration or a numeric address: names are not resolved while requests run. https is not supported yet.',
});

function parseProxyPass(at: Argument, context: ParseContext): ProxyPassSetting {
  const { text } = at;
  const scheme = /^https?:\/\//i.exec(text)?.[0].toLowerCase();
  if (scheme === undefined && !text.startsWith('$')) return context.fail(at, 'invalid URL prefix');
  if (scheme === 'https://') return context.fail(at, '"proxy_pass" with https is not supported yet');
  const rest = text.slice(scheme?.length ?? 0);
  const [authority, uri] = splitUrl(rest);
  if (scheme === undefined || authority.includes('$')) {
    const url = context.compileValue(at);
    return { authority: '', proxyHost: '', proxyPort: '', uri: undefined, target: undefined, url, at };
  }
  if (authority === '') return context.fail(at, 'no host in upstream');
  const target =
    uri !== undefined && uri.includes('$') ? context.compileValue({ ...at, text: uri }) : undefined;
  return {
    authority,
    ...proxyNames(authority),
    uri: target === undefined ? uri : undefined,
    target,
    url: undefined,
    at,
  };
}

/** `$proxy_host` and `$proxy_port` for an authority. */
export function proxyNames(authority: string): { proxyHost: string; proxyPort: string } {
  if (authority.startsWith('unix:')) return { proxyHost: 'localhost', proxyPort: '' };
  return { proxyHost: authority, proxyPort: /:([0-9]+)$/.exec(authority)?.[1] ?? '80' };
}

/** Splits what stands behind "http://". */
export function splitUrl(text: string): [authority: string, uri: string | undefined] {
  return text.startsWith('unix:') ? splitUnix(text) : splitAuthority(text);
}

/** Variables that begin with a slash: right behind the authority they are its URI. */
const PATH_VARIABLE =
  /\$(?:\{(?:request_uri|uri|document_uri)\}|(?:request_uri|uri|document_uri)(?![A-Za-z0-9_]))/i;

/** Splits "host:port/uri" before the first "/" or "?"; a URI that begins with "?" gets its "/". */
function splitAuthority(text: string): [authority: string, uri: string | undefined] {
  const ends = [text.search(/[/?]/), text.search(PATH_VARIABLE)].filter((at) => at >= 0);
  if (ends.length === 0) return [text, undefined];
  const end = Math.min(...ends);
  const uri = text.slice(end);
  return [text.slice(0, end), uri.startsWith('?') ? `/${uri}` : uri];
}

/** Splits "unix:/path:/uri" at the second colon. */
function splitUnix(text: string): [authority: string, uri: string | undefined] {
  const colon = text.indexOf(':', 'unix:'.length);
  if (colon < 0) return [text, undefined];
  const uri = text.slice(colon + 1);
  return [text.slice(0, colon), uri === '' ? undefined : uri];
}

/** A field as written; compiled when the location is built, where `$proxy_host` is known. */
export interface ProxySetHeaderSetting {
  readonly name: string;
  readonly text: string;
}

export const proxySetHeader = directive<readonly ProxySetHeaderSetting[]>({
  name: 'proxy_set_header',
  contexts: HTTP_SERVER_LOCATION,
  args: 2,
  repeat: 'append',
  parse(node, context, previous) {
    const value = argument(node, 1);
    // Compiled here as well, so that an unknown variable is reported at its place.
    context.compileValue(value);
    return [...(previous ?? []), { name: argument(node, 0).text, text: value.text }];
  },
  default: [],
  syntax: 'field value',
  defaultText: 'Host $proxy_host; Connection close (with proxy_http_version 1.0)',
  doc: "A field of the request to the backend, in place of the client's; an empty value drops it. The list of a block replaces that of the enclosing one.",
});

/** A row whose value is a list of lower-cased field names. */
function namesRow(name: string, doc: string): Directive<readonly string[]> {
  return directive<readonly string[]>({
    name,
    contexts: HTTP_SERVER_LOCATION,
    args: 1,
    repeat: 'append',
    parse: (node, _context, previous) => [...(previous ?? []), argument(node, 0).text.toLowerCase()],
    default: [],
    syntax: 'field',
    defaultText: '-',
    doc,
  });
}

export const proxyHideHeader = namesRow(
  'proxy_hide_header',
  "A field of the backend's response that does not reach the client, besides Date, Server, X-Pad and X-Accel-*.",
);

export const proxyPassHeader = namesRow(
  'proxy_pass_header',
  'A field that reaches the client although it would be hidden.',
);

export const proxyConnectTimeout = timeRow(
  'proxy_connect_timeout',
  '60s',
  'Time to establish a connection to a backend; else 504.',
);

export const proxySendTimeout = timeRow(
  'proxy_send_timeout',
  '60s',
  'Time between two writes to the backend; else 504.',
);

export const proxyReadTimeout = timeRow(
  'proxy_read_timeout',
  '60s',
  'Time between two reads from the backend; else 504.',
);

export const proxyRequestBuffering = flagRow(
  'proxy_request_buffering',
  true,
  'Whether a request body that fits `client_body_buffer_size` is read to its end before a backend is connected; a longer one is passed on as it arrives in any case, unless it becomes a file. Where this is off no body does.',
);

export const proxyIgnoreClientAbort = flagRow(
  'proxy_ignore_client_abort',
  false,
  'Whether a backend may finish its answer after the client has left; else its connection is closed at once (499 in the log).',
);

export const proxyHttpVersion = directive<'1.0' | '1.1'>({
  name: 'proxy_http_version',
  contexts: HTTP_SERVER_LOCATION,
  args: 1,
  parse(node, context) {
    const at = argument(node, 0);
    if (at.text === '1.0' || at.text === '1.1') return at.text;
    if (at.text === '2') return context.fail(at, '"proxy_http_version" 2 is not supported yet');
    return context.fail(at, `invalid value "${at.text}"`);
  },
  default: '1.1',
  syntax: '1.0 | 1.1',
  defaultText: '1.1',
  doc: 'Version of the requests to the backend. For 1.0 a chunked body is read to its end first, since its length has to be known: into memory, or into a file where it is longer than `client_body_buffer_size`.',
});

/** The conditions of `proxy_next_upstream`. */
export interface NextUpstreamConditions {
  readonly error: boolean;
  readonly timeout: boolean;
  readonly invalidHeader: boolean;
  readonly nonIdempotent: boolean;
  readonly statuses: ReadonlySet<number>;
}

const NEXT_STATUSES = new Set([403, 404, 429, 500, 502, 503, 504]);

export const proxyNextUpstream = directive<NextUpstreamConditions>({
  name: 'proxy_next_upstream',
  contexts: HTTP_SERVER_LOCATION,
  args: [1, MANY],
  parse(node, context) {
    const words = new Set<string>();
    const statuses = new Set<number>();
    for (const at of node.args) {
      const status = Number(/^http_([0-9]{3})$/.exec(at.text)?.[1] ?? Number.NaN);
      if (NEXT_STATUSES.has(status)) statuses.add(status);
      else if (/^(error|timeout|invalid_header|non_idempotent|off)$/.test(at.text)) words.add(at.text);
      else context.fail(at, `invalid value "${at.text}"`);
    }
    const off = words.has('off');
    return {
      error: !off && words.has('error'),
      timeout: !off && words.has('timeout'),
      invalidHeader: !off && words.has('invalid_header'),
      nonIdempotent: !off && words.has('non_idempotent'),
      statuses: off ? new Set<number>() : statuses,
    };
  },
  default: { error: true, timeout: true, invalidHeader: false, nonIdempotent: false, statuses: new Set() },
  syntax:
    'error | timeout | invalid_header | http_500 | http_502 | http_503 | http_504 | http_403 | http_404 | http_429 | non_idempotent | off ...',
  defaultText: 'error timeout',
  doc: 'In which cases a request is passed to the next backend, before anything was sent to the client.',
});

export const proxyNextUpstreamTries = numberRow(
  'proxy_next_upstream_tries',
  0,
  'Greatest number of attempts; 0 is as many as there are backends.',
);

export const proxyNextUpstreamTimeout = timeRow(
  'proxy_next_upstream_timeout',
  '0',
  'Time within which another attempt may begin; 0 is without limit.',
);

/**
 * Rows of a location that the engine itself obeys: bodies, timeouts, lingering close,
 * what the proxy says of itself, and where files lie.
 */
import { directive, type Module, type Value } from '../module-api/index.js';
import { argument, flagRow, HTTP_SERVER_LOCATION, sizeRow, textRow, timeRow } from './rows.js';

/** A path from the configuration; relative to the prefix until the compiler resolves it. */
export const root = directive<string>({
  name: 'root',
  contexts: HTTP_SERVER_LOCATION,
  args: 1,
  parse(node, context) {
    const at = argument(node, 0);
    if (at.text.includes('$')) return context.fail(at, 'variables in "root" are not supported yet');
    const path = context.prefixPath(at.text);
    return path.length > 1 && path.endsWith('/') ? path.slice(0, -1) : path;
  },
  default: 'html',
  syntax: 'path',
  defaultText: 'html',
  doc: 'Directory that the path of the request is appended to. Variables in it are not supported yet.',
});

export const alias = directive<string | undefined>({
  name: 'alias',
  contexts: ['location'],
  args: 1,
  parse(node, context) {
    const path = context.prefixPath(argument(node, 0).text);
    if (path.includes('$'))
      return context.fail(argument(node, 0), 'variables in "alias" are not supported yet');
    return path;
  },
  default: undefined,
  syntax: 'path',
  defaultText: '-',
  doc: "Path that takes the place of the location's name, for nested locations without `root` or `alias` of their own too; variables in it are not supported yet.",
});

export const defaultType = textRow(
  'default_type',
  'text/plain',
  'Content type of files whose extension is not in `types`.',
  { syntax: 'mime-type' },
);

export const clientMaxBodySize = sizeRow(
  'client_max_body_size',
  '1m',
  'Greatest size of a request body; a greater one gives 413. 0 is without limit.',
);

export const clientBodyTimeout = timeRow(
  'client_body_timeout',
  '60s',
  'Time between two reads of a request body; else 408.',
);

export const clientBodyBufferSize = sizeRow(
  'client_body_buffer_size',
  '16k',
  'Greatest size of a request body that is kept in memory, to be sent to another backend when one fails and for `$request_body`; longer ones are passed on as they come, or become files (`client_body_in_file_only`, `$request_body_file`). More than 1m is as 1m.',
);

export const sendTimeout = timeRow(
  'send_timeout',
  '60s',
  'Time between two writes to the client; when it takes nothing for that long the connection is closed.',
);

export const lingeringClose = directive<'off' | 'on' | 'always'>({
  name: 'lingering_close',
  contexts: HTTP_SERVER_LOCATION,
  args: 1,
  parse(node, context) {
    const at = argument(node, 0);
    if (at.text === 'off' || at.text === 'on' || at.text === 'always') return at.text;
    return context.fail(at, `invalid value "${at.text}"`);
  },
  default: 'on',
  syntax: 'off | on | always',
  defaultText: 'on',
  doc: 'Whether the rest of a request is read before the connection is closed, so that the client can read its answer: where the client may still be sending, or "always".',
});

export const lingeringTime = timeRow(
  'lingering_time',
  '30s',
  'Time in all for which the rest of a request is read that nobody wants: before a close, and before the next request.',
);

export const lingeringTimeout = timeRow('lingering_timeout', '5s', 'Time between two such reads.');

/** True: name and version; false: the name only; else the operator's text, empty for none. */
export const serverTokens = directive<boolean | Value>({
  name: 'server_tokens',
  contexts: HTTP_SERVER_LOCATION,
  args: 1,
  parse(node, context) {
    const at = argument(node, 0);
    if (at.text === 'on' || at.text === 'build') return true;
    return at.text === 'off' ? false : context.compileValue(at);
  },
  default: true,
  syntax: 'on | off | build | string',
  defaultText: 'on',
  doc: 'What the Server field and the proxy\'s own pages say: name and version, the name only, or a text that may hold variables; an empty one leaves both out ("build" is as "on").',
});

export const chunkedTransferEncoding = flagRow(
  'chunked_transfer_encoding',
  true,
  'Whether a body of unknown length is sent in chunks to HTTP/1.1 clients; else it ends with the connection.',
);

export const resetTimedoutConnection = flagRow(
  'reset_timedout_connection',
  false,
  'Whether a client that timed out, or is answered with 444, gets a reset; idle connections are closed in order.',
);

export const absoluteRedirect = flagRow(
  'absolute_redirect',
  true,
  'Whether redirects that the proxy itself makes carry scheme and host.',
);

export const serverNameInRedirect = flagRow(
  'server_name_in_redirect',
  false,
  "Whether such redirects name the server's first name instead of the request's host.",
);

export const portInRedirect = flagRow(
  'port_in_redirect',
  true,
  'Whether such redirects name the port where it is not the usual one.',
);

/** Rows that the engine obeys in every location. */
export const coreModule: Module = {
  name: 'core',
  directives: [
    root,
    alias,
    defaultType,
    clientMaxBodySize,
    clientBodyTimeout,
    clientBodyBufferSize,
    sendTimeout,
    lingeringClose,
    lingeringTime,
    lingeringTimeout,
    serverTokens,
    chunkedTransferEncoding,
    resetTimedoutConnection,
    absoluteRedirect,
    serverNameInRedirect,
    portInRedirect,
  ],
};

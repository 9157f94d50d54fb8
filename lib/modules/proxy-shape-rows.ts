/**
 * Rows that shape what a backend is sent, from where, and what becomes of its answer.
 * lib/modules/proxy.ts makes the engine's configuration of them.
 */
import { directive, type Argument, type ParseContext, type Value } from '../module-api/index.js';
import { parseLocalAddress } from '../proxy/local-address.js';
import { argument, failParameter, flagRow, HTTP_SERVER_LOCATION, MANY } from './rows.js';

export const proxyPassRequestHeaders = flagRow(
  'proxy_pass_request_headers',
  true,
  "Whether the client's fields are passed to the backend; those of `proxy_set_header` are in any case.",
);

export const proxyPassRequestBody = flagRow(
  'proxy_pass_request_body',
  true,
  "Whether the client's body is passed to the backend. Without it no length is announced either.",
);

export const proxySetBody = directive<Value | undefined>({
  name: 'proxy_set_body',
  contexts: HTTP_SERVER_LOCATION,
  args: 1,
  parse: (node, context) => context.compileValue(argument(node, 0)),
  default: undefined,
  syntax: 'value',
  defaultText: '-',
  doc: "A body for the backend in place of the client's; its length is announced.",
});

/** A token (RFC 9110 section 5.6.2). */
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

export const proxyMethod = directive<Value | undefined>({
  name: 'proxy_method',
  contexts: HTTP_SERVER_LOCATION,
  args: 1,
  parse(node, context) {
    const at = argument(node, 0);
    const value = context.compileValue(at);
    const { constant } = value;
    if (constant !== undefined && (!TOKEN.test(constant) || constant === 'CONNECT')) {
      return context.fail(at, `invalid method "${at.text}"`);
    }
    return value;
  },
  default: undefined,
  syntax: 'method',
  defaultText: '-',
  doc: "Method of requests to the backend in place of the client's. Where variables give an empty or impossible one, the client's is used.",
});

export const proxyInterceptErrors = flagRow(
  'proxy_intercept_errors',
  false,
  'Whether answers of a backend with a status of 300 or more, for which `error_page` has a rule, are answered by that rule.',
);

export const proxyBind = directive<Value | undefined>({
  name: 'proxy_bind',
  contexts: HTTP_SERVER_LOCATION,
  args: [1, 2],
  parse(node, context) {
    const at = argument(node, 0);
    const option = node.args[1];
    if (option !== undefined) {
      if (option.text !== 'transparent') return failParameter(option, context);
      return context.fail(
        option,
        'the parameter "transparent" of "proxy_bind" is not supported yet: leave it out, and give backends the address of the client in a field',
      );
    }
    if (at.text === 'off') return undefined;
    return readBind(at, context);
  },
  default: undefined,
  syntax: 'address[:port] | off',
  defaultText: '-',
  doc: 'Local address, and port where given, of connections to backends; `off` takes back an inherited one. Variables are allowed; an empty value lets the system choose. `transparent` is not supported yet.',
});

function readBind(at: Argument, context: ParseContext): Value {
  const value = context.compileValue(at);
  if (value.constant !== undefined && parseLocalAddress(value.constant) === undefined) {
    return context.fail(at, `invalid address "${at.text}"`);
  }
  return value;
}

export const proxySocketKeepalive = flagRow(
  'proxy_socket_keepalive',
  false,
  'Whether the system probes connections to backends (SO_KEEPALIVE).',
);

const ACCEL = ['x-accel-expires', 'x-accel-limit-rate', 'x-accel-buffering', 'x-accel-charset'];
const IGNORABLE = new Set(['x-accel-redirect', ...ACCEL, 'expires', 'cache-control', 'set-cookie', 'vary']);

export const proxyIgnoreHeaders = directive<ReadonlySet<string>>({
  name: 'proxy_ignore_headers',
  contexts: HTTP_SERVER_LOCATION,
  args: [1, MANY],
  repeat: 'append',
  parse(node, context, previous) {
    const names = node.args.map((at) => {
      const name = at.text.toLowerCase();
      return IGNORABLE.has(name) ? name : context.fail(at, `invalid value "${at.text}"`);
    });
    return new Set([...(previous ?? []), ...names]);
  },
  default: new Set(),
  syntax: 'field ...',
  defaultText: '-',
  doc: 'Fields of a backend that are not obeyed: X-Accel-Redirect. The others (X-Accel-Expires, X-Accel-Limit-Rate, X-Accel-Buffering, X-Accel-Charset, Expires, Cache-Control, Set-Cookie, Vary) are accepted, and have no effect here anyway.',
});

export const proxyPassTrailers = flagRow(
  'proxy_pass_trailers',
  true,
  'Whether trailers of a backend are passed on to clients that get a chunked body. (nginx does so only where it is told to.)',
);

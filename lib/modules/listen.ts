/**
 * `listen`: the sockets of a server. One directive may give several sockets (a range
 * of ports). Which servers share a socket, and which is its default, is worked out by
 * the configuration compiler.
 */
import {
  directive,
  type Argument,
  type DirectiveNode,
  type ParseContext,
  type Position,
} from '../module-api/index.js';
import { parseIPv4, parseIPv6, parsePort } from './address.js';
import { failParameter, MANY, parameter, parseNumber, readFlag } from './rows.js';

/** One socket as written. */
export interface ListenSetting {
  /** Numeric address ("0.0.0.0" for "*" or a port alone), or the path of a unix socket. */
  readonly address: string;
  /** -1 for a unix socket. */
  readonly port: number;
  readonly defaultServer: boolean;
  /** Undefined: what the system's limit and nginx's 511 give. */
  readonly backlog: number | undefined;
  readonly reusePort: boolean;
  readonly deferred: boolean;
  /** On by default, as in nginx. */
  readonly ipv6Only: boolean;
  /** Whether an option of the socket was given (it may be given once for each address). */
  readonly hasOptions: boolean;
  readonly position: Position;
}

/** nginx's backlog on Linux. */
export const DEFAULT_BACKLOG = 511;

/** Parameters of nginx that belong to later features: named, so that the message is better than "invalid parameter". */
const UNSUPPORTED = new Set(['ssl', 'http2', 'spdy', 'quic', 'proxy_protocol']);
/** Socket options with a value that have no counterpart here. */
const IGNORED = ['rcvbuf', 'sndbuf', 'so_keepalive', 'fastopen', 'setfib', 'accept_filter', 'multipath'];

interface Place {
  readonly address: string;
  readonly firstPort: number;
  readonly lastPort: number;
}

export const listen = directive<readonly ListenSetting[]>({
  name: 'listen',
  contexts: ['server'],
  args: [1, MANY],
  repeat: 'append',
  parse(node, context, previous) {
    const [first, ...options] = node.args;
    if (first === undefined) return context.fail(node, 'invalid number of arguments in "listen" directive');
    const place = parsePlace(first, context);
    const setting = readOptions(node, options, context);
    const sockets: ListenSetting[] = [...(previous ?? [])];
    for (let port = place.firstPort; port <= place.lastPort; port += 1) {
      if (sockets.some((other) => other.address === place.address && other.port === port)) {
        return context.fail(node, `a duplicate listen ${first.text}`);
      }
      sockets.push({ ...setting, address: place.address, port, position: node.position });
    }
    return sockets;
  },
  default: [],
  reload: 'socket',
  syntax:
    'address[:port] | port | unix:path [default_server] [backlog=number] [reuseport] [deferred] [ipv6only=on|off]',
  defaultText: '*:80 | *:8000',
  doc: 'A socket the server listens on. Names other than localhost are not resolved; ssl, http2, quic and proxy_protocol are not supported yet.',
});

function readOptions(
  node: DirectiveNode,
  options: readonly Argument[],
  context: ParseContext,
): Omit<ListenSetting, 'address' | 'port' | 'position'> {
  let defaultServer = false;
  let backlog: number | undefined;
  let reusePort = false;
  let deferred = false;
  let ipv6Only = true;
  let hasOptions = false;
  for (const option of options) {
    const backlogText = parameter(option, 'backlog');
    const ipv6Text = parameter(option, 'ipv6only');
    if (option.text === 'default_server' || option.text === 'default') {
      defaultServer = true;
      continue;
    }
    if (option.text === 'bind') {
      continue;
    }
    hasOptions = true;
    if (backlogText !== undefined) {
      const count = parseNumber(backlogText);
      if (count === undefined || count === 0) return context.fail(option, `invalid backlog "${backlogText}"`);
      backlog = count;
    } else if (ipv6Text !== undefined) {
      ipv6Only = readFlag(node, { ...option, text: ipv6Text }, context);
    } else if (option.text === 'reuseport') {
      reusePort = true;
    } else if (option.text === 'deferred') {
      deferred = true;
    } else if (UNSUPPORTED.has(option.text)) {
      return context.fail(option, `the "${option.text}" parameter of "listen" is not supported yet`);
    } else if (IGNORED.some((name) => option.text === name || parameter(option, name) !== undefined)) {
      context.warn(option, `the parameter "${option.text}" of "listen" has no effect`);
    } else {
      return failParameter(option, context);
    }
  }
  return { defaultServer, backlog, reusePort, deferred, ipv6Only, hasOptions };
}

function parsePlace(at: Argument, context: ParseContext): Place {
  const { text } = at;
  const complain = (problem: string): never =>
    context.fail(at, `${problem} in "${text}" of the "listen" directive`);
  if (text.startsWith('unix:')) {
    const address = text.slice('unix:'.length);
    if (address === '') complain('no path');
    return { address, firstPort: -1, lastPort: -1 };
  }
  let host = '*';
  let ports = '80';
  const bracket = /^(\[[^\]]*\])(?::(.*))?$/.exec(text);
  const plain = /^([^:[]*)(?::(.*))?$/.exec(text);
  if (bracket !== null) {
    [, host = '', ports = '80'] = bracket;
  } else if (plain !== null) {
    if (plain[2] === undefined && /^[0-9-]+$/.test(text)) ports = text;
    else [, host = '', ports = '80'] = plain;
  } else {
    complain('invalid address');
  }
  const [low = '', high = low, ...more] = ports.split('-');
  // Unlike nginx, "address:0" takes a free port: programs that run a proxy as a library want one.
  const free = ports === '0' && host !== '*';
  const firstPort = free ? 0 : parsePort(low);
  const lastPort = free ? 0 : parsePort(high);
  if (firstPort === undefined || lastPort === undefined || more.length > 0) return complain('invalid port');
  if (lastPort < firstPort) return complain('invalid port range');
  return { address: numericAddress(host) ?? complain('host not found'), firstPort, lastPort };
}

function numericAddress(host: string): string | undefined {
  if (host === '*') return '0.0.0.0';
  if (host === 'localhost') return '127.0.0.1';
  if (host.startsWith('[')) {
    const inner = host.slice(1, -1);
    return parseIPv6(inner) === undefined ? undefined : inner;
  }
  return parseIPv4(host) === undefined ? undefined : host;
}

/**
 * Reads the addresses of configurations: "host:port", "[::1]:80", "unix:/path", a port
 * alone, and numeric IP addresses as bytes. Resolves no names.
 */
import { isIPv6 } from 'node:net';

/** An address as written, taken apart. */
export interface Authority {
  /** Name or numeric address without brackets; the path of a unix socket. */
  readonly host: string;
  /** -1 for a unix socket. */
  readonly port: number;
  /** Whether a port was written. */
  readonly hasPort: boolean;
  /** As nginx logs it: "127.0.0.1:80", "[::1]:80", "unix:/path"; the default port is added. */
  readonly name: string;
}

/**
 * Takes an address apart. A text without a port gets `defaultPort`.
 * A bare number is a host here ("80" as a backend), see lib/modules/listen.ts for the other reading.
 * Returns nginx's words for what is wrong: "no host", "invalid host", "invalid port".
 */
export function parseAuthority(text: string, defaultPort: number): Authority | string {
  if (text.startsWith('unix:')) {
    const path = text.slice('unix:'.length);
    if (path === '') return 'no path in the unix domain socket';
    return { host: path, port: -1, hasPort: false, name: text };
  }
  if (text === '' || text.startsWith(':')) return 'no host';
  let host: string;
  let rest: string;
  if (text.startsWith('[')) {
    const close = text.indexOf(']');
    if (close < 0) return 'invalid host';
    host = text.slice(1, close);
    if (!isIPv6(host)) return 'invalid IPv6 address';
    rest = text.slice(close + 1);
    if (rest !== '' && !rest.startsWith(':')) return 'invalid host';
  } else {
    const colon = text.indexOf(':');
    host = colon < 0 ? text : text.slice(0, colon);
    rest = colon < 0 ? '' : text.slice(colon);
    if (/[\s/?#@]/.test(host)) return 'invalid host';
  }
  const port = rest === '' ? defaultPort : parsePort(rest.slice(1));
  if (port === undefined) return 'invalid port';
  const name = `${host.includes(':') ? `[${host}]` : host}:${port}`;
  return { host, port, hasPort: rest !== '', name };
}

/** A port from 1 to 65535; undefined for anything else. */
export function parsePort(text: string): number | undefined {
  if (!/^[0-9]{1,5}$/.test(text)) return undefined;
  const port = Number(text);
  return port >= 1 && port <= 65535 ? port : undefined;
}

/** Whether the text is four decimal numbers. */
export function isNumericIPv4(text: string): boolean {
  return parseIPv4(text) !== undefined;
}

/** The 4 bytes of "192.0.2.1"; undefined for anything else. */
export function parseIPv4(text: string): Uint8Array | undefined {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text);
  if (match === null) return undefined;
  const bytes = match.slice(1).map(Number);
  return bytes.every((byte) => byte <= 255) ? Uint8Array.from(bytes) : undefined;
}

/** The 16 bytes of an IPv6 address (without zone); undefined for anything else. */
export function parseIPv6(text: string): Uint8Array | undefined {
  if (!isIPv6(text) || text.includes('%')) return undefined;
  let source = text;
  const lastColon = source.lastIndexOf(':');
  const embedded = parseIPv4(source.slice(lastColon + 1));
  if (embedded !== undefined) {
    const [a = 0, b = 0, c = 0, d = 0] = embedded;
    source = `${source.slice(0, lastColon + 1)}${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
  }
  const [left = '', right] = source.split('::');
  const head = groups(left);
  const tail = right === undefined ? [] : groups(right);
  const words = right === undefined ? head : [...head, ...zeros(8 - head.length - tail.length), ...tail];
  const bytes = new Uint8Array(16);
  words.forEach((word, index) => {
    bytes[index * 2] = word >> 8;
    bytes[index * 2 + 1] = word & 0xff;
  });
  return bytes;
}

/**
 * The bytes of a numeric address: 4 or 16. An IPv4 address mapped into IPv6
 * ("::ffff:192.0.2.1") gives its 4 bytes, so that rules for it hold on a dual-stack
 * listener. Undefined for anything else ("unix:").
 */
export function addressBytes(text: string): Uint8Array | undefined {
  const v4 = parseIPv4(text);
  if (v4 !== undefined) return v4;
  const v6 = parseIPv6(text);
  if (v6 === undefined) return undefined;
  const mapped = v6[10] === 0xff && v6[11] === 0xff && v6.subarray(0, 10).every((byte) => byte === 0);
  return mapped ? v6.slice(12) : v6;
}

function groups(text: string): number[] {
  return text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16));
}

function zeros(count: number): number[] {
  return new Array<number>(Math.max(0, count)).fill(0);
}

/** `--from` and `--to`: the configuration of a plain proxy as a typed object, without a file. */
import { isIPv6 } from 'node:net';
import type { ProxyOptions } from '../config/object-types.js';
import { UsageError } from './options.js';

/** Name of the group of backends, as it appears in messages. */
const GROUP = 'backends';
/** Idle backend connections that are kept. */
const KEEPALIVE = 64;

/** The object for some addresses to listen on and some backends. Throws UsageError for an address that makes no sense. */
export function plainProxy(from: readonly string[], to: readonly string[]): ProxyOptions {
  return {
    http: {
      access_log: 'off',
      upstream: { [GROUP]: { server: to.map(backendAddress), keepalive: KEEPALIVE } },
      server: {
        listen: from.map(listenAddress),
        location: {
          '/': {
            proxy_pass: `http://${GROUP}`,
            proxy_http_version: '1.1',
            proxy_set_header: {
              Host: '$http_host',
              'X-Real-IP': '$remote_addr',
              'X-Forwarded-For': '$proxy_add_x_forwarded_for',
              'X-Forwarded-Proto': '$scheme',
            },
          },
        },
      },
    },
  };
}

/** "8080" and ":8080" listen on every IPv4 address, as nginx's `listen 8080` does. */
export function listenAddress(text: string): string {
  if (text.startsWith('unix:/')) return text;
  const { host, port } = split(text, '--from');
  if (port === undefined) throw new UsageError(`invalid address "${text}" in "--from", a port is missing`);
  if (host === '') return port === 0 ? '0.0.0.0:0' : String(port);
  return `${host}:${port}`;
}

/** "3000" and ":3000" are on this machine; a scheme http:// may stand in front, port 80 is the default. */
export function backendAddress(text: string): string {
  if (text.startsWith('https://')) throw new UsageError(`TLS to backends is not supported yet: "${text}"`);
  const bare = text.replace(/^http:\/\//, '').replace(/\/$/, '');
  if (bare.startsWith('unix:/')) return bare;
  const { host, port } = split(bare, '--to');
  return `${host === '' ? '127.0.0.1' : host}:${port ?? 80}`;
}

/** "[::1]:80", "127.0.0.1:80", "name:80", ":80", "80", "name". */
function split(text: string, flag: string): { host: string; port: number | undefined } {
  const match = /^(?:(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]*):)?([0-9]{1,5})$/.exec(text);
  if (match !== null) {
    const port = Number(match[2]);
    const host = match[1] ?? '';
    const valid = !host.startsWith('[') || isIPv6(host.slice(1, -1));
    if (port >= (flag === '--from' ? 0 : 1) && port <= 65535 && valid) return { host, port };
  } else if (/^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)$/.test(text)) {
    return { host: text, port: undefined };
  }
  throw new UsageError(`invalid address "${text}" in "${flag}"`);
}

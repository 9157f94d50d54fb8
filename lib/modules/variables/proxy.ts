/**
 * `$proxy_*`: what a location with `proxy_pass` passes to. In proxied fields the
 * constants are put in when the configuration is compiled; here they are found for
 * logs and other texts, at no cost to a request that does not ask.
 */
import type { Exchange, PhaseHandler, Variable } from '../../module-api/index.js';
import type { LocationConfig } from '../../proxy/runtime.js';

/** What the variables need to know of a `proxy_pass`. */
export interface ProxyNames {
  readonly proxyHost: string;
  readonly proxyPort: string;
}

const byHandler = new WeakMap<PhaseHandler, ProxyNames>();

/** Remembers which handler belongs to which `proxy_pass`. */
export function registerProxy(handler: PhaseHandler, names: ProxyNames): void {
  byHandler.set(handler, names);
}

const NAMES = Symbol('proxy_host and proxy_port');

/** For a `proxy_pass` that is known only while the request runs. */
export function setProxyNames(exchange: Exchange, names: ProxyNames): void {
  exchange.state.set(NAMES, names);
}

function namesOf(exchange: Exchange): ProxyNames | undefined {
  const { content } = exchange.location as Partial<LocationConfig>;
  const constant = content === undefined ? undefined : byHandler.get(content);
  return constant ?? (exchange.state.get(NAMES) as ProxyNames | undefined);
}

const FORWARDED_FOR = 'x-forwarded-for';

export const proxyVariables: readonly Variable[] = [
  {
    name: 'proxy_host',
    get: (exchange) => namesOf(exchange)?.proxyHost,
    doc: 'Host and port as written in `proxy_pass`.',
  },
  {
    name: 'proxy_port',
    get: (exchange) => namesOf(exchange)?.proxyPort,
    doc: 'Port of `proxy_pass`, 80 where none is written.',
  },
  {
    name: 'proxy_add_x_forwarded_for',
    engine: 'proxy_add_x_forwarded_for',
    get(exchange) {
      const received = exchange.request.header(FORWARDED_FOR);
      const { remoteAddress } = exchange.client;
      return received === undefined ? remoteAddress : `${received}, ${remoteAddress}`;
    },
    write(exchange, out) {
      const received = exchange.request.header(FORWARDED_FOR);
      if (received !== undefined) {
        out.text(received);
        out.text(', ');
      }
      exchange.client.writeRemoteAddress(out);
      return true;
    },
    doc: "X-Forwarded-For as the client sent it with the client's address added.",
  },
];

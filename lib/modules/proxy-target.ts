/**
 * `proxy_pass` with variables in its scheme or host: where a request goes is known only
 * when it is there. There is no resolver: the host is a group of the configuration or a
 * numeric address.
 */
import type { Exchange, Value } from '../module-api/index.js';
import type { EngineBuilder, PassTarget } from '../proxy/runtime.js';
import { proxyNames, splitUrl } from './proxy-rows.js';
import { setProxyNames } from './variables/proxy.js';

const INTERNAL = 500;
const BAD_GATEWAY = 502;

/** Makes the function that chooses for each request; a status says that the error log has the reason. */
export function targetChooser(
  url: Value,
  findUpstream: EngineBuilder['findUpstream'],
): (exchange: Exchange) => PassTarget | number {
  return (exchange) => {
    const text = url.get(exchange);
    const scheme = /^https?:\/\//i.exec(text)?.[0].toLowerCase();
    if (scheme !== 'http://') {
      const problem = scheme === undefined ? 'invalid URL prefix' : 'https is not supported yet';
      exchange.log('error', `${problem} in "${text}"`);
      return INTERNAL;
    }
    const [authority, uri] = splitUrl(text.slice(scheme.length));
    const group = authority === '' ? `no host in upstream "${text}"` : findUpstream(authority);
    if (typeof group === 'string') {
      exchange.log('error', group);
      return group.startsWith('no resolver') ? BAD_GATEWAY : INTERNAL;
    }
    setProxyNames(exchange, proxyNames(authority));
    return { group, uri };
  };
}

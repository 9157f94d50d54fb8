/**
 * Redirects that the proxy itself makes: `return 301 /new`, a directory without its
 * slash. A path is made absolute with scheme, host and port as the configuration says.
 */
import type { Exchange, PhaseResult, Settings } from '../module-api/index.js';
import { absoluteRedirect, portInRedirect, serverNameInRedirect } from './core.js';

/** The three directives that shape a redirect. */
export interface RedirectPolicy {
  readonly absolute: boolean;
  readonly serverName: boolean;
  readonly port: boolean;
}

export function redirectPolicy(settings: Settings): RedirectPolicy {
  return {
    absolute: settings.get(absoluteRedirect),
    serverName: settings.get(serverNameInRedirect),
    port: settings.get(portInRedirect),
  };
}

/** Answers with a redirect; `location` is a URL or a path. */
export function sendRedirect(
  exchange: Exchange,
  status: number,
  location: string,
  policy: RedirectPolicy,
): PhaseResult {
  exchange.response.setHeader('Location', absoluteUrl(exchange, location, policy));
  return exchange.finalize(status);
}

/** A path with scheme and host in front; anything else as it is. */
export function absoluteUrl(exchange: Exchange, location: string, policy: RedirectPolicy): string {
  if (!policy.absolute || !location.startsWith('/')) return location;
  const { scheme } = exchange;
  const { serverAddress, serverPort } = exchange.client;
  let host = policy.serverName ? exchange.serverName : exchange.request.givenHost;
  if (host === '') host = serverAddress.includes(':') ? `[${serverAddress}]` : serverAddress;
  const usualPort = scheme === 'https' ? 443 : 80;
  const port = policy.port && serverPort > 0 && serverPort !== usualPort ? `:${serverPort}` : '';
  return `${scheme}://${host}${port}${location}`;
}

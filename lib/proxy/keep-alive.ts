/** Whether a client's connection may carry another request after this one. */
import { METHOD_POST } from '../http/methods.js';
import type { ExchangeImpl } from './exchange.js';

/** Old versions of Internet Explorer, after a POST. */
export const DISABLE_MSIE6 = 1;
/** Safari on macOS. */
export const DISABLE_SAFARI = 2;

/**
 * What the location, the client and the state of the proxy say together. To be asked when
 * the head of the response is composed: what it says is what the client is told.
 */
export function mayKeepAlive(exchange: ExchangeImpl): boolean {
  const { head, location, downstream, context } = exchange;
  return (
    head.keepAlive &&
    location.keepaliveTimeoutMs > 0 &&
    downstream.requests < location.keepaliveRequests &&
    context.nowMs - downstream.acceptedMs <= location.keepaliveTimeMs &&
    !context.draining &&
    !downstream.connection.readEnded &&
    !(exchange.body.left && exchange.writer.closesOnUnreadBody) &&
    !isDisabled(exchange, location.keepaliveDisable)
  );
}

/** `keepalive_disable`; User-Agent is only read where its answer matters. */
function isDisabled(exchange: ExchangeImpl, browsers: number): boolean {
  if ((browsers & DISABLE_SAFARI) === 0) {
    if (browsers === 0 || exchange.head.methodId !== METHOD_POST) return false;
  }
  const agent = exchange.request.header('user-agent');
  if (agent === undefined || agent.includes('Opera')) return false;
  if (agent.includes('MSIE ')) {
    const old = /MSIE (?:[45]|6(?!.*SV1))\./.test(agent);
    return old && (browsers & DISABLE_MSIE6) !== 0 && exchange.head.methodId === METHOD_POST;
  }
  return (
    (browsers & DISABLE_SAFARI) !== 0 &&
    !/Gecko\/|Chrome\//.test(agent) &&
    agent.includes('Safari/') &&
    agent.includes('Mac OS X')
  );
}

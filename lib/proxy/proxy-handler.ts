/** The content handler behind `proxy_pass`. */
import type { Exchange, PhaseHandler } from '../module-api/index.js';
import { DONE } from '../module-api/index.js';
import type { ExchangeImpl } from './exchange.js';
import { ProxyPlan } from './proxy-plan.js';
import { ProxyRun } from './proxy-run.js';
import type { ProxyPassConfig } from './runtime.js';

/** A handler that proxies by this configuration. The plan is compiled at the first request, when the arena is there. */
export function proxyHandler(config: ProxyPassConfig): PhaseHandler {
  let plan: ProxyPlan | undefined;
  return (view: Exchange) => {
    const exchange = view as ExchangeImpl;
    plan ??= new ProxyPlan(config, exchange.context);
    exchange.proxy ??= new ProxyRun(exchange);
    exchange.proxy.start(plan);
    return DONE;
  };
}

/** `$proxy_host` and `$proxy_port` of the location in effect, for the variables of that name. */
export type { ProxyPassConfig };

/** Where a connection to a backend comes from: `proxy_bind`. */
import { isIP } from 'node:net';
import type { Value } from '../module-api/index.js';
import type { ExchangeImpl } from './exchange.js';

/**
 * The address of a value, as `connectRaw` wants it: "address" or "address port"; ""
 * leaves the choice to the system, also where the value is no address, which is logged.
 */
export function localAddress(exchange: ExchangeImpl, bind: Value): string {
  const text = bind.get(exchange);
  if (text === '') return '';
  const local = parseLocalAddress(text);
  if (local !== undefined) return local;
  exchange.log('error', `invalid local address "${text}"`);
  return '';
}

/** "192.0.2.1", "192.0.2.1:80", "[2001:db8::1]:80", "2001:db8::1"; undefined for anything else. */
export function parseLocalAddress(text: string): string | undefined {
  const found = /^\[([^\]]+)\](?::(\d{1,5}))?$/.exec(text) ?? /^([^:]+)(?::(\d{1,5}))?$/.exec(text);
  const [, address = text, digits = '0'] = found ?? [];
  const port = Number(digits);
  if (isIP(address) === 0 || port > 65535) return undefined;
  return port === 0 ? address : `${address} ${port}`;
}

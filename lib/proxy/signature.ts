/** What a response says of who made it: the Server field, and the last line of the proxy's own pages. */
import type { ExchangeImpl } from './exchange.js';
import { hasLineEnd } from './response-lines.js';
import type { HeadOutput } from './segment-writer.js';

/** Appends Server and Date. */
export function writeServerDate(exchange: ExchangeImpl, out: HeadOutput): void {
  const { context, location } = exchange;
  const { serverTokens } = location;
  if (typeof serverTokens === 'boolean') {
    out.constant(context.serverDate(serverTokens));
    return;
  }
  const text = ownText(exchange);
  if (text !== '') out.raw(`Server: ${text}\r\n`);
  out.constant(context.date());
}

/** Of pages; "" for none. */
export function pageSignature(exchange: ExchangeImpl): string {
  const { serverTokens } = exchange.location;
  return typeof serverTokens === 'boolean' ? exchange.context.signature(serverTokens) : ownText(exchange);
}

/** `server_tokens` with a text of the operator's. */
function ownText(exchange: ExchangeImpl): string {
  const { serverTokens } = exchange.location;
  if (typeof serverTokens === 'boolean') return '';
  const text = serverTokens.get(exchange);
  return hasLineEnd(text) ? '' : text;
}

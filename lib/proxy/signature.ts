/** What a response says of who made it: the Server field, and the last line of the proxy's own pages. */
import { knownHeaderId } from '../http/known-headers.js';
import type { ExchangeImpl } from './exchange.js';
import { hasLineEnd } from './response-lines.js';
import type { HeadOutput } from './segment-writer.js';

const SERVER = knownHeaderId('server');
const DATE = knownHeaderId('date');

/** Whether a backend's Server or Date may reach the client; `hidden` is 1 for the ids that do not. */
export function passesIdentity(hidden: Uint8Array): boolean {
  return hidden[SERVER] === 0 || hidden[DATE] === 0;
}

/**
 * As {@link writeServerDate}, without what `proxy_pass_header` passes on: that is the backend's,
 * also where it says nothing, as in nginx. `hidden`: where the table of hidden ids lies.
 */
export function writeOwnServerDate(exchange: ExchangeImpl, hidden: number, out: HeadOutput): void {
  const { context, location } = exchange;
  const { serverTokens } = location;
  if (context.u8[hidden + SERVER] === 1) {
    const text = typeof serverTokens === 'boolean' ? context.signature(serverTokens) : ownText(exchange);
    if (text !== '') out.raw(`Server: ${text}\r\n`);
  }
  if (context.u8[hidden + DATE] === 1) out.constant(context.date());
}

/** Appends Server and Date. `text`: as {@link ownText} gave it before anything was appended, since modules may be asked for it. */
export function writeServerDate(exchange: ExchangeImpl, text: string, out: HeadOutput): void {
  const { context, location } = exchange;
  const { serverTokens } = location;
  if (typeof serverTokens === 'boolean') {
    out.constant(context.serverDate(serverTokens));
    return;
  }
  if (text !== '') out.raw(`Server: ${text}\r\n`);
  out.constant(context.date());
}

/** Of pages; "" for none. */
export function pageSignature(exchange: ExchangeImpl): string {
  const { serverTokens } = exchange.location;
  return typeof serverTokens === 'boolean' ? exchange.context.signature(serverTokens) : ownText(exchange);
}

/** `server_tokens` with a text of the operator's; else "". */
export function ownText(exchange: ExchangeImpl): string {
  const { serverTokens } = exchange.location;
  if (typeof serverTokens === 'boolean') return '';
  const text = serverTokens.get(exchange);
  return hasLineEnd(text) ? '' : text;
}

/**
 * Heads of backends that are not the client's answer but say where it is: a status that
 * `proxy_intercept_errors` gives to `error_page`, and X-Accel-Redirect, which names
 * another location.
 */
import { knownHeaderId } from '../http/known-headers.js';
import type { ResponseHead } from '../http/response-head.js';
import { unsafeUri } from '../http/uri.js';
import type { ExchangeImpl } from './exchange.js';
import type { ResponseShape } from './runtime.js';

const WWW_AUTHENTICATE = knownHeaderId('www-authenticate');
const ACCEL_REDIRECT = knownHeaderId('x-accel-redirect');
/** What of the backend's head goes with an answer that another location gives. */
const KEPT: ReadonlySet<string> = new Set([
  'content-type',
  'set-cookie',
  'content-disposition',
  'cache-control',
  'expires',
  'accept-ranges',
]);

/**
 * What gives the answer in the place of this final head; undefined when it is the answer
 * itself. The function is called when the backend's connection has been let go; the
 * head's bytes are there until then only, and are read before this returns.
 */
export function otherAnswer(
  exchange: ExchangeImpl,
  shape: ResponseShape,
  up: ResponseHead,
): (() => void) | undefined {
  const { status } = up;
  if (shape.followRedirect) {
    const index = up.find(ACCEL_REDIRECT);
    if (index >= 0) return accelRedirect(exchange, up, up.fieldText(index));
  }
  if (status < 300 || !shape.interceptErrors || !exchange.location.errorPages.has(status)) return undefined;
  if (status === 401) {
    for (let i = 0; i < up.fieldCount; i++) {
      if (up.fieldId(i) === WWW_AUTHENTICATE) exchange.fields.add('WWW-Authenticate', up.fieldText(i));
    }
  }
  return () => exchange.finalize(status);
}

function accelRedirect(exchange: ExchangeImpl, up: ResponseHead, target: string): () => void {
  for (const name of KEPT) {
    let first = true;
    for (let i = 0; i < up.fieldCount; i++) {
      if (!up.fieldNameIs(i, name)) continue;
      if (first) exchange.fields.set(up.fieldName(i), up.fieldText(i));
      else exchange.fields.add(up.fieldName(i), up.fieldText(i));
      first = false;
    }
  }
  if (target.startsWith('@')) return () => exchange.redirectInternally(target);
  const uri = unsafeUri(target);
  return () => {
    if (uri === undefined) {
      exchange.log('error', `unsafe URI "${target}" was detected in X-Accel-Redirect`);
      exchange.finalize(404);
      return;
    }
    if (exchange.method !== 'HEAD') exchange.methodOverride = 'GET';
    exchange.redirectTo(uri.path, uri.args);
  };
}

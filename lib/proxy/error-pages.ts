/**
 * The pages that the proxy answers with by itself, and what `error_page` makes of a status.
 */
import { reasonPhrase } from '../http/status.js';
import type { ErrorPage, LocationConfig } from './runtime.js';

/** nginx's own non-standard statuses and what the client sees of them. */
const SHOWN_STATUS: ReadonlyMap<number, number> = new Map([
  [494, 400],
  [495, 400],
  [496, 400],
  [497, 400],
]);

/** The status that goes on the wire: 494 to 497 are logged as they are and shown as 400. */
export function shownStatus(status: number): number {
  return SHOWN_STATUS.get(status) ?? status;
}

/** A small HTML page with the status and, unless it is empty, the server's signature. */
export function errorPageBody(status: number, signature: string): string {
  const shown = shownStatus(status);
  // The page says what RFC 9110 calls it; the status line has nginx's older words.
  const reason = shown === 302 ? 'Found' : (reasonPhrase(shown) ?? '');
  const title = `${shown} ${reason}`.trimEnd();
  return (
    `<html>\r\n<head><title>${title}</title></head>\r\n<body>\r\n` +
    `<center><h1>${title}</h1></center>\r\n` +
    (signature === '' ? '' : `<hr><center>${signature}</center>\r\n`) +
    '</body>\r\n</html>\r\n'
  );
}

/** The rule for a status in this location, if it has one. */
export function errorPageFor(location: LocationConfig, status: number): ErrorPage | undefined {
  return location.errorPages.size === 0 ? undefined : location.errorPages.get(status);
}

/** Statuses after which the connection is closed, since the position in the client's bytes is unknown or unwanted. */
export function closesConnection(status: number): boolean {
  return (
    status === 400 ||
    status === 408 ||
    status === 413 ||
    status === 414 ||
    status === 431 ||
    status === 494 ||
    status === 495 ||
    status === 496 ||
    status === 497 ||
    status === 500 ||
    status === 501
  );
}

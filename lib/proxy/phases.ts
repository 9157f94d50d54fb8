/**
 * Runs an exchange through its handlers: the server's rewrite handlers, the choice of
 * the location, then the location's rewrite and access handlers and its content.
 *
 *   server rewrite → find location → rewrite → access → content
 *
 * Handlers run one after another in the same callback; only one that returns a
 * promise makes the exchange wait, and then its head is copied and the connection is
 * not read. What the phases look at (lists, position) is in the exchange, so that an
 * internal redirect simply sets it back.
 */
import type { PhaseHandler, PhaseResult } from '../module-api/index.js';
import { DONE, NEXT } from '../module-api/index.js';
import { normalizeHost } from './exchange-views.js';
import type { ExchangeImpl } from './exchange.js';
import type { LocationConfig, MethodLimit } from './runtime.js';

/** Chooses the virtual server by the request's host. */
export function findServer(exchange: ExchangeImpl): void {
  const { index } = exchange.downstream.servers;
  if (index.single) return;
  const { head } = exchange;
  const host = head.hostStart < 0 ? '' : normalizeHost(head.text(head.hostStart, head.hostEnd));
  exchange.server = index.find(host, exchange);
  exchange.location = exchange.server.fallback;
}

/** From the beginning. */
export function runPhases(exchange: ExchangeImpl): void {
  exchange.phase = 0;
  exchange.inServerPhases = true;
  advance(exchange);
}

/** After an internal redirect: with the server's handlers once more, as in nginx; `named` ("@name") goes straight to its location. */
export function startAgain(exchange: ExchangeImpl, named: string | undefined): void {
  exchange.phase = 0;
  exchange.inServerPhases = named === undefined;
  if (named !== undefined) {
    const location = exchange.downstream.servers.locations(exchange.server).named(named);
    if (location === undefined) {
      exchange.log('error', `could not find named location "${named}"`);
      exchange.finalize(500);
      return;
    }
    exchange.location = location;
    if (location.limit !== undefined) limitMethods(exchange, location.limit);
  }
  advance(exchange);
}

function advance(exchange: ExchangeImpl): void {
  const run = ++exchange.run;
  for (;;) {
    if (exchange.inServerPhases && exchange.phase >= exchange.server.rewrite.length) {
      exchange.inServerPhases = false;
      exchange.phase = 0;
      findLocation(exchange);
      if (exchange.run !== run) return;
    }
    const handlers = exchange.inServerPhases ? exchange.server.rewrite : exchange.location.handlers;
    let result: PhaseResult | Promise<PhaseResult>;
    try {
      // The last one never passes.
      result = handlers[exchange.phase](exchange);
    } catch (error) {
      failed(exchange, error);
      return;
    }
    if (typeof result !== 'number') {
      wait(exchange, result, run);
      return;
    }
    if (exchange.run !== run || !settle(exchange, result)) return;
  }
}

/** What a handler's result means; true to go on with the next one. */
function settle(exchange: ExchangeImpl, result: PhaseResult): boolean {
  if (result === NEXT) {
    exchange.phase++;
    return true;
  }
  if (result !== DONE) {
    exchange.finalize(result);
  } else if (!exchange.finished && exchange.proxy?.active !== true) {
    // The handler answers later, or goes on answering: it may hold the exchange until the end of time.
    exchange.awaited = true;
    if (!exchange.retainHead()) exchange.finalize(500);
  }
  return false;
}

function wait(exchange: ExchangeImpl, promise: Promise<PhaseResult>, run: number): void {
  if (!isPromise(promise)) {
    failed(exchange, new TypeError('it returned neither NEXT, DONE, a status nor a promise of one'));
    return;
  }
  // A handler that answered before its first await has its answer: the object may serve another client by now.
  const answered = exchange.run !== run || exchange.finished;
  if (!answered) exchange.awaited = true;
  promise.then(
    (result) => {
      if (answered || exchange.run !== run || exchange.finished) return;
      if (typeof result !== 'number') {
        failed(exchange, new TypeError('its promise is of neither NEXT, DONE nor a status'));
      } else if (settle(exchange, result)) {
        advance(exchange);
      }
    },
    (error: unknown) => {
      // Behind a head that it began, only cutting the response tells the client.
      if (!answered && (exchange.run === run || exchange.writer.started)) failed(exchange, error);
    },
  );
  if (!answered && !exchange.retainHead()) exchange.finalize(500);
}

/** Modules may be plain JavaScript: what a handler returns is looked at. */
function isPromise(value: unknown): value is Promise<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value;
}

function failed(exchange: ExchangeImpl, error: unknown): void {
  if (exchange.finished) return;
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  exchange.log('error', `a handler of location "${exchange.location.name}" failed: ${text}`);
  if (exchange.writer.started) exchange.abort();
  else exchange.finalize(500);
}

/** A location without content of its own, or whose content passes: nothing is there. */
const notFound: PhaseHandler = () => 404;

/** What a request runs through in a location, in one list. */
export function handlersOf(
  rewrite: readonly PhaseHandler[],
  access: readonly PhaseHandler[],
  content: PhaseHandler | undefined,
): readonly PhaseHandler[] {
  return [...rewrite, ...access, ...(content === undefined ? [] : [content]), notFound];
}

/** Sets the location, and holds the request against what it allows. */
function findLocation(exchange: ExchangeImpl): void {
  const { head, server } = exchange;
  const locations = exchange.downstream.servers.locations(server);
  if (head.pathIsPlain && !exchange.uriChanged) {
    const { base } = head;
    exchange.location = locations.find(base + head.pathStart, base + head.pathEnd, exchange);
  } else {
    exchange.location = locations.findByUri(exchange);
  }
  const { limit } = exchange.location;
  if (limit !== undefined) limitMethods(exchange, limit);
  // A log line may be written when the connection is closed: its address must be known by then.
  if (exchange.location.logHandlers.length > 0) void exchange.downstream.clientAddress;
  checkBodySize(exchange, exchange.location);
}

function limitMethods(exchange: ExchangeImpl, { methods, location }: MethodLimit): void {
  if (!methods.has(exchange.method)) exchange.location = location;
}

function checkBodySize(exchange: ExchangeImpl, location: LocationConfig): void {
  const limit = location.clientMaxBodySize;
  const { contentLength } = exchange.head;
  if (limit === 0 || contentLength <= limit || exchange.inErrorPage) return;
  exchange.log('error', `client intended to send too large body: ${contentLength} bytes`);
  exchange.rejectBody(413);
}

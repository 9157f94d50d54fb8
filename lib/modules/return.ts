/**
 * `return`: answers from the configuration. In a server it runs before a location is
 * chosen, in a location first of all; it is never inherited.
 */
import {
  directive,
  type Argument,
  type Exchange,
  type Module,
  type ParseContext,
  type PhaseHandler,
  type Settings,
  type Value,
} from '../module-api/index.js';
import { contentTypeOf, mimeTypes } from './mime.js';
import { redirectPolicy, sendRedirect } from './redirect.js';
import { defaultType } from './core.js';
import { argument } from './rows.js';

/** What to answer with. */
export interface ReturnSetting {
  readonly status: number;
  /** The body, or the URL of a redirect. */
  readonly text: Value | undefined;
}

/** Statuses whose text is a URL. */
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
const MAX_STATUS = 999;

export const returnRow = directive<readonly ReturnSetting[]>({
  name: 'return',
  contexts: ['server', 'location'],
  args: [1, 2],
  // nginx runs the first and never reaches the others, so more are allowed.
  repeat: 'append',
  parse(node, context, previous) {
    return [...(previous ?? []), parseReturn(argument(node, 0), node.args[1], context)];
  },
  default: [],
  syntax: 'code [text] | code URL | URL',
  defaultText: '-',
  doc: 'Answers with a status and a text, with a redirect, or with the error page of the status; 444 closes the connection without an answer.',
});

function parseReturn(first: Argument, text: Argument | undefined, context: ParseContext): ReturnSetting {
  if (!/^[0-9]+$/.test(first.text)) {
    const isUrl = /^(https?:\/\/|\$scheme)/i.test(first.text);
    if (text !== undefined || !isUrl) return context.fail(first, `invalid return code "${first.text}"`);
    return { status: 302, text: context.compileValue(first) };
  }
  const status = Number(first.text);
  if (status > MAX_STATUS) return context.fail(first, `invalid return code "${first.text}"`);
  return { status, text: text === undefined ? undefined : context.compileValue(text) };
}

function returnHandler(setting: ReturnSetting, settings: Settings): PhaseHandler {
  const { status, text } = setting;
  if (text === undefined && status >= 400) return (exchange) => exchange.finalize(status);
  if (REDIRECTS.has(status)) {
    const policy = redirectPolicy(settings);
    return (exchange) => sendRedirect(exchange, status, text?.get(exchange) ?? '', policy);
  }
  const types = settings.get(mimeTypes);
  const fallback = settings.get(defaultType);
  const body = text?.constantBytes;
  return (exchange: Exchange) =>
    exchange.respond(status, body ?? text?.get(exchange) ?? '', contentTypeOf(exchange.uri, types, fallback));
}

/** `return`. */
export const returnModule: Module = {
  name: 'return',
  directives: [returnRow],
  server(builder) {
    const first = builder.settings.own(returnRow)?.[0];
    if (first !== undefined) builder.rewrite(returnHandler(first, builder.settings));
  },
  location(builder) {
    const first = builder.settings.own(returnRow)?.[0];
    if (first !== undefined) builder.rewrite(returnHandler(first, builder.settings));
  },
};

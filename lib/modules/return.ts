/**
 * `set` and `return`: variables of the configuration, and answers from it. They run in
 * the order in which they stand, up to the first `return`: in a server before a location
 * is chosen, in a location first of all. They are never inherited.
 */
import {
  directive,
  NEXT,
  type Argument,
  type Exchange,
  type Module,
  type ParseContext,
  type PhaseBuilder,
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

/** A variable that gets a value. */
export interface SetSetting {
  /** Its place in `Exchange.slots`. */
  readonly slot: number;
  readonly value: Value;
}

type Step = ReturnSetting | SetSetting;

/** Statuses whose text is a URL. */
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
const MAX_STATUS = 999;

export const returnRow = directive<readonly Step[]>({
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

/** Variables of nginx that `set` may change there. */
const CHANGEABLE: ReadonlySet<string> = new Set(['args', 'limit_rate']);

export const setRow = directive<readonly Step[]>({
  name: 'set',
  contexts: ['server', 'location'],
  args: 2,
  repeat: 'append',
  storedAs: returnRow,
  parse(node, context, previous) {
    const at = argument(node, 0);
    const name = /^\$([A-Za-z0-9_]+)$/.exec(at.text)?.[1].toLowerCase();
    if (name === undefined) return context.fail(at, `invalid variable name "${at.text}"`);
    if (CHANGEABLE.has(name)) return context.fail(at, `"set $${name}" is not supported yet`);
    const value = context.compileValue(argument(node, 1));
    return [...(previous ?? []), { slot: context.slot(at, name), value }];
  },
  declares: (node) =>
    [node.args[0]?.text.replace(/^\$/, '') ?? ''].filter((name) => /^[A-Za-z0-9_]+$/.test(name)),
  default: [],
  syntax: '$variable value',
  defaultText: '-',
  doc: 'Gives a variable of the configuration a value, in the order of `set` and `return`. Variables that exist by themselves cannot be set.',
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

/** The steps of a block as one handler; what stands behind a `return` is never reached. */
function stepsHandler(steps: readonly Step[], settings: Settings): PhaseHandler {
  const end = steps.findIndex((step) => 'status' in step);
  const last = steps[end];
  const answer = last !== undefined && 'status' in last ? returnHandler(last, settings) : undefined;
  const sets = steps.slice(0, end < 0 ? steps.length : end).filter((step) => 'slot' in step);
  if (sets.length === 0 && answer !== undefined) return answer;
  return (exchange) => {
    for (const { slot, value } of sets) exchange.slots[slot] = value.get(exchange);
    return answer === undefined ? NEXT : answer(exchange);
  };
}

function addSteps(builder: PhaseBuilder): void {
  const steps = builder.settings.own(returnRow);
  if (steps !== undefined) builder.rewrite(stepsHandler(steps, builder.settings));
}

/** `set` and `return`. */
export const returnModule: Module = {
  name: 'return',
  directives: [returnRow, setRow],
  server: addSteps,
  location: addSteps,
};

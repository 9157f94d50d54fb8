/**
 * `set` and `return` (and `if`, in if.ts): variables of the configuration, and answers
 * from it. They run in the order in which they stand, up to the first `return`: in a server before a location
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

/** Steps that run where a condition holds: `if`. */
export interface IfSetting {
  readonly condition: (exchange: Exchange) => boolean;
  readonly steps: readonly RewriteStep[];
}

/** What a block does before its content, in order. */
export type RewriteStep = ReturnSetting | SetSetting | IfSetting;

/** Statuses whose text is a URL. */
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
const MAX_STATUS = 999;

export const returnRow = directive<readonly RewriteStep[]>({
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

export const setRow = directive<readonly RewriteStep[]>({
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

/** What a step does; undefined: go on with the next one. */
type Run = (exchange: Exchange) => ReturnType<PhaseHandler> | undefined;

function compileSteps(steps: readonly RewriteStep[], settings: Settings): Run {
  const runs = steps.map((step): Run => {
    if ('status' in step) return returnHandler(step, settings);
    if ('slot' in step) {
      const { slot, value } = step;
      return (exchange) => {
        exchange.slots[slot] = value.get(exchange);
        return undefined;
      };
    }
    const { condition } = step;
    const inner = compileSteps(step.steps, settings);
    return (exchange) => (condition(exchange) ? inner(exchange) : undefined);
  });
  return (exchange) => {
    for (const run of runs) {
      const result = run(exchange);
      if (result !== undefined) return result;
    }
    return undefined;
  };
}

/** The steps of a block as one handler. */
function stepsHandler(steps: readonly RewriteStep[], settings: Settings): PhaseHandler {
  const [first] = steps;
  if (first !== undefined && 'status' in first) return returnHandler(first, settings);
  const run = compileSteps(steps, settings);
  return (exchange) => run(exchange) ?? NEXT;
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

/**
 * `error_page`: another answer in place of an error. The engine follows the rules;
 * here they are read.
 */
import { directive, type Argument, type Module, type ParseContext } from '../module-api/index.js';
import type { ErrorPage } from '../proxy/runtime.js';
import { HTTP_SERVER_LOCATION, MANY, parseNumber } from './rows.js';

/** The rules of a block by status. */
export const errorPage = directive<ReadonlyMap<number, ErrorPage>>({
  name: 'error_page',
  contexts: HTTP_SERVER_LOCATION,
  args: [2, MANY],
  repeat: 'append',
  parse(node, context, previous) {
    const rules = new Map(previous ?? []);
    const last = node.args[node.args.length - 1];
    const beforeLast = node.args[node.args.length - 2];
    if (last === undefined || beforeLast === undefined) {
      return context.fail(node, 'invalid number of arguments in "error_page" directive');
    }
    const hasResponse = beforeLast.text.startsWith('=');
    const codes = node.args.slice(0, hasResponse ? -2 : -1);
    if (codes.length === 0) {
      return context.fail(node, 'invalid number of arguments in "error_page" directive');
    }
    const rule: ErrorPage = {
      status: hasResponse ? readResponse(beforeLast, context) : undefined,
      target: context.compileValue(last),
    };
    for (const code of codes) {
      const status = readCode(code, context);
      // The first rule for a status holds, as in nginx.
      if (!rules.has(status)) rules.set(status, rule);
    }
    return rules;
  },
  default: new Map(),
  syntax: 'code ... [=[response]] uri',
  defaultText: '-',
  doc: 'What is shown in place of an error: an internal redirect to a path or a named location, or a redirect to a URL. "=200" changes the status, "=" takes that of the page.',
});

function readCode(at: Argument, context: ParseContext): number {
  const status = parseNumber(at.text);
  if (status === undefined) return context.fail(at, `invalid value "${at.text}"`);
  if (status === 499) return context.fail(at, `invalid value "${at.text}"`);
  if (status < 300 || status > 599) {
    return context.fail(at, `value "${at.text}" must be between 300 and 599`);
  }
  return status;
}

function readResponse(at: Argument, context: ParseContext): number {
  if (at.text === '=') return 0;
  return parseNumber(at.text.slice(1)) ?? context.fail(at, `invalid value "${at.text}"`);
}

/** `error_page`. */
export const errorPageModule: Module = { name: 'error_page', directives: [errorPage] };

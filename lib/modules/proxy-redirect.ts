/**
 * `proxy_redirect`: Location and Refresh of a backend name the backend; the client
 * must be sent to the proxy. The first rule that matches rewrites the field.
 */
import {
  directive,
  type Argument,
  type Exchange,
  type ParseContext,
  type Pattern,
  type Settings,
  type Value,
} from '../module-api/index.js';
import { groupNames } from '../util/regex.js';
import type { FieldRewrite } from '../proxy/runtime.js';
import type { ProxyPassSetting } from './proxy-rows.js';
import { absoluteUrl, redirectPolicy } from './redirect.js';
import { argument, HTTP_SERVER_LOCATION } from './rows.js';

/** What is looked for, and what takes its place. */
export interface RewriteRule {
  /** A text, or an expression that the whole value is given to. */
  readonly match: Value | Pattern;
  readonly replacement: Value;
}

/** One `proxy_redirect`. */
interface RedirectRule {
  /** "default" is worked out from `proxy_pass`. */
  readonly rule: RewriteRule | 'default';
  readonly at: Argument;
}

/** Reads "text", "~expression" or "~*expression". With `caseless` an expression never minds the case. */
export function readMatch(at: Argument, context: ParseContext, caseless = false): Value | Pattern {
  if (!at.text.startsWith('~')) return context.compileValue(at);
  const ignoresCase = at.text.startsWith('~*');
  return context.compilePattern(at, at.text.slice(ignoresCase ? 2 : 1), caseless || ignoresCase);
}

/** Which variables such an argument brings. */
export function matchDeclares(text: string | undefined): readonly string[] {
  return text?.startsWith('~') === true ? groupNames(text) : [];
}

/** How a text matches: how many characters of `value` from `at` on it stands for, or -1. */
export type MatchText = (value: string, at: number, text: string) => number;

/**
 * The value with what stands behind `at` rewritten by the first rule that matches it;
 * undefined when none does.
 */
export function rewriteBy(
  rules: readonly RewriteRule[],
  exchange: Exchange,
  value: string,
  at: number,
  matchText: MatchText,
): string | undefined {
  for (const { match, replacement } of rules) {
    if ('exec' in match) {
      if (match.test(exchange, value.slice(at))) return value.slice(0, at) + replacement.get(exchange);
      continue;
    }
    const length = matchText(value, at, match.get(exchange));
    if (length < 0) continue;
    return value.slice(0, at) + replacement.get(exchange) + value.slice(at + length);
  }
  return undefined;
}

/** A text matches what begins with it. */
export const matchPrefix: MatchText = (value, at, text) => (value.startsWith(text, at) ? text.length : -1);

export const proxyRedirect = directive<readonly RedirectRule[] | 'off'>({
  name: 'proxy_redirect',
  contexts: HTTP_SERVER_LOCATION,
  args: [1, 2],
  repeat: 'append',
  parse(node, context, previous) {
    const at = argument(node, 0);
    const to = node.args[1];
    if (previous === 'off') return previous;
    const rules = previous ?? [];
    if (to !== undefined) {
      const rule = { match: readMatch(at, context), replacement: context.compileValue(to) };
      return [...rules, { rule, at }];
    }
    if (at.text === 'default') return [...rules, { rule: 'default', at }];
    if (at.text !== 'off') return context.fail(at, `invalid parameter "${at.text}"`);
    if (rules.length > 0) return context.fail(node, '"proxy_redirect" directive is duplicate');
    return 'off';
  },
  declares: (node) => matchDeclares(node.args[0]?.text),
  default: [],
  syntax: 'default | off | text replacement | ~expression replacement',
  defaultText: 'default',
  doc: 'Rewrites Location and Refresh of a backend by the first rule that matches: a text at the beginning, or an expression (`~`, `~*`) in whose place the whole value is replaced. `default` replaces the URL of `proxy_pass` by the path of the location; `off` leaves both fields as they are.',
});

/** The rule that `default` stands for; undefined where `proxy_pass` holds variables, or there is no path to put in its place. */
function defaultRule(pass: ProxyPassSetting, locationName: string): RewriteRule | undefined {
  const { text } = pass.at;
  if (text.includes('$')) return undefined;
  if (pass.uri === undefined) return { match: literal(`${text}/`), replacement: literal('/') };
  return { match: literal(text), replacement: literal(locationName) };
}

/** A text as a value, whatever is in it. */
function literal(text: string): Value {
  const bytes = Buffer.from(text, 'latin1');
  return {
    constant: text,
    constantBytes: bytes,
    get: () => text,
    getOrUndefined: () => text,
    write(_exchange, out) {
      out.bytes(bytes);
      return true;
    },
    source: undefined,
  };
}

/** What `proxy_redirect` does in a location, or undefined when that is nothing. Fails with the place of a `default` that has no meaning. */
export function redirectRewrite(
  settings: Settings,
  pass: ProxyPassSetting,
  locationName: string,
  context: ParseContext,
): FieldRewrite | undefined {
  const written = settings.get(proxyRedirect);
  if (written === 'off') return undefined;
  const usual = defaultRule(pass, locationName);
  const rules = written.map(({ rule, at }) => {
    if (rule !== 'default') return rule;
    return (
      usual ??
      context.fail(at, '"proxy_redirect default" cannot be used with "proxy_pass" directive with variables')
    );
  });
  if (settings.position(proxyRedirect) === undefined && usual !== undefined) rules.push(usual);
  if (rules.length === 0) return undefined;
  const policy = redirectPolicy(settings);
  return {
    names: ['location', 'refresh'],
    apply(exchange, fields) {
      const [location] = fields.values('location');
      if (location !== undefined) {
        const rewritten = rewriteBy(rules, exchange, location, 0, matchPrefix);
        if (rewritten !== undefined) {
          exchange.response.setHeader('Location', absoluteUrl(exchange, rewritten, policy));
        }
      }
      const [refresh] = fields.values('refresh');
      const url = refresh === undefined ? -1 : refresh.toLowerCase().indexOf('url=');
      if (refresh === undefined || url < 0) return;
      const rewritten = rewriteBy(rules, exchange, refresh, url + 'url='.length, matchPrefix);
      if (rewritten !== undefined) exchange.response.setHeader('Refresh', rewritten);
    },
  };
}

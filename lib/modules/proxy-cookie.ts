/**
 * `proxy_cookie_domain`, `proxy_cookie_path`, `proxy_cookie_flags`: attributes of the
 * cookies that a backend sets. A cookie of which nothing changes goes on as it came.
 */
import {
  directive,
  type Argument,
  type Directive,
  type DirectiveNode,
  type Exchange,
  type ParseContext,
  type Pattern,
  type Settings,
  type Value,
} from '../module-api/index.js';
import type { FieldRewrite } from '../proxy/runtime.js';
import {
  matchDeclares,
  matchPrefix,
  readMatch,
  rewriteBy,
  type MatchText,
  type RewriteRule,
} from './proxy-redirect.js';
import { argument, HTTP_SERVER_LOCATION } from './rows.js';

type ReadRule = (node: DirectiveNode, context: ParseContext) => RewriteRule;

/** A row of "off", or of rules of two arguments. */
function rulesRow(
  name: string,
  read: ReadRule,
  syntax: string,
  doc: string,
): Directive<readonly RewriteRule[] | 'off'> {
  return directive<readonly RewriteRule[] | 'off'>({
    name,
    contexts: HTTP_SERVER_LOCATION,
    args: [1, 2],
    repeat: 'append',
    parse(node, context, previous) {
      if (previous === 'off') return previous;
      if (node.args.length === 2) return [...(previous ?? []), read(node, context)];
      const at = argument(node, 0);
      if (at.text !== 'off') return context.fail(at, `invalid parameter "${at.text}"`);
      return previous === undefined ? 'off' : context.fail(node, `"${name}" directive is duplicate`);
    },
    declares: (node) => matchDeclares(node.args[0]?.text),
    default: 'off',
    syntax,
    defaultText: 'off',
    doc,
  });
}

/** A domain without its leading dot, which says nothing (RFC 6265 section 5.2.3). */
const withoutDot = (at: Argument): Argument =>
  at.text.startsWith('.') ? { ...at, text: at.text.slice(1) } : at;

export const proxyCookieDomain = rulesRow(
  'proxy_cookie_domain',
  (node, context) => ({
    match: readMatch(withoutDot(argument(node, 0)), context, true),
    replacement: context.compileValue(withoutDot(argument(node, 1))),
  }),
  'off | domain replacement | ~expression replacement',
  'Rewrites Domain of cookies that a backend sets, by the first rule that matches: the whole domain, or an expression, both without regard to case. A dot at the beginning is ignored.',
);

export const proxyCookiePath = rulesRow(
  'proxy_cookie_path',
  (node, context) => ({
    match: readMatch(argument(node, 0), context),
    replacement: context.compileValue(argument(node, 1)),
  }),
  'off | path replacement | ~expression replacement',
  'Rewrites Path of cookies that a backend sets, by the first rule that matches: the beginning of the path, or an expression (`~`, `~*`) in whose place the whole path is replaced.',
);

/** The whole domain, without regard to case and to a dot at its beginning. */
const matchDomain: MatchText = (value, at, text) =>
  value.slice(at).toLowerCase() === text.toLowerCase() ? value.length - at : -1;

const FLAGS = ['secure', 'nosecure', 'httponly', 'nohttponly', 'nosamesite'] as const;
const SAMESITE = /^samesite=(strict|lax|none)$/;

/** One `proxy_cookie_flags`. */
interface FlagRule {
  readonly cookie: Value | Pattern;
  readonly flags: readonly Value[];
}

export const proxyCookieFlags = directive<readonly FlagRule[] | 'off'>({
  name: 'proxy_cookie_flags',
  contexts: HTTP_SERVER_LOCATION,
  args: [1, 4],
  repeat: 'append',
  parse(node, context, previous) {
    const [first, ...rest] = node.args;
    if (first === undefined || previous === 'off') return previous ?? 'off';
    if (rest.length === 0) {
      if (first.text !== 'off') return context.fail(first, `invalid parameter "${first.text}"`);
      return previous === undefined ? 'off' : context.fail(node, `"${node.name}" directive is duplicate`);
    }
    const flags = rest.map((at) => {
      const value = context.compileValue(at);
      const known = value.constant === undefined || isFlag(value.constant);
      return known ? value : context.fail(at, `invalid parameter "${at.text}"`);
    });
    return [...(previous ?? []), { cookie: readMatch(first, context, true), flags }];
  },
  declares: (node) => matchDeclares(node.args[0]?.text),
  default: 'off',
  syntax: 'off | cookie flag ... | ~expression flag ...',
  defaultText: 'off',
  doc: 'Sets or takes away flags of cookies that a backend sets; the first rule that matches the name counts. Flags: secure, httponly, samesite=strict, samesite=lax, samesite=none, nosecure, nohttponly, nosamesite; variables are allowed.',
});

const isFlag = (text: string): boolean => FLAGS.some((flag) => flag === text) || SAMESITE.test(text);

/** One attribute: "Path=/a", "Secure"; the first is the cookie itself. */
interface Attribute {
  readonly name: string;
  readonly value: string | undefined;
}

function parseCookie(text: string): Attribute[] {
  return text.split(';').map((part) => {
    const equals = part.indexOf('=');
    if (equals < 0) return { name: part.trim(), value: undefined };
    return { name: part.slice(0, equals).trim(), value: part.slice(equals + 1).trim() };
  });
}

const formatCookie = (attributes: readonly Attribute[]): string =>
  attributes.map(({ name, value }) => (value === undefined ? name : `${name}=${value}`)).join('; ');

/** What changes the attributes behind the first; true when it changed one. */
type CookieEdit = (exchange: Exchange, attributes: Attribute[]) => boolean;

function valueEdit(
  name: string,
  rules: readonly RewriteRule[],
  matchText: MatchText,
  skipsDot: boolean,
): CookieEdit {
  return (exchange, attributes) => {
    let changed = false;
    for (const [index, attribute] of attributes.entries()) {
      const { value } = attribute;
      if (index === 0 || value === undefined || attribute.name.toLowerCase() !== name) continue;
      const at = skipsDot && value.startsWith('.') ? 1 : 0;
      const rewritten = rewriteBy(rules, exchange, value, at, matchText);
      if (rewritten === undefined) continue;
      attributes[index] = { name: attribute.name, value: rewritten };
      changed = true;
    }
    return changed;
  };
}

function flagsEdit(rules: readonly FlagRule[]): CookieEdit {
  return (exchange, attributes) => {
    const name = attributes[0]?.name ?? '';
    const rule = rules.find(({ cookie }) =>
      'exec' in cookie
        ? cookie.test(exchange, name)
        : cookie.get(exchange).toLowerCase() === name.toLowerCase(),
    );
    if (rule === undefined) return false;
    for (const value of rule.flags) applyFlag(value.get(exchange), attributes);
    return true;
  };
}

function applyFlag(flag: string, attributes: Attribute[]): void {
  const sameSite = SAMESITE.exec(flag)?.[1];
  if (sameSite !== undefined) {
    setAttribute(attributes, 'SameSite', sameSite.charAt(0).toUpperCase() + sameSite.slice(1));
  } else if (flag === 'secure') {
    setAttribute(attributes, 'Secure', undefined);
  } else if (flag === 'httponly') {
    setAttribute(attributes, 'HttpOnly', undefined);
  } else if (isFlag(flag)) {
    removeAttribute(attributes, flag.slice('no'.length));
  }
}

function setAttribute(attributes: Attribute[], name: string, value: string | undefined): void {
  const index = findAttribute(attributes, name.toLowerCase());
  if (index < 0) attributes.push({ name, value });
  else if (value !== undefined) attributes[index] = { name: attributes[index].name, value };
}

function removeAttribute(attributes: Attribute[], name: string): void {
  for (let at = findAttribute(attributes, name); at >= 0; at = findAttribute(attributes, name)) {
    attributes.splice(at, 1);
  }
}

/** Behind the first. */
const findAttribute = (attributes: readonly Attribute[], lowerName: string): number =>
  attributes.findIndex(({ name }, index) => index > 0 && name.toLowerCase() === lowerName);

/** What the three directives do in a location, or undefined when that is nothing. */
export function cookieRewrite(settings: Settings): FieldRewrite | undefined {
  const domains = settings.get(proxyCookieDomain);
  const paths = settings.get(proxyCookiePath);
  const flags = settings.get(proxyCookieFlags);
  const edits: CookieEdit[] = [];
  if (domains !== 'off') edits.push(valueEdit('domain', domains, matchDomain, true));
  if (paths !== 'off') edits.push(valueEdit('path', paths, matchPrefix, false));
  if (flags !== 'off') edits.push(flagsEdit(flags));
  if (edits.length === 0) return undefined;
  return {
    names: ['set-cookie'],
    apply(exchange, fields) {
      const cookies = fields.values('set-cookie');
      exchange.response.removeHeader('Set-Cookie');
      for (const cookie of cookies) {
        const attributes = parseCookie(cookie);
        let changed = false;
        for (const edit of edits) changed = edit(exchange, attributes) || changed;
        exchange.response.addHeader('Set-Cookie', changed ? formatCookie(attributes) : cookie);
      }
    },
  };
}

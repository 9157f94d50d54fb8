/**
 * `expires`: Expires and Cache-Control of responses with one of the usual statuses, in
 * place of those that are there.
 */
import { formatHttpDate } from '../http/date.js';
import { directive, type Exchange, type HeaderFilter, type Module, type Value } from '../module-api/index.js';
import { parseTimeMs } from '../util/units.js';
import { parseHttpDate } from './conditions.js';
import { USUAL_STATUSES } from './field-list.js';
import { argument, failParameter, HTTP_SERVER_LOCATION } from './rows.js';

const DAY_SECONDS = 24 * 60 * 60;
const EPOCH = 'Thu, 01 Jan 1970 00:00:01 GMT';
const LAST = 'Thu, 31 Dec 2037 23:55:55 GMT';
/** Ten years. */
const LAST_SECONDS = 315_360_000;

/** When a response expires. `seconds`: from now (or from its modification), or from midnight. */
type Expiry = Fixed | Relative;

interface Fixed {
  readonly kind: 'off' | 'epoch' | 'max';
}

interface Relative {
  readonly kind: 'after' | 'modified' | 'daily';
  readonly seconds: number;
}

/** Reads one; a text says what is wrong with it. */
function parseExpiry(text: string, modified: boolean): Expiry | string {
  if (!modified && (text === 'off' || text === 'epoch' || text === 'max')) return { kind: text };
  const [, sign = '', rest = ''] = /^([@+-]?)(.*)$/s.exec(text) ?? [];
  if (sign === '@' && modified) return 'daily time cannot be used with "modified" parameter';
  const ms = parseTimeMs(rest, 's');
  if (ms === undefined) return 'invalid value';
  const seconds = ms / 1000;
  if (sign === '@') {
    return seconds > DAY_SECONDS ? 'daily time value must be less than 24 hours' : { kind: 'daily', seconds };
  }
  return { kind: modified ? 'modified' : 'after', seconds: sign === '-' ? -seconds : seconds };
}

/** `expires` as written. */
interface ExpiresSetting {
  readonly modified: boolean;
  readonly value: Value;
  /** Of a value without variables. */
  readonly expiry: Expiry | undefined;
}

export const expires = directive<ExpiresSetting | undefined>({
  name: 'expires',
  contexts: HTTP_SERVER_LOCATION,
  args: [1, 2],
  parse(node, context) {
    const modified = node.args.length === 2;
    const first = argument(node, 0);
    if (modified && first.text !== 'modified') return failParameter(first, context);
    const at = argument(node, modified ? 1 : 0);
    const value = context.compileValue(at);
    if (value.constant === undefined) return { modified, value, expiry: undefined };
    const expiry = parseExpiry(value.constant, modified);
    if (typeof expiry === 'string') return context.fail(at, `${expiry} in "expires" directive: "${at.text}"`);
    return { modified, value, expiry };
  },
  default: undefined,
  syntax: '[modified] time | @time | epoch | max | off',
  defaultText: 'off',
  doc: 'Sets Expires and Cache-Control of responses with status 200, 201, 204, 206, 301, 302, 303, 304, 307 or 308: a time from now, or from Last-Modified with `modified`; a negative one, or `epoch`, says no-cache; `@15h30m` is a time of day; `max` is ten years. Variables are allowed; an empty or impossible value does nothing.',
});

/** The next moment, in seconds since 1970, at which the local clock shows that many seconds since midnight. */
export function nextTimeOfDay(nowSeconds: number, seconds: number): number {
  const midnight = new Date(nowSeconds * 1000);
  midnight.setHours(0, 0, 0, 0);
  const today = midnight.getTime() / 1000 + seconds;
  if (today > nowSeconds) return today;
  midnight.setDate(midnight.getDate() + 1);
  return midnight.getTime() / 1000 + seconds;
}

type Fields = readonly [expires: string, cacheControl: string];

const FIXED: Readonly<Record<'epoch' | 'max', Fields>> = {
  epoch: [EPOCH, 'no-cache'],
  max: [LAST, `max-age=${LAST_SECONDS}`],
};

function relativeFields(exchange: Exchange, { kind, seconds }: Relative): Fields {
  const now = Math.floor(exchange.wallMs / 1000);
  let at = now + seconds;
  if (kind === 'daily') {
    at = nextTimeOfDay(now, seconds);
  } else if (kind === 'modified' && seconds !== 0) {
    const lastModified = parseHttpDate(exchange.response.getHeader('last-modified') ?? '');
    if (lastModified !== undefined) at = lastModified + seconds;
  }
  const age = at - now;
  const outdated = age < 0 || (kind !== 'daily' && seconds < 0);
  return [formatHttpDate(at * 1000), outdated ? 'no-cache' : `max-age=${age}`];
}

function expiresFilter({ modified, value, expiry }: ExpiresSetting): HeaderFilter {
  return (exchange) => {
    const { response } = exchange;
    if (!USUAL_STATUSES.has(response.status)) return;
    const parsed = expiry ?? parseExpiry(value.get(exchange), modified);
    if (typeof parsed === 'string' || parsed.kind === 'off') return;
    const [at, cacheControl] = 'seconds' in parsed ? relativeFields(exchange, parsed) : FIXED[parsed.kind];
    response.setHeader('Expires', at);
    response.setHeader('Cache-Control', cacheControl);
  };
}

/** `expires`. */
export const expiresModule: Module = {
  name: 'expires',
  directives: [expires],
  location(builder) {
    const setting = builder.settings.get(expires);
    if (setting !== undefined && setting.expiry?.kind !== 'off') builder.headerFilter(expiresFilter(setting));
  },
};

/**
 * Rows of an `upstream` block. The compiler resolves the names and builds the group.
 */
import {
  directive,
  type Argument,
  type DirectiveNode,
  type Module,
  type ParseContext,
  type Position,
} from '../module-api/index.js';
import { parseTimeMs } from '../util/units.js';
import { parseAuthority, type Authority } from './address.js';
import {
  argument,
  failParameter,
  MANY,
  numberRow,
  parameter,
  parseNumber,
  readNumber,
  timeRow,
} from './rows.js';

/** One `server` of an `upstream` as written; its name is not resolved yet. */
export interface UpstreamServerSetting {
  readonly address: Authority;
  readonly weight: number;
  readonly maxFails: number;
  readonly failTimeoutMs: number;
  /** 0 is without limit. */
  readonly maxConns: number;
  readonly backup: boolean;
  readonly down: boolean;
  readonly position: Position;
}

const UNSUPPORTED = ['resolve', 'route', 'service', 'slow_start', 'drain'];

export const upstreamServer = directive<readonly UpstreamServerSetting[]>({
  name: 'server',
  contexts: ['upstream'],
  args: [1, MANY],
  repeat: 'append',
  parse(node, context, previous) {
    const [first, ...options] = node.args;
    if (first === undefined) return context.fail(node, 'invalid number of arguments in "server" directive');
    const address = parseAuthority(first.text, 80);
    if (typeof address === 'string') return context.fail(first, `${address} in upstream "${first.text}"`);
    return [...(previous ?? []), readServer(node, address, options, context)];
  },
  default: [],
  syntax: 'address [weight=number] [max_fails=number] [fail_timeout=time] [max_conns=number] [backup] [down]',
  defaultText: '-',
  doc: 'A backend: name or address with an optional port (80), or unix:path. A name with several addresses gives several peers.',
});

function readServer(
  node: DirectiveNode,
  address: Authority,
  options: readonly Argument[],
  context: ParseContext,
): UpstreamServerSetting {
  let weight = 1;
  let maxFails = 1;
  let failTimeoutMs = 10_000;
  let maxConns = 0;
  let backup = false;
  let down = false;
  const count = (at: Argument, name: string): number | undefined => {
    const text = parameter(at, name);
    return text === undefined ? undefined : (parseNumber(text) ?? failParameter(at, context));
  };
  for (const at of options) {
    const timeText = parameter(at, 'fail_timeout');
    let number: number | undefined;
    if (at.text === 'backup') backup = true;
    else if (at.text === 'down') down = true;
    else if (timeText !== undefined) failTimeoutMs = parseTimeMs(timeText, 's') ?? failParameter(at, context);
    else if ((number = count(at, 'weight')) !== undefined) weight = number;
    else if ((number = count(at, 'max_fails')) !== undefined) maxFails = number;
    else if ((number = count(at, 'max_conns')) !== undefined) maxConns = number;
    else if (UNSUPPORTED.some((name) => at.text === name || parameter(at, name) !== undefined)) {
      return context.fail(at, `the parameter "${at.text}" of "server" is not supported yet`);
    } else return failParameter(at, context);
    if (weight === 0) return failParameter(at, context);
  }
  return { address, weight, maxFails, failTimeoutMs, maxConns, backup, down, position: node.position };
}

export const upstreamKeepalive = directive<number>({
  name: 'keepalive',
  contexts: ['upstream'],
  args: [1, 2],
  parse(node, context) {
    const option = node.args[1];
    if (option !== undefined && option.text !== 'local') return failParameter(option, context);
    return readNumber(node, argument(node, 0), context);
  },
  default: 32,
  syntax: 'connections [local]',
  defaultText: '32',
  doc: 'Idle connections to the backends of the group that are kept; 0 keeps none. What a burst leaves beyond that is closed when nothing has used it for a tenth of a second. "local" is accepted.',
});

export const upstreamKeepaliveRequests = numberRow(
  'keepalive_requests',
  1000,
  'Requests after which a backend connection is closed.',
  { contexts: ['upstream'] },
);

export const upstreamKeepaliveTime = timeRow(
  'keepalive_time',
  '1h',
  'Age from which a backend connection is no longer used again.',
  { contexts: ['upstream'] },
);

export const upstreamKeepaliveTimeout = timeRow(
  'keepalive_timeout',
  '60s',
  'How long an idle backend connection is kept.',
  { contexts: ['upstream'] },
);

/** Rows of an `upstream` block. */
export const upstreamModule: Module = {
  name: 'upstream',
  directives: [
    upstreamServer,
    upstreamKeepalive,
    upstreamKeepaliveRequests,
    upstreamKeepaliveTime,
    upstreamKeepaliveTimeout,
  ],
};

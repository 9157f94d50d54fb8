/**
 * `allow` and `deny`: rules by the client's address, in the order written; the first
 * that matches decides. The rules of a block replace those of the enclosing one.
 */
import {
  directive,
  NEXT,
  type Argument,
  type Directive,
  type Module,
  type ParseContext,
  type PhaseHandler,
} from '../module-api/index.js';
import { addressBytes, parseIPv4, parseIPv6 } from './address.js';
import { argument, HTTP_SERVER_LOCATION } from './rows.js';

/** One rule. */
export interface AccessRule {
  readonly allow: boolean;
  readonly match: 'all' | 'unix' | 'network';
  /** Of a network: 4 or 16 bytes, host bits cleared. */
  readonly network: Uint8Array;
  readonly prefixBits: number;
}

const NOTHING = new Uint8Array(0);
const FORBIDDEN = 403;

export const allow = accessRow('allow', true);
export const deny: Directive<readonly AccessRule[]> = { ...accessRow('deny', false), storedAs: allow };

function accessRow(name: 'allow' | 'deny', allows: boolean): Directive<readonly AccessRule[]> {
  return directive<readonly AccessRule[]>({
    name,
    contexts: HTTP_SERVER_LOCATION,
    args: 1,
    repeat: 'append',
    parse: (node, context, previous) => [...(previous ?? []), parseRule(argument(node, 0), allows, context)],
    default: [],
    syntax: 'address | CIDR | unix: | all',
    defaultText: '-',
    doc: `${allows ? 'Lets' : 'Refuses (403)'} clients of an address, a network or a unix socket; allow and deny are one list, of which the first match counts.`,
  });
}

function parseRule(at: Argument, allows: boolean, context: ParseContext): AccessRule {
  if (at.text === 'all') return { allow: allows, match: 'all', network: NOTHING, prefixBits: 0 };
  if (at.text === 'unix:') return { allow: allows, match: 'unix', network: NOTHING, prefixBits: 0 };
  const [address = '', bits, ...more] = at.text.split('/');
  const network = parseIPv4(address) ?? parseIPv6(address);
  const maxBits = network === undefined ? 0 : network.length * 8;
  const prefixBits = bits === undefined ? maxBits : /^[0-9]{1,3}$/.test(bits) ? Number(bits) : -1;
  if (network === undefined || more.length > 0 || prefixBits < 0 || prefixBits > maxBits) {
    return context.fail(at, `invalid parameter "${at.text}"`);
  }
  if (clearHostBits(network, prefixBits)) {
    context.warn(at, `low address bits of ${at.text} are meaningless`);
  }
  return { allow: allows, match: 'network', network, prefixBits };
}

/** Clears what lies behind the prefix; true when something was set there. */
function clearHostBits(address: Uint8Array, prefixBits: number): boolean {
  let changed = false;
  for (let index = 0; index < address.length; index += 1) {
    const keep = Math.min(8, Math.max(0, prefixBits - index * 8));
    const mask = (0xff00 >> keep) & 0xff;
    const byte = address[index] ?? 0;
    if ((byte & mask) !== byte) {
      changed = true;
      address[index] = byte & mask;
    }
  }
  return changed;
}

/** Whether the first rule that matches lets the address in; true when none matches. */
export function isAllowed(rules: readonly AccessRule[], remoteAddress: string): boolean {
  const isUnix = remoteAddress.startsWith('unix:');
  const address = isUnix ? undefined : addressBytes(remoteAddress);
  for (const rule of rules) {
    const hit =
      rule.match === 'all' ||
      (rule.match === 'unix' && isUnix) ||
      (rule.match === 'network' && address !== undefined && inNetwork(address, rule));
    if (hit) return rule.allow;
  }
  return true;
}

function inNetwork(address: Uint8Array, rule: AccessRule): boolean {
  const { network, prefixBits } = rule;
  if (address.length !== network.length) return false;
  const whole = prefixBits >> 3;
  for (let index = 0; index < whole; index += 1) {
    if (address[index] !== network[index]) return false;
  }
  const rest = prefixBits & 7;
  if (rest === 0) return true;
  const mask = (0xff00 >> rest) & 0xff;
  return ((address[whole] ?? 0) & mask) === network[whole];
}

function accessHandler(rules: readonly AccessRule[]): PhaseHandler {
  return (exchange) => {
    if (isAllowed(rules, exchange.client.remoteAddress)) return NEXT;
    exchange.log('error', 'access forbidden by rule');
    return FORBIDDEN;
  };
}

/** `allow`, `deny`. */
export const accessModule: Module = {
  name: 'access',
  directives: [allow, deny],
  location(builder) {
    const rules = builder.settings.get(allow);
    if (rules.length > 0) builder.access(accessHandler(rules));
  },
};

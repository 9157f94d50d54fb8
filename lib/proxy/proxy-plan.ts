/**
 * A `proxy_pass` compiled for the hot path: a program for the heads that go to the
 * backend, tables of fields to drop. Made once, at the first request of its location.
 */
import { DROP, HIDDEN } from '../http/fields.js';
import type { MessageHead } from '../http/message-head.js';
import type { RequestHead } from '../http/request-head.js';
import type { ResponseHead } from '../http/response-head.js';
import {
  CONTENT_LENGTH,
  knownHeaderId,
  TRAILER,
  UNKNOWN,
  UPGRADE,
  X_FORWARDED_FOR,
} from '../http/known-headers.js';
import { escapeUri } from '../http/uri.js';
import { hasLineEnd } from './response-lines.js';
import type { EngineVariable, Value } from '../module-api/index.js';
import { ProgramBuilder, type ComposeProgram } from './compose-program.js';
import type { EngineContext } from './context.js';
import type { ExchangeImpl } from './exchange.js';
import type { HeadComposer } from './head-composer.js';
import { passesIdentity } from './signature.js';
import type { PassTarget, ProxyPassConfig, UpstreamFields } from './runtime.js';
import type { ArenaBytes, HeadOutput } from './segment-writer.js';

/** What frames a body, and is wrong without one. */
const BODY_FIELDS = [CONTENT_LENGTH, TRAILER];

/** A response has these once: of more, the client gets the first, as from nginx. In the manner of `repeatedIds`. */
const ONCE = 'accept-ranges content-type date etag expires last-modified location refresh server'
  .split(' ')
  .reduce((ids, name) => ids | (1 << knownHeaderId(name)), 0);

/** What a run has decided about its request. */
export interface PassedRequest {
  readonly method: string;
  /** The whole target, where `proxy_pass` gives it. */
  readonly uri: string | undefined;
}

/** A field that is set to a value of the request. */
interface SetValue {
  readonly name: string;
  readonly value: Value;
  readonly slot: number;
  /** What the plan writes by itself, below; else 0. */
  readonly own: number;
}

const OWN_HOST = 1;
const OWN_SCHEME = 2;
const OWN_ADDRESS = 3;
const OWN_FORWARDED_FOR = 4;
const OWN: Readonly<Partial<Record<EngineVariable, number>>> = {
  host: OWN_HOST,
  scheme: OWN_SCHEME,
  remote_addr: OWN_ADDRESS,
  proxy_add_x_forwarded_for: OWN_FORWARDED_FOR,
};

export class ProxyPlan {
  readonly config: ProxyPassConfig;
  /** Where 256 bytes are 1 for the known fields of a backend that the client does not get. */
  readonly hidden: number;
  /** The same with Content-Length. */
  readonly hiddenNoLength: number;
  /** Server or Date of a backend may take the place of ours. */
  readonly passesIdentity: boolean;
  /** Lower-cased names beyond the known ones. */
  readonly hiddenNames: string[] = [];
  /** A backend is asked whether it wants a body that the client holds back, unless the operator sets Expect or speaks HTTP/1.0. */
  readonly forwardsExpect: boolean;
  /** Fields of a backend that something rewrites, in the manner of `seenIds`. */
  readonly #rewrittenIds: number;
  /** Where 256 bytes are 1 for the known fields of the client that the backend does not get. */
  readonly #dropped: number;
  /** The same with those that say something about a body, for requests that go on without it. */
  readonly #droppedBodiless: number;
  readonly #droppedNames: string[] = [];
  /** Request line, version, fields that are set, Upgrade, received fields, framing with the empty line. */
  readonly #program: ComposeProgram;
  /** The same where neither an upgrade nor the body's framing has to be written. */
  readonly #usual: ComposeProgram;
  readonly #line: number;
  readonly #values: SetValue[] = [];
  readonly #upgradeSlot: number;
  readonly #end: number;
  /** `proxy_set_header Upgrade`: the operator decides what is upgraded. */
  readonly #upgrade: Value | undefined;
  readonly #setsConnection: boolean;
  readonly #chunkedEnd: ArenaBytes;
  readonly #context: EngineContext;
  /** Where requests go, when that is the same for all. */
  readonly target: PassTarget | undefined;
  /** Whether the client's body goes to the backend. */
  readonly sendsBody: boolean;

  constructor(config: ProxyPassConfig, context: EngineContext) {
    this.config = config;
    this.#context = context;
    this.target = config.group === undefined ? undefined : { group: config.group, uri: undefined };
    this.sendsBody = config.request.passBody && config.request.body === undefined;
    const { constants } = context;
    const { u8 } = context;
    this.hidden = constants.reserve(256);
    this.hiddenNoLength = constants.reserve(256);
    const hidden = u8.subarray(this.hidden, this.hidden + 256);
    for (const name of config.hideHeaders) mark(name, hidden, this.hiddenNames);
    // It frames the body, so it cannot be hidden.
    hidden[CONTENT_LENGTH] = 0;
    this.passesIdentity = passesIdentity(hidden);
    u8.copyWithin(this.hiddenNoLength, this.hidden, this.hidden + 256);
    u8[this.hiddenNoLength + CONTENT_LENGTH] = 1;
    this.#dropped = constants.reserve(256);
    this.#droppedBodiless = constants.reserve(256);
    const dropped = u8.subarray(this.#dropped, this.#dropped + 256);
    // Written anew where the backend is asked (RFC 9110 section 10.1.1).
    mark('expect', dropped, this.#droppedNames);
    let forwardsExpect = config.httpVersion !== '1.0';
    let rewritten = 1 << UPGRADE;
    for (const { names } of config.response.rewrites) {
      for (const name of names) {
        const id = knownHeaderId(name);
        rewritten |= id < 32 ? 1 << id : 1;
      }
    }
    this.#rewrittenIds = rewritten;
    let upgrade: Value | undefined;
    let setsConnection = false;
    const builder = new ProgramBuilder();
    this.#line = builder.slot();
    builder.constant(config.httpVersion === '1.0' ? ' HTTP/1.0\r\n' : ' HTTP/1.1\r\n');
    for (const { name, value } of config.setHeaders) {
      const lower = name.toLowerCase();
      // How the body is framed is never a matter of configuration: it would not be the body's length.
      if (lower === 'content-length' || lower === 'transfer-encoding') continue;
      mark(lower, dropped, this.#droppedNames);
      if (lower === 'upgrade') {
        upgrade = value;
        continue;
      }
      if (lower === 'connection') setsConnection = value.constant !== '';
      if (lower === 'expect') forwardsExpect = false;
      if (value.constant === undefined) {
        const own = value.engine === undefined ? 0 : (OWN[value.engine] ?? 0);
        this.#values.push({ name, value, slot: builder.line(name), own });
      } else if (value.constant !== '') builder.constant(`${name}: ${value.constant}\r\n`);
    }
    this.#usual = builder.fork().fields().constant('\r\n').build(constants, context.i32);
    this.#upgradeSlot = builder.slot();
    builder.fields();
    this.#end = builder.slot();
    this.#program = builder.build(constants, context.i32);
    this.#chunkedEnd = constants.intern('Transfer-Encoding: chunked\r\n\r\n');
    u8.copyWithin(this.#droppedBodiless, this.#dropped, this.#dropped + 256);
    for (const id of BODY_FIELDS) u8[this.#droppedBodiless + id] = 1;
    this.forwardsExpect = forwardsExpect;
    this.#upgrade = upgrade;
    this.#setsConnection = setsConnection;
  }

  /** The operator passes Upgrade on: then also what a backend offers in other answers than 101. */
  get passesUpgrade(): boolean {
    return this.#upgrade !== undefined;
  }

  /** Whether a backend's field beyond the known ones is hidden. */
  hides(up: ResponseHead, index: number): boolean {
    return isNamed(up, index, this.hiddenNames);
  }

  /**
   * Looks through a backend's head: lets what rewrites some of its fields do so, and hides
   * the further ones of a field that a response has once. Result: whether it hid one.
   */
  inspect(exchange: ExchangeImpl, up: ResponseHead): boolean {
    const repeated = (up.repeatedIds & ONCE) !== 0;
    if (repeated) hideRepeated(up);
    if ((up.seenIds & this.#rewrittenIds) !== 0) this.#rewrite(exchange, up);
    return repeated;
  }

  #rewrite(exchange: ExchangeImpl, up: ResponseHead): void {
    // What is hidden is not there: as a field of ours it would reach the client after all.
    const fields: UpstreamFields = { values: (name) => (this.#hidesName(name) ? [] : up.values(name)) };
    if (up.find(UPGRADE) >= 0 && (this.passesUpgrade || up.status === 426)) {
      // An expression for the blanks around a comma would try every division of a long run of them.
      const protocols = fields
        .values('upgrade')
        .flatMap((value) => value.split(',').map((each) => each.trim()));
      const offered = protocols.filter((each) => each !== '' && !/^h2c$/i.test(each));
      if (offered.length > 0) exchange.fields.add('Upgrade', offered.join(', '));
    }
    for (const rewrite of this.config.response.rewrites) {
      if (rewrite.names.some((name) => up.findByName(name) >= 0)) rewrite.apply(exchange, fields);
    }
  }

  #hidesName(lowerName: string): boolean {
    const id = knownHeaderId(lowerName);
    return id === UNKNOWN ? this.hiddenNames.includes(lowerName) : this.#context.u8[this.hidden + id] === 1;
  }

  /** The method for a backend: what `proxy_method` gives, else the client's (or that of an error page). */
  methodFor(exchange: ExchangeImpl): string {
    const value = this.config.request.method;
    if (value === undefined) return exchange.method;
    const method = value.get(exchange);
    if (isToken(method) && method !== 'CONNECT') return method;
    if (method !== '') exchange.log('error', `invalid method "${method}": the client's is used`);
    return exchange.method;
  }

  /**
   * Composes the request head for a backend into the worker's writer, up to and
   * including the empty line, and the body that takes the place of the client's; with
   * Expect when `asks`. `length`: of a chunked body that goes on with its length, else -1.
   * `sendTo`: the handle to which the head is sent at once, or -1; only where nothing follows it.
   * Result: whether it asks for an upgrade.
   */
  compose(
    exchange: ExchangeImpl,
    passed: PassedRequest,
    asks: boolean,
    length: number,
    sendTo: number,
  ): boolean {
    const { common, composer, writer } = this.#context;
    const { request } = this.config;
    const { head } = exchange;
    composer.begin();
    this.#requestLine(exchange, passed, composer);
    const values = this.#values;
    for (let i = 0; i < values.length; i++) {
      const { slot, name, value, own } = values[i];
      if (own !== 0 && this.#setOwn(exchange, composer, slot, own)) continue;
      composer.open(slot);
      value.write(exchange, composer);
      // An empty value means no field at all.
      if (composer.unsafe) {
        exchange.log('error', `a line end in the value of "${name}": the field is left out`);
        composer.open(slot);
      }
    }
    const body = this.sendsBody && exchange.methodOverride === undefined;
    // Of a head that was refused, nothing is passed on.
    const passes = head.complete && request.passFields;
    const own = request.body === undefined ? undefined : request.body.get(exchange);
    const framed = !asks && own === undefined && passes && request.passBody && length < 0;
    const usual = framed && !(body && head.chunked) && !head.upgrade && this.#upgrade === undefined;
    let upgrading = false;
    if (!usual) {
      upgrading = this.#writeUpgrade(exchange, composer);
      if (framed) composer.setConstant(this.#end, body && head.chunked ? this.#chunkedEnd : common.crlf);
      else this.#endHead(exchange, passed, asks, body, passes, length, own);
    }
    const program = usual ? this.#usual : this.#program;
    const drop = body ? this.#dropped : this.#droppedBodiless;
    const source = passes ? head : null;
    const written = composer.compose(program, source, this.#hideNames(head), drop, sendTo);
    writer.reset();
    if (written < 0) writer.fail();
    else writer.copy(composer.output, written);
    if (own !== undefined) writer.raw(own);
    return upgrading;
  }

  /** Points a slot to where its value lies; false when it does not lie anywhere as it is to be sent. */
  #setOwn(exchange: ExchangeImpl, composer: HeadComposer, slot: number, own: number): boolean {
    const { head } = exchange;
    switch (own) {
      case OWN_HOST: {
        const { hostStart, hostEnd } = head;
        if (hostStart < 0 || hostEnd <= hostStart || head.hostHasUpper) return false;
        composer.set(slot, head.base + hostStart, hostEnd - hostStart);
        return true;
      }
      case OWN_SCHEME:
        if (exchange.scheme !== 'http') return false;
        composer.setConstant(slot, this.#context.common.http);
        return true;
      default: {
        if (own === OWN_FORWARDED_FOR && head.find(X_FORWARDED_FOR) >= 0) return false;
        const length = this.#context.placeAddress(exchange.downstream);
        composer.set(slot, this.#context.addressOffset, length);
        return length > 0;
      }
    }
  }

  #requestLine(exchange: ExchangeImpl, { method, uri }: PassedRequest, composer: HeadComposer): void {
    const { head } = exchange;
    const { base } = head;
    const asReceived = exchange.methodOverride === undefined && this.config.request.method === undefined;
    if (asReceived && uri === undefined && this.#asReceived(exchange)) {
      composer.set(this.#line, base + head.methodStart, head.targetEnd - head.methodStart);
      return;
    }
    composer.open(this.#line);
    if (asReceived) composer.copy(base + head.methodStart, head.methodEnd - head.methodStart);
    else composer.raw(method);
    composer.raw(' ');
    this.#target(exchange, composer, uri);
  }

  /** How the body is framed, Expect, and the empty line. `own`: the body that takes the client's place. */
  #endHead(
    exchange: ExchangeImpl,
    { method }: PassedRequest,
    asks: boolean,
    body: boolean,
    passes: boolean,
    length: number,
    own: string | undefined,
  ): void {
    const { composer, common } = this.#context;
    const { head } = exchange;
    const { passBody } = this.config.request;
    composer.open(this.#end);
    if (body && head.chunked) {
      if (length < 0) composer.constant(common.chunked);
      else composer.raw(`Content-Length: ${length}\r\n`);
    } else if (body && !passes && head.contentLength > 0) {
      composer.raw(`Content-Length: ${head.contentLength}\r\n`);
    }
    if (asks) composer.constant(common.expectContinue);
    if (own !== undefined) {
      composer.raw(`Content-Length: ${own.length}\r\n`);
    } else if (!passBody && head.hasBody && /^(?:POST|PUT|PATCH)$/.test(method)) {
      composer.raw('Content-Length: 0\r\n');
    }
    composer.constant(common.crlf);
  }

  /** Whether "GET /path?args" goes on as it stands: one space, origin form, no fragment, nothing replaced. */
  #asReceived(exchange: ExchangeImpl): boolean {
    const { config } = this;
    const { head } = exchange;
    return (
      config.target === undefined &&
      config.uri === undefined &&
      !exchange.uriChanged &&
      head.pathStart === head.targetStart &&
      head.targetStart === head.methodEnd + 1 &&
      head.targetEnd === (head.argsStart < 0 ? head.pathEnd : head.argsEnd)
    );
  }

  #target(exchange: ExchangeImpl, writer: HeadOutput, uri: string | undefined): void {
    const { config } = this;
    const { head } = exchange;
    if (uri !== undefined) {
      writer.raw(escapeControls(uri));
      return;
    }
    if (config.target !== undefined) {
      writer.raw(escapeControls(config.target.get(exchange)));
      return;
    }
    if (config.uri === undefined && !exchange.uriChanged) {
      // As received, but in origin form and without a fragment.
      const { pathStart, pathEnd } = head;
      const end = head.argsStart < 0 ? pathEnd : head.argsEnd;
      if (pathEnd === pathStart) writer.raw('/');
      writer.copy(head.base + pathStart, end - pathStart);
      return;
    }
    const { args } = exchange;
    writer.raw(
      config.uri === undefined
        ? escapeUri(exchange.uri)
        : config.uri + escapeUri(exchange.uri.slice(config.locationPrefix.length)),
    );
    if (args !== '') {
      writer.raw('?');
      writer.raw(escapeControls(args));
    }
  }

  /** Rule 2: WebSocket by itself; anything but h2c where the operator passes Upgrade on. */
  #writeUpgrade(exchange: ExchangeImpl, composer: HeadComposer): boolean {
    const { common } = this.#context;
    composer.setConstant(this.#upgradeSlot, common.nothing);
    if (this.config.httpVersion === '1.0') return false;
    if (this.#upgrade !== undefined) {
      const value = this.#upgrade.get(exchange);
      if (value === '' || hasLineEnd(value) || /(?:^|[\s,])h2c(?:$|[\s,])/i.test(value)) return false;
      composer.open(this.#upgradeSlot);
      composer.raw(`Upgrade: ${value}\r\n`);
      if (!this.#setsConnection) composer.constant(common.upgrade);
      return true;
    }
    const { head } = exchange;
    // A body would be read by the old protocol or by the new one, as the backend likes.
    if (!head.upgrade || head.hasBody || exchange.method !== 'GET' || head.version === 10) return false;
    if (this.#setsConnection || exchange.request.header('upgrade')?.toLowerCase() !== 'websocket')
      return false;
    composer.setConstant(this.#upgradeSlot, common.upgradeWebsocket);
    return true;
  }

  /** Marks the fields without an id that are not passed on. Result: the flags with which a field is left out. */
  #hideNames(head: RequestHead): number {
    const names = this.#droppedNames;
    if (names.length === 0) return DROP;
    for (let i = 0; i < head.fieldCount; i++) {
      if (head.fieldId(i) === UNKNOWN) head.setHidden(i, isNamed(head, i, names));
    }
    return DROP | HIDDEN;
  }
}

function hideRepeated(up: ResponseHead): void {
  let seen = 0;
  for (let i = 0; i < up.fieldCount; i++) {
    const id = up.fieldId(i);
    const bit = id < 32 ? (1 << id) & ONCE : 0;
    if ((seen & bit) !== 0) up.setHidden(i, true);
    seen |= bit;
  }
}

function isNamed(head: MessageHead, index: number, names: readonly string[]): boolean {
  for (const name of names) if (head.fieldNameIs(index, name)) return true;
  return false;
}

/** Percent-encodes blanks and control bytes, of which a request line is made. */
function escapeControls(text: string): string {
  return text.replace(/[\x00-\x20\x7f]/g, escapeUri);
}

/** Whether a byte string is a method's name (RFC 9110 section 9.1). */
function isToken(text: string): boolean {
  return /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(text);
}

function mark(name: string, ids: Uint8Array, names: string[]): void {
  const lower = name.toLowerCase();
  const id = knownHeaderId(lower);
  if (id !== 0) ids[id] = 1;
  else if (!names.includes(lower)) names.push(lower);
}

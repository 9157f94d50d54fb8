/**
 * A `proxy_pass` compiled for the hot path: lines to append as ranges of the arena,
 * tables of fields to drop. Made once, at the first request of its location.
 */
import { DROP, CANONICAL } from '../http/fields.js';
import type { ResponseHead } from '../http/response-head.js';
import { KNOWN_HEADER_COUNT, knownHeaderId } from '../http/known-headers.js';
import { escapeUri } from '../http/uri.js';
import { hasLineEnd, rewriteLine } from './response-lines.js';
import type { Value } from '../module-api/index.js';
import type { EngineContext } from './context.js';
import type { ExchangeImpl } from './exchange.js';
import type { PassTarget, ProxyPassConfig } from './runtime.js';
import type { ArenaBytes, SegmentWriter } from './segment-writer.js';

const CR = 0x0d;

/** What a run has decided about its request. */
export interface PassedRequest {
  readonly method: string;
  /** The whole target, where `proxy_pass` gives it. */
  readonly uri: string | undefined;
}

/** One line that is set: a constant, or a name and what stands behind it. */
interface SetLine {
  readonly line: ArenaBytes | undefined;
  readonly name: ArenaBytes;
  readonly value: Value;
}

export class ProxyPlan {
  readonly config: ProxyPassConfig;
  /** 1 for the known fields of a backend that the client does not get. */
  readonly hiddenIds = new Uint8Array(KNOWN_HEADER_COUNT);
  /** Lower-cased names beyond the known ones. */
  readonly hiddenNames: string[] = [];
  /** A backend is asked whether it wants a body that the client holds back, unless the operator sets Expect or speaks HTTP/1.0. */
  readonly forwardsExpect: boolean;
  readonly #droppedIds = new Uint8Array(KNOWN_HEADER_COUNT);
  readonly #droppedNames: string[] = [];
  readonly #lines: SetLine[] = [];
  /** `proxy_set_header Upgrade`: the operator decides what is upgraded. */
  readonly #upgrade: Value | undefined;
  readonly #setsConnection: boolean;
  readonly #version: ArenaBytes;
  readonly #space: ArenaBytes;
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
    this.#version = constants.intern(config.httpVersion === '1.0' ? ' HTTP/1.0\r\n' : ' HTTP/1.1\r\n');
    this.#space = constants.intern(' ');
    for (const name of config.hideHeaders) mark(name, this.hiddenIds, this.hiddenNames);
    // Written anew where the backend is asked (RFC 9110 section 10.1.1).
    mark('expect', this.#droppedIds, this.#droppedNames);
    let forwardsExpect = config.httpVersion !== '1.0';
    let upgrade: Value | undefined;
    let setsConnection = false;
    for (const { name, value } of config.setHeaders) {
      const lower = name.toLowerCase();
      // How the body is framed is never a matter of configuration: it would not be the body's length.
      if (lower === 'content-length' || lower === 'transfer-encoding') continue;
      mark(lower, this.#droppedIds, this.#droppedNames);
      if (lower === 'upgrade') {
        upgrade = value;
        continue;
      }
      if (lower === 'connection') setsConnection = value.constant !== '';
      if (lower === 'expect') forwardsExpect = false;
      if (value.constant === '') continue;
      const line =
        value.constant === undefined ? undefined : constants.intern(`${name}: ${value.constant}\r\n`);
      this.#lines.push({ line, name: constants.intern(`${name}: `), value });
    }
    this.forwardsExpect = forwardsExpect;
    this.#upgrade = upgrade;
    this.#setsConnection = setsConnection;
  }

  /** Whether a backend's field beyond the known ones is hidden. */
  hides(up: ResponseHead, index: number): boolean {
    for (const name of this.hiddenNames) if (up.fieldNameIs(index, name)) return true;
    return false;
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
   * Result: whether it asks for an upgrade.
   */
  compose(exchange: ExchangeImpl, passed: PassedRequest, asks: boolean, length: number): boolean {
    const { method, uri } = passed;
    const { writer, common } = this.#context;
    const { request } = this.config;
    const { head } = exchange;
    const { base } = head;
    writer.reset();
    const asReceived = exchange.methodOverride === undefined && request.method === undefined;
    if (asReceived && uri === undefined && this.#asReceived(exchange)) {
      writer.copy(base + head.methodStart, head.targetEnd - head.methodStart);
    } else {
      if (asReceived) {
        // "GET " as received.
        writer.copy(base + head.methodStart, head.methodEnd - head.methodStart);
        writer.constant(this.#space);
      } else {
        writer.raw(`${method} `);
      }
      this.#target(exchange, writer, uri);
    }
    writer.constant(this.#version);
    for (let i = 0; i < this.#lines.length; i++) {
      const { line, name, value } = this.#lines[i];
      if (line !== undefined) {
        writer.constant(line);
        continue;
      }
      writer.mark();
      writer.constant(name);
      const before = writer.total;
      value.write(exchange, writer);
      // An empty value means no field at all.
      if (writer.unsafe) this.#refuse(exchange, i);
      if (writer.unsafe || writer.total === before) writer.rewind();
      else writer.lineEnd(common.crlf);
    }
    const upgrading = this.#writeUpgrade(exchange, writer);
    const body = this.sendsBody && exchange.methodOverride === undefined;
    // Of a head that was refused, nothing is passed on.
    if (head.complete && request.passFields) this.#fields(exchange, writer, body);
    else if (body && head.contentLength > 0) writer.raw(`Content-Length: ${head.contentLength}\r\n`);
    if (body && head.chunked) {
      if (length < 0) writer.constant(common.chunked);
      else writer.raw(`Content-Length: ${length}\r\n`);
    }
    if (asks) writer.constant(common.expectContinue);
    if (request.body !== undefined) {
      const own = request.body.get(exchange);
      writer.raw(`Content-Length: ${own.length}\r\n\r\n`);
      writer.raw(own);
      return upgrading;
    }
    if (!request.passBody && head.hasBody && /^(?:POST|PUT|PATCH)$/.test(method)) {
      writer.raw('Content-Length: 0\r\n');
    }
    // The empty line as received joins the last field.
    const end = base + head.length - 2;
    if (head.complete && this.#context.u8[end] === CR) writer.copy(end, 2);
    else writer.constant(common.crlf);
    return upgrading;
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

  #target(exchange: ExchangeImpl, writer: SegmentWriter, uri: string | undefined): void {
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
  #writeUpgrade(exchange: ExchangeImpl, writer: SegmentWriter): boolean {
    const { common } = this.#context;
    if (this.config.httpVersion === '1.0') return false;
    if (this.#upgrade !== undefined) {
      const value = this.#upgrade.get(exchange);
      if (value === '' || hasLineEnd(value) || /(?:^|[\s,])h2c(?:$|[\s,])/i.test(value)) return false;
      writer.raw(`Upgrade: ${value}\r\n`);
      if (!this.#setsConnection) writer.constant(common.upgrade);
      return true;
    }
    const { head } = exchange;
    // A body would be read by the old protocol or by the new one, as the backend likes.
    if (!head.upgrade || head.hasBody || exchange.method !== 'GET' || head.version === 10) return false;
    if (this.#setsConnection || exchange.request.header('upgrade')?.toLowerCase() !== 'websocket')
      return false;
    writer.constant(common.upgradeWebsocket);
    return true;
  }

  #fields(exchange: ExchangeImpl, writer: SegmentWriter, body: boolean): void {
    const { common } = this.#context;
    const { head } = exchange;
    const { base } = head;
    const dropped = this.#droppedIds;
    const names = this.#droppedNames;
    for (let i = 0; i < head.fieldCount; i++) {
      const flags = head.fieldFlags(i);
      if ((flags & DROP) !== 0) continue;
      const id = head.fieldId(i);
      if (id !== 0) {
        if (dropped[id] === 1) continue;
        if (!body && head.isBodyField(id)) continue;
      } else if (names.length > 0 && this.#drops(exchange, i)) {
        continue;
      }
      const start = head.lineStart(i);
      if ((flags & CANONICAL) !== 0) writer.copy(base + start, head.lineEnd(i) - start);
      else rewriteLine(head, i, writer, common);
    }
  }

  #refuse(exchange: ExchangeImpl, index: number): void {
    const { offset, length } = this.#lines[index].name;
    const name = Buffer.from(this.#context.u8.subarray(offset, offset + length)).toString('latin1');
    exchange.log('error', `a line end in the value of "${name}": the field is left out`);
  }

  #drops(exchange: ExchangeImpl, index: number): boolean {
    for (const name of this.#droppedNames) if (exchange.head.fieldNameIs(index, name)) return true;
    return false;
  }
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

/**
 * What modules see of an exchange's client, request and response. Strings are made
 * only when a directive, a variable or a handler asks for them.
 */
import * as bytes from '../http/bytes.js';
import { HeaderName } from '../http/header-name.js';
import * as memory from '../http/memory.js';
import type { RequestHead } from '../http/request-head.js';
import type { ByteWriter, ClientInfo, Request, Response } from '../module-api/index.js';
import type { ExchangeImpl } from './exchange.js';

// As in message-head.ts: constants of this module are folded, imported ones are not.
const { u8 } = memory;
const { CR, LF } = bytes;
/** Length of " HTTP/1.1". */
const USUAL_VERSION = 9;
const NO_NAME = new HeaderName('');

export class ClientView implements ClientInfo {
  readonly #exchange: ExchangeImpl;
  constructor(exchange: ExchangeImpl) {
    this.#exchange = exchange;
  }

  get remoteAddress(): string {
    return this.#exchange.downstream.clientAddress;
  }

  writeRemoteAddress(out: ByteWriter): void {
    this.#exchange.context.writeAddress(this.#exchange.downstream, out);
  }

  get remotePort(): number {
    return this.#exchange.downstream.connection.remotePort;
  }

  get serverAddress(): string {
    const { config } = this.#exchange.downstream.servers;
    if (config.port < 0) return `unix:${config.address}`;
    const any = config.address === '0.0.0.0' || config.address === '::';
    // Only behind a wildcard does the kernel know more than the configuration.
    return any ? this.#exchange.downstream.connection.localAddress : config.address;
  }

  get serverPort(): number {
    const { port } = this.#exchange.downstream.servers.config;
    return port > 0 ? port : this.#exchange.downstream.connection.localPort;
  }

  get serial(): number {
    return this.#exchange.downstream.serial;
  }

  get acceptedMs(): number {
    return this.#exchange.downstream.acceptedMs;
  }

  get requests(): number {
    return this.#exchange.downstream.requests;
  }

  get pipelined(): boolean {
    return this.#exchange.pipelined;
  }
}

export class RequestView implements Request {
  readonly #exchange: ExchangeImpl;
  /** The last name that was asked for as a text: a configuration asks for the same ones again and again. */
  #text = '';
  #name = NO_NAME;

  constructor(exchange: ExchangeImpl) {
    this.#exchange = exchange;
  }

  get method(): string {
    return this.#exchange.method;
  }

  get line(): string | undefined {
    const start = this.#lineStart();
    const end = this.#lineEnd(start);
    return start === end ? undefined : this.#exchange.head.text(start, end);
  }

  writeLine(out: ByteWriter): boolean {
    const start = this.#lineStart();
    const end = this.#lineEnd(start);
    if (start === end) return false;
    out.copy(this.#exchange.head.base + start, end - start);
    return true;
  }

  get target(): string {
    const { head } = this.#exchange;
    return head.text(head.targetStart, head.targetEnd);
  }

  get protocol(): string {
    return this.#exchange.head.version === 10 ? 'HTTP/1.0' : 'HTTP/1.1';
  }

  get host(): string {
    const { givenHost } = this;
    return givenHost === '' ? this.#exchange.serverName : givenHost;
  }

  get givenHost(): string {
    const { head } = this.#exchange;
    return head.hostStart < 0 ? '' : normalizeHost(head.text(head.hostStart, head.hostEnd));
  }

  get givenPort(): number {
    return this.#exchange.head.hostPort;
  }

  writeHost(out: ByteWriter): void {
    const { head } = this.#exchange;
    const { hostStart, hostEnd } = head;
    // As received where that is its normal form already.
    if (hostStart >= 0 && hostEnd > hostStart && !head.hostHasUpper) {
      out.copy(head.base + hostStart, hostEnd - hostStart);
    } else {
      out.text(this.host);
    }
  }

  header(name: string | HeaderName): string | undefined {
    const { head } = this.#exchange;
    const wanted = this.#named(name);
    const first = find(head, wanted);
    if (first < 0) return undefined;
    let value = head.fieldText(first);
    for (let i = first + 1; i < head.fieldCount; i++) {
      if (isNamed(head, i, wanted)) value += separatorOf(wanted) + head.fieldText(i);
    }
    return value;
  }

  writeHeader(name: string | HeaderName, out: ByteWriter): boolean {
    const { head } = this.#exchange;
    const wanted = this.#named(name);
    const first = find(head, wanted);
    if (first < 0) return false;
    for (let i = first; i < head.fieldCount; i++) {
      if (!isNamed(head, i, wanted)) continue;
      if (i > first) out.text(separatorOf(wanted));
      const start = head.valueStart(i);
      out.copy(head.base + start, head.valueEnd(i) - start);
    }
    return true;
  }

  #named(name: string | HeaderName): HeaderName {
    if (typeof name !== 'string') return name;
    if (name !== this.#text) {
      this.#text = name;
      this.#name = new HeaderName(name);
    }
    return this.#name;
  }

  /** Behind empty lines. */
  #lineStart(): number {
    const { head, headLength } = this.#exchange;
    if (head.complete) return head.methodStart;
    let at = 0;
    while (at < headLength && isLineEnd(u8[head.base + at])) at++;
    return at;
  }

  /** Of a head that is not complete, the line is as long as it may be at most. */
  #lineEnd(start: number): number {
    const { head, headLength, downstream } = this.#exchange;
    let at = start;
    let limit = headLength;
    if (!head.complete) {
      const { maxRequestLineBytes = 8192 } = downstream.servers.limits;
      limit = Math.min(limit, start + maxRequestLineBytes);
    } else {
      const usual = usualLineEnd(head);
      if (usual >= 0) return usual;
      at = head.targetEnd;
    }
    while (at < limit && !isLineEnd(u8[head.base + at])) at++;
    return at;
  }

  *headers(): IterableIterator<[string, string]> {
    const { head } = this.#exchange;
    for (let i = 0; i < head.fieldCount; i++) yield [head.fieldName(i), head.fieldText(i)];
  }

  get contentLength(): number {
    return this.#exchange.head.contentLength;
  }

  get bytesReceived(): number {
    return this.#exchange.headLength + this.#exchange.body.bytesReceived;
  }

  writeTarget(out: ByteWriter): void {
    const { head } = this.#exchange;
    out.copy(head.base + head.targetStart, head.targetEnd - head.targetStart);
  }
}

export class ResponseView implements Response {
  status = 0;
  readonly #exchange: ExchangeImpl;

  constructor(exchange: ExchangeImpl) {
    this.#exchange = exchange;
  }

  getHeader(name: string): string | undefined {
    const { fields, writer } = this.#exchange;
    const lower = name.toLowerCase();
    const first = fields.isRemoved(lower) ? undefined : writer.ownHeader(lower);
    const added = fields.find(lower);
    return first === undefined || added === undefined ? (first ?? added) : `${first}, ${added}`;
  }

  getTrailer(name: string): string | undefined {
    return this.#exchange.writer.trailers.find(name.toLowerCase());
  }

  setHeader(name: string, value: string): void {
    this.#exchange.fields.set(name, value);
  }

  addHeader(name: string, value: string): void {
    this.#exchange.fields.add(name, value);
  }

  removeHeader(name: string): void {
    this.#exchange.fields.remove(name);
  }

  get contentLength(): number {
    return this.#exchange.writer.contentLength;
  }

  get headSent(): boolean {
    return this.#exchange.writer.headSent;
  }

  get bytesSent(): number {
    return this.#exchange.writer.bytesSent;
  }

  get bodyBytesSent(): number {
    return this.#exchange.writer.bodyBytesSent;
  }
}

/** Lower case, without a trailing dot. */
export function normalizeHost(host: string): string {
  const lower = host.toLowerCase();
  return lower.endsWith('.') ? lower.slice(0, -1) : lower;
}

/** Where the request line ends if nothing but the version is behind its target, as nearly always; else -1. */
export function usualLineEnd(head: RequestHead): number {
  if (!head.complete) return -1;
  const end = head.targetEnd + USUAL_VERSION;
  return isLineEnd(u8[head.base + end]) ? end : -1;
}

/** Index of the first field of that name, or -1. */
function find(head: RequestHead, { id, text }: HeaderName): number {
  return id === 0 ? head.findByName(text) : head.find(id);
}

function isNamed(head: RequestHead, index: number, { id, text }: HeaderName): boolean {
  return id === 0 ? head.fieldNameIs(index, text) : head.fieldId(index) === id;
}

function separatorOf({ text }: HeaderName): string {
  return text === 'cookie' ? '; ' : ', ';
}

function isLineEnd(byte: number): boolean {
  return byte === CR || byte === LF;
}

/**
 * What modules see of an exchange's client, request and response. Strings are made
 * only when a directive, a variable or a handler asks for them.
 */
import { knownHeaderId } from '../http/known-headers.js';
import type { ByteWriter, ClientInfo, Request, Response } from '../module-api/index.js';
import type { ExchangeImpl } from './exchange.js';

export class ClientView implements ClientInfo {
  readonly #exchange: ExchangeImpl;
  constructor(exchange: ExchangeImpl) {
    this.#exchange = exchange;
  }

  get remoteAddress(): string {
    return this.#exchange.downstream.clientAddress;
  }

  writeRemoteAddress(out: ByteWriter): void {
    this.#exchange.context.writeAddress(this.remoteAddress, out);
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
  /** The last name asked for: a configuration asks for the same ones again and again. */
  #name = '';
  #lowerName = '';
  #nameId = 0;

  constructor(exchange: ExchangeImpl) {
    this.#exchange = exchange;
  }

  get method(): string {
    return this.#exchange.method;
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

  header(name: string): string | undefined {
    const { head } = this.#exchange;
    const first = this.#find(name);
    if (first < 0) return undefined;
    const lower = this.#lowerName;
    let value = head.fieldText(first);
    const separator = lower === 'cookie' ? '; ' : ', ';
    for (let i = first + 1; i < head.fieldCount; i++) {
      if (head.fieldNameIs(i, lower)) value += separator + head.fieldText(i);
    }
    return value;
  }

  writeHeader(name: string, out: ByteWriter): void {
    const { head } = this.#exchange;
    const first = this.#find(name);
    if (first < 0) return;
    const lower = this.#lowerName;
    const separator = lower === 'cookie' ? '; ' : ', ';
    let written = false;
    for (let i = first; i < head.fieldCount; i++) {
      if (!head.fieldNameIs(i, lower)) continue;
      if (written) out.text(separator);
      const start = head.valueStart(i);
      out.copy(head.base + start, head.valueEnd(i) - start);
      written = true;
    }
  }

  /** Index of the first field of that name, or -1. */
  #find(name: string): number {
    if (name !== this.#name) {
      this.#name = name;
      this.#lowerName = name.toLowerCase();
      this.#nameId = knownHeaderId(this.#lowerName);
    }
    const { head } = this.#exchange;
    return this.#nameId === 0 ? head.findByName(this.#lowerName) : head.find(this.#nameId);
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

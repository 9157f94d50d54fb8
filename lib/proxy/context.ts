/**
 * What every exchange of a worker shares: the arena, the writer, pools of blocks and
 * exchanges, the Server and Date lines, and who is connected.
 */
import { formatHttpDate } from '../http/date.js';
import { reasonPhrase } from '../http/status.js';
import { host } from '../native/host.js';
import { native } from '../native/index.js';
import type { ByteWriter } from '../module-api/index.js';
import type { Reactor } from '../reactor/reactor.js';
import { Roster } from '../util/roster.js';
import { VERSION } from '../util/version.js';
import { ProgramBuilder, type ComposeProgram } from './compose-program.js';
import type { Downstream } from './downstream.js';
import { ExchangeImpl } from './exchange.js';
import { HeadComposer } from './head-composer.js';
import type { LineForm, LinePlan } from './line-plan.js';
import { ArenaConstants, BlockPool } from './memory.js';
import { Pacer } from './pacer.js';
import { RelayedHead } from './relayed-head.js';
import { KEEP_ALIVE_END } from './response-lines.js';
import type { RuntimeConfig } from './runtime.js';
import type { ArenaBytes } from './segment-writer.js';
import { SegmentWriter } from './segment-writer.js';
import type { UpstreamGroup } from './upstream-group.js';

/** Idle exchanges kept for reuse. */
const KEEP_EXCHANGES = 512;
/** How long a connection to a backend may be idle beyond what `keepalive` allows. */
const TRIM_MS = 100;
/** "Sun, 06 Nov 1994 08:49:37 GMT" */
const DATE_LENGTH = 29;
const DATE_LINE_LENGTH = 'Date: '.length + DATE_LENGTH + '\r\n'.length;

/** Longer than any numeric address with its scope. */
const ADDRESS_BYTES = 128;
const { u8, f64 } = host;
const NOW = host.layout.now >> 3;
const WALL = host.layout.wallClock >> 3;

/** How the proxy calls itself in `Server` and in its pages. */
export const PRODUCT = 'millrace';

/** Segments that responses are composed of. */
export class CommonConstants {
  readonly nothing: ArenaBytes;
  readonly crlf: ArenaBytes;
  /** Connection as the last field, with the empty line behind it. */
  readonly keepAliveEnd: ArenaBytes;
  readonly closeEnd: ArenaBytes;
  readonly chunked: ArenaBytes;
  readonly contentLength: ArenaBytes;
  readonly contentType: ArenaBytes;
  readonly location: ArenaBytes;
  readonly http: ArenaBytes;
  readonly http11: ArenaBytes;
  readonly colon: ArenaBytes;
  readonly continue100: ArenaBytes;
  readonly expectContinue: ArenaBytes;
  readonly lastChunk: ArenaBytes;
  readonly upgrade: ArenaBytes;
  readonly upgradeWebsocket: ArenaBytes;

  constructor(constants: ArenaConstants) {
    this.nothing = constants.intern('');
    this.crlf = constants.intern('\r\n');
    this.keepAliveEnd = constants.intern(KEEP_ALIVE_END);
    this.closeEnd = constants.intern('Connection: close\r\n\r\n');
    this.chunked = constants.intern('Transfer-Encoding: chunked\r\n');
    this.contentLength = constants.intern('Content-Length: ');
    this.contentType = constants.intern('Content-Type: ');
    this.location = constants.intern('Location: ');
    this.http = constants.intern('http');
    this.http11 = constants.intern('HTTP/1.1 ');
    this.colon = constants.intern(': ');
    this.continue100 = constants.intern('HTTP/1.1 100 Continue\r\n\r\n');
    this.expectContinue = constants.intern('Expect: 100-continue\r\n');
    this.lastChunk = constants.intern('0\r\n\r\n');
    this.upgrade = constants.intern('Connection: upgrade\r\n');
    this.upgradeWebsocket = constants.intern('Connection: upgrade\r\nUpgrade: websocket\r\n');
  }
}

export class EngineContext {
  readonly reactor: Reactor;
  readonly config: RuntimeConfig;
  readonly u8: Uint8Array = host.u8;
  readonly i32: Int32Array = host.i32;
  readonly f64: Float64Array = host.f64;
  readonly blocks: BlockPool;
  readonly constants: ArenaConstants;
  readonly common: CommonConstants;
  readonly writer: SegmentWriter;
  readonly composer: HeadComposer;
  readonly relayedHead: RelayedHead;
  /** Of clients whose location asks for a least speed. */
  readonly pacer: Pacer;
  /** Of the forms of log lines in use. */
  readonly linePlans = new Map<LineForm, LinePlan>();
  /** The received fields alone. */
  readonly fieldsProgram: ComposeProgram;
  /** Clients, for draining and for counting. */
  readonly clients = new Roster<Downstream>();
  /** True once the worker drains: every response closes its connection. */
  draining = false;
  /** Called when the last client has gone while draining. */
  onIdle: (() => void) | undefined;
  /** Serial of the last accepted connection. */
  serial = 0;
  /** Requests begun by this worker. */
  requests = 0;
  readonly #free: ExchangeImpl[] = [];
  readonly #serverDateFull: ArenaBytes;
  readonly #serverDateShort: ArenaBytes;
  readonly #statusLines: (ArenaBytes | undefined)[] = [];
  #dateSecond = -1;
  /** Where the address lies that was written last. */
  readonly addressOffset: number;
  /** Grows when another address comes there; see `Downstream.addressVersion`. */
  #addressVersion = 1;
  #address = '';
  #addressLength = 0;

  constructor(reactor: Reactor, config: RuntimeConfig) {
    this.reactor = reactor;
    this.config = config;
    this.blocks = new BlockPool(native);
    this.constants = new ArenaConstants(native, this.u8);
    this.common = new CommonConstants(this.constants);
    const blank = ' '.repeat(DATE_LENGTH);
    this.#serverDateFull = this.constants.intern(`Server: ${PRODUCT}/${VERSION}\r\nDate: ${blank}\r\n`);
    this.#serverDateShort = this.constants.intern(`Server: ${PRODUCT}\r\nDate: ${blank}\r\n`);
    const { scratch, scratchSize, table, tableCapacity } = host.layout;
    // At the end of the table, which accept and the scanner fill from the beginning.
    const pairs = table + (tableCapacity - 256) * 4;
    this.writer = new SegmentWriter(this.u8, host.i32, pairs, scratch, scratchSize >> 1);
    this.composer = new HeadComposer();
    this.fieldsProgram = new ProgramBuilder().fields().build(this.constants, this.i32);
    this.relayedHead = new RelayedHead(this);
    this.pacer = new Pacer(reactor, () => this.nowMs);
    this.addressOffset = this.constants.reserve(ADDRESS_BYTES);
  }

  /** Looks after a pool of backend connections until it keeps no more than it may. */
  readonly trimLater = (group: UpstreamGroup): void => {
    this.reactor.setTimer(TRIM_MS, () => {
      if (group.trim()) this.trimLater(group);
    });
  };

  /** The turn's clock in ms. */
  get nowMs(): number {
    return f64[NOW];
  }

  /** The turn's wall clock in ms since 1970. */
  get wallMs(): number {
    return f64[WALL];
  }

  /** Appends the address of a client. */
  writeAddress(downstream: Downstream, out: ByteWriter): void {
    // What is being composed may point to the address that lies there.
    const busy = this.composer.filling && downstream.addressVersion !== this.#addressVersion;
    const length = busy ? -1 : this.placeAddress(downstream);
    if (length < 0) out.text(downstream.clientAddress);
    else out.copy(this.addressOffset | 0, length | 0);
  }

  /** Puts a client's address to `addressOffset`; often it is there from the request before. Result: its length, -1 when it is too long. */
  placeAddress(downstream: Downstream): number {
    if (downstream.addressVersion !== this.#addressVersion) {
      if (!this.#takeAddress(downstream.clientAddress)) return -1;
      downstream.addressVersion = this.#addressVersion;
    }
    return this.#addressLength;
  }

  /** False when it is too long. */
  #takeAddress(address: string): boolean {
    if (address === this.#address) return true;
    const { length } = address;
    if (length > ADDRESS_BYTES) return false;
    for (let i = 0; i < length; i++) u8[this.addressOffset + i] = address.charCodeAt(i);
    this.#addressLength = length;
    this.#address = address;
    this.#addressVersion++;
    return true;
  }

  /** "Server: ...CRLF Date: ...CRLF", brought up to date once a second, in place. */
  serverDate(tokens: boolean): ArenaBytes {
    const second = Math.floor(this.wallMs / 1000);
    if (second !== this.#dateSecond) {
      this.#dateSecond = second;
      const text = formatHttpDate(second * 1000);
      for (const block of [this.#serverDateFull, this.#serverDateShort]) {
        const at = block.offset + block.length - 2 - DATE_LENGTH;
        for (let i = 0; i < DATE_LENGTH; i++) this.u8[at + i] = text.charCodeAt(i);
      }
    }
    return tokens ? this.#serverDateFull : this.#serverDateShort;
  }

  /** "Date: ...CRLF". */
  date(): ArenaBytes {
    const { offset, length } = this.serverDate(false);
    return { offset: offset + length - DATE_LINE_LENGTH, length: DATE_LINE_LENGTH };
  }

  /** "HTTP/1.1 404 Not Found CRLF", placed in the arena at its first use. */
  statusLine(status: number): ArenaBytes {
    let line = this.#statusLines[status];
    if (line === undefined) {
      line = this.constants.intern(`HTTP/1.1 ${status} ${reasonPhrase(status) ?? ''}\r\n`);
      this.#statusLines[status] = line;
    }
    return line;
  }

  /** The signature on pages. */
  signature(tokens: boolean): string {
    return tokens ? `${PRODUCT}/${VERSION}` : PRODUCT;
  }

  acquireExchange(downstream: Downstream): ExchangeImpl {
    const exchange = this.#free.pop() ?? new ExchangeImpl(this);
    exchange.open(downstream);
    return exchange;
  }

  /** Only for exchanges that nobody can still hold: one that a module awaited is left to the garbage collector. */
  releaseExchange(exchange: ExchangeImpl): void {
    if (this.#free.length < KEEP_EXCHANGES) this.#free.push(exchange);
  }

  forget(downstream: Downstream): void {
    this.clients.delete(downstream);
    if (this.draining && this.clients.size === 0) this.onIdle?.();
  }

  /** Gives the arena back. Nothing may be under way. */
  close(): void {
    this.blocks.drain();
    this.constants.release();
  }
}

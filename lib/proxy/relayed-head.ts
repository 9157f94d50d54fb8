/**
 * The head of a backend's response as the client gets it:
 *
 *     status line | Server, Date | the backend's fields | Transfer-Encoding | fields of modules | Connection | body
 *
 * Everything but the backend's fields is a slot, so one program serves every response of
 * the worker. A second one is for the usual response: nothing between the backend's fields
 * and "Connection: keep-alive".
 */
import { UPGRADE } from '../http/known-headers.js';
import type { ResponseHead } from '../http/response-head.js';
import type { EngineContext } from './context.js';
import { ProgramBuilder, type ComposeProgram } from './compose-program.js';
import type { ExchangeImpl } from './exchange.js';
import type { HeadComposer } from './head-composer.js';
import type { ProxyPlan } from './proxy-plan.js';
import { hideFields, KEEP_ALIVE_END, writeFields, writeStatusLine } from './response-lines.js';
import { ownText, writeOwnServerDate, writeServerDate } from './signature.js';

/** In the manner of `seenIds`. */
const UPGRADE_BIT = 1 << UPGRADE;

export class RelayedHead {
  readonly #context: EngineContext;
  readonly #composer: HeadComposer;
  readonly #program: ComposeProgram;
  readonly #line: number;
  readonly #server: number;
  readonly #coding: number;
  readonly #own: number;
  readonly #end: number;
  readonly #body: number;
  readonly #usual: ComposeProgram;
  readonly #usualBody: number;

  constructor(context: EngineContext) {
    this.#context = context;
    this.#composer = context.composer;
    const builder = new ProgramBuilder();
    this.#line = builder.slot();
    this.#server = builder.slot();
    builder.fields();
    const usual = builder.fork().constant(KEEP_ALIVE_END);
    this.#usualBody = usual.slot();
    this.#usual = usual.build(context.constants, context.i32);
    this.#coding = builder.slot();
    this.#own = builder.slot();
    this.#end = builder.slot();
    this.#body = builder.slot();
    this.#program = builder.build(context.constants, context.i32);
  }

  /**
   * Writes it to the composer's output, with `status` instead of the backend's and without
   * fields that the plan found `repeated`, and `bodyLength` bytes at `bodyOffset` behind it;
   * and sends that to the handle `sendTo` (-1: not). Result: the length of all, or -1 when it
   * does not fit.
   */
  write(
    exchange: ExchangeImpl,
    up: ResponseHead,
    plan: ProxyPlan,
    status: number,
    chunked: boolean,
    repeated: boolean,
    keepAlive: boolean,
    bodyOffset: number,
    bodyLength: number,
    sendTo: number,
  ): number {
    const composer = this.#composer;
    const { location } = exchange;
    composer.begin();
    this.#statusLine(up, status);
    if (plan.passesIdentity) {
      composer.open(this.#server);
      writeOwnServerDate(exchange, plan.hidden, composer);
    } else if (typeof location.serverTokens === 'boolean') {
      composer.setConstant(this.#server, this.#context.serverDate(location.serverTokens));
    } else {
      composer.open(this.#server);
      writeServerDate(exchange, ownText(exchange), composer);
    }
    const usual =
      keepAlive && !chunked && location.keepaliveHeaderSeconds === 0 && exchange.fields.count === 0;
    if (usual) composer.set(this.#usualBody, bodyOffset, bodyLength);
    else this.#rest(exchange, (up.seenIds & UPGRADE_BIT) !== 0, chunked, keepAlive, bodyOffset, bodyLength);
    const noLength = status === 204 || exchange.writer.contentLength < 0 || chunked;
    const drop = noLength ? plan.hiddenNoLength : plan.hidden;
    const program = usual ? this.#usual : this.#program;
    return composer.compose(program, up, hideFields(exchange, up, plan, repeated), drop, sendTo);
  }

  /** Everything behind the backend's fields. */
  #rest(
    exchange: ExchangeImpl,
    offersUpgrade: boolean,
    chunked: boolean,
    keepAlive: boolean,
    bodyOffset: number,
    bodyLength: number,
  ): void {
    const composer = this.#composer;
    const { common } = this.#context;
    const { location } = exchange;
    composer.setConstant(this.#coding, chunked ? common.chunked : common.nothing);
    if (exchange.fields.count > 0) {
      composer.open(this.#own);
      writeFields(exchange, composer);
      // RFC 9110 section 7.8: who offers an upgrade names it in Connection as well.
      if (offersUpgrade && exchange.fields.find('upgrade') !== undefined) composer.constant(common.upgrade);
    } else {
      composer.setConstant(this.#own, common.nothing);
    }
    const end = keepAlive ? common.keepAliveEnd : common.closeEnd;
    if (keepAlive && location.keepaliveHeaderSeconds > 0) {
      composer.open(this.#end);
      composer.raw(`Keep-Alive: timeout=${location.keepaliveHeaderSeconds}\r\n`);
      composer.constant(end);
    } else {
      composer.setConstant(this.#end, end);
    }
    composer.set(this.#body, bodyOffset, bodyLength);
  }

  /** As received where it is in canonical form and the status stays. */
  #statusLine(up: ResponseHead, status: number): void {
    const composer = this.#composer;
    if (status !== up.status) {
      composer.setConstant(this.#line, this.#context.statusLine(status));
    } else if (up.isCanonicalLine) {
      composer.set(this.#line, up.base, up.reasonEnd + 2);
    } else {
      composer.open(this.#line);
      writeStatusLine(up, composer, this.#context.common);
    }
  }
}

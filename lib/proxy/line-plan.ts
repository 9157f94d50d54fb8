/**
 * A form of log lines compiled for the hot path: constants in the arena, and where the value
 * behind each comes from. What nearly every line has is put into slots of its own, fields of
 * the request are found by native code, the other variables are asked; one call writes the line.
 *
 *     "" ADDRESS · " - " slot 4 · " [" slot 5 · "] \"" LINE · "\" " STATUS · … · "\" \"" field 31 · "\""
 *
 * A request that is unusual in any of this gets its line value by value, from the form itself.
 */
import type { EngineVariable, Exchange, LogHandler, Value, Variable } from '../module-api/index.js';
import { host } from '../native/host.js';
import { MAX_COMPOSE_SLOTS } from '../native/hot.js';
import type { EngineContext } from './context.js';
import type { ExchangeImpl } from './exchange.js';
import { usualLineEnd } from './exchange-views.js';
import type { HeadComposer } from './head-composer.js';
import type { LogLines } from './log-lines.js';

/** A value, and the text in front of it. */
export interface LinePart {
  readonly before: string;
  readonly value: Value;
}

/** What a log line is made of. */
export interface LineForm {
  /** One of LOG_ESCAPES. */
  readonly escape: number;
  readonly parts: readonly LinePart[];
  /** Behind the last value. */
  readonly end: string;
  /** Appends a line value by value, however long it is. */
  write(exchange: Exchange, lines: LogLines): void;
}

/** Slots that are filled for every line. */
const ADDRESS = 0;
const LINE = 1;
const STATUS = 2;
const BODY_BYTES = 3;
const FIRST_ASKED = 4;
const OWN: Readonly<Partial<Record<EngineVariable, number>>> = {
  remote_addr: ADDRESS,
  request: LINE,
  status: STATUS,
  body_bytes_sent: BODY_BYTES,
};
const NO_SLOT = -1;

/** Int32 entries of a step; see `composeLogLine`. */
const STEP = 4;
/** Bytes of a text that are kept for when the same one comes again: times, names. */
const KEPT_BYTES = 64;
const MAX_NUMBER = 0x7fff_ffff;

const { u8, i32 } = host;

/** A variable that is asked for its value. */
class Asked {
  readonly slot: number;
  readonly value: Value;
  readonly write: Variable['write'];
  readonly variable: Pick<Variable, 'get' | 'write'> | undefined;
  readonly suffix: string;
  /** Where the last text lies. */
  readonly kept: number;
  text = '';

  constructor(value: Value, slot: number, kept: number) {
    const { source } = value;
    this.slot = slot;
    this.value = value;
    this.write = source?.variable.write;
    this.variable = source?.variable;
    this.suffix = source?.suffix ?? '';
    this.kept = kept;
  }
}

export class LinePlan {
  readonly #escape: number;
  /** Byte offset of the steps. */
  readonly #steps: number;
  readonly #count: number;
  readonly #asked: readonly Asked[];
  /** In the manner of `seenIds`: fields of which a line shows the only one. */
  readonly #fieldIds: number;
  readonly #context: EngineContext;

  /** Throws when the arena is exhausted, or there are too many values. */
  constructor({ escape, parts, end }: LineForm, context: EngineContext) {
    const { constants } = context;
    const asked: Asked[] = [];
    let fieldIds = 0;
    const steps: number[] = [];
    const add = (text: string, slot: number, id: number): void => {
      const { offset, length } = constants.intern(text);
      steps.push(offset, length, slot, id);
    };
    for (const { before, value } of parts) {
      const id = value.source?.variable.field?.id ?? 0;
      const own = value.engine === undefined ? undefined : OWN[value.engine];
      if (id > 0 && id < 32) {
        fieldIds |= 1 << id;
        add(before, NO_SLOT, id);
      } else if (own !== undefined) {
        add(before, own, 0);
      } else {
        const slot = FIRST_ASKED + asked.length;
        if (slot === MAX_COMPOSE_SLOTS) throw new Error(`more than ${slot} values in one line`);
        asked.push(new Asked(value, slot, constants.reserve(KEPT_BYTES)));
        add(before, slot, 0);
      }
    }
    add(end, NO_SLOT, 0);
    this.#context = context;
    this.#escape = escape;
    this.#steps = constants.reserve(steps.length * 4);
    i32.set(steps, this.#steps >> 2);
    this.#count = steps.length / STEP;
    this.#asked = asked;
    this.#fieldIds = fieldIds;
  }

  /** Appends the line of an exchange. False, and nothing is appended: this one is written another way. */
  write(exchange: ExchangeImpl, lines: LogLines): boolean {
    const context = this.#context;
    const { composer } = context;
    const { head } = exchange;
    const { status, bodyBytesSent } = exchange.response;
    // The exchange was ended by a variable that another one was asking.
    if (composer.filling) return false;
    if ((head.repeatedIds & this.#fieldIds) !== 0 || status < 100 || bodyBytesSent > MAX_NUMBER) return false;
    const end = usualLineEnd(head);
    if (end < 0) return false;
    const length = context.placeAddress(exchange.downstream);
    if (length < 0) return false;
    composer.begin();
    composer.set(ADDRESS, context.addressOffset, length);
    composer.set(LINE, head.base + head.methodStart, end - head.methodStart);
    composer.number(STATUS, status);
    composer.number(BODY_BYTES, bodyBytesSent);
    try {
      this.#ask(exchange, composer);
    } finally {
      composer.filled();
    }
    return !composer.overflowed && lines.compose(this.#steps, this.#count, this.#escape, head);
  }

  /** Fills the slots of the variables that are asked. */
  #ask(exchange: ExchangeImpl, composer: HeadComposer): void {
    const asked = this.#asked;
    for (let i = 0; i < asked.length; i++) {
      const one = asked[i];
      const { write, slot } = one;
      composer.open(slot);
      if (write === undefined) setText(exchange, composer, one);
      // "=== false": what V8 does not know to be a boolean is otherwise compared with five other values too.
      else if (write.call(one.variable, exchange, composer, one.suffix) === false) composer.unset(slot);
    }
  }
}

/** Fills a slot with a value that is a string. */
function setText(exchange: ExchangeImpl, composer: HeadComposer, asked: Asked): void {
  const text = asked.value.getOrUndefined(exchange);
  if (text === undefined) {
    composer.unset(asked.slot);
    return;
  }
  const { length } = text;
  if (text !== asked.text) {
    if (length > KEPT_BYTES) {
      composer.text(text);
      return;
    }
    for (let i = 0; i < length; i++) u8[asked.kept + i] = text.charCodeAt(i);
    asked.text = text;
  }
  composer.set(asked.slot, asked.kept, length);
}

/** What writes lines of a form to a log. The plan is compiled at the first line, when the arena is there. */
export function lineWriter(form: LineForm, lines: LogLines): LogHandler {
  let plan: LinePlan | undefined;
  let made = false;
  return (view: Exchange) => {
    const exchange = view as ExchangeImpl;
    if (!made) {
      plan = planOf(form, exchange.context);
      made = true;
    }
    if (plan === undefined || !plan.write(exchange, lines)) form.write(exchange, lines);
  };
}

/** The plan of a form, the same for every log; undefined when it cannot be made. */
function planOf(form: LineForm, context: EngineContext): LinePlan | undefined {
  const known = context.linePlans.get(form);
  if (known !== undefined) return known;
  try {
    const plan = new LinePlan(form, context);
    context.linePlans.set(form, plan);
    return plan;
  } catch {
    return undefined;
  }
}

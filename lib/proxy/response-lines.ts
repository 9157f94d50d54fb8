/**
 * The lines of a backend's head that are passed on, and the lines that modules add.
 */
import { DROP, HIDDEN } from '../http/fields.js';
import { CONTENT_LENGTH, UNKNOWN } from '../http/known-headers.js';
import { escapeUri } from '../http/uri.js';
import type { ResponseHead } from '../http/response-head.js';
import type { CommonConstants } from './context.js';
import type { ExchangeImpl } from './exchange.js';
import type { ProxyPlan } from './proxy-plan.js';
import type { HeadOutput } from './segment-writer.js';

/** Fields that frame the message or belong to one hop: only the engine writes them. */
const ENGINE_FIELDS = /^(?:connection|content-length|transfer-encoding|keep-alive|server|date)$/i;

/** Connection as the last field of a response, with the empty line behind it. */
export const KEEP_ALIVE_END = 'Connection: keep-alive\r\n\r\n';

/** Room that fields of modules leave for what the engine still writes. */
const RESERVED_BYTES = 4096;

/** Whether a byte string would end the line it is written to. */
export function hasLineEnd(text: string): boolean {
  if (/[\r\n\x00]/.test(text)) return true;
  // Of a character beyond latin1 only the lower byte is written.
  return /[^\x00-\xff]/.test(text) && /[\r\n\x00]/.test(Buffer.from(text, 'latin1').toString('latin1'));
}

/**
 * The fields that modules added or set. A line end in a value would begin a field of
 * the client's choice: in Location it is percent-encoded, any other such field is left out.
 */
export function writeFields(exchange: ExchangeImpl, out: HeadOutput): void {
  const { fields, context } = exchange;
  const { common } = context;
  for (let i = 0; i < fields.count; i++) {
    const name = fields.name(i);
    let value = fields.value(i);
    if (ENGINE_FIELDS.test(name)) continue;
    if (hasLineEnd(name) || hasLineEnd(value)) {
      if (name.toLowerCase() !== 'location') {
        exchange.log('error', `a line end in the value of "${name}": the field is left out`);
        continue;
      }
      value = value.replace(/[^!-~]/g, escapeUri);
    }
    if (name.length + value.length > out.room - RESERVED_BYTES) {
      exchange.log('error', `no room for the field "${name}": it is left out`);
      continue;
    }
    out.raw(name);
    out.constant(common.colon);
    out.raw(value);
    out.constant(common.crlf);
  }
}

/** A backend's status line, as of HTTP/1.1. The space behind the status stands there without a reason too (RFC 9112 section 4). */
export function writeStatusLine(up: ResponseHead, out: HeadOutput, common: CommonConstants): void {
  out.constant(common.http11);
  out.copy(up.base + up.statusStart, up.reasonEnd - up.statusStart);
  if (up.reasonEnd === up.statusStart + 3) out.raw(' ');
  out.constant(common.crlf);
}

/** A backend's fields but for those of one hop, the hidden ones and those a module took away; of an interim answer. */
export function writeUpstreamFields(exchange: ExchangeImpl, up: ResponseHead, plan: ProxyPlan): void {
  const { composer, writer, fieldsProgram } = exchange.context;
  composer.begin();
  const length = composer.compose(
    fieldsProgram,
    up,
    hideFields(exchange, up, plan, false),
    plan.hiddenNoLength,
  );
  if (length > 0) writer.copy(composer.output, length);
}

/**
 * Marks the fields that a module took away, and hidden ones that have no id. Result: the
 * flags with which a field is left out. Content-Length frames the body, so it cannot be removed.
 * `repeated`: the plan has hidden some already.
 */
export function hideFields(
  exchange: ExchangeImpl,
  up: ResponseHead,
  plan: ProxyPlan,
  repeated: boolean,
): number {
  const { fields } = exchange;
  const { removes } = fields;
  if (!removes && plan.hiddenNames.length === 0) return repeated ? DROP | HIDDEN : DROP;
  for (let i = 0; i < up.fieldCount; i++) {
    const id = up.fieldId(i);
    const hidden =
      (repeated && (up.fieldFlags(i) & HIDDEN) !== 0) ||
      (id === UNKNOWN && plan.hides(up, i)) ||
      (removes && id !== CONTENT_LENGTH && fields.isRemoved(up.fieldName(i).toLowerCase()));
    up.setHidden(i, hidden);
  }
  return DROP | HIDDEN;
}

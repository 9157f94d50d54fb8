/**
 * The lines of a head that are passed on, and the lines that modules add.
 *
 * A received line in canonical form ("Name: value CRLF") is passed on as a range of
 * the arena, and neighbouring ranges are one segment; any other line is written anew.
 */
import { DROP, CANONICAL } from '../http/fields.js';
import { CONTENT_LENGTH } from '../http/known-headers.js';
import { escapeUri } from '../http/uri.js';
import type { MessageHead } from '../http/message-head.js';
import type { ResponseHead } from '../http/response-head.js';
import type { CommonConstants } from './context.js';
import type { ExchangeImpl } from './exchange.js';
import type { ProxyPlan } from './proxy-plan.js';
import type { SegmentWriter } from './segment-writer.js';

/** Fields that frame the message or belong to one hop: only the engine writes them. */
const ENGINE_FIELDS = /^(?:connection|content-length|transfer-encoding|keep-alive|server|date)$/i;

/** Room that fields of modules leave for what the engine still writes. */
const RESERVED_BYTES = 4096;

/** Whether a byte string would end the line it is written to. */
export function hasLineEnd(text: string): boolean {
  return /[\r\n\x00]/.test(text);
}

/**
 * The fields that modules added or set. A line end in a value would begin a field of
 * the client's choice: in Location it is percent-encoded, any other such field is left out.
 */
export function writeFields(exchange: ExchangeImpl): void {
  const { fields, context } = exchange;
  const { writer, common } = context;
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
    if (name.length + value.length > writer.room - RESERVED_BYTES) {
      exchange.log('error', `no room for the field "${name}": it is left out`);
      continue;
    }
    writer.raw(name);
    writer.constant(common.colon);
    writer.raw(value);
    writer.constant(common.crlf);
  }
}

/** A backend's status line, as of HTTP/1.1. The space behind the status stands there without a reason too (RFC 9112 section 4). */
export function writeStatusLine(up: ResponseHead, writer: SegmentWriter, common: CommonConstants): void {
  writer.constant(common.http11);
  writer.copy(up.base + up.statusStart, up.reasonEnd - up.statusStart);
  if (up.reasonEnd === up.statusStart + 3) writer.raw(' ');
  writer.constant(common.crlf);
}

/** A backend's fields but for those of one hop, the hidden ones and those a module took away. */
export function writeUpstreamFields(
  exchange: ExchangeImpl,
  up: ResponseHead,
  plan: ProxyPlan,
  interim: boolean,
): void {
  const { context, fields } = exchange;
  const { writer, common } = context;
  const { base } = up;
  const { removes } = fields;
  const noLength = interim || exchange.response.status === 204 || exchange.writer.contentLength < 0;
  for (let i = 0; i < up.fieldCount; i++) {
    const flags = up.fieldFlags(i);
    if ((flags & DROP) !== 0) continue;
    const id = up.fieldId(i);
    if (id === CONTENT_LENGTH) {
      // Frames the body, so it can be neither hidden nor removed.
      if (noLength) continue;
    } else if (id !== 0) {
      if (plan.hiddenIds[id] === 1) continue;
    } else if (plan.hiddenNames.length > 0 && plan.hides(up, i)) {
      continue;
    }
    if (removes && id !== CONTENT_LENGTH && fields.isRemoved(up.fieldName(i).toLowerCase())) continue;
    const start = up.lineStart(i);
    if ((flags & CANONICAL) !== 0) writer.copy(base + start, up.lineEnd(i) - start);
    else rewriteLine(up, i, writer, common);
  }
}

/** Writes a received field anew: one space behind the colon, no blanks at the end, CR LF. */
export function rewriteLine(
  head: MessageHead,
  index: number,
  writer: SegmentWriter,
  common: CommonConstants,
): void {
  const { base } = head;
  const name = head.lineStart(index);
  const value = head.valueStart(index);
  writer.copy(base + name, head.nameEnd(index) - name);
  writer.constant(common.colon);
  writer.copy(base + value, head.valueEnd(index) - value);
  writer.constant(common.crlf);
}

/**
 * The lines of a head that are passed on, and the lines that modules add.
 *
 * A received line in canonical form ("Name: value CRLF") is passed on as a range of
 * the arena, and neighbouring ranges are one segment; any other line is written anew.
 */
import { DROP, CANONICAL } from '../http/fields.js';
import { CONTENT_LENGTH } from '../http/known-headers.js';
import type { ResponseHead } from '../http/response-head.js';
import type { CommonConstants } from './context.js';
import type { ExchangeImpl } from './exchange.js';
import type { ProxyPlan } from './proxy-plan.js';
import type { ResponseFields } from './response-fields.js';
import type { SegmentWriter } from './segment-writer.js';

/** Fields that frame the message or belong to one hop: only the engine writes them. */
const ENGINE_FIELDS = /^(?:connection|content-length|transfer-encoding|keep-alive|server|date)$/i;

/** The fields that modules added or set. */
export function writeFields(fields: ResponseFields, writer: SegmentWriter, common: CommonConstants): void {
  for (let i = 0; i < fields.count; i++) {
    const name = fields.name(i);
    if (ENGINE_FIELDS.test(name)) continue;
    writer.text(name);
    writer.constant(common.colon);
    writer.text(fields.value(i));
    writer.constant(common.crlf);
  }
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
  const noLength = interim || up.status === 204 || (exchange.writer.chunked && up.contentLength < 0);
  for (let i = 0; i < up.fieldCount; i++) {
    const flags = up.fieldFlags(i);
    if ((flags & DROP) !== 0) continue;
    const id = up.fieldId(i);
    if (id !== 0) {
      if (plan.hiddenIds[id] === 1) continue;
      if (id === CONTENT_LENGTH && noLength) continue;
    } else if (plan.hiddenNames.length > 0 && plan.hides(up, i)) {
      continue;
    }
    if (removes && fields.isRemoved(up.fieldName(i).toLowerCase())) continue;
    const start = up.lineStart(i);
    if ((flags & CANONICAL) !== 0) {
      writer.copy(base + start, up.lineEnd(i) - start);
    } else {
      writer.copy(base + start, up.nameEnd(i) - start);
      writer.constant(common.colon);
      const value = up.valueStart(i);
      writer.copy(base + value, up.valueEnd(i) - value);
      writer.constant(common.crlf);
    }
  }
}

/**
 * The outcome of a parse as lines, to be compared with the corpus and among splits.
 */
import { CANONICAL, DROP } from '../../../lib/http/fields.js';
import type { MessageHead } from '../../../lib/http/message-head.js';
import type { RequestHead } from '../../../lib/http/request-head.js';
import type { ResponseHead } from '../../../lib/http/response-head.js';

const yes = (value: boolean): string => (value ? 'yes' : 'no');

function describeFields(head: MessageHead): string[] {
  const lines: string[] = [];
  for (let i = 0; i < head.fieldCount; i++) {
    const flags = head.fieldFlags(i);
    const line = `${head.fieldName(i)}: ${head.fieldText(i)}`;
    lines.push((flags & DROP) !== 0 ? `dropped: ${line}` : `field: ${line}`);
    if ((flags & CANONICAL) !== 0) {
      lines.push(`canonical: ${head.fieldName(i)}`);
      // What is passed on as it stands is what would be written anew.
      const asItStands = head.text(head.lineStart(i), head.lineEnd(i));
      if (asItStands !== `${line}\r\n`) lines.push(`NOT CANONICAL: ${asItStands}`);
    }
  }
  return lines;
}

/** `rest`: bytes behind the head. */
export function describeRequest(head: RequestHead, result: number, rest: number): string[] {
  if (result < 0) return [`status: ${-result}`, `reason: ${head.errorReason}`];
  return [
    `complete: ${yes(head.complete)}`,
    `rest: ${rest}`,
    `method: ${head.method}`,
    `target: ${head.text(head.targetStart, head.targetEnd)}`,
    `form: ${head.targetForm}`,
    `path: ${head.text(head.pathStart, head.pathEnd)}`,
    `normalized: ${head.normalizedPath()}`,
    `plain: ${yes(head.pathIsPlain)}`,
    `args: ${head.argsStart < 0 ? '-' : head.text(head.argsStart, head.argsEnd)}`,
    `version: ${head.version}`,
    `host: ${head.hostStart < 0 ? '-' : head.text(head.hostStart, head.hostEnd)}`,
    `port: ${head.hostPort}`,
    `length: ${head.contentLength}`,
    `body: ${yes(head.hasBody)}`,
    `chunked: ${yes(head.chunked)}`,
    `keep-alive: ${yes(head.keepAlive)}`,
    `expect-continue: ${yes(head.expectContinue)}`,
    `upgrade: ${yes(head.upgrade)}`,
    `connection-names: ${head.connectionNames.join(' ')}`,
    ...describeFields(head),
  ];
}

export function describeResponse(head: ResponseHead, result: number, rest: number): string[] {
  if (result < 0) return [`status: ${-result}`, `reason: ${head.errorReason}`];
  return [
    `complete: ${yes(head.complete)}`,
    `rest: ${rest}`,
    `status: ${head.status}`,
    `status-line: ${head.text(head.statusStart, head.reasonEnd)}`,
    `reason: ${head.text(head.reasonStart, head.reasonEnd)}`,
    `version: ${head.version}`,
    `length: ${head.contentLength}`,
    `announced: ${head.announcedLength}`,
    `keep-alive: ${yes(head.keepAlive)}`,
    `upgrade: ${yes(head.upgrade)}`,
    `connection-names: ${head.connectionNames.join(' ')}`,
    ...describeFields(head),
  ];
}

/** Lines of `expected` that do not hold in `described`; `field` lines are compared as a whole. */
export function missing(expected: readonly string[], described: readonly string[]): string[] {
  const isField = (line: string): boolean => line.startsWith('field: ');
  const wrong = expected.filter((line) => !isField(line) && !described.includes(line));
  const fields = expected.filter(isField).join('\n');
  const actual = described.filter(isField).join('\n');
  if (fields !== '' && fields !== actual) wrong.push(`fields:\n${fields}\nbut they are:\n${actual}`);
  return wrong;
}

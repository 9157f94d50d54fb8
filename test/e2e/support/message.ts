/**
 * HTTP/1.1 messages as the end-to-end tests see them: plain strings, one character a
 * byte (latin1). A reader of its own, deliberately simple and unforgiving, so that
 * the proxy is not judged by the parser that it runs on.
 */

/** A field as it came: the name's case and the order are kept. */
export type Field = readonly [name: string, value: string];

/** How the body was delimited. */
export type Framing = 'none' | 'length' | 'chunked' | 'close';

/** A request or a response, whole. */
export interface Message {
  /** The first line without its end. */
  readonly startLine: string;
  readonly fields: readonly Field[];
  /** Decoded: without chunk lines. */
  readonly body: string;
  readonly framing: Framing;
  /** Sizes of the chunks in their order, without the last, empty one. */
  readonly chunks: readonly number[];
  readonly trailers: readonly Field[];
  /** The bytes of the head, up to and with the blank line. */
  readonly head: string;
  /** False when the connection ended before the body did. */
  readonly complete: boolean;
  /** Status of a response, 0 of a request. */
  readonly status: number;
  /** Method and target of a request, '' of a response. */
  readonly method: string;
  readonly target: string;
}

/** Values of a field in their order; the name in any case. */
export function values(message: Message, name: string): string[] {
  return message.fields.filter(([key]) => key.toLowerCase() === name.toLowerCase()).map(([, value]) => value);
}

/** The one value of a field; undefined when it is missing, an error when it is repeated. */
export function value(message: Message, name: string): string | undefined {
  const all = values(message, name);
  if (all.length > 1) throw new Error(`${name} is repeated in:\n${message.head}`);
  return all[0];
}

/** Lower-cased names of all fields, in their order. */
export function names(message: Message): string[] {
  return message.fields.map(([key]) => key.toLowerCase());
}

/** What {@link readMessage} found. */
export interface Read {
  readonly message: Message;
  /** How many bytes of the input belong to it. */
  readonly length: number;
}

/** How a message is to be read. */
export interface ReadOptions {
  /** The request's method, for a response: HEAD has no body. */
  readonly method?: string;
  /** Whether the connection ended after these bytes: makes a body that ends at close whole, others incomplete. */
  readonly ended: boolean;
}

function parseFields(lines: readonly string[]): Field[] {
  return lines.map((line) => {
    const match = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*$/s.exec(line);
    if (match === null) throw new Error(`not a field: ${JSON.stringify(line)}`);
    return [match[1] ?? '', match[2] ?? ''];
  });
}

/** A body read so far; undefined parts mean that bytes are missing. */
interface Body {
  readonly body: string;
  readonly end: number;
  readonly complete: boolean;
  readonly chunks: readonly number[];
  readonly trailers: readonly Field[];
}

function readChunked(input: string, from: number): Body {
  const chunks: number[] = [];
  let body = '';
  let at = from;
  const short = (): Body => ({ body, end: input.length, complete: false, chunks, trailers: [] });
  for (;;) {
    const lineEnd = input.indexOf('\r\n', at);
    if (lineEnd < 0) return short();
    const line = input.slice(at, lineEnd);
    if (!/^[0-9a-fA-F]+(;.*)?$/.test(line)) throw new Error(`not a chunk size: ${JSON.stringify(line)}`);
    const size = Number.parseInt(line, 16);
    at = lineEnd + 2;
    if (size === 0) break;
    body += input.slice(at, at + size);
    if (input.length < at + size + 2) return short();
    if (input.slice(at + size, at + size + 2) !== '\r\n') throw new Error('a chunk without its line end');
    chunks.push(size);
    at += size + 2;
  }
  const lines: string[] = [];
  for (;;) {
    const lineEnd = input.indexOf('\r\n', at);
    if (lineEnd < 0) return short();
    const line = input.slice(at, lineEnd);
    at = lineEnd + 2;
    if (line === '') break;
    lines.push(line);
  }
  return { body, end: at, complete: true, chunks, trailers: parseFields(lines) };
}

/**
 * Reads one message from the beginning of `input`.
 *
 * @returns undefined while bytes are missing and the connection is open; an incomplete
 * message (`complete: false`) when it ended in the middle of a body.
 * @throws Error when the bytes are not HTTP/1.x, or ended within the head.
 */
export function readMessage(input: string, options: ReadOptions): Read | undefined {
  const headEnd = input.indexOf('\r\n\r\n');
  if (headEnd < 0) {
    if (options.ended && input !== '') throw new Error(`ended within the head: ${JSON.stringify(input)}`);
    return undefined;
  }
  const head = input.slice(0, headEnd + 4);
  const [startLine = '', ...lines] = input.slice(0, headEnd).split('\r\n');
  const fields = parseFields(lines);
  const response = /^HTTP\/1\.[01] ([1-9][0-9]{2})( .*)?$/s.exec(startLine);
  const request = /^([A-Z]+) (\S+) HTTP\/1\.[01]$/.exec(startLine);
  if (response === null && request === null)
    throw new Error(`not a start line: ${JSON.stringify(startLine)}`);
  const status = Number(response?.[1] ?? 0);
  const find = (name: string): string | undefined =>
    fields.find(([key]) => key.toLowerCase() === name)?.[1].toLowerCase();
  const coding = find('transfer-encoding');
  const length = find('content-length');

  const from = headEnd + 4;
  const nothing = { body: '', end: from, complete: true, chunks: [], trailers: [] };
  let framing: Framing;
  let rest: Body;
  if (options.method === 'HEAD' || (status >= 100 && status < 200) || status === 204 || status === 304) {
    framing = 'none';
    rest = nothing;
  } else if (coding !== undefined) {
    framing = 'chunked';
    rest = readChunked(input, from);
  } else if (length !== undefined) {
    framing = 'length';
    const end = from + Number(length);
    const complete = input.length >= end;
    rest = { ...nothing, body: input.slice(from, end), end: Math.min(end, input.length), complete };
  } else if (status === 0) {
    framing = 'none';
    rest = nothing;
  } else {
    framing = 'close';
    rest = { ...nothing, body: input.slice(from), end: input.length, complete: options.ended };
  }
  if (!rest.complete && !options.ended) return undefined;
  const message: Message = {
    startLine,
    fields,
    body: rest.body,
    framing,
    chunks: rest.chunks,
    trailers: rest.trailers,
    head,
    complete: rest.complete,
    status,
    method: request?.[1] ?? '',
    target: request?.[2] ?? '',
  };
  return { message, length: rest.end };
}

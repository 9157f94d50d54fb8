/**
 * Requests as the strictest backend would read them: an independent reader for what the
 * proxy sent. RFC 9112 without any of its tolerances, on plain strings (one char a byte);
 * everything else is an error, for nothing the proxy writes may need tolerance.
 */

/** How a body was delimited. */
export type RequestFraming = 'none' | 'length' | 'chunked';

/** One request, whole. */
export interface StrictRequest {
  readonly method: string;
  readonly target: string;
  readonly version: string;
  /** Lines as they came. */
  readonly lines: readonly string[];
  readonly framing: RequestFraming;
  /** Decoded. */
  readonly body: string;
  readonly trailers: readonly string[];
  /** Where it ends in the input. */
  readonly end: number;
}

/** What became of the bytes of one connection. */
export interface StrictReading {
  readonly requests: readonly StrictRequest[];
  /** Start line and lines of a request whose head is whole and whose body is not. */
  readonly unfinished: StrictRequest | undefined;
  /** Bytes that are not (yet) a whole request. */
  readonly rest: string;
  /** Why the rest can never become a request; '' when it can. */
  readonly error: string;
}

class NotStrict extends Error {}

const REQUEST_LINE = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+) ([\x21-\x7e\x80-\xff]+) (HTTP\/1\.[01])$/;
const FIELD =
  /^([!#$%&'*+.^_`|~0-9A-Za-z-]+): ?((?:[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?)$/;
const HOST = /^(?:[A-Za-z0-9._~!$&'()*+,;=%-]+|\[[0-9A-Za-z._~!$&'()*+,;=:-]+\])(?::\d*)?$/;

/** Fields of one hop that a proxy consumes; Connection and Upgrade are judged apart. */
const CONSUMED = new Set(['proxy-connection', 'keep-alive', 'te']);

function fieldsOf(lines: readonly string[]): Map<string, string[]> {
  const fields = new Map<string, string[]>();
  for (const line of lines) {
    const match = FIELD.exec(line);
    if (match === null) throw new NotStrict(`not a field: ${JSON.stringify(line)}`);
    const name = (match[1] ?? '').toLowerCase();
    fields.set(name, [...(fields.get(name) ?? []), match[2] ?? '']);
  }
  return fields;
}

/** "\r\n" at or behind `from`; -1 when none came yet. A CR or LF on its own is an error. */
function lineEnd(input: string, from: number): number {
  const end = /[\r\n]/g;
  end.lastIndex = from;
  const at = end.exec(input)?.index;
  if (at === undefined) return -1;
  if (input[at] === '\n' || (at + 1 < input.length && input[at + 1] !== '\n'))
    throw new NotStrict('a bare CR or LF');
  return at + 1 < input.length ? at : -1;
}

interface Section {
  readonly lines: string[];
  readonly end: number;
}

/** Lines up to an empty one. */
function section(input: string, from: number): Section | undefined {
  const lines: string[] = [];
  for (let at = from; ;) {
    const end = lineEnd(input, at);
    if (end < 0) return undefined;
    if (end === at) return { lines, end: end + 2 };
    lines.push(input.slice(at, end));
    at = end + 2;
  }
}

interface Body {
  readonly body: string;
  readonly trailers: readonly string[];
  readonly end: number;
}

function chunkedBody(input: string, from: number): Body | undefined {
  let body = '';
  for (let at = from; ;) {
    const end = lineEnd(input, at);
    if (end < 0) return undefined;
    const line = input.slice(at, end);
    if (!/^[0-9a-fA-F]{1,12}$/.test(line)) throw new NotStrict(`not a chunk size: ${JSON.stringify(line)}`);
    const size = Number.parseInt(line, 16);
    at = end + 2;
    if (size === 0) {
      const rest = section(input, at);
      if (rest === undefined) return undefined;
      const names = fieldsOf(rest.lines);
      for (const name of ['content-length', 'transfer-encoding', 'host', 'connection'])
        if (names.has(name)) throw new NotStrict(`${name} as a trailer`);
      return { body, trailers: rest.lines, end: rest.end };
    }
    if (input.length < at + size + 2) return undefined;
    body += input.slice(at, at + size);
    if (input.slice(at + size, at + size + 2) !== '\r\n') throw new NotStrict('a chunk without its line end');
    at += size + 2;
  }
}

/** One request at `from`: whole, unfinished (`end` is -1), or undefined while its head is. */
function requestAt(input: string, from: number): StrictRequest | undefined {
  const head = section(input, from);
  if (head === undefined) return undefined;
  const [startLine = '', ...lines] = head.lines;
  const start = REQUEST_LINE.exec(startLine);
  if (start === null) throw new NotStrict(`not a request line: ${JSON.stringify(startLine)}`);
  const [, method = '', target = '', version = ''] = start;
  const fields = fieldsOf(lines);
  const hosts = fields.get('host') ?? [];
  if (hosts.length !== 1 || !HOST.test(hosts[0] ?? '')) throw new NotStrict(`Host: ${hosts.join(' | ')}`);
  for (const name of fields.keys()) if (CONSUMED.has(name)) throw new NotStrict(`${name} of another hop`);
  const lengths = fields.get('content-length') ?? [];
  const codings = fields.get('transfer-encoding') ?? [];
  if (lengths.length + codings.length > 1) throw new NotStrict('more than one field of framing');
  const request = { method, target, version, lines, trailers: [], body: '', end: -1 };
  if (codings.length === 1) {
    if (codings[0]?.toLowerCase() !== 'chunked' || version !== 'HTTP/1.1')
      throw new NotStrict(`Transfer-Encoding: ${codings[0] ?? ''}`);
    const body = chunkedBody(input, head.end);
    return body === undefined
      ? { ...request, framing: 'chunked' }
      : { ...request, framing: 'chunked', ...body };
  }
  if (lengths.length === 1) {
    if (!/^\d{1,16}$/.test(lengths[0] ?? '')) throw new NotStrict(`Content-Length: ${lengths[0] ?? ''}`);
    const end = head.end + Number(lengths[0]);
    return input.length < end
      ? { ...request, framing: 'length' }
      : { ...request, framing: 'length', body: input.slice(head.end, end), end };
  }
  return { ...request, framing: 'none', end: head.end };
}

/** Reads all requests in the bytes of one connection. */
export function readStrictly(input: string): StrictReading {
  const requests: StrictRequest[] = [];
  let at = 0;
  try {
    while (at < input.length) {
      const request = requestAt(input, at);
      if (request === undefined) break;
      if (request.end < 0) return { requests, unfinished: request, rest: input.slice(at), error: '' };
      requests.push(request);
      at = request.end;
    }
    return { requests, unfinished: undefined, rest: input.slice(at), error: '' };
  } catch (error) {
    if (!(error instanceof NotStrict)) throw error;
    return { requests, unfinished: undefined, rest: input.slice(at), error: error.message };
  }
}

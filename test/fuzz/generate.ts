/**
 * Messages made by the grammar and then damaged where framing is decided: line ends, white
 * space, case, repetition, lengths, codings, chunks. Strings with one character a byte.
 */
import type { Random } from './random.js';

const CRLF = '\r\n';
const ODD_BLANKS = ['\t', ' ', '\x0b', '\x0c', '\x00', '\x85', '\xa0', '\r', '\x7f', '\x1f', ','];
const LINE_ENDS = ['\n', '\r', '\r\r\n', '\n\r', '', ' \r\n', '\r\n ', '\r\n\t', '\x0b', '\r\n\r\n', '\x85'];
const METHODS = [
  'GET',
  'GET',
  'GET',
  'POST',
  'POST',
  'PUT',
  'DELETE',
  'HEAD',
  'OPTIONS',
  'PATCH',
  'M-SEARCH',
];
const ODD_METHODS = ['get', 'CONNECT', 'TRACE', 'PRI', 'GE T', 'G\tET', 'GET:', '', 'X_Y', 'POST\x00'];
const VERSIONS = ['HTTP/1.1', 'HTTP/1.1', 'HTTP/1.1', 'HTTP/1.1', 'HTTP/1.0'];
const ODD_VERSIONS = [
  'HTTP/1.2',
  'HTTP/2.0',
  'HTTP/0.9',
  'HTTP/1.',
  'HTTP/1.10',
  'http/1.1',
  'HTTP/1,1',
  'HTTPS/1.1',
  '',
];
const HOSTS = ['a', 'example.com', 'a:80', '[::1]', '[::1]:8080', 'A.B.', '1.2.3.4'];
const ODD_HOSTS = ['', 'a b', 'a,b', 'a:b', '[::1', '[]', 'u@a', 'a/b', '\xc3\xa4', 'a..b', ':80', 'a:99999'];
const CODINGS = [
  'chunked',
  'Chunked',
  'chunked ',
  '\tchunked',
  'xchunked',
  'chunked, identity',
  'identity, chunked',
  'gzip, chunked',
  'identity',
  '',
  '"chunked"',
  'chunked;q=1',
  'chunked,',
  ',chunked',
  '\x0bchunked',
  'chunked\x00',
  'chun\xe2\x84\xaaed',
];
const CODING_NAMES = [
  'Transfer-Encoding',
  'transfer-encoding',
  'TRANSFER-ENCODING',
  'Transfer_Encoding',
  'Transfer-Encoding ',
  ' Transfer-Encoding',
  'Transfer-Encoding\t',
  'Transfer-Encoding\xa0',
  'Transfer-\r\n Encoding',
  'X: y\nTransfer-Encoding',
  'X: y\rTransfer-Encoding',
];
const LENGTH_NAMES = [
  'Content-Length',
  'content-length',
  'Content-Length ',
  ' Content-Length',
  'Content_Length',
  'Content-length\t',
];
const TAILS = ['', ',', ' ', '\t', 'x', '\x00', ', 5', ';', '.0', 'e0', '\xa0'];
const HEADS = ['', '+', '-', '0x', '0', '00', ' ', '\x0b', '"', ','];
const OPTIONS = [
  'close',
  'keep-alive',
  'X-A',
  'Content-Length',
  'Transfer-Encoding',
  'Host',
  'upgrade',
  'TE',
  'Cookie',
  '',
  'close, X-A',
];
const EXTRA = [
  'X-A: 1',
  'Cookie: a=b',
  'Accept: */*',
  'X-Empty:',
  'X-Blank: ',
  'X-Tab:\tx',
  'X-High: \xe4',
  'x_y: 1',
  'x(y: 1',
  'Expect: 100-continue',
  'Expect: x',
  'Upgrade: websocket',
  'Upgrade: h2c',
  'TE: trailers',
  'Trailer: X-T',
  'Keep-Alive: timeout=5',
  'Proxy-Connection: close',
  'X-Forwarded-For: 1.2.3.4',
  'Range: bytes=0-1',
  'If-None-Match: "x"',
  'Content-Type: text/plain',
];
const SMUGGLED = 'GET /smuggled HTTP/1.1\r\nHost: s\r\n\r\n';

/** A body in chunks, some of them odd. */
function chunks(random: Random, body: string, odd: boolean): string {
  const parts: string[] = [];
  for (let at = 0; at < body.length;) {
    const part = body.slice(at, at + 1 + random.below(Math.max(1, body.length - at)));
    at += part.length;
    const wrong = odd && random.chance(0.3);
    const size = part.length + (wrong && random.chance(0.3) ? random.below(3) - 1 : 0);
    let digits = size.toString(16);
    if (random.chance(0.1)) digits = digits.toUpperCase().padStart(1 + random.below(6), '0');
    if (wrong) digits = random.pick(HEADS) + digits + random.pick(['', ' ', '\t', 'x', ' x', ' 5', '\x00']);
    const extension = random.chance(0.15) ? random.pick([';a', ';a=b', ';a="b;c"', ' ;a', ';\t', ';']) : '';
    const end = (): string => (wrong && random.chance(0.3) ? random.pick(LINE_ENDS) : CRLF);
    parts.push(`${digits}${extension}${end()}${part}${end()}`);
  }
  const last = odd && random.chance(0.1) ? random.pick(['00', '-0', '0x0', '', '0;x', ' 0']) : '0';
  const trailers = random.chance(0.2)
    ? random.pick([
        'X-T: 1\r\n',
        'Content-Length: 5\r\n',
        'X-A: 1\r\nHost: t\r\n',
        'X T: 1\r\n',
        'X-T: 1\n',
        ' X: y\r\n',
        'x_t: 1\r\n',
      ])
    : '';
  return `${parts.join('')}${last}${CRLF}${trailers}${odd && random.chance(0.1) ? random.pick(LINE_ENDS) : CRLF}`;
}

function bodyOf(random: Random, marker: string): string {
  return random.pick([
    '',
    'x',
    'hello',
    `${marker}\r\n\r\n0\r\n\r\n`,
    SMUGGLED,
    `0\r\n\r\n${SMUGGLED}`,
    'y'.repeat(random.below(600)),
  ]);
}

/** Fields that say how long the body is, and the body in that form. */
function framed(random: Random, body: string, odd: boolean): { fields: string[]; wire: string } {
  const kind = random.below(10);
  const length = (): string => {
    const number = String(body.length + (odd && random.chance(0.2) ? random.below(9) - 4 : 0));
    const value = odd && random.chance(0.4) ? random.pick(HEADS) + number + random.pick(TAILS) : number;
    return `${odd && random.chance(0.3) ? random.pick(LENGTH_NAMES) : 'Content-Length'}: ${value}`;
  };
  const coding = (): string =>
    `${odd && random.chance(0.4) ? random.pick(CODING_NAMES) : 'Transfer-Encoding'}:${random.pick([' ', ' ', '', '\t'])}${
      odd && random.chance(0.5) ? random.pick(CODINGS) : 'chunked'
    }`;
  if (kind < 3) return { fields: [], wire: odd && random.chance(0.3) ? body : '' };
  if (kind < 6 || !odd) {
    return kind % 2 === 0
      ? { fields: [length()], wire: body }
      : { fields: [coding()], wire: chunks(random, body, odd) };
  }
  const fields = random.pick([
    [length(), coding()],
    [coding(), length()],
    [length(), length()],
    [coding(), coding()],
    [coding()],
    [length()],
  ]);
  return { fields, wire: random.chance(0.6) ? chunks(random, body, odd) : body };
}

/** Changes the bytes of a message without knowing what they mean. */
function damage(random: Random, message: string): string {
  const at = random.below(message.length + 1);
  const lines = message.split(CRLF);
  const line = random.below(lines.length);
  switch (random.below(10)) {
    case 0:
      return message.slice(0, at) + random.pick(ODD_BLANKS) + message.slice(at);
    case 1:
      return message.slice(0, at) + random.byte() + message.slice(at + 1);
    case 2:
      return message.slice(0, at) + message.slice(at + 1);
    case 3: {
      const end = message.indexOf(CRLF, at);
      return end < 0 ? message : message.slice(0, end) + random.pick(LINE_ENDS) + message.slice(end + 2);
    }
    case 4:
      return [...lines.slice(0, line), lines[line], ...lines.slice(line)].join(CRLF);
    case 5:
      return [...lines.slice(0, line), ...lines.slice(line + 1)].join(CRLF);
    case 6: {
      const other = random.below(lines.length);
      [lines[line], lines[other]] = [lines[other] ?? '', lines[line] ?? ''];
      return lines.join(CRLF);
    }
    case 7:
      return message.slice(0, at);
    case 8:
      return message.replaceAll(CRLF, '\n');
    default:
      lines[line] = random.chance(0.5) ? (lines[line] ?? '').toUpperCase() : ` ${lines[line] ?? ''}`;
      return lines.join(CRLF);
  }
}

/** One request. `path` begins its target, so that it can be told at the backend. */
export function makeRequest(random: Random, path: string): string {
  const odd = random.chance(0.6);
  const seldom = (): boolean => odd && random.chance(0.08);
  const method = seldom() ? random.pick(ODD_METHODS) : random.pick(METHODS);
  const tail = random.pick([
    '',
    '',
    '',
    '?a=b',
    '/../x',
    '/%2e%2e/',
    '//',
    '#f',
    '?%zz',
    ';x',
    '/.',
    '\xe4',
    '/\\..',
  ]);
  const form = random.below(20);
  const target =
    form === 0
      ? `http://h:81${path}${tail}`
      : form === 1 && odd
        ? random.pick(['*', 'a:80', 'http://', path.slice(1)])
        : path + tail;
  const version = seldom() ? random.pick(ODD_VERSIONS) : random.pick(VERSIONS);
  const host = seldom() ? random.pick(ODD_HOSTS) : random.pick(HOSTS);
  const { fields, wire } = framed(random, bodyOf(random, path), odd);
  const all = [...(seldom() ? [] : [`Host: ${host}`]), ...fields];
  for (let extra = random.below(4); extra > 0; extra--)
    all.splice(random.below(all.length + 1), 0, random.pick(EXTRA));
  if (random.chance(0.15)) all.push(`Connection: ${random.pick(OPTIONS)}`);
  const space = (): string => (seldom() ? random.pick(['  ', '\t', '', '\x0b']) : ' ');
  let message = `${method}${space()}${target}${space()}${version}${CRLF}${all.map((one) => one + CRLF).join('')}${CRLF}${wire}`;
  if (odd) for (let times = random.below(3); times > 0; times--) message = damage(random, message);
  return message;
}

const STATUSES = [
  '200 OK',
  '200 OK',
  '200 OK',
  '404 Not Found',
  '204 No Content',
  '304 Not Modified',
  '500 X',
  '201 Created',
  '200',
  '302 F\xf6und',
];
const ODD_STATUSES = ['101 Switching Protocols', '099 X', '20 OK', '2000 OK', '2x0 OK', '', '200OK', '999 X'];

/** One response, perhaps behind interim ones. `marker` stands in its head and its body. */
export function makeResponse(random: Random, marker: string): string {
  const odd = random.chance(0.6);
  const seldom = (): boolean => odd && random.chance(0.08);
  const interim = random.chance(0.1)
    ? `HTTP/1.1 ${random.pick(['103 Early Hints', '102 Processing', '100 Continue'])}\r\nX-Hint: ${marker}\r\n\r\n`
    : '';
  const status = seldom() ? random.pick(ODD_STATUSES) : random.pick(STATUSES);
  const version = seldom() ? random.pick(ODD_VERSIONS) : random.pick(VERSIONS);
  const { fields, wire } = framed(random, `<${marker}>${bodyOf(random, marker)}`, odd);
  const all = [`X-Marker: ${marker}`, ...fields];
  for (let extra = random.below(3); extra > 0; extra--)
    all.splice(random.below(all.length + 1), 0, random.pick(EXTRA));
  if (random.chance(0.15)) all.push(`Connection: ${random.pick(OPTIONS)}`);
  let message = `${interim}${version} ${status}${CRLF}${all.map((one) => one + CRLF).join('')}${CRLF}${wire}`;
  if (odd) for (let times = random.below(3); times > 0; times--) message = damage(random, message);
  return message;
}

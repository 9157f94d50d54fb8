/**
 * Parts of files, in raw bytes: one range, several, none that is there, and the conditions
 * under which the whole is sent instead.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { response, startAnswering, type Backend } from './support/backend.js';
import { value, values, type Message } from './support/message.js';
import { exchange, Peer } from './support/peer.js';
import { IS_MILLRACE, startProxy, type Proxy } from './support/proxy.js';

/** 1000 bytes, of which every ten say where they are. */
const FILE = Array.from({ length: 100 }, (_, i) => `X${String(i).padStart(3, '0')}XXXXXX`).join('');
const LARGE = Array.from({ length: 50_000 }, (_, i) => i.toString(16).padStart(8, '0')).join('');

let proxy: Proxy;
let backend: Backend;
beforeAll(async () => {
  backend = await startAnswering(() =>
    response('part', ['Content-Range: bytes 0-3/9'], '206 Partial Content'),
  );
  proxy = await startProxy(
    (port) => `
      types { text/html html; }
      server {
        listen 127.0.0.1:${port};
        location / { }
        location /two.html { max_ranges 2; }
        location /no.html { max_ranges 0; }
        location /tagless.html { etag off; }
        location /missing { error_page 404 /a.html; }
        location /page/ { alias ./; error_page 416 /short; }
        location /found/ { alias ./; error_page 416 =200 /short; }
        location /own/ { alias ./; error_page 416 = /short; }
        location /part/ { alias ./; error_page 416 = /backend; }
        location /lost/ { alias ./; error_page 416 /missing2; }
        location /elsewhere/ { alias ./; error_page 416 http://other/; }
        location = /short { return 200 page; }
        location = /backend { proxy_pass http://127.0.0.1:${backend.port}; }
      }`,
    {
      files: {
        'a.html': FILE,
        'two.html': FILE,
        'no.html': FILE,
        'tagless.html': FILE,
        'empty.html': '',
        'large.html': LARGE,
      },
    },
  );
});
afterAll(async () => {
  await proxy[Symbol.asyncDispose]();
  await backend.close();
});

function get(target: string, fields: readonly string[], method = 'GET'): Promise<Message> {
  const lines = [`${method} ${target} HTTP/1.1`, 'Host: a', ...fields];
  return exchange(proxy.port, `${lines.join('\r\n')}\r\n\r\n`, method);
}

test.each([
  ['bytes=0-8', 'bytes=20-25', 'bytes 0-8/1000'],
  ['bytes=5000-', 'bytes=20-25', 'bytes */1000'],
  ['bytes=20-25', 'no range', 'bytes 20-25/1000'],
])('of several Range fields the first counts: %s, %s', async (first, second, content) => {
  const answer = await get('/a.html', [`Range: ${first}`, 'X: y', `range: ${second}`]);
  expect(value(answer, 'content-range')).toBe(content);
});

test('Content-Range does not outlive its 416', async () => {
  // nginx leaves it on whatever takes the place of the answer.
  const of = async (folder: string): Promise<unknown> => {
    const answer = await get(`${folder}/a.html`, ['Range: bytes=5000-']);
    return [answer.status, values(answer, 'content-range'), answer.body.length];
  };
  expect(await of('/page')).toEqual([416, ['bytes */1000'], 4]);
  if (!IS_MILLRACE) return;
  expect(await of('/found')).toEqual([200, [], 4]);
  expect(await of('/own')).toEqual([200, [], 4]);
  expect(await of('/part')).toEqual([206, ['bytes 0-3/9'], 4]);
  expect(await of('/lost')).toEqual([404, [], expect.any(Number)]);
  expect(await of('/elsewhere')).toEqual([302, [], expect.any(Number)]);
});

describe('one range', () => {
  test.each([
    ['bytes=0-8', 'bytes 0-8/1000', FILE.slice(0, 9)],
    ['bytes=-10', 'bytes 990-999/1000', FILE.slice(990)],
    ['bytes=990-', 'bytes 990-999/1000', FILE.slice(990)],
    ['bytes=990-1990', 'bytes 990-999/1000', FILE.slice(990)],
    ['bytes=0-', 'bytes 0-999/1000', FILE],
    ['bytes=-5000', 'bytes 0-999/1000', FILE],
    ['BYTES= 5 - 6 ', 'bytes 5-6/1000', FILE.slice(5, 7)],
    // Those that are not there are left out while one is.
    ['bytes=2000-,5-5,-0', 'bytes 5-5/1000', FILE.slice(5, 6)],
  ])('%s', async (range, content, body) => {
    const answer = await get('/a.html', [`Range: ${range}`]);
    expect(answer.startLine).toBe('HTTP/1.1 206 Partial Content');
    expect([value(answer, 'content-range'), answer.body]).toEqual([content, body]);
    expect([value(answer, 'content-length'), value(answer, 'content-type')]).toEqual([
      String(body.length),
      'text/html',
    ]);
    expect(value(answer, 'etag')).toMatch(/^"/);
    expect(value(answer, 'last-modified')).toMatch(/GMT$/);
    const head = await get('/a.html', [`Range: ${range}`], 'HEAD');
    expect(head.startLine).toBe(answer.startLine);
    const same = ['content-range', 'content-length', 'content-type', 'etag'];
    for (const name of same) expect(value(head, name)).toBe(value(answer, name));
  });

  test('of a large file, and another request on the connection', async () => {
    const client = await Peer.connect(proxy.port);
    for (const [from, to] of [
      [1, 300_000],
      [65_535, 65_536],
      [399_999, 399_999],
    ] as const) {
      client.send(`GET /large.html HTTP/1.1\r\nHost: a\r\nRange: bytes=${from}-${to}\r\n\r\n`);
      const answer = await client.readMessage();
      expect([answer.status, answer.body === LARGE.slice(from, to + 1)]).toEqual([206, true]);
    }
    client.close();
  });

  test('for HTTP/1.0', async () => {
    const client = await Peer.connect(proxy.port);
    client.send('GET /a.html HTTP/1.0\r\nRange: bytes=1-3\r\n\r\n');
    const answer = await client.readToEnd();
    expect(answer).toMatch(/^HTTP\/1\.1 206 /);
    expect(answer.slice(answer.indexOf('\r\n\r\n') + 4)).toBe('000');
  });
});

describe('several ranges', () => {
  /** The parts: their fields as one text, and their bytes. */
  function parts(answer: Message): [string, string][] {
    const type = /^multipart\/byteranges; boundary=(\S+)$/.exec(value(answer, 'content-type') ?? '');
    const boundary = type?.[1] ?? '?';
    const pieces = answer.body.split(`\r\n--${boundary}`);
    expect([pieces[0], pieces.at(-1)]).toEqual(['', '--\r\n']);
    return pieces.slice(1, -1).map((piece) => {
      const at = piece.indexOf('\r\n\r\n');
      return [piece.slice(2, at), piece.slice(at + 4)];
    });
  }

  test.each([
    [
      'bytes=0-9, -10, 10-19',
      [
        [0, 9],
        [990, 999],
        [10, 19],
      ],
    ],
    [
      'bytes=0-0,100000-,1-1',
      [
        [0, 0],
        [1, 1],
      ],
    ],
    [
      'bytes=500-999,0-499',
      [
        [500, 999],
        [0, 499],
      ],
    ],
  ] as const)('%s', async (range, expected) => {
    const answer = await get('/a.html', [`Range: ${range}`]);
    expect([answer.status, value(answer, 'content-range')]).toEqual([206, undefined]);
    expect(value(answer, 'content-length')).toBe(String(answer.body.length));
    expect(parts(answer)).toEqual(
      expected.map(([start, end]) => [
        `Content-Type: text/html\r\nContent-Range: bytes ${start}-${end}/1000`,
        FILE.slice(start, end + 1),
      ]),
    );
    const head = await get('/a.html', [`Range: ${range}`], 'HEAD');
    expect([head.status, value(head, 'content-length')]).toEqual([206, value(answer, 'content-length')]);
  });

  test('of a large file', async () => {
    const answer = await get('/large.html', ['Range: bytes=100000-299999,0-99999,399999-']);
    expect(parts(answer).map(([, body]) => body)).toEqual([
      LARGE.slice(100_000, 300_000),
      LARGE.slice(0, 100_000),
      LARGE.slice(399_999),
    ]);
  });

  test('boundaries differ', async () => {
    const types = await Promise.all(
      [1, 2].map(async () => value(await get('/a.html', ['Range: bytes=0-0,2-2']), 'content-type')),
    );
    expect(types[0]).not.toBe(types[1]);
  });
});

describe('no range', () => {
  test.each([
    'bytes=100000-',
    'bytes=1000-',
    'bytes=alpha',
    'bytes=10-alpha',
    'bytes=10',
    'bytes=10-11 12-',
    'bytes=5-3',
    'bytes=-0',
    'bytes=0-1,',
    'bytes=0-1,,2-3',
    'bytes=99999999999999999999-',
    'bytes=0-99999999999999999999',
    'bytes=--1',
  ])('that can be satisfied: %s', async (range) => {
    const answer = await get('/a.html', [`Range: ${range}`]);
    expect(answer.startLine).toBe('HTTP/1.1 416 Requested Range Not Satisfiable');
    expect(value(answer, 'content-range')).toBe('bytes */1000');
    expect([values(answer, 'etag'), values(answer, 'last-modified')]).toEqual([[], []]);
    expect(answer.body).toContain('416 Requested Range Not Satisfiable');
    const head = await get('/a.html', [`Range: ${range}`], 'HEAD');
    expect([head.status, value(head, 'content-range')]).toEqual([416, 'bytes */1000']);
  });

  test.each([
    ['/a.html', []],
    ['/a.html', ['Range: lines=1-2']],
    ['/a.html', ['Range: bytes=']],
    ['/a.html', ['Range: bytes']],
    // More than the whole.
    ['/a.html', ['Range: bytes=0-999,0-0']],
    ['/two.html', ['Range: bytes=0-0,2-2,4-4']],
    ['/empty.html', ['Range: bytes=0-']],
    ['/empty.html', ['Range: bytes=-5']],
  ] as const)('is sent: %s %s', async (target, fields) => {
    const answer = await get(target, fields);
    expect([answer.status, answer.body]).toEqual([200, target === '/empty.html' ? '' : FILE]);
    expect([value(answer, 'accept-ranges'), values(answer, 'content-range')]).toEqual(['bytes', []]);
  });

  test('and none is offered with max_ranges 0', async () => {
    const answer = await get('/no.html', ['Range: bytes=0-0']);
    expect([answer.status, answer.body, values(answer, 'accept-ranges')]).toEqual([200, FILE, []]);
    expect((await get('/two.html', ['Range: bytes=0-0,2-2'])).status).toBe(206);
  });

  test('of a page for an error', async () => {
    const answer = await get('/missing', ['Range: bytes=0-3']);
    expect([answer.status, answer.body]).toEqual([404, FILE]);
  });
});

describe('conditions', () => {
  const status = async (target: string, ...fields: string[]): Promise<number> =>
    (await get(target, fields)).status;

  test('If-Range: the same tag or date, else the whole', async () => {
    const whole = await get('/a.html', []);
    const tag = value(whole, 'etag') ?? '';
    const date = value(whole, 'last-modified') ?? '';
    const range = 'Range: bytes=0-0';
    expect(await status('/a.html', range, `If-Range: ${tag}`)).toBe(206);
    expect(await status('/a.html', range, `If-Range: W/${tag}`)).toBe(200);
    expect(await status('/a.html', range, 'If-Range: "other"')).toBe(200);
    expect(await status('/a.html', range, `If-Range: ${date}`)).toBe(206);
    expect(await status('/a.html', range, 'If-Range: Sun, 06 Nov 1994 08:49:37 GMT')).toBe(200);
    expect(await status('/a.html', range, 'If-Range: nonsense')).toBe(200);
    expect(await status('/tagless.html', range, `If-Range: ${tag}`)).toBe(200);
    // A condition without a range, and a range that is not there under one that fails.
    expect(await status('/a.html', `If-Range: ${tag}`)).toBe(200);
    expect(await status('/a.html', 'Range: bytes=5000-', 'If-Range: "other"')).toBe(200);
    expect(await status('/a.html', 'Range: bytes=5000-', `If-Range: ${tag}`)).toBe(416);
  });

  test('the others come first', async () => {
    const whole = await get('/a.html', []);
    const tag = value(whole, 'etag') ?? '';
    const range = 'Range: bytes=0-0';
    expect(await status('/a.html', range, `If-None-Match: ${tag}`)).toBe(304);
    expect(await status('/a.html', range, 'If-Match: "other"')).toBe(412);
    expect(await status('/a.html', 'Range: bytes=5000-', `If-None-Match: ${tag}`)).toBe(304);
    expect(await status('/a.html', range, `If-Match: ${tag}`, 'If-None-Match: "other"')).toBe(206);
  });

  test.runIf(IS_MILLRACE)('a client that leaves in the middle of its parts leaves nothing open', async () => {
    const before = proxy.descriptors();
    const clients = await Promise.all(Array.from({ length: 10 }, () => Peer.connect(proxy.port)));
    for (const client of clients) {
      client.send('GET /large.html HTTP/1.1\r\nHost: a\r\nRange: bytes=0-200000,200001-\r\n\r\n'.repeat(20));
      await client.until('something', () => client.received !== '');
      client.reset();
    }
    for (let i = 0; i < 200 && proxy.descriptors() > before; i++)
      await new Promise((resolve) => setTimeout(resolve, 20));
    expect(proxy.descriptors()).toBeLessThanOrEqual(before);
  });
});

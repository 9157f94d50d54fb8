/**
 * Configurations of the kind that people have, run through nginx and through Millrace: the
 * same requests have to get the same status, fields and body, and the backend the same
 * requests. Skipped, and said so, where no nginx is installed.
 *
 * What differs of itself is taken out where the answers are read: what the two call
 * themselves, the time, and the boundary between parts of a file.
 */
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, chmodSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { response, startAnswering, type Backend } from './support/backend.js';
import { value as valueOf, type Message } from './support/message.js';
import { PATIENCE_MS, Peer } from './support/peer.js';
import { BINARY, freePort, IS_MILLRACE, isInstalled } from './support/proxy.js';

const NGINX = ['nginx', '/usr/sbin/nginx'].find((name) => isInstalled(name));
if (NGINX === undefined) console.log('skipped: nginx is not installed');

/** Files below the prefix. All have one time, so that both proxies make the same ETag of it. */
const FILES: Readonly<Record<string, string>> = {
  'public/index.html': '<p>home</p>\n',
  'public/app.js': 'export default 1;\n',
  'public/site.css': 'p { color: red }\n',
  'public/data.json': '{"a":1}\n',
  'public/empty.txt': '',
  'public/404.html': 'nothing here\n',
  'public/docs/readme.html': 'docs\n',
  'public/.secret': 'secret\n',
  'public/with space.txt': 'space\n',
  'errors/50x.html': 'sorry\n',
};

/** One request, in short: method, target, host and more lines. */
interface Asked {
  readonly host: string;
  readonly target: string;
  readonly method?: string;
  readonly fields?: readonly string[];
  readonly body?: string;
}

const NODE_APP: readonly Asked[] = [
  { host: 'example.com', target: '/' },
  { host: 'example.com', target: '/a/b?c=d&e=%20f' },
  { host: 'www.example.com:8080', target: '/' },
  { host: 'EXAMPLE.com.', target: '/' },
  { host: 'elsewhere', target: '/%61%2Fb//c/../d' },
  { host: 'example.com', target: '/', fields: ['X-Forwarded-For: 1.2.3.4, 5.6.7.8'] },
  { host: 'example.com', target: '/form', method: 'POST', body: 'a=b' },
  { host: 'example.com', target: '/form', method: 'PUT', body: 'x'.repeat(1025) },
  { host: 'example.com', target: '/thing', method: 'DELETE' },
  { host: 'example.com', target: '/', method: 'HEAD' },
  { host: 'example.com', target: '/', method: 'OPTIONS' },
  { host: 'example.com', target: '/chunked' },
  { host: 'example.com', target: '/no-content' },
  { host: 'example.com', target: '/teapot' },
  { host: 'example.com', target: '/cookies' },
  { host: 'example.com', target: '/redirect' },
  { host: 'example.com', target: '/socket.io/?transport=polling' },
  { host: 'example.com', target: '/static/' },
  { host: 'example.com', target: '/static/app.js' },
  { host: 'example.com', target: '/static/site.css', fields: ['Accept-Encoding: gzip'] },
  { host: 'example.com', target: '/static/empty.txt' },
  { host: 'example.com', target: '/static/data.json', method: 'HEAD' },
  { host: 'example.com', target: '/static/data.json', method: 'POST', body: 'x' },
  { host: 'example.com', target: '/static/none.js' },
  { host: 'example.com', target: '/static' },
  { host: 'example.com', target: '/static/../app.js' },
  { host: 'example.com', target: '/static/with%20space.txt' },
  { host: 'example.com', target: '/static/docs' },
  { host: 'example.com', target: '/app.js' },
  { host: 'example.com', target: '/site.CSS' },
  { host: 'example.com', target: '/none.css' },
  { host: 'example.com', target: '/.secret' },
  { host: 'example.com', target: '/a/.git/config' },
  { host: 'example.com', target: '/favicon.ico' },
  { host: 'example.com', target: '/old' },
  { host: 'example.com', target: '/older?a=b' },
  { host: 'example.com', target: '/app.js', fields: ['If-None-Match: "x"'] },
  { host: 'example.com', target: '/app.js', fields: ['If-Modified-Since: Sat, 01 Jan 2022 00:00:00 GMT'] },
  { host: 'example.com', target: '/app.js', fields: ['If-Modified-Since: Fri, 31 Dec 2021 00:00:00 GMT'] },
  { host: 'example.com', target: '/app.js', fields: ['If-Unmodified-Since: Fri, 31 Dec 2021 00:00:00 GMT'] },
  { host: 'example.com', target: '/app.js', fields: ['Range: lines=1-2'] },
];

const SITES: readonly Asked[] = [
  { host: 'unknown', target: '/' },
  { host: 'example.com', target: '/a?b=c' },
  { host: 'www.example.com', target: '/' },
  { host: 'a.b.shop.example.com', target: '/data.json' },
  { host: 'www.example.com', target: '/none' },
  { host: 'www.example.com', target: '/none', method: 'HEAD' },
  { host: 'www.example.com', target: '/none', method: 'POST', body: 'x' },
  { host: 'www.example.com', target: '/404.html' },
  { host: 'www.example.com', target: '/api/users?id=1' },
  { host: 'www.example.com', target: '/api/a%20b/../c' },
  { host: 'www.example.com', target: '/api' },
  { host: 'www.example.com', target: '/api/redirect' },
  { host: 'www.example.com', target: '/api/cookies' },
  { host: 'www.example.com', target: '/api/teapot' },
  { host: 'www.example.com', target: '/strict/missing' },
  { host: 'www.example.com', target: '/strict/broken' },
  { host: 'www.example.com', target: '/strict/teapot' },
  { host: 'www.example.com', target: '/down/x' },
  { host: 'www.example.com', target: '/down/x', method: 'POST', body: 'abc' },
  { host: 'www.example.com', target: '/private/x' },
  { host: 'www.example.com', target: '/health' },
  { host: 'www.example.com', target: '/health', method: 'POST', body: 'abc' },
  { host: 'www.example.com', target: '/docs/' },
  { host: 'www.example.com', target: '/docs' },
  { host: 'www.example.com', target: '/50x.html' },
  { host: 'acme.tenants.example.com', target: '/x', fields: ['Accept-Encoding: gzip'] },
  { host: '9.tenants.example.com', target: '/x' },
];

const MOUNTED: readonly Asked[] = [
  ...[
    '/app/',
    '/app/a?b=c',
    '/app/redirect',
    '/app/away',
    '/app/session',
    '/app/cookies',
    '/app/missing',
    '/app/no-content',
    '/v1/away',
    '/v1/shop',
    '/v1/back',
    '/v1/redirect',
    '/v1/inner',
    '/v1/dated',
    '/v1/broken',
    '/plain/redirect',
    '/plain/away',
    '/plain/session',
    '/plain/dated',
    '/plain/old',
    '/assets/app.js',
    '/data.json',
    '/empty.txt',
    '/none.txt',
    '/assets/none.js',
    '/assets/data.json',
    '/assets/docs/',
    '/assets/docs/readme.html',
    '/assets/site.css',
    '/one/a',
    '/one/x',
    '/docs/',
    '/docs/readme.html',
    '/docs',
    '/index.html',
  ].map((target) => ({ host: 'www.example.com', target })),
  { host: 'www.example.com', target: '/assets/app.js', method: 'HEAD' },
  { host: 'www.example.com', target: '/plain/dated', method: 'HEAD' },
  ...[
    'bytes=0-4',
    'bytes=-3',
    'bytes=5-',
    'bytes=0-1,4-5',
    'bytes=0-0, -1',
    'bytes=100-',
    'bytes=x',
    'bytes=0-99,0-99',
    'bytes=3-1,2-2',
  ].flatMap((range) =>
    ['/assets/app.js', '/docs/readme.html', '/empty.txt', '/none', '/plain/dated'].map((target) => ({
      host: 'www.example.com',
      target,
      fields: [`Range: ${range}`],
    })),
  ),
  {
    host: 'www.example.com',
    target: '/assets/app.js',
    fields: ['Range: bytes=0-1', 'If-Range: Sat, 01 Jan 2022 00:00:00 GMT'],
  },
  { host: 'www.example.com', target: '/assets/app.js', fields: ['Range: bytes=0-1', 'If-Range: "other"'] },
  {
    host: 'www.example.com',
    target: '/assets/app.js',
    fields: ['Range: bytes=0-1', 'If-Modified-Since: Sat, 01 Jan 2022 00:00:00 GMT'],
  },
  { host: 'www.example.com', target: '/assets/app.js', method: 'HEAD', fields: ['Range: bytes=0-1,3-3'] },
];

/** The application: answers by the last part of the path. */
function answer({ method, target }: Message): string {
  const path = /\/([^/?]*)(\?|$)/.exec(target)?.[1] ?? '';
  const fields = ['Server: app', 'X-Powered-By: cups', 'Content-Type: text/plain'];
  const head = method === 'HEAD';
  const whole = (text: string): string => (head ? text.slice(0, text.indexOf('\r\n\r\n') + 4) : text);
  switch (path) {
    case 'chunked':
      return `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n3\r\nabc\r\n0\r\n\r\n`;
    case 'no-content':
      return 'HTTP/1.1 204 No Content\r\nX-A: b\r\n\r\n';
    case 'teapot':
      return whole(response('short and stout', fields, "418 I'm a teapot"));
    case 'missing':
      return whole(response('app: missing', fields, '404 Not Found'));
    case 'broken':
      return whole(response('app: broken', fields, '500 Internal Server Error'));
    case 'cookies':
      return whole(response('', [...fields, 'Set-Cookie: a=1; Path=/v1/', 'Set-Cookie: b=2; Path=/']));
    case 'redirect':
      return whole(response('', [...fields, 'Location: /elsewhere?x=y'], '302 Found'));
    case 'away':
      return whole(
        response('', [...fields, 'Location: http://internal.example/x?y'], '301 Moved Permanently'),
      );
    case 'shop':
      return whole(response('', [...fields, 'Location: http://shop.internal.example/x'], '302 Found'));
    case 'back':
      return whole(
        response('', [...fields, 'Location: /internal/x', 'Refresh: 3; url=http://internal.example/y']),
      );
    case 'session':
      return whole(
        response('', [
          ...fields,
          'Set-Cookie: session=1; Domain=internal.example; Path=/; Max-Age=5',
          'Set-Cookie: other=2; domain=.internal.example; path=/deep',
          'Set-Cookie: third=3',
        ]),
      );
    case 'inner':
      return whole(
        response('', [...fields, 'Set-Cookie: a=1; Path=/internal/deep', 'Set-Cookie: b=2; Path=/']),
      );
    case 'dated':
      return whole(
        response('dated', [...fields, 'Last-Modified: Sat, 01 Jan 2022 00:00:00 GMT', 'Cache-Control: x']),
      );
    case 'old':
      return whole(response('old', [...fields, 'Expires: Sat, 01 Jan 2022 00:00:00 GMT']));
    default:
      return whole(response(`${method} ${target}`, fields));
  }
}

const YEAR_SECONDS = 365 * 24 * 60 * 60;

/** A proxy under comparison, and what its backend was sent. */
interface Running {
  readonly port: number;
  readonly backend: Backend;
  stop(): Promise<void>;
}

async function startOne(binary: string, name: string): Promise<Running> {
  const backend = await startAnswering(answer);
  const prefix = mkdtempSync(join(tmpdir(), 'millrace-conf-'));
  chmodSync(prefix, 0o755);
  for (const [file, content] of Object.entries(FILES)) {
    mkdirSync(join(prefix, file, '..'), { recursive: true });
    writeFileSync(join(prefix, file), content);
    execFileSync('touch', ['-d', '2022-01-01T00:00:00Z', join(prefix, file)]);
  }
  const [port, dead] = [await freePort(), await freePort()];
  const names: Readonly<Record<string, string>> = {
    PORT: `${port}`,
    APP: `${backend.port}`,
    DEAD: `${dead}`,
    PREFIX: prefix,
  };
  const path = fileURLToPath(new URL(`fixtures/configurations/${name}`, import.meta.url));
  const http = readFileSync(path, 'utf8').replace(/\{\{([A-Z]+)\}\}/g, (_, key: string) => names[key] ?? '');
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((kind) => `${kind}_temp_path ${prefix}/${kind};`)
    .join('\n');
  const types = 'types { text/html html; text/css css; application/javascript js; application/json json; }';
  writeFileSync(
    join(prefix, 'nginx.conf'),
    `daemon off; pid ${prefix}/pid; error_log ${prefix}/error.log info; events { }
    http { access_log off; ${temporary} ${types} ${http} }`,
  );
  const child = spawn(binary, ['-p', `${prefix}/`, '-c', 'nginx.conf', '-e', 'error.log']);
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const limit = Date.now() + PATIENCE_MS;
  while (!existsSync(join(prefix, 'pid'))) {
    if (child.exitCode !== null || Date.now() > limit) throw new Error(`${binary} with ${name}:\n${said}`);
    await sleep(10);
  }
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM');
    await exited;
    await backend.close();
    rmSync(prefix, { recursive: true, force: true });
  };
  return { port, backend, stop };
}

/** What came of a request, as far as both have to agree. */
async function ask({ port, backend }: Running, asked: Asked): Promise<unknown> {
  const { method = 'GET', target, host, fields = [], body = '' } = asked;
  const lines = [`${method} ${target} HTTP/1.1`, `Host: ${host}`, 'User-Agent: test', ...fields];
  if (body !== '') lines.push(`Content-Length: ${body.length}`);
  const before = backend.requests.length;
  const client = await Peer.connect(port);
  client.send(`${lines.join('\r\n')}\r\n\r\n${body}`);
  const got = await client.readMessage(method);
  client.close();
  const text = (value: string): string =>
    value
      .replaceAll(`:${port}`, ':PORT')
      .replaceAll(`:${backend.port}`, ':APP')
      .replace(/(nginx|millrace)(\/[0-9.]+)?/g, 'PROXY')
      .replace(/\b[0-9]{20}\b/g, 'BOUNDARY');
  // A page's words and length are each proxy's own; that there is one of this type has to agree.
  const page = got.body.includes('<center>');
  // nginx says of a part that is not there how long the whole may be kept; we do not.
  const whole = got.status === 416 ? ['expires', 'cache-control'] : [];
  const left = ['date', 'server', ...whole, ...(page ? ['content-length'] : [])];
  const now = Date.parse(valueOf(got, 'date') ?? '');
  /** A time of this year as a distance from now. */
  const fromNow = (date: string): string => {
    const seconds = (Date.parse(date) - now) / 1000;
    return Math.abs(seconds) < YEAR_SECONDS ? `now ${seconds}` : date;
  };
  const plain = (list: Message['fields']): string[] =>
    list
      .filter(([key]) => !left.includes(key.toLowerCase()))
      .map(([key, value]) => text(`${key.toLowerCase()}: ${key === 'Expires' ? fromNow(value) : value}`))
      .sort();
  return {
    status: got.startLine,
    fields: plain(got.fields),
    body: page ? 'a page' : text(got.body),
    sent: backend.requests
      .slice(before)
      .map((sent) => [text(sent.startLine), ...plain(sent.fields), sent.body]),
  };
}

const CASES = { 'node-app.conf': NODE_APP, 'sites.conf': SITES, 'mounted.conf': MOUNTED };

describe.runIf(IS_MILLRACE && NGINX !== undefined)('the same as nginx', () => {
  for (const [name, requests] of Object.entries(CASES)) {
    describe(name, () => {
      let theirs: Running | undefined;
      let ours: Running | undefined;
      beforeAll(async () => {
        theirs = await startOne(NGINX ?? '', name);
        ours = await startOne(BINARY, name);
      });
      afterAll(async () => {
        await theirs?.stop();
        await ours?.stop();
      });
      for (const asked of requests) {
        const { method = 'GET', host, target, fields = [] } = asked;
        test([method, target, host, ...fields].join(' '), async () => {
          if (theirs === undefined || ours === undefined) throw new Error('not started');
          expect(await ask(ours, asked)).toEqual(await ask(theirs, asked));
        });
      }
    });
  }
});

/** What a configuration of nginx's may hold and this version does not know. */
const REFUSED: readonly (readonly [name: string, block: string])[] = [
  ['gzip', 'gzip on;'],
  ['auth_basic', 'server { auth_basic closed; }'],
  ['fastcgi_pass', 'server { location / { fastcgi_pass 127.0.0.1:9000; } }'],
  ['limit_req_zone', 'limit_req_zone $binary_remote_addr zone=one:10m rate=1r/s;'],
  ['ssl_certificate', 'server { ssl_certificate cert.pem; }'],
];

test.runIf(IS_MILLRACE).each(REFUSED)('%s is refused by its name and line', (name, block) => {
  const prefix = mkdtempSync(join(tmpdir(), 'millrace-conf-'));
  writeFileSync(join(prefix, 'nginx.conf'), `events { }\nhttp {\n  ${block}\n}\n`);
  let said = '';
  try {
    execFileSync(BINARY, ['-t', '-p', `${prefix}/`, '-c', 'nginx.conf'], { stdio: 'pipe' });
  } catch (error) {
    said = String((error as { stderr: Buffer }).stderr);
  }
  rmSync(prefix, { recursive: true, force: true });
  expect(said).toContain(`"${name}"`);
  expect(said).toContain('nginx.conf:3');
});

/**
 * What a log line says of heads whose bytes and records were received long before it is
 * written, while other traffic has gone through the memory that they came in.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { createProxyFromFile, type Module } from '../../../lib/index.js';
import { flagRow } from '../../../lib/modules/rows.js';
import { Deferred } from '../../../lib/util/deferred.js';
import { response, startAnswering } from '../../e2e/support/backend.js';
import { exchange, PATIENCE_MS, Peer } from '../../e2e/support/peer.js';

/** A proxy with that http block in this process. */
async function start(
  http: string,
  modules: readonly Module[] = [],
): Promise<{ port: number; log: (pattern: RegExp) => Promise<string> }> {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-late-'));
  writeFileSync(join(folder, 'nginx.conf'), `events { } http { access_log off; ${http} }`);
  const proxy = createProxyFromFile('nginx.conf', { prefix: folder, modules, errorLog: 'error.log' });
  onTestFinished(async () => {
    await proxy.close();
    rmSync(folder, { recursive: true });
  });
  const [first] = await proxy.listen();
  const log = async (pattern: RegExp): Promise<string> => {
    const limit = Date.now() + PATIENCE_MS;
    for (;;) {
      const line = pattern.exec(readFileSync(join(folder, 'late.log'), 'latin1'))?.[0];
      if (line !== undefined) return line;
      if (Date.now() > limit) throw new Error(`late.log has no ${String(pattern)}`);
      await sleep(10);
    }
  };
  return { port: first?.port ?? 0, log };
}

/** Other clients, whose heads have other fields at other places, and more of them. */
async function otherTraffic(port: number): Promise<void> {
  const fields = Array.from({ length: 30 }, (_, i) => `X-Foreign-${i}: foreign ${i}\r\n`).join('');
  for (let i = 0; i < 5; i++) {
    expect((await exchange(port, `GET /other/${i} HTTP/1.1\r\nHost: foreign\r\n${fields}\r\n`)).status).toBe(
      200,
    );
  }
}

/** Marks the location that waits. */
const waitsRow = flagRow('waits', false, 'Waits for the test.');

test.each([
  { way: 'an intercepted error page', path: '/refused' },
  { way: 'X-Accel-Redirect', path: '/elsewhere' },
])('$way that waits leaves the fields of the backend to the log', async ({ path }) => {
  const waiting = new Deferred<undefined>();
  const reached = new Deferred<undefined>();
  const waits: Module = {
    name: 'waits',
    directives: [waitsRow],
    location: (builder) => {
      if (!builder.settings.get(waitsRow)) return;
      builder.content(async (exchange) => {
        reached.resolve(undefined);
        await waiting.promise;
        return exchange.respond(200, 'page');
      });
    },
  };
  const mine = ['X-First: one', 'X-Mine: of this answer', 'X-Last: three'];
  await using backend = await startAnswering(({ target }) => {
    if (target === '/refused') return response('no', mine, '403 Forbidden');
    if (target === '/elsewhere') return response('no', ['X-Accel-Redirect: /page', ...mine]);
    return response('other', ['X-Mine: foreign', 'Set-Cookie: foreign=1'], '200 OK');
  });
  const { port, log } = await start(
    `log_format late '$request_uri|$status|$upstream_http_x_first|$upstream_http_x_mine|$upstream_http_x_last|';
     server { listen 127.0.0.1:0; error_page 403 /page; proxy_intercept_errors on;
       location / { proxy_pass http://127.0.0.1:${backend.port}; }
       location /page { access_log late.log late; waits on; } }`,
    [waits],
  );
  const client = await Peer.connect(port);
  client.send(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`);
  await reached.promise;
  await otherTraffic(port);
  waiting.resolve(undefined);
  const answer = await client.readMessage();
  client.close();
  expect(answer.body).toBe('page');
  expect(await log(/^\/.*/m)).toBe(`${path}|${answer.status}|one|of this answer|three|`);
});

test('a head that stalls is logged as it is, whoever is served meanwhile', async () => {
  const { port, log } = await start(
    `log_format late '$request_uri|$request|$status|$request_length';
     server { listen 127.0.0.1:0; client_header_timeout 400ms; access_log late.log late;
       location / { access_log off; return 200 other; } }`,
  );
  const client = await Peer.connect(port);
  client.send('GET /stalls?a=1 HTTP/1.1\r\nHost: a\r\nX-Half');
  await otherTraffic(port);
  const answer = await client.readMessage();
  client.close();
  expect(answer.status).toBe(408);
  expect(await log(/^.*\|408\|.*$/m)).toBe('/stalls?a=1|GET /stalls?a=1 HTTP/1.1|408|41');
});

/**
 * Bodies that are refused, because they are too large, no chunked coding or too slow: the
 * refusal reaches the client, and no part of the body goes anywhere else.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { response, startAnswering } from './support/backend.js';
import { Peer } from './support/peer.js';
import { IS_MILLRACE, startProxy } from './support/proxy.js';

const CHUNKED = 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n';
const SLOW = 'client_body_timeout 300ms;';
const chunk = (size: number): string => `${size.toString(16)}\r\n${'x'.repeat(size)}\r\n`;

describe.each([
  ['too large', 'client_max_body_size 10k;', `${chunk(10_240)}${chunk(1)}`, 413],
  ['no chunked coding', '', `${chunk(5)}zz\r\n`, 400],
] as const)('a body in chunks that is %s', (_what, directive, body, status) => {
  // nginx resets the client whose body is no chunked coding.
  test.runIf(IS_MILLRACE || status === 413).each(['', 'proxy_request_buffering off;'])(
    'is refused, and no reset eats that (%s)',
    async (more) => {
      await using backend = await startAnswering(() => response('ok'));
      await using proxy = await startProxy(
        (port) => `server { listen 127.0.0.1:${port}; ${directive} ${more}
        location / { proxy_pass http://127.0.0.1:${backend.port}; proxy_http_version 1.1; } }`,
      );
      const client = await Peer.connect(proxy.port);
      client.stopReading();
      client.send(CHUNKED);
      await sleep(50);
      client.send(body);
      // It sends on for a while before it looks.
      for (let i = 0; i < 20; i++) {
        await sleep(20);
        client.send(chunk(1000));
      }
      client.startReading();
      expect((await client.readMessage()).status).toBe(status);
      client.close();
    },
  );
});

// nginx passes on what it has read of a body as if that were the whole.
describe.runIf(IS_MILLRACE)('the error page of a refused body', () => {
  const half = CHUNKED + chunk(5000);
  test.each([
    ['too large', 413, half, chunk(6000), ''],
    ['too large, in a file', 413, half, chunk(6000), 'client_body_in_file_only on;'],
    [
      'too large at once',
      413,
      `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 12000\r\n\r\n`,
      'x'.repeat(12_000),
      '',
    ],
    ['no chunked coding', 400, half, 'zz\r\n', ''],
    ['too slow', 408, half, '', SLOW],
    [
      'too slow, with a length',
      408,
      `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9000\r\n\r\n${'x'.repeat(5000)}`,
      '',
      SLOW,
    ],
  ] as const)('is asked for without any of it: %s', async (_what, status, first, second, more) => {
    await using backend = await startAnswering(() => response('page'));
    await using proxy = await startProxy(
      (port) => `log_format method '$request_method $status;';
      server {
        listen 127.0.0.1:${port};
        client_max_body_size 10k;
        client_body_buffer_size 64k;
        ${more}
        location / {
          proxy_pass http://127.0.0.1:${backend.port};
          proxy_http_version 1.1;
          error_page ${status} @page;
        }
        location /plain { proxy_pass http://127.0.0.1:${backend.port}; access_log access.log method; }
        location @page { proxy_pass http://127.0.0.1:${backend.port}; proxy_http_version 1.1; }
      }`,
    );
    const client = await Peer.connect(proxy.port);
    client.send(first);
    await sleep(100);
    client.send(second);
    const answer = await client.readMessage();
    expect([answer.status, answer.body]).toEqual([status, 'page']);
    expect(backend.requests.map(({ method, body, complete }) => [method, body, complete])).toEqual([
      ['GET', '', true],
    ]);
    client.close();
    // Without an error page the log has the client's method.
    const plain = await Peer.connect(proxy.port);
    plain.send(first.replace('POST /', 'POST /plain'));
    await sleep(100);
    plain.send(second);
    expect((await plain.readMessage()).status).toBe(status);
    plain.close();
    await proxy.readUntil('access.log', new RegExp(`^POST ${status};$`, 'm'));
  });
});

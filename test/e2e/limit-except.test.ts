/** `limit_except`: what a location does with other methods than those that it names. */
import { expect, test } from 'vitest';
import { response, startAnswering } from './support/backend.js';
import { exchange } from './support/peer.js';
import { startProxy } from './support/proxy.js';

test('gives other methods rules and a backend of their own', async () => {
  await using backend = await startAnswering(({ target, method, body }) =>
    response(`${method} ${target} ${body}`),
  );
  const there = `http://127.0.0.1:${backend.port}`;
  await using proxy = await startProxy(
    (port) => `server { listen 127.0.0.1:${port}; allow all;
      location /read { proxy_pass ${there}; limit_except get { deny all; } }
      location /write { proxy_pass ${there}/other; limit_except GET PUT { proxy_pass ${there}; } }
      location /empty { proxy_pass ${there}/all; limit_except POST { } }
      location /own { limit_except GET { allow 127.0.0.0/8; deny all; } return 200 own; }
      location /folder/ { proxy_pass ${there}; limit_except GET { deny all; } }
      location /nested { proxy_pass ${there}; limit_except GET { deny all; } location /nested/in { proxy_pass ${there}; } }
      location /named { error_page 404 = @named; return 404; }
      location @named { proxy_pass ${there}; limit_except GET { deny all; } } }`,
  );
  const ask = async (method: string, target: string): Promise<unknown> => {
    const head = `${method} ${target} HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi`;
    const { status, body } = await exchange(proxy.port, head, method);
    return status === 200 ? body : status;
  };
  expect(await ask('GET', '/read')).toBe('GET /read hi');
  expect(await ask('HEAD', '/read')).toBe('');
  for (const method of ['POST', 'DELETE', 'PROPFIND', 'ODD']) expect(await ask(method, '/read')).toBe(403);
  expect(await ask('PUT', '/write')).toBe('PUT /other hi');
  expect(await ask('POST', '/write')).toBe('POST /write hi');
  expect(await ask('GET', '/empty')).toBe('GET /all hi');
  expect(await ask('POST', '/empty')).toBe('POST /all hi');
  expect(await ask('GET', '/own')).toBe('own');
  // Without the `return` of the location, the file is looked for.
  expect(await ask('PUT', '/own')).toBe(405);
  expect([await ask('POST', '/folder/x'), await ask('POST', '/folder')]).toEqual([403, 301]);
  expect([await ask('POST', '/nested'), await ask('POST', '/nested/in')]).toEqual([
    403,
    'POST /nested/in hi',
  ]);
  expect([await ask('GET', '/named'), await ask('POST', '/named')]).toEqual(['GET /named hi', 403]);
});

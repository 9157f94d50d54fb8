/** Regular expressions on the wire: locations, names of servers, and what their groups become. */
import { describe, expect, test } from 'vitest';
import { exchange } from './support/peer.js';
import { startProxy } from './support/proxy.js';

const get = (target: string, host = 'a'): string => `GET ${target} HTTP/1.1\r\nHost: ${host}\r\n\r\n`;

describe('regular expressions', () => {
  test('choose locations by the decoded path and give their groups to texts', async () => {
    await using proxy = await startProxy(
      (port) => `server { listen 127.0.0.1:${port};
        location / { return 200 "root $1"; }
        location ~ ^/u/(?<user>[^/]+)/(.+)$ { return 200 "$user $2"; }
        location ~* \\.PHP$ { return 403; } }`,
    );
    const bodies = [];
    for (const target of ['/', '/u/ann/x', '/u/%61nn/b%20c?q', '/%75/./a/../b/c']) {
      bodies.push((await exchange(proxy.port, get(target))).body);
    }
    expect(bodies).toEqual(['root ', 'ann x', 'ann b c', 'b c']);
    expect((await exchange(proxy.port, get('/x.php'))).status).toBe(403);
    expect((await exchange(proxy.port, get('/x.php%0a'))).status).toBe(403);
  });

  test('choose servers, whose groups last until a location has others', async () => {
    await using proxy = await startProxy(
      (port) => `
        server { listen 127.0.0.1:${port}; server_name a; return 200 default; }
        server { listen 127.0.0.1:${port}; server_name ~^(?<sub>[a-z]+)\\.example\\.com$;
          location / { return 200 "$sub $1 $server_name"; }
          location ~ ^/(x) { return 200 "$sub $1"; } }`,
    );
    const bodies = [];
    for (const [target, host] of [
      ['/', 'one.example.com'],
      ['/', 'TWO.Example.com:80'],
      ['/x', 'one.example.com'],
      ['/', '1.example.com'],
    ] as const) {
      bodies.push((await exchange(proxy.port, get(target, host))).body);
    }
    expect(bodies).toEqual([
      'one one ~^(?<sub>[a-z]+)\\.example\\.com$',
      'two two ~^(?<sub>[a-z]+)\\.example\\.com$',
      'one x',
      'default',
    ]);
  });
});

import { describe, expect, it } from 'vitest';
import { compileText, inHttp, inServer } from './helpers.js';

describe('compileConfig', () => {
  it('compiles a small proxy', async () => {
    const { runtime, main, warnings } = await compileText(`
      worker_processes 1;
      events { worker_connections 1024; }
      http {
        access_log off;
        upstream backend { server 127.0.0.1:3000 weight=2; server 127.0.0.1:3001; keepalive 16; }
        server {
          listen 8080;
          server_name example.com *.example.com;
          location / { proxy_pass http://backend; }
          location = /health { return 200 ok; }
          location /files/ { root /srv; }
        }
      }
    `);
    expect(warnings).toEqual([]);
    expect(main.workerConnections).toBe(1024);
    expect(runtime.workerConnections).toBe(1024);
    expect(runtime.listens).toHaveLength(1);
    const [listen] = runtime.listens;
    expect(listen).toMatchObject({ address: '0.0.0.0', port: 8080, backlog: 511, ipv6Only: true });
    const server = listen?.servers[0];
    expect(server?.names).toEqual(['example.com', '*.example.com']);
    expect(server?.locations.map(({ kind, name }) => `${kind} ${name}`)).toEqual([
      'prefix /',
      'exact /health',
      'prefix /files/',
    ]);
    expect(server?.locations[0]?.content).toBeTypeOf('function');
    expect(server?.locations[2]?.root).toBe('/srv');
    expect(server?.fallback).toMatchObject({ kind: 'server', name: '', root: '/prefix/html' });
    const [group] = runtime.upstreams;
    expect(group?.name).toBe('backend');
    expect(group?.options).toMatchObject({ keepalive: 16, keepaliveTimeoutMs: 60_000 });
    expect(group?.peers.map(({ config }) => `${config.name} ${config.weight}`)).toEqual([
      '127.0.0.1:3000 2',
      '127.0.0.1:3001 1',
    ]);
  });

  it('has no listens without http', async () => {
    const { runtime } = await compileText('events {}');
    expect(runtime.listens).toEqual([]);
    expect(runtime.upstreams).toEqual([]);
  });

  it('gives the settings of the process', async () => {
    const { main } = await compileText(
      'pid run/x.pid; daemon off; user nobody; error_log stderr info; events {}',
    );
    expect(main).toMatchObject({
      pidPath: '/prefix/run/x.pid',
      pidGiven: true,
      daemon: false,
      masterProcess: true,
      user: { user: 'nobody', group: 'nobody' },
      workerProcesses: 1,
      workerConnections: 512,
      errorLogs: [{ target: 'stderr', level: 'info' }],
    });
  });

  it('takes the default error log from the caller', async () => {
    const { main } = await compileText('events {}', { errorLogPath: 'stderr' });
    expect(main.errorLogs).toEqual([{ target: 'stderr', level: 'error' }]);
  });

  it('says which log cannot be opened', async () => {
    await expect(compileText('error_log nowhere/error.log; events {}')).rejects.toThrow(
      'open() "/nonexistent/nowhere/error.log" failed (2: No such file or directory) in nginx.conf:1:1',
    );
  });
});

describe('inheritance', () => {
  it('takes the nearest value', async () => {
    const compiled = await compileText(
      inHttp(`
        client_max_body_size 2k;
        keepalive_timeout 10s 5s;
        server {
          client_max_body_size 3k;
          location / { client_max_body_size 4k; location /a { } location /b { client_max_body_size 0; } }
          location /c { }
        }
        server { listen 9; }
      `),
    );
    const [first, second] = compiled.runtime.listens.map((listen) => listen.servers[0]);
    expect(first?.fallback.clientMaxBodySize).toBe(3072);
    expect(
      Object.fromEntries(first?.locations.map((each) => [each.name, each.clientMaxBodySize]) ?? []),
    ).toEqual({
      '/': 4096,
      '/a': 4096,
      '/b': 0,
      '/c': 3072,
    });
    expect(second?.fallback.clientMaxBodySize).toBe(2048);
    expect(second?.fallback).toMatchObject({ keepaliveTimeoutMs: 10_000, keepaliveHeaderSeconds: 5 });
  });

  it('replaces lists as a whole and does not inherit what answers', async () => {
    const compiled = await compileText(
      inServer(`
        error_page 404 /a; error_page 500 502 /b;
        location / { proxy_pass http://127.0.0.1:1; location /x { } location /y { error_page 404 /c; } }
      `),
    );
    expect([...compiled.location('/x').errorPages.keys()]).toEqual([404, 500, 502]);
    expect([...compiled.location('/y').errorPages.keys()]).toEqual([404]);
    expect(compiled.location('/').content).not.toBe(compiled.location('/x').content);
  });

  it('turns lingering off', async () => {
    const compiled = await compileText(inServer('lingering_close off; location /a { lingering_close on; }'));
    expect(compiled.server.fallback.lingers).toBe(false);
    expect(compiled.location('/a').lingers).toBe(true);
  });

  it('shares one error log among all that inherit it', async () => {
    const compiled = await compileText(
      inServer('location /a { } location /b { error_log stderr crit; location /b/c { } }'),
    );
    expect(compiled.location('/a').errorLog).toBe(compiled.runtime.errorLog);
    expect(compiled.location('/b').errorLog).not.toBe(compiled.runtime.errorLog);
    expect(compiled.location('/b/c').errorLog).toBe(compiled.location('/b').errorLog);
    expect(compiled.location('/b').errorLog.enabled('error')).toBe(false);
  });
});

/** From start to end of the command: pid file, signals, logs, background. */
import { renameSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { Agent, get } from 'node:http';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { freePort, Workspace } from '../support/command.js';

let work: Workspace;
let port: number;
beforeEach(async () => {
  work = new Workspace();
  port = await freePort();
});
afterEach(() => work.dispose());

function config(server: string, main = ''): string {
  return (
    `error_log error.log notice; ${main}\npid millrace.pid;\nevents { }\n` +
    `http { access_log access.log; server { listen 127.0.0.1:${port}; ${server} } }\n`
  );
}

const OK = 'location / { return 200 ok; }';

/** Status and body; rejects when the connection breaks. */
function request(path = '/', agent: Agent | false = false): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const message = get({ host: '127.0.0.1', port, path, agent }, (response) => {
      let body = '';
      response.on('data', (chunk: Buffer) => (body += chunk.toString()));
      response.once('end', () => resolve({ status: response.statusCode ?? 0, body }));
      response.once('error', reject);
    });
    message.once('error', reject);
  });
}

describe('the pid file', () => {
  test('holds the pid of the very process, appears when one can connect, and goes away', async () => {
    const command = await work.serve(config(OK));
    expect(work.read('millrace.pid')).toBe(`${command.pid}\n`);
    expect(await request()).toEqual({ status: 200, body: 'ok' });
    const outcome = await command.end('SIGQUIT');
    expect(outcome).toMatchObject({ code: 0, signal: null, stdout: '', stderr: '' });
    expect(work.has('millrace.pid')).toBe(false);
  });

  test('is what -s goes by', async () => {
    const command = await work.serve(config(OK));
    const sent = await work.start('-p', work.folder, '-s', 'quit').outcome;
    expect(sent).toMatchObject({ code: 0, stderr: '' });
    expect((await command.outcome).code).toBe(0);
    const again = await work.start('-p', work.folder, '-s', 'quit').outcome;
    expect(again.code).toBe(1);
    expect(again.stderr).toMatch(/^millrace: \[emerg\] open\(\) ".*millrace\.pid" failed \(2: .*\)\n$/);
  });
});

describe('signals', () => {
  test('are waited for also without a server', async () => {
    const command = await work.serve('pid millrace.pid;\nevents { }\n');
    expect((await command.end('SIGTERM')).code).toBe(0);
  });

  test.each(['SIGTERM', 'SIGINT'] as const)(
    '%s stops at once, also with a client that waits',
    async (signal) => {
      const backend = await startBackend(() => undefined);
      const command = await work.serve(config(`location / { proxy_pass http://127.0.0.1:${backend.port}; }`));
      const waiting = request().catch((error: NodeJS.ErrnoException) => error.code);
      await backend.reached;
      expect(await command.end(signal)).toMatchObject({ code: 0, stderr: '' });
      expect(await waiting).toBe('ECONNRESET');
      expect(work.has('millrace.pid')).toBe(false);
      expect(work.read('error.log')).toMatch(new RegExp(`\\(${signal}\\) received, exiting[^]*exit`));
      await backend.close();
    },
  );

  test('SIGQUIT finishes what is under way, refuses what is new, closes what is idle', async () => {
    let finish = (): void => undefined;
    const backend = await startBackend((end) => (finish = end));
    const command = await work.serve(
      config(`location / { proxy_pass http://127.0.0.1:${backend.port}; } location /now { return 200 now; }`),
    );
    const agent = new Agent({ keepAlive: true });
    expect((await request('/now', agent)).body).toBe('now');
    const waiting = request();
    await backend.reached;
    command.child.kill('SIGQUIT');
    await expect
      .poll(() => request('/now').catch((error: NodeJS.ErrnoException) => error.code))
      .toBe('ECONNREFUSED');
    expect(command.child.exitCode).toBe(null);
    finish();
    expect(await waiting).toEqual({ status: 200, body: 'done' });
    expect(await command.outcome).toMatchObject({ code: 0, stderr: '' });
    agent.destroy();
    await backend.close();
  });

  test('SIGHUP and SIGUSR2 leave it alone and say so', async () => {
    const command = await work.serve(config(OK));
    command.child.kill('SIGHUP');
    command.child.kill('SIGUSR2');
    const log = (): string => work.read('error.log');
    await command.until(() => /SIGHUP.*reload is not supported yet/.test(log()), 'line about SIGHUP');
    await command.until(
      () => /SIGUSR2.*binary upgrade is not supported yet/.test(log()),
      'line about SIGUSR2',
    );
    expect((await request()).status).toBe(200);
    expect((await command.end('SIGTERM')).code).toBe(0);
  });

  test('SIGUSR1 opens renamed logs anew', async () => {
    const command = await work.serve(config(OK));
    await request('/before');
    await command.until(() => work.read('access.log').includes('/before'), 'line before');
    renameSync(work.path('access.log'), work.path('access.log.1'));
    command.child.kill('SIGUSR1');
    await command.until(() => work.has('access.log'), 'new log');
    await request('/after');
    await command.until(() => work.read('access.log').includes('/after'), 'line after');
    expect(work.read('access.log')).not.toContain('/before');
    expect(work.read('access.log.1')).not.toContain('/after');
    await command.end('SIGTERM');
  });
});

test('--from and --to proxy without a file', async () => {
  const backend = await startBackend((end) => end());
  const command = work.start('--from', `127.0.0.1:${port}`, '--to', `127.0.0.1:${backend.port}`);
  await command.until(() => command.stdout.includes('\n'), 'line');
  expect(command.stdout).toBe(
    `millrace ${command.stdout.split(' ')[1]} 127.0.0.1:${port} -> 127.0.0.1:${backend.port}\n`,
  );
  expect(await request()).toEqual({ status: 200, body: 'done' });
  expect((await command.end('SIGINT')).code).toBe(0);
  await backend.close();
});

test('daemon on: the command returns when the sockets are bound', async () => {
  const outcome = await work.startConfig(config(OK, 'daemon on;')).outcome;
  expect(outcome).toMatchObject({ code: 0, stdout: '', stderr: '' });
  const pid = Number(work.read('millrace.pid'));
  expect((await request()).status).toBe(200);
  process.kill(pid, 'SIGQUIT');
  await expect.poll(() => work.has('millrace.pid'), { timeout: 5000 }).toBe(false);
});

test('daemon on: a failure is the one line and the exit code, too', async () => {
  const first = await work.serve(config(OK));
  const second = await work.start('-p', work.folder, '-e', 'error.log', '-g', 'daemon on;').outcome;
  expect(second.code).toBe(1);
  expect(second.stderr).toMatch(
    /^millrace: \[emerg\] bind\(\) to .* failed \(\d+: Address already in use\)\n$/,
  );
  await first.end('SIGTERM');
});

interface Backend {
  readonly port: number;
  /** Settles when the first request has arrived. */
  readonly reached: Promise<void>;
  close(): Promise<void>;
}

/** Answers "done" when `onRequest`'s function is called. */
function startBackend(onRequest: (end: () => void) => unknown): Promise<Backend> {
  let arrived = (): void => undefined;
  const reached = new Promise<void>((resolve) => (arrived = resolve));
  const server: Server = createServer((_request, response) => {
    arrived();
    onRequest(() => response.end('done'));
  });
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      const { port: backendPort } = server.address() as { port: number };
      const close = (): Promise<void> =>
        new Promise((done) => {
          server.closeAllConnections();
          server.close(() => done());
        });
      resolve({ port: backendPort, reached, close });
    });
  });
}

/**
 * The command from outside: what it prints, what it leaves behind, how it ends. A
 * failure is one line on stderr and exit code 1, nothing else.
 */
import { chmodSync, mkdirSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { constants } from 'node:os';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { BINARY, freePort, Workspace, type Outcome } from '../support/command.js';

let work: Workspace;
beforeEach(() => {
  work = new Workspace();
});
afterEach(() => work.dispose());

/** A whole configuration around the directives of an http block. */
function config(http: string, main = ''): string {
  return `${main}\npid millrace.pid;\nevents { }\nhttp {\naccess_log off;\n${http}\n}\n`;
}

function expectOneLine(outcome: Outcome, line: RegExp): void {
  expect(outcome.stderr).toMatch(/^[^\n]+\n$/);
  expect(outcome.stderr).toMatch(line);
  expect(outcome.stdout).toBe('');
  expect(outcome.code).toBe(1);
}

describe('what needs no configuration', () => {
  test('the binary is an executable file', () => {
    expect(statSync(BINARY).mode & 0o111).not.toBe(0);
  });

  test('-v', async () => {
    const { code, stderr, stdout } = await work.start('-v').outcome;
    expect([code, stdout]).toEqual([0, '']);
    expect(stderr).toMatch(/^millrace version: millrace\/\d+\.\d+\.\d+\nnginx version: nginx\/1\.31\.4\n$/);
  });

  test('-V', async () => {
    const { code, stderr } = await work.start('-V').outcome;
    expect(code).toBe(0);
    expect(stderr).toMatch(/^nginx version: nginx\/1\.31\.4$/m);
    expect(stderr).toMatch(/^configure arguments: .*--without-http_gzip_module/m);
    expect(stderr).not.toMatch(/--without-http_(proxy|access|rewrite|upstream_keepalive)_module/);
  });

  test('-h', async () => {
    const { code, stdout, stderr } = await work.start('-h').outcome;
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/^Usage: millrace /);
  });

  test.each([['-x'], ['-c'], ['--from', ':1'], ['--from', 'x y', '--to', '1']])(
    '%j: one line',
    async (...args) => {
      expectOneLine(await work.start(...args).outcome, /^millrace: /);
    },
  );

  test('nothing given and no nginx.conf here: says what to do', async () => {
    expectOneLine(await work.start().outcome, /^millrace: \[emerg\] no configuration: .*-c FILE.*--from/);
  });
});

describe('a bad configuration is one line and exit code 1', () => {
  test.each<[string, string, RegExp]>([
    ['an unknown directive', config('prox_pass x;'), /unknown directive "prox_pass" in .*nginx\.conf:6/],
    [
      'a directive in the wrong place',
      config('proxy_pass http://x;'),
      /"proxy_pass" directive is not allowed here/,
    ],
    ['a missing semicolon', config('server { listen 80 }'), /unexpected "}"/],
    ['a missing brace', 'events {', /unexpected end of file, expecting "}"/],
    ['a duplicate', config('', 'pid a;'), /"pid" directive is duplicate/],
    ['a bad value', config('server { listen 127.0.0.1:x; }'), /invalid port|host not found|invalid/],
    [
      'a wrong number of arguments',
      config('keepalive_timeout;'),
      /invalid number of arguments in "keepalive_timeout"/,
    ],
    ['a missing section', 'pid x;', /no "events" section/],
    [
      'a missing include',
      config('include gone.conf;'),
      /open\(\) ".*gone\.conf" failed \(2: No such file or directory\)/,
    ],
    [
      'a log in a folder that is not there',
      config('server { access_log gone/access.log; }'),
      /open\(\) ".*gone\/access\.log" failed \(2: No such file or directory\)/,
    ],
    ['an unknown user', config('', 'user no-such-user;'), /getpwnam|getgrnam/],
  ])('%s', async (name, text, line) => {
    if (name === 'an unknown user' && process.getuid?.() !== 0) return;
    const outcome = await work.startConfig(text).outcome;
    expectOneLine(outcome, /^millrace: \[emerg\] /);
    expect(outcome.stderr).toMatch(line);
    // The same in the error log that -e names, in the form of a log.
    expect(work.read('error.log')).toMatch(/^\d{4}\/\d\d\/\d\d \d\d:\d\d:\d\d \[emerg\] \d+#\d+: /);
    expect(work.has('millrace.pid')).toBe(false);
  });

  test('a file that is not there', async () => {
    const outcome = await work.start('-c', 'gone.conf').outcome;
    expectOneLine(
      outcome,
      /^millrace: \[emerg\] open\(\) ".*gone\.conf" failed \(2: No such file or directory\)$/m,
    );
  });

  test('a file that may not be read', async () => {
    if (process.getuid?.() === 0) {
      // root may read everything: a directory in the file's place fails in the same way.
      mkdirSync(work.path('nginx.conf'));
      return expectOneLine(await work.start().outcome, /^millrace: \[emerg\] .*nginx\.conf" failed \(21: /);
    }
    chmodSync(work.write('nginx.conf', config('')), 0);
    expectOneLine(await work.start().outcome, /^millrace: \[emerg\] .*failed \(13: Permission denied\)/);
  });

  test('an error log that cannot be opened', async () => {
    work.write('nginx.conf', config(''));
    expectOneLine(
      await work.start('-e', 'gone/error.log').outcome,
      /^millrace: \[emerg\] open\(\) ".*gone\/error\.log" failed \(2: No such file or directory\)$/m,
    );
  });

  test('a pid file that cannot be written', async () => {
    const port = await freePort();
    const text = config(`server { listen 127.0.0.1:${port}; }`).replace('pid millrace', 'pid gone/millrace');
    const outcome = await work.startConfig(text).outcome;
    expectOneLine(outcome, /^millrace: \[emerg\] open\(\) ".*gone\/millrace\.pid" failed \(2: /);
  });
});

describe('sockets', () => {
  test('a port in use', async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    const { port } = taken.address() as { port: number };
    const outcome = await work.startConfig(config(`server { listen 127.0.0.1:${port}; }`)).outcome;
    await new Promise((resolve) => taken.close(resolve));
    const message = `bind() to 127.0.0.1:${port} failed (${constants.errno.EADDRINUSE}: Address already in use)`;
    expect(outcome.stderr).toBe(`millrace: [emerg] ${message}\n`);
    expect(outcome.code).toBe(1);
    expect(work.read('error.log')).toContain(message);
    expect(work.has('millrace.pid')).toBe(false);
  });

  test('an address that is not of this machine', async () => {
    const outcome = await work.startConfig(config('server { listen 192.0.2.1:8080; }')).outcome;
    expectOneLine(outcome, /^millrace: \[emerg\] bind\(\) to 192\.0\.2\.1:8080 failed \(\d+: /);
  });

  test('a port that only root may open', async (context) => {
    if (process.getuid?.() === 0) return context.skip('root may open every port');
    const outcome = await work.startConfig(config('server { listen 127.0.0.1:1; }')).outcome;
    expectOneLine(
      outcome,
      /^millrace: \[emerg\] bind\(\) to 127\.0\.0\.1:1 failed \(13: Permission denied\)/,
    );
  });
});

describe('-t and -T', () => {
  test("a good file: nginx's two lines", async () => {
    const command = work.startConfig(config('server { listen 127.0.0.1:1; }'), '-t');
    const { code, stderr, stdout } = await command.outcome;
    const path = work.path('nginx.conf');
    expect(stderr).toBe(
      `millrace: the configuration file ${path} syntax is ok\n` +
        `millrace: configuration file ${path} test is successful\n`,
    );
    expect([code, stdout]).toEqual([0, '']);
    expect(work.has('millrace.pid')).toBe(false);
  });

  test('-q says nothing', async () => {
    const outcome = await work.startConfig(config(''), '-t', '-q').outcome;
    expect(outcome).toMatchObject({ code: 0, stderr: '', stdout: '' });
  });

  test('a bad file: the reason, and that the test failed', async () => {
    const { code, stderr } = await work.startConfig('events { } nonsense;', '-t').outcome;
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /^millrace: \[emerg\] unknown directive "nonsense".*\nmillrace: configuration file .*nginx\.conf test failed\n$/,
    );
  });

  test('-T writes every file out, byte by byte', async () => {
    const included = '# ä\nkeepalive_timeout 5s;\n';
    work.write('more.conf', included);
    const text = config('include more.conf;');
    const { code, stdout } = await work.startConfig(text, '-T').outcome;
    expect(code).toBe(0);
    expect(stdout).toContain(`# configuration file ${work.path('nginx.conf')}:\n${text}`);
    expect(stdout).toContain(`# configuration file ${work.path('more.conf')}:\n${included}`);
  });

  test('-g is read before the file', async () => {
    const { code, stderr } = await work.startConfig('events { }', '-t', '-g', 'pid a.pid; pid b.pid;')
      .outcome;
    expect(code).toBe(1);
    expect(stderr).toContain('"pid" directive is duplicate');
  });
});

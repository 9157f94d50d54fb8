/** The files of logs, the error log over them, and the directives of the access log. */
import { mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { errorLine, openErrorLog } from '../../../lib/modules/error-log.js';
import { LogFiles, type LogFile } from '../../../lib/modules/log-files.js';
import { LOG_ESCAPES } from '../../../lib/proxy/log-lines.js';
import { FakeExchange, location, tree } from './support.js';

let directory: string;
let logs: LogFiles;
const failures: string[] = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'millrace-logs-'));
  failures.length = 0;
  logs = new LogFiles(directory, (path, error) => failures.push(`${path} ${error.code}`));
});

afterEach(() => {
  logs.close();
  rmSync(directory, { recursive: true });
});

/** A line of the access log. */
function add({ lines }: LogFile, line: string): void {
  lines.begin(LOG_ESCAPES.none);
  lines.text(line);
  lines.end();
}

const read = (name: string): string => readFileSync(join(directory, name), 'latin1');

describe('log files', () => {
  it('are created when they are opened, and opened once', () => {
    const file = logs.open('a.log');
    expect(read('a.log')).toBe('');
    expect(logs.open(join(directory, 'a.log'))).toBe(file);
    expect([...logs.files()]).toEqual([file]);
  });

  it('write the lines of a turn together, when the callback is left', async () => {
    const file = logs.open('a.log');
    add(file, 'one');
    add(file, 'two \xe9');
    expect(read('a.log')).toBe('');
    await Promise.resolve();
    expect(read('a.log')).toBe('one\ntwo \xe9\n');
  });

  it('write at once when much is pending', () => {
    const file = logs.open('a.log');
    const line = 'x'.repeat(1023);
    for (let i = 0; i < 80; i += 1) add(file, line);
    expect(read('a.log').length).toBeGreaterThanOrEqual(32 * 1024);
    expect(read('a.log').length % 1024).toBe(0);
    logs.flush();
    expect(read('a.log').length).toBe(80 * 1024);
  });

  it('write an urgent line after those that are pending', () => {
    const file = logs.open('a.log');
    add(file, 'one');
    file.writeNow('two');
    expect(read('a.log')).toBe('one\ntwo\n');
  });

  it('lose no line when they are reopened', () => {
    const file = logs.open('a.log');
    add(file, 'before');
    renameSync(join(directory, 'a.log'), join(directory, 'a.log.1'));
    add(file, 'still before');
    logs.reopen();
    add(file, 'after');
    logs.flush();
    expect(read('a.log.1')).toBe('before\nstill before\n');
    expect(read('a.log')).toBe('after\n');
  });

  it('keep the old file when the new one cannot be opened', () => {
    const file = logs.open('a.log');
    rmSync(directory, { recursive: true });
    logs.reopen();
    expect(failures).toEqual([`${join(directory, 'a.log')} ENOENT`]);
    expect(() => file.writeNow('into the void')).not.toThrow();
    directory = mkdtempSync(join(tmpdir(), 'millrace-logs-'));
  });

  it('write what is pending before they close, and nothing after', () => {
    const file = logs.open('a.log');
    add(file, 'last');
    logs.close();
    file.writeNow('too late');
    file.close();
    expect(read('a.log')).toBe('last\n');
  });

  it('say in nginx words why they cannot be opened', () => {
    const path = join(directory, 'no', 'a.log');
    expect(() => logs.open(path)).toThrow(
      expect.objectContaining({
        code: 'ENOENT',
        message: `open() "${path}" failed (2: No such file or directory)`,
      }),
    );
    expect(() => logs.open(directory)).toThrow('failed (21: ');
  });

  it('report a failed write at most once a second', () => {
    const file = logs.open('/dev/full');
    file.writeNow('one');
    file.writeNow('two');
    expect(failures).toEqual(['/dev/full ENOSPC']);
  });
});

describe('the error log', () => {
  it('writes nginx lines at once, from its level on', () => {
    const log = openErrorLog([{ target: 'e.log', level: 'warn' }], logs);
    log.write('notice', 'too quiet');
    log.write('warn', 'a message', 7);
    expect(read('e.log')).toMatch(/^\d{4}\/\d\d\/\d\d \d\d:\d\d:\d\d \[warn\] \d+#\d+: \*7 a message\n$/);
    expect([log.enabled('notice'), log.enabled('warn'), log.enabled('emerg')]).toEqual([false, true, true]);
  });

  it('serves several targets, each from its own level on', () => {
    const log = openErrorLog(
      [
        { target: 'all.log', level: 'debug' },
        { target: 'few.log', level: 'crit' },
      ],
      logs,
    );
    log.write('info', 'one');
    log.write('alert', 'two');
    expect(read('all.log').trim().split('\n')).toHaveLength(2);
    expect(read('few.log')).toMatch(/^[^\n]*\[alert\] [^\n]* two\n$/);
  });

  it('lets nobody forge a line', () => {
    expect(errorLine('error', 'a\nb\rc\x00d')).toMatch(/: a b c d$/);
    expect(errorLine('error', 'x'.repeat(5000)).length).toBeLessThan(2200);
  });
});

describe('access_log', () => {
  const log = async (inside: string, around: string, exchange = new FakeExchange()): Promise<void> => {
    const place = await location(inside, around, logs);
    exchange.location = place;
    for (const handler of place.logHandlers) handler(exchange);
    logs.flush();
  };

  it('writes a line in the format of that name', async () => {
    await log('location / {}', `log_format short "$request_method " '$uri'; access_log a.log short;`);
    expect(read('a.log')).toBe('GET /\n');
  });

  it('writes to each of several files', async () => {
    await log(
      'location / {}',
      'log_format s $uri; access_log a.log s; access_log b.log s buffer=4k flush=1s;',
    );
    expect([read('a.log'), read('b.log')]).toEqual(['/\n', '/\n']);
  });

  it('takes a condition', async () => {
    const around = 'log_format s $uri; access_log a.log s if=$arg_log;';
    for (const target of ['/no', '/zero?log=0', '/empty?log=', '/yes?log=1']) {
      await log('location / {}', around, new FakeExchange({ target }));
    }
    expect(read('a.log')).toBe('/yes\n');
  });

  it('is replaced by an inner one, and switched off', async () => {
    const around = 'log_format s $uri; access_log a.log s;';
    await log('location / { access_log b.log s; }', around);
    expect(read('b.log')).toBe('/\n');
    expect((await location('location / { access_log off; }', around, logs)).logHandlers).toEqual([]);
  });

  it('knows the combined form by itself', async () => {
    await log('location / {}', 'access_log a.log;');
    expect(read('a.log')).toMatch(/^192\.0\.2\.7 - - \[.*\] "GET \/ HTTP\/1\.1" 000 0 "-" "-"\n$/);
  });

  it.each([
    ['access_log a.log nothing;', 'unknown log format "nothing"'],
    ['access_log off x;', 'invalid parameter "x"'],
    ['access_log a.log combined x;', 'invalid parameter "x"'],
    ['access_log a.log combined buffer=x;', '"access_log" directive invalid value'],
    ['access_log syslog:server=a;', '"syslog:" in "access_log" is not supported yet'],
    ['access_log $host.log;', 'variables in the path of "access_log" are not supported yet'],
    ['log_format a $uri; log_format a $uri;', 'duplicate "log_format" name "a"'],
    ['log_format combined $uri;', 'duplicate "log_format" name "combined"'],
    ['log_format a escape=xml $uri;', 'unknown log format escaping "xml"'],
    ['log_format a $nothing;', 'unknown "nothing" variable'],
  ])('%s is refused', async (around, message) => {
    await expect(location('location / {}', around, logs)).rejects.toThrow(message);
  });

  it('says that gzip has no effect', () => {
    const warnings: string[] = [];
    tree('http { access_log a.log combined gzip=1; }', warnings);
    expect(warnings).toEqual([expect.stringContaining('"gzip" of "access_log" has no effect')]);
  });
});

describe('the exit of the process', () => {
  it('writes what is pending', () => {
    const file = logs.open('a.log');
    add(file, 'one');
    // What process.exit does, without ending the test.
    const hook = process.listeners('exit').find(({ name }) => name === 'flushLiveLogs');
    hook?.(0);
    expect(read('a.log')).toBe('one\n');
  });
});

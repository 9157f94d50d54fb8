/** The command line: what each flag means, and what is refused in which words. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { helpText } from '../../../lib/cli/help.js';
import { FLAGS, parseOptions } from '../../../lib/cli/options.js';

describe('parseOptions', () => {
  test('nothing given', () => {
    expect(parseOptions([])).toEqual({
      help: false,
      version: false,
      versionAndBuild: false,
      test: false,
      dump: false,
      quiet: false,
      signal: undefined,
      prefix: undefined,
      errorLog: undefined,
      config: undefined,
      globals: undefined,
      from: [],
      to: [],
    });
  });

  test('the harness of the public suite', () => {
    const options = parseOptions(['-p', '/tmp/x/', '-c', 'nginx.conf', '-e', 'error.log', '-g', 'pid x;']);
    expect(options).toMatchObject({
      prefix: '/tmp/x/',
      config: 'nginx.conf',
      errorLog: 'error.log',
      globals: 'pid x;',
    });
  });

  test('an argument may follow its letter at once, and letters may share a dash', () => {
    expect(parseOptions(['-tq', '-cmy.conf'])).toMatchObject({ test: true, quiet: true, config: 'my.conf' });
    expect(parseOptions(['-tc', 'my.conf'])).toMatchObject({ test: true, config: 'my.conf' });
  });

  test('-T tests too', () => {
    expect(parseOptions(['-T'])).toMatchObject({ test: true, dump: true });
  });

  test('long flags, with and without "="', () => {
    const options = parseOptions(['--from', ':8080', '--to=127.0.0.1:3000', '--to', '127.0.0.1:3001']);
    expect(options).toMatchObject({ from: [':8080'], to: ['127.0.0.1:3000', '127.0.0.1:3001'] });
    expect(parseOptions(['--help']).help).toBe(true);
    expect(parseOptions(['--version']).version).toBe(true);
  });

  test.each([
    [['-x'], 'invalid option: "-x"'],
    [['-tx'], 'invalid option: "-tx"'],
    [['nginx.conf'], 'invalid option: "nginx.conf"'],
    [['-'], 'invalid option: "-"'],
    [['--form', '1'], 'invalid option: "--form"'],
    [['--help=yes'], 'invalid option: "--help=yes"'],
    [['-c'], 'option "-c" requires FILE'],
    [['-p', ''], 'option "-p" requires PREFIX'],
    [['--from='], 'option "--from" requires ADDRESS'],
    [['-c', 'a', '-c', 'b'], 'option "-c" was given twice'],
    [['-s', 'kill'], 'invalid option: "-s kill", expected stop, quit, reopen, reload'],
    [['-s', 'toString'], 'invalid option: "-s toString", expected stop, quit, reopen, reload'],
    [['--from', ':80'], 'option "--from" needs a "--to"'],
    [['--to', ':80'], 'option "--to" needs a "--from"'],
    [['-c', 'a', '--from', '1', '--to', '2'], 'option "-c" cannot stand together with "--from" and "--to"'],
  ])('%j is refused', (argv, message) => {
    expect(() => parseOptions(argv)).toThrow(message);
  });
});

describe('the table of flags', () => {
  test('is what the help shows', () => {
    for (const row of FLAGS) expect(helpText()).toContain(row.doc);
    for (const line of helpText().split('\n')) expect(line.length).toBeLessThanOrEqual(120);
  });

  test('is what docs/cli.md lists, in the same words', () => {
    const text = readFileSync(new URL('../../../docs/cli.md', import.meta.url), 'utf8');
    const rows = [...text.matchAll(/^\| `([^`]+)` \| (.+) \|$/gm)].map((match) => ({
      flag: match[1],
      doc: match[2],
    }));
    const expected = FLAGS.map((row) => ({
      flag: row.argument === undefined ? row.flag : `${row.flag} ${row.argument}`,
      doc: row.doc,
    }));
    expect(rows).toEqual(expected);
  });
});

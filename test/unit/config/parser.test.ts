import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { expandPattern } from '../../../lib/config/glob.js';
import { loadConfigFile } from '../../../lib/config/load.js';
import { parseConfigFile, parseConfigText } from '../../../lib/config/parser.js';
import type { DirectiveNode } from '../../../lib/module-api/index.js';
import { writeFiles } from './helpers.js';

/** "a b; c { d; }" without places. */
function print(nodes: readonly DirectiveNode[]): string {
  return nodes
    .map(({ name, args, block }) => {
      const head = [name, ...args.map(({ text }) => text)].join(' ');
      return block === undefined ? `${head};` : `${head} { ${print(block)}${block.length > 0 ? ' ' : ''}}`;
    })
    .join(' ');
}

const cleanups: (() => void)[] = [];
function files(contents: Readonly<Record<string, string>>): string {
  const { directory, remove } = writeFiles(contents);
  cleanups.push(remove);
  return directory;
}
afterEach(() => {
  for (const remove of cleanups.splice(0)) remove();
});

describe('parseConfigText', () => {
  it('makes a tree', () => {
    const text = 'a; b c "d e"; f { g; h i { } } j;';
    expect(print(parseConfigText(text, 'f'))).toBe('a; b c d e; f { g; h i { } } j;');
  });

  it('gives places', () => {
    const [outer] = parseConfigText('\nouter {\n  inner "x";\n}', 'f');
    expect(outer?.position).toEqual({ file: 'f', line: 2, column: 1 });
    expect(outer?.block?.[0]?.position).toEqual({ file: 'f', line: 3, column: 3 });
    expect(outer?.block?.[0]?.args[0]).toMatchObject({ quoted: true, position: { line: 3, column: 9 } });
  });

  it.each([
    [';', 'unexpected ";" in f:1:1'],
    ['{}', 'unexpected "{" in f:1:1'],
    ['}', 'unexpected "}" in f:1:1'],
    ['a { b; }\n}', 'unexpected "}" in f:2:1'],
    ['a { b }', 'unexpected "}" in f:1:7; "b" is not terminated by ";"'],
    ['a {\n b;\n', 'unexpected end of file, expecting "}" in f:3:1; "a" at line 1 is not closed'],
    ['a\nb ', 'unexpected end of file, expecting ";" or "}" in f:2:3; "a" at line 1 is not terminated'],
    ['include;', 'invalid number of arguments in "include" directive in f:1:1'],
    ['a { include x { } }', 'directive "include" is not terminated by ";" in f:1:5'],
    ['include a b;', 'invalid number of arguments in "include" directive in f:1:1'],
    [`${'a {'.repeat(65)}`, 'blocks nest too deeply, more than 64 in f:1:193'],
  ])('refuses %j', (text, message) => {
    let thrown: unknown;
    try {
      parseConfigText(text, 'f');
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toMatchObject({ name: 'ConfigError', message });
  });
});

describe('include', () => {
  it('puts the directives of the file in its place, at any depth', () => {
    const directory = files({
      'nginx.conf': 'a; block { include sub/inner.conf; z; } include last.conf;',
      'sub/inner.conf': 'b; include other.conf;',
      // Relative to the directory of nginx.conf, not of the including file.
      'other.conf': 'c { }',
      'last.conf': '',
    });
    const { nodes, files: read } = parseConfigFile(join(directory, 'nginx.conf'));
    expect(print(nodes)).toBe('a; block { b; c { } z; }');
    expect(nodes[1]?.block?.[0]?.position.file).toBe(join(directory, 'sub/inner.conf'));
    expect(read.map(({ path }) => path.slice(directory.length + 1))).toEqual([
      'nginx.conf',
      'sub/inner.conf',
      'other.conf',
      'last.conf',
    ]);
    expect(Buffer.from(read[1]?.bytes ?? []).toString()).toBe('b; include other.conf;');
  });

  it('takes patterns, sorted by bytes, without hidden files; no match is no error', () => {
    const directory = files({
      'nginx.conf': 'include conf.d/*.conf; include nothing/*.conf; include conf.d/[!a]?conf;',
      'conf.d/b.conf': 'b;',
      'conf.d/a.conf': 'a;',
      'conf.d/B.conf': 'B;',
      'conf.d/.hidden.conf': 'hidden;',
      'conf.d/a.conf.bak': 'bak;',
      'conf.d/c-conf': 'c;',
    });
    expect(print(parseConfigFile(join(directory, 'nginx.conf')).nodes)).toBe('B; a; b; B; b; c;');
  });

  it('reads a file twice where it is included twice, but lists it once', () => {
    const directory = files({ 'nginx.conf': 'include a; include a;', a: 'x;' });
    const parsed = parseConfigFile(join(directory, 'nginx.conf'));
    expect(print(parsed.nodes)).toBe('x; x;');
    expect(parsed.files).toHaveLength(2);
  });

  it('wants a block to end where it began', () => {
    const directory = files({ 'nginx.conf': 'a {\ninclude b; }', b: 'x; }' });
    expect(() => parseConfigFile(join(directory, 'nginx.conf'))).toThrow(
      `unexpected "}" in ${join(directory, 'b')}:1:4`,
    );
  });

  it('says where a missing file was asked for', () => {
    const directory = files({ 'nginx.conf': '\n  include n\xc3\xa9.conf;' });
    expect(() => parseConfigFile(join(directory, 'nginx.conf'))).toThrow(
      `open() "${directory}/né.conf" failed (2: No such file or directory) in ${directory}/nginx.conf:2:11`,
    );
  });

  it('refuses a directory', () => {
    const directory = files({ 'nginx.conf': 'include sub;' });
    mkdirSync(join(directory, 'sub'));
    expect(() => parseConfigFile(join(directory, 'nginx.conf'))).toThrow(/open\(\) ".*sub" failed \(21: /);
  });

  it('bounds nesting', () => {
    const directory = files({ 'nginx.conf': 'include nginx.conf;' });
    expect(() => parseConfigFile(join(directory, 'nginx.conf'))).toThrow(
      `includes nest too deeply, more than 32 files in ${directory}/nginx.conf:1:1`,
    );
  });
});

describe('loadConfigFile', () => {
  it('resolves the path against the prefix and puts -g first', async () => {
    const directory = files({ 'conf/nginx.conf': 'a;' });
    const loaded = await loadConfigFile('conf/nginx.conf', `${directory}/`, 'pid x;');
    expect(print(loaded.nodes)).toBe('pid x; a;');
    expect(loaded).toMatchObject({
      path: join(directory, 'conf/nginx.conf'),
      prefix: directory,
      confDirectory: join(directory, 'conf'),
    });
  });

  it('rejects with ConfigError', async () => {
    const directory = files({});
    await expect(loadConfigFile('nginx.conf', directory)).rejects.toMatchObject({
      name: 'ConfigError',
      message: `open() "${directory}/nginx.conf" failed (2: No such file or directory)`,
    });
    await expect(loadConfigFile('nginx.conf', directory, 'pid x')).rejects.toThrow('in command line:1:6');
  });
});

describe('expandPattern', () => {
  it('matches in any component', () => {
    const directory = files({ 'a/1.conf': '', 'b/2.conf': '', 'b/x[1]': '', 'b/xz': '' });
    const names = (pattern: string): string[] =>
      expandPattern(`${directory}/${pattern}`).map((path) => path.slice(directory.length + 1));
    expect(names('*/*.conf')).toEqual(['a/1.conf', 'b/2.conf']);
    expect(names('[ab]/?.conf')).toEqual(['a/1.conf', 'b/2.conf']);
    expect(names('b/x[[]1]')).toEqual(['b/x[1]']);
    expect(names('b/x[]z]')).toEqual(['b/xz']);
    expect(names('b/x[z-a]')).toEqual([]);
    expect(names('b/[')).toEqual([]);
    expect(names('c/*')).toEqual([]);
  });
});

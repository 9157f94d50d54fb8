/** What README.md and docs/ point to exists: files, npm scripts, flags of the command. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { FLAGS } from '../lib/cli/options.js';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const pages = ['README.md', ...readdirSync(join(root, 'docs')).map((name) => `docs/${name}`)].filter((name) =>
  name.endsWith('.md'),
);
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  scripts: Record<string, string>;
};

test.each(pages)('%s points to what is there', (page) => {
  const text = readFileSync(join(root, page), 'utf8');
  const links = [...text.matchAll(/\]\(([^)#]+)(?:#[^)]*)?\)/g)]
    .map((match) => match[1] ?? '')
    .filter((link) => !/^[a-z]+:/.test(link));
  expect(links.filter((link) => !existsSync(join(root, dirname(page), link)))).toEqual([]);

  const scripts = [...text.matchAll(/\bnpm run ([\w:-]+)/g)].map((match) => match[1] ?? '');
  expect(scripts.filter((script) => !Object.hasOwn(manifest.scripts, script))).toEqual([]);
});

test('README.md uses flags that the command has', () => {
  const text = readFileSync(join(root, 'README.md'), 'utf8');
  const flags = [...text.matchAll(/^bin\/millrace (.*?)(?: {2}.*)?$/gm)]
    .flatMap((match) => (match[1] ?? '').split(' '))
    .filter((word) => /^--?[a-zA-Z]+$/.test(word));
  expect(flags.length).toBeGreaterThan(3);
  expect(flags.filter((flag) => !FLAGS.some((row) => row.flag === flag))).toEqual([]);
});

// Checks (default) or rewrites (--write) the layout of the C++ sources with clang-format.
// Prints one line and succeeds when clang-format is not installed, unless --required is given.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const write = process.argv.includes('--write');
const required = process.argv.includes('--required');

const files = ['native', 'test/native', 'bench']
  .filter((folder) => existsSync(join(root, folder)))
  .flatMap((folder) => readdirSync(join(root, folder), { recursive: true }).map((name) => join(folder, name)))
  .filter((path) => /\.(cc|h)$/.test(path) && !path.includes('node_modules'))
  .sort();

if (spawnSync('clang-format', ['--version']).error) {
  console.log(`clang-format is not installed: the layout of ${files.length} C++ files was not checked`);
  process.exit(required ? 1 : 0);
}
const mode = write ? ['-i'] : ['--dry-run', '-Werror'];
const result = spawnSync('clang-format', [...mode, '--style=file', ...files], {
  cwd: root,
  stdio: 'inherit',
});
process.exit(result.status ?? 1);

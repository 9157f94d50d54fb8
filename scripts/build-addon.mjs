// Builds build/Release/millrace.node with node-gyp. Runs at `npm ci` and `npm run
// build:addon`.
//
// Headers: node-gyp would download them. They lie next to most installations of Node
// (<prefix>/include/node), so look there first and only else let it download.
import { spawnSync } from 'node:child_process';
import { existsSync, realpathSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');

/** The prefix of this Node if its headers are there, else undefined. */
function headersPrefix() {
  const prefix = resolve(dirname(realpathSync(process.execPath)), '..');
  return existsSync(join(prefix, 'include', 'node', 'node.h')) ? prefix : undefined;
}

function runs(command, args) {
  return spawnSync(command, args, { stdio: 'ignore' }).status === 0;
}

/** What the build needs and does not find: each with what to install. */
function missingTools() {
  const missing = [];
  if (!runs(process.env.PYTHON ?? 'python3', ['--version'])) missing.push('python3');
  if (!runs(process.env.MAKE ?? 'make', ['--version'])) missing.push('make');
  if (!runs(process.env.CXX ?? (process.platform === 'linux' ? 'g++' : 'c++'), ['--version'])) {
    missing.push('a C++20 compiler (g++ 10 or newer, clang 12 or newer)');
  }
  return missing;
}

function fail(lines) {
  console.error(['', 'millrace: the native addon was not built.', ...lines, ''].join('\n  '));
  process.exit(1);
}

if (process.platform === 'win32') {
  fail(['Windows is not supported: the reactor needs epoll (Linux) or kqueue (macOS, BSD).']);
}
const missing = missingTools();
if (missing.length > 0) {
  fail([
    `Missing: ${missing.join(', ')}.`,
    'Debian, Ubuntu:  apt-get install python3 make g++',
    'Fedora:          dnf install python3 make gcc-c++',
    'Alpine:          apk add python3 make g++ linux-headers',
    'macOS:           xcode-select --install',
    'Then: npm rebuild millrace   (in a checkout: npm run build:addon)',
  ]);
}

const nodeGyp = createRequire(import.meta.url).resolve('node-gyp/bin/node-gyp.js');
const prefix = headersPrefix();
const args = [nodeGyp, 'rebuild', '--release', '--loglevel=warn'];
if (prefix !== undefined) args.push(`--nodedir=${prefix}`);
const result = spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit' });
if (result.status !== 0) {
  fail([
    'node-gyp failed; its output is above.',
    prefix === undefined
      ? "Node's headers are not next to this node, so node-gyp downloads them: is the network reachable?"
      : `Headers of Node ${process.version}: ${prefix}/include/node`,
  ]);
}

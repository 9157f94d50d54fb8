// Builds the native half for development with cmake-js: the addon, the core and its
// tests. Each combination has its own folder.
//
//   node scripts/build-native.mjs dev          build-dev/     as released, with tests
//   node scripts/build-native.mjs kqueue       build-kqueue/  poller_kqueue.cc (a shim on Linux)
//   node scripts/build-native.mjs asan         build-asan/    ASan and UBSan
//   node scripts/build-native.mjs kqueue-asan  build-kqueue-asan/
//   ... --test                                 runs the native tests afterwards
//
// The addon is <folder>/millrace.node: pass it in MILLRACE_ADDON. One with
// sanitizers needs LD_PRELOAD as well; scripts/with-asan.mjs sets both.
import { spawnSync } from 'node:child_process';
import { existsSync, realpathSync, rmSync, symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const poller = process.platform === 'linux' ? 'epoll' : 'kqueue';
const kinds = {
  dev: [],
  kqueue: ['MILLRACE_POLLER=kqueue'],
  asan: ['MILLRACE_SANITIZE=ON'],
  'kqueue-asan': ['MILLRACE_POLLER=kqueue', 'MILLRACE_SANITIZE=ON'],
};

const kind = process.argv[2] ?? 'dev';
const options = kinds[kind];
if (options === undefined) {
  console.error(`build-native: unknown kind "${kind}"; one of ${Object.keys(kinds).join(', ')}`);
  process.exit(1);
}

function run(command, args, env = {}) {
  const result = spawnSync(command, args, { cwd: root, stdio: 'inherit', env: { ...process.env, ...env } });
  if (result.status !== 0) process.exit(result.status ?? 1);
}

const out = join(root, `build-${kind}`);
const prefix = resolve(dirname(realpathSync(process.execPath)), '..');
const nodedir = existsSync(join(prefix, 'include', 'node', 'node.h')) ? { npm_config_nodedir: prefix } : {};
const cmakeJs = createRequire(import.meta.url).resolve('cmake-js/bin/cmake-js');
const args = ['compile', '--log-level', 'warn', '--out', out, '--config', 'RelWithDebInfo'];
// A folder that was configured before keeps its options unless each is said again.
for (const option of [`MILLRACE_POLLER=${poller}`, 'MILLRACE_SANITIZE=OFF', ...options])
  args.push(`--CD${option}`);
run(process.execPath, [cmakeJs, ...args], nodedir);

// For editors and clang-tidy: the commands of the plain build.
if (kind === 'dev') {
  const link = join(root, 'compile_commands.json');
  rmSync(link, { force: true });
  symlinkSync(join('build-dev', 'compile_commands.json'), link);
}

if (process.argv.includes('--test')) {
  run('ctest', ['--test-dir', out, '--output-on-failure']);
}

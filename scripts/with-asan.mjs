// Runs a command with the addon that build-native.mjs built with sanitizers:
//   node scripts/with-asan.mjs [asan|kqueue-asan] npx vitest run
//
// Node itself is not instrumented, so ASan's library comes in by LD_PRELOAD. Leak
// checking is off: V8 leaves much to the end of the process. The native tests have it.
import { execFileSync, spawnSync } from 'node:child_process';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const args = process.argv.slice(2);
const kind = args[0] === 'asan' || args[0] === 'kqueue-asan' ? args.shift() : 'asan';
const [command, ...rest] = args;
if (command === undefined) {
  console.error('with-asan: no command');
  process.exit(1);
}
const library = (name) =>
  execFileSync(process.env.CXX ?? 'g++', [`-print-file-name=${name}`], { encoding: 'utf8' }).trim();
const result = spawnSync(command, rest, {
  stdio: 'inherit',
  env: {
    ...process.env,
    MILLRACE_ADDON: join(root, `build-${kind}`, 'millrace.node'),
    // libstdc++ too: ASan must find __cxa_throw of whatever Node links.
    LD_PRELOAD: `${library('libasan.so')} ${library('libstdc++.so')}`,
    // A small quarantine: tests look at resident memory, and freed memory in it counts.
    ASAN_OPTIONS: 'detect_leaks=0:abort_on_error=1:allow_user_segv_handler=1:quarantine_size_mb=8',
    UBSAN_OPTIONS: 'print_stacktrace=1:halt_on_error=1',
  },
});
process.exit(result.status ?? 1);

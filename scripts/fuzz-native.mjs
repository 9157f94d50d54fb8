// libFuzzer on the scanner: `npm run fuzz:native -- [--seconds 60] [--seed N]`. Builds scan_fuzz
// with clang into build-fuzz/ and runs it for so long; without a clang that has libFuzzer it
// says so and is content.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const out = join(root, 'build-fuzz');
const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    seed: { type: 'string', default: String(Date.now() % 0x7fffffff) },
  },
});

function run(command, args) {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: 'inherit' });
  if (error !== undefined) console.error(String(error));
  if (status !== 0) process.exit(status ?? 1);
}

/** A clang that can link a fuzzer; undefined when there is none. */
function fuzzingClang() {
  const probe = 'extern "C" int LLVMFuzzerTestOneInput(const unsigned char*, unsigned long) { return 0; }';
  const args = ['-fsanitize=fuzzer,address,undefined', '-x', 'c++', '-o', join(out, 'probe'), '-'];
  return ['clang++', 'clang++-14'].find(
    (name) => spawnSync(name, args, { input: probe, stdio: ['pipe', 'ignore', 'ignore'] }).status === 0,
  );
}

if (!existsSync(out)) mkdirSync(out);
const compiler = fuzzingClang();
if (compiler === undefined) {
  console.log('scan_fuzz is not run: there is no clang++ with libFuzzer (clang, libclang-rt-14-dev)');
  process.exit(0);
}
run('cmake', ['-S', root, '-B', out, `-DCMAKE_CXX_COMPILER=${compiler}`, '-DMILLRACE_FUZZ=ON']);
run('cmake', ['--build', out, '--target', 'scan_fuzz']);
const corpus = join(out, 'corpus');
mkdirSync(corpus, { recursive: true });
run(join(out, 'scan_fuzz'), [
  `-max_total_time=${values.seconds}`,
  `-seed=${values.seed}`,
  '-max_len=1024',
  '-print_final_stats=1',
  `-artifact_prefix=${out}/`,
  corpus,
]);

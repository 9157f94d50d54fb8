// `npm start`: builds what is missing, starts two demo backends and the proxy in front of
// them with examples/nginx.conf, says what to try, and stops everything on Ctrl-C.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startBackend } from './backends.mjs';

const examples = dirname(fileURLToPath(import.meta.url));
const root = join(examples, '..');

const WHAT_TO_TRY = `
Millrace listens on http://127.0.0.1:8080 with examples/nginx.conf. Try, in another terminal:

  curl -i http://127.0.0.1:8080/            a backend answers; again, and it is another one
  curl -i http://127.0.0.1:8080/api/users   the path is rewritten on its way
  curl -N http://127.0.0.1:8080/events      server-sent events, as they come
  curl    http://127.0.0.1:8080/slow        two seconds; others are served meanwhile
  curl -i http://127.0.0.1:8080/site/       a file that the proxy serves itself
  curl -i http://127.0.0.1:8080/dead        a dead backend and its error page
  curl --data-binary @package.json http://127.0.0.1:8080/upload
  tail -f examples/access.log               one line for each request

Ctrl-C stops everything.
`;

function fail(message) {
  console.error(`npm start: ${message}`);
  process.exit(1);
}

/** Runs an npm script of the package when a result of it is missing. */
function build(result, script) {
  if (existsSync(join(root, result))) return;
  console.log(`${result} is missing: npm run ${script}`);
  if (spawnSync('npm', ['run', script], { cwd: root, stdio: 'inherit' }).status !== 0)
    fail(`npm run ${script} failed`);
}

build('build/Release/millrace.node', 'build:addon');
build('dist/lib/cli/main.js', 'build:ts');

const servers = [];
for (const [name, port] of [
  ['backend one', 3001],
  ['backend two', 3002],
]) {
  try {
    servers.push(await startBackend(name, port));
  } catch (error) {
    fail(error.code === 'EADDRINUSE' ? `port ${port} is taken, and a demo backend needs it` : error.message);
  }
}

// The proxy is a process of its own, as it would be anywhere else.
const proxy = spawn(join(root, 'bin/millrace'), ['-p', examples, '-c', 'nginx.conf'], {
  stdio: ['ignore', 'inherit', 'inherit'],
});
proxy.once('error', (error) => fail(`bin/millrace: ${error.message}`));
// A proxy that cannot start has said why in its own line.
proxy.once('exit', (code) => process.exit(code ?? 1));

// Ctrl-C in a terminal reaches the proxy too, a plain kill only us: give it a moment first.
function stop() {
  setTimeout(() => proxy.kill('SIGTERM'), 300);
}
process.once('SIGINT', stop);
process.once('SIGTERM', stop);

/** The pid file appears when every socket is bound. */
function isReady() {
  try {
    return Number(readFileSync(join(examples, 'millrace.pid'), 'utf8')) === proxy.pid;
  } catch {
    return false;
  }
}

for (let attempt = 0; attempt < 100 && !isReady(); attempt++) {
  await new Promise((resolve) => setTimeout(resolve, 100));
}
if (isReady()) console.log(WHAT_TO_TRY);

/**
 * A machine under software emulation whose clock is its own instructions: QEMU without
 * hardware acceleration, with -icount shift=0, adds one nanosecond to the guest's clock for
 * each instruction that the guest executes and for nothing else. CPU time that the guest's
 * kernel accounts to a thread, in nanoseconds, is then the number of instructions that the
 * thread executed, in user and kernel mode together. No counter of the host's processor is
 * needed, and whatever else the host does changes nothing.
 */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { archive } from './cpio.mjs';

const QEMU = 'qemu-system-x86_64';
const BUSYBOX = '/bin/busybox';

/** What the guest needs besides what is built into the kernel. */
const MODULES = ['virtio_pci', '9pnet_virtio', '9p', 'overlay'];

/** What the kernel is told; see docs/benchmarks.md for the why of each. */
const KERNEL_ARGUMENTS = [
  'console=ttyS0',
  'quiet',
  'panic=-1',
  'tsc=reliable',
  'clocksource=tsc',
  'tsc_early_khz=1000000',
  'nokaslr',
  'random.trust_cpu=on',
  'rcupdate.rcu_cpu_stall_suppress=1',
  'nowatchdog',
  'noautogroup',
];

/** Whoever ends the bench ends its machine too. */
const SIGNALS = /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP']);

/** @typedef {{ image: string, modules: string, release: string }} Kernel */

/** The newest kernel of this system that can be read, with its modules. @returns {Kernel} */
function findKernel() {
  const releases = readdirSync('/boot')
    .filter((name) => name.startsWith('vmlinuz-'))
    .map((name) => name.slice('vmlinuz-'.length))
    .filter((release) => existsSync(`/lib/modules/${release}/modules.dep`))
    .sort((a, b) => b.localeCompare(a, 'en', { numeric: true }));
  const release = releases[0];
  if (release === undefined) throw new Error('no kernel in /boot has its modules: install linux-image-amd64');
  return { image: `/boot/vmlinuz-${release}`, modules: `/lib/modules/${release}`, release };
}

/** Paths of the modules and of what they need, in the order of loading. @param {string} folder */
function modulePaths(folder) {
  const lines = readFileSync(join(folder, 'modules.dep'), 'utf8').trim().split('\n');
  const needs = new Map(
    lines.map((line) => {
      const [path = '', rest = ''] = line.split(':');
      return /** @type {const} */ ([path, rest.trim().split(' ').filter(Boolean)]);
    }),
  );
  /** @type {Set<string>} */
  const order = new Set();
  for (const name of MODULES) {
    const path = [...needs.keys()].find((one) => basename(one).replace(/\.ko.*/, '') === name);
    // What is not among the modules is built in.
    if (path === undefined) continue;
    for (const one of [...(needs.get(path) ?? []).reverse(), path]) order.add(one);
  }
  return [...order].map((path) => join(folder, path));
}

/** A module as the guest can load it. @param {string} path */
function readModule(path) {
  const unpack = { '.xz': 'xz', '.zst': 'zstd', '.gz': 'gzip' }[/\.[a-z]+$/.exec(path)?.[0] ?? ''];
  if (unpack === undefined) return readFileSync(path);
  return spawnSync(unpack, ['-dc', path], { maxBuffer: 1 << 27 }).stdout;
}

/** @param {Kernel} kernel */
function initialRoot(kernel) {
  const folders = ['bin', 'dev', 'proc', 'modules', 'host', 'layer', 'root'];
  const modules = modulePaths(kernel.modules);
  const plain = (/** @type {string} */ path) => basename(path).replace(/\.ko.*/, '.ko');
  return archive([
    ...folders.map((path) => /** @type {const} */ ({ path, kind: 'directory' })),
    { path: 'dev/console', kind: 'device', device: [5, 1] },
    { path: 'bin/busybox', kind: 'file', content: readFileSync(BUSYBOX) },
    {
      path: 'init',
      kind: 'file',
      content: readFileSync(fileURLToPath(new URL('./init.sh', import.meta.url))),
    },
    ...modules.map(
      (path) =>
        /** @type {const} */ ({ path: `modules/${plain(path)}`, kind: 'file', content: readModule(path) }),
    ),
    { path: 'modules/order', kind: 'file', content: Buffer.from(modules.map(plain).join('\n')) },
  ]);
}

/**
 * The kernel proper, as QEMU starts it directly: an image unpacks itself, which under
 * emulation takes longer than all the rest of booting. The image as it is when this host
 * cannot unpack it (Documentation/arch/x86/boot.rst describes its head).
 * @param {Buffer} image
 */
function unpackedKernel(image) {
  const start = (image.readUInt8(0x1f1) + 1) * 512 + image.readUInt32LE(0x248);
  // Behind the payload stands its unpacked length.
  const payload = image.subarray(start, start + image.readUInt32LE(0x24c) - 4);
  const tools = /** @type {const} */ ([
    ['xz', 'fd377a585a00'],
    ['zstd', '28b52ffd'],
    ['gzip', '1f8b08'],
  ]);
  const tool = tools.find(([, magic]) => payload.toString('hex', 0, 6).startsWith(magic))?.[0];
  if (tool === undefined) return image;
  const { status, stdout } = spawnSync(tool, ['-dc'], { input: payload, maxBuffer: 1 << 28 });
  return status === 0 ? stdout : image;
}

/** What is missing on this host, as a person would put it, or undefined. */
export function whyNot() {
  const { error } = spawnSync(QEMU, ['--version'], { stdio: 'ignore' });
  if (error !== undefined) return `${QEMU} is not installed (package qemu-system-x86)`;
  if (!existsSync(BUSYBOX)) return `${BUSYBOX} is not installed (package busybox-static)`;
  try {
    readFileSync(findKernel().image);
  } catch (problem) {
    return String(/** @type {Error} */ (problem).message);
  }
  return undefined;
}

/**
 * Boots the machine, runs a shell command in it on the host's file system (what it writes is
 * lost, except in /results) and returns when it has ended.
 * @param {object} options
 * @param {string} options.command
 * @param {number} options.limitMs after which the machine is stopped and this fails
 * @param {(line: string) => void} options.say gets each line of the machine's console
 * @param {number} [options.memoryMb]
 * @returns {Promise<Map<string, Buffer>>} the files that the command left in /results
 */
export async function runInMachine({ command, limitMs, say, memoryMb = 3072 }) {
  const kernel = findKernel();
  const folder = mkdtempSync(join(tmpdir(), 'millrace-machine-'));
  const results = mkdtempSync(join(tmpdir(), 'millrace-results-'));
  const remove = () => {
    rmSync(folder, { recursive: true, force: true });
    rmSync(results, { recursive: true, force: true });
  };
  process.once('exit', remove);
  const image = join(folder, 'kernel');
  const root = join(folder, 'initrd');
  writeFileSync(image, unpackedKernel(readFileSync(kernel.image)));
  writeFileSync(root, initialRoot(kernel));
  writeFileSync(join(results, 'command'), command);
  const args = [
    ['-machine', 'pc'],
    ['-accel', 'tcg,thread=single,tb-size=512'],
    ['-icount', 'shift=0,sleep=on'],
    ['-cpu', 'max,-erms,-fsrm,-la57,-pku,-mpx,-svm'],
    ['-smp', '1'],
    ['-m', String(memoryMb)],
    ['-kernel', image],
    ['-initrd', root],
    ['-append', KERNEL_ARGUMENTS.join(' ')],
    ['-fsdev', 'local,id=host,path=/,readonly=on,security_model=none,multidevs=remap'],
    ['-device', 'virtio-9p-pci,fsdev=host,mount_tag=host'],
    ['-fsdev', `local,id=results,path=${results},security_model=none`],
    ['-device', 'virtio-9p-pci,fsdev=results,mount_tag=results'],
    ['-nodefaults'],
    ['-no-user-config'],
    ['-display', 'none'],
    ['-serial', 'stdio'],
    ['-no-reboot'],
  ].flat();
  try {
    await runQemu(args, limitMs, say);
    return new Map(readdirSync(results).map((name) => [name, readFileSync(join(results, name))]));
  } finally {
    process.removeListener('exit', remove);
    remove();
  }
}

/**
 * @param {readonly string[]} args
 * @param {number} limitMs
 * @param {(line: string) => void} say
 */
function runQemu(args, limitMs, say) {
  const child = spawn(QEMU, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const stop = () => child.kill('SIGKILL');
  const leave = () => process.exit(1);
  process.once('exit', stop);
  for (const signal of SIGNALS) process.once(signal, leave);
  let rest = '';
  let ended = false;
  let complaint = '';
  child.stdout.on('data', (chunk) => {
    const lines = `${rest}${chunk}`.split(/\r?\n/);
    rest = lines.pop() ?? '';
    for (const line of lines) {
      ended ||= line.startsWith('machine: command ended');
      say(line);
    }
  });
  child.stderr.on('data', (chunk) => (complaint += chunk));
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      stop();
      reject(new Error(`the machine did not end within ${Math.round(limitMs / 1000)} s`));
    }, limitMs);
    child.once('error', reject);
    child.once('close', () => {
      clearTimeout(timer);
      process.removeListener('exit', stop);
      for (const signal of SIGNALS) process.removeListener(signal, leave);
      if (ended) resolve(undefined);
      else reject(new Error(`the machine ended early: ${complaint}${rest}`));
    });
  });
}

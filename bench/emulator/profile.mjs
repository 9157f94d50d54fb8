/**
 * Where the instructions went: samples that perf took inside the machine, one each
 * 100,000 instructions, with the names of the kernel's functions, of the programs' and of
 * what V8 compiled.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { plainName, readMap } from '../lib/callgrind.mjs';

/** First address of the kernel's half. */
const KERNEL = 0xffff_8000_0000_0000n;

/**
 * The kernel's functions whose work is one repeated instruction (rep movs, rep stos). A
 * processor counts it once, however often it repeats; the emulator counts each repetition.
 */
const REPEATING = /^(copy_user_generic_string|rep_(movs|stos)_alternative|_?_?mem(cpy|set)|clear_page_rep) /;

/**
 * @typedef {object} Profile
 * @property {number} samples
 * @property {number} kernel share of them, 0 to 1, the repeated ones not among them
 * @property {number} repeated share of them in functions that repeat one instruction
 * @property {[string, number][]} functions name and share, the largest first
 */

/**
 * Names the kernel's functions by address; each ends where the next begins.
 * @param {string} text of /proc/kallsyms
 */
function readKernel(text) {
  const functions = [...text.matchAll(/^([0-9a-f]+) [tTwW] (\S+)/gm)]
    .map(([, address, name = '']) => ({ begin: BigInt(`0x${address}`), name }))
    .sort((a, b) => Number(a.begin - b.begin));
  return (/** @type {bigint} */ address) => functions.findLast(({ begin }) => begin <= address)?.name;
}

/**
 * @param {Buffer} data what perf recorded
 * @param {Buffer} kallsyms of the machine
 * @param {readonly Buffer[]} maps of compiled code, of the processes in question
 * @returns {Profile}
 */
export function readProfile(data, kallsyms, maps) {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-profile-'));
  const recorded = join(folder, 'data');
  writeFileSync(recorded, data);
  const args = ['script', '-i', recorded, '-F', 'ip,sym,dso'];
  const { stdout, stderr, status } = spawnSync('perf', args, { encoding: 'utf8', maxBuffer: 1 << 28 });
  rmSync(folder, { recursive: true, force: true });
  if (status !== 0) throw new Error(`perf script: ${stderr}`);
  const kernel = readKernel(String(kallsyms));
  const compiled = readMap(maps.map(String).join('\n'));
  const nameOf = (
    /** @type {bigint} */ address,
    /** @type {string} */ symbol,
    /** @type {string} */ file,
  ) => {
    if (address >= KERNEL) return `${kernel(address)} (kernel)`;
    if (symbol !== '[unknown]') return `${plainName(symbol)} ${basename(file)}`;
    return compiled(Number(address)) ?? `(unknown) ${basename(file)}`;
  };
  /** @type {Map<string, { name: string, count: number, address: bigint }>} */
  const places = new Map();
  for (const line of stdout.split('\n')) {
    const [, ip = '', symbol = '', file] = /^\s*([0-9a-f]+) (.*) \((.*)\)$/.exec(line) ?? [];
    if (file === undefined) continue;
    const place = places.get(ip);
    if (place !== undefined) place.count += 1;
    else {
      const address = BigInt(`0x${ip}`);
      places.set(ip, { name: nameOf(address, symbol, file), count: 1, address });
    }
  }
  /** @type {Map<string, number>} */
  const counts = new Map();
  const sum = { samples: 0, kernel: 0, repeated: 0 };
  for (const { name, count, address } of places.values()) {
    counts.set(name, (counts.get(name) ?? 0) + count);
    sum.samples += count;
    if (address < KERNEL) continue;
    if (REPEATING.test(name)) sum.repeated += count;
    else sum.kernel += count;
  }
  const functions = [...counts].sort((a, b) => b[1] - a[1]);
  return {
    samples: sum.samples,
    kernel: sum.kernel / sum.samples,
    repeated: sum.repeated / sum.samples,
    functions: functions.map(([name, count]) => [name, count / sum.samples]),
  };
}

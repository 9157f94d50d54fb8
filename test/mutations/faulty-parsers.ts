/**
 * lib/http with one mistake in it: its files are compiled as they are, but for the one that
 * the mistake is in, into a folder of their own and loaded from there.
 */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import type { Parsers } from '../unit/http/corpus-run.js';
import type { TestMemory } from '../unit/http/memories.js';
import type { Fault } from './fault.js';

const LIB = fileURLToPath(new URL('../../lib/http', import.meta.url));
/** The production memory needs the addon; this one is a buffer with the scanner of the build. */
const MEMORY = `
import { REPORT_ENTRIES, scanFieldsTs, STRIDE } from './scan.js';

const CAPACITY = 10_000;
const REPORT_AT = 64;
const RECORDS_AT = REPORT_AT + REPORT_ENTRIES * 4 + 64;
export const START = RECORDS_AT + CAPACITY * STRIDE * 4;
const buffer = new ArrayBuffer(2 << 20);
export const u8 = new Uint8Array(buffer);
export const i32 = new Int32Array(buffer);
export const view = new DataView(buffer);
export const RECORDS = RECORDS_AT >> 2;
export const REPORT = REPORT_AT >> 2;
export const scanFields = scanFieldsTs(buffer, RECORDS_AT, CAPACITY, REPORT_AT);
export function join(to, offset1, length1, offset2, length2) {
  u8.copyWithin(to, offset1, offset1 + length1);
  u8.copyWithin(to + length1, offset2, offset2 + length2);
}
`;

/** What is loaded of a faulty build. */
export interface FaultyBuild {
  readonly parsers: Parsers;
  /** Where they read. */
  readonly where: TestMemory;
}

function compile(source: string): string {
  const compilerOptions = { module: ts.ModuleKind.CommonJS, target: ts.ScriptTarget.ES2022 };
  return ts.transpileModule(source, { compilerOptions }).outputText;
}

/** The source with the fault. Throws when the fault is not exactly once in it. */
export function withFault(source: string, { file, find, replace, why }: Fault): string {
  const parts = source.split(find);
  if (parts.length !== 2) {
    throw new Error(
      `"${why}": lib/http/${file}.ts has ${parts.length - 1} times\n${find}\nEach fault must apply once: ` +
        `see test/mutations/, and give it the code that makes the same mistake now.`,
    );
  }
  return parts.join(replace);
}

/** Builds lib/http with faults, one after the other. Dispose of it. */
export class FaultyBuilds implements Disposable {
  readonly #folder = mkdtempSync(join(tmpdir(), 'millrace-faults-'));
  readonly #sources = new Map<string, string>();
  readonly #compiled = new Map<string, string>();
  readonly #require = createRequire(import.meta.url);
  #count = 0;

  constructor() {
    writeFileSync(join(this.#folder, 'package.json'), '{"type":"commonjs"}');
    for (const name of readdirSync(LIB)) {
      const source = name === 'memory.ts' ? MEMORY : readFileSync(join(LIB, name), 'utf8');
      this.#sources.set(basename(name, '.ts'), source);
      this.#compiled.set(basename(name, '.ts'), compile(source));
    }
  }

  /** Without a fault: the build itself. */
  load(fault?: Fault): FaultyBuild {
    const folder = join(this.#folder, String(this.#count++));
    mkdirSync(folder);
    for (const [name, code] of this.#compiled) {
      const faulty = name === fault?.file ? compile(withFault(this.#sources.get(name) ?? '', fault)) : code;
      writeFileSync(join(folder, `${name}.js`), faulty);
    }
    const take = (name: string): object => this.#require(join(folder, `${name}.js`)) as object;
    const parsers = { ...take('request-head'), ...take('response-head'), ...take('chunked') } as Parsers;
    const { u8, START: start } = take('memory') as { u8: Uint8Array; START: number };
    return { parsers, where: { name: 'TypeScript scanner', u8, start, size: u8.length - start } };
  }

  [Symbol.dispose](): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

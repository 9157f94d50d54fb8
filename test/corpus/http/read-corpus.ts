/**
 * Reads the Markdown corpus: see README.md beside it for the format.
 */
import { readFileSync } from 'node:fs';

/** One message and what must come of it. */
export interface CorpusCase {
  readonly name: string;
  readonly bytes: Buffer;
  readonly expected: readonly string[];
}

/** The cases of a file of this folder, by its name: "requests". Throws on a case that is incomplete. */
export function readCorpus(file: string): CorpusCase[] {
  const text = readFileSync(new URL(`./${file}.md`, import.meta.url), 'utf8');
  const cases: CorpusCase[] = [];
  for (const section of text.split(/^## /m).slice(1)) {
    const name = section.slice(0, section.indexOf('\n')).trim();
    const bytes = /^```bytes\n([\s\S]*?)^```$/m.exec(section)?.[1];
    const expected = /^```expect\n([\s\S]*?)^```$/m.exec(section)?.[1];
    if (bytes === undefined || expected === undefined) throw new Error(`${file}.md: "${name}" is incomplete`);
    cases.push({
      name,
      bytes: unescape(bytes),
      expected: expected.split('\n').filter((line) => line !== ''),
    });
  }
  return cases;
}

/** Keys of `expect` that are no outcome. */
const CIRCUMSTANCES = ['request-method', 'line-limit', 'head-limit', 'limit'];

/** The value of a circumstance, if the case has it. */
export function circumstance(expected: readonly string[], key: string): string | undefined {
  return expected.find((line) => line.startsWith(`${key}: `))?.slice(key.length + 2);
}

/** The lines that must hold. */
export function outcome(expected: readonly string[]): string[] {
  return expected.filter((line) => !CIRCUMSTANCES.includes(line.slice(0, line.indexOf(':'))));
}

/** The bytes that a `bytes` block stands for. */
export function unescape(block: string): Buffer {
  const text = block
    .replaceAll('\n', '')
    .replace(/\\(?:\*(\d+)\(([^)]*)\)|x([0-9a-fA-F]{2})|([rnt\\]))/g, (_, count, part, hex, char) => {
      if (typeof count === 'string') return unescape(String(part)).toString('latin1').repeat(Number(count));
      if (typeof hex === 'string') return String.fromCharCode(parseInt(hex, 16));
      return { r: '\r', n: '\n', t: '\t', '\\': '\\' }[char as 'r' | 'n' | 't' | '\\'];
    });
  return Buffer.from(text, 'latin1');
}

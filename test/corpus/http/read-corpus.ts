/**
 * Reads the Markdown corpus: see README.md beside it for the format.
 */
import { readFileSync } from 'node:fs';

/** Files of request heads. What follows a head is its body, or the next request. */
export const REQUEST_FILES = [
  'request-line',
  'targets',
  'hosts',
  'fields',
  'framing',
  'smuggling',
  'hop-by-hop',
  'upgrades',
  'limits',
] as const;

/** Files of responses. */
export const RESPONSE_FILES = ['responses', 'response-framing'] as const;

/** One message and what must come of it. */
export interface CorpusCase {
  readonly file: string;
  readonly name: string;
  readonly bytes: Buffer;
  /** At the parser. */
  readonly expected: readonly string[];
  /** At the client; empty in files that do not say it. */
  readonly client: readonly string[];
  /** At the backend; empty in files that do not say it. */
  readonly backend: readonly string[];
}

/** The cases of a file of this folder, by its name: "requests". Throws on a case that is incomplete. */
export function readCorpus(file: string): CorpusCase[] {
  const text = readFileSync(new URL(`./${file}.md`, import.meta.url), 'utf8');
  const cases: CorpusCase[] = [];
  for (const section of text.split(/^## /m).slice(1)) {
    const name = section.slice(0, section.indexOf('\n')).trim();
    const block = (kind: string): string | undefined =>
      new RegExp(`^\`\`\`${kind}\\n([\\s\\S]*?)^\`\`\`$`, 'm').exec(section)?.[1];
    const lines = (kind: string): string[] => (block(kind) ?? '').split('\n').slice(0, -1);
    const bytes = block('bytes');
    if (bytes === undefined || block('expect') === undefined)
      throw new Error(`${file}.md: "${name}" is incomplete`);
    cases.push({
      file,
      name,
      bytes: unescape(bytes),
      expected: lines('expect').filter((line) => line !== ''),
      client: lines('client'),
      backend: lines('backend'),
    });
  }
  return cases;
}

/** Keys of `expect` that are no outcome. */
const CIRCUMSTANCES = ['request-method', 'line-limit', 'head-limit', 'limit', 'then'];

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

/** Bytes (one char each) as they stand in a block: on one line, long runs shortened. */
export function escape(bytes: string): string {
  return bytes
    .replaceAll('\\', '\\\\')
    .replace(/[\x00-\x1f\x7f-\xff]/g, (char) => {
      const short = { '\r': '\\r', '\n': '\\n', '\t': '\\t' }[char];
      return short ?? `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`;
    })
    .replace(/([^\\])\1{39,}/g, (run: string, char: string) => `\\*${run.length}(${char})`);
}

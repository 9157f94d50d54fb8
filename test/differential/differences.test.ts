/**
 * Four parsers on the same bytes. What we forward must be read by every other parser as the
 * very requests that we mean, or be refused; that other parsers read a client's bytes
 * otherwise than we do is listed in docs/http-differences.md, each with its reason.
 */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { compareAll, type Comparison } from './compare.js';

const DOC = new URL('../../docs/http-differences.md', import.meta.url);
const COLUMNS = ['Node', 'nginx', 'HAProxy'];
const COMPARE_MS = 120_000 * Number(process.env['MILLRACE_TEST_SLOW'] ?? '1');

const text = readFileSync(DOC, 'utf8');

/** A row of the table: the case, our reading, those of the others where they differ, the reason. */
interface Row {
  readonly name: string;
  readonly ours: string;
  readonly others: readonly string[];
  readonly reason: string;
}

function listedRows(): Row[] {
  const table = text.slice(text.indexOf('\n| Case |'));
  return table
    .split('\n')
    .filter((line) => line.startsWith('| ') && !line.startsWith('| Case') && !line.startsWith('|--'))
    .map((line) => {
      const [name = '', ours = '', node = '', nginx = '', haproxy = '', reason = ''] = line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim());
      return { name, ours, others: [node, nginx, haproxy], reason };
    });
}

/** Versions of the parsers that the table was made with. */
function listedVersion(name: string): string {
  return new RegExp(`^- ${name} (.*)$`, 'm').exec(text)?.[1] ?? '';
}

/** A case's name as it stands in a cell. */
const cell = (name: string): string =>
  name
    .replaceAll('|', '¦')
    .replace(/[\x00-\x1f\x7f]/g, '?')
    .trim();

const line = ({ name, ours, others, reason }: Row): string =>
  `| ${[name, ours, ...others, reason].join(' | ')} |`;

/** How a parser may read a case by its cell: as we do when it is empty; some are seen to do one thing or another. */
const allowed = (cellText: string, ours: string): readonly string[] =>
  cellText === '' ? [ours] : cellText.split(' or ');

/** Whether another parser reads a part of what we mean, and then refuses or stops. */
function isSafe(reading: string, meant: string): boolean {
  if (reading === meant) return true;
  const parts = reading.split(', ');
  const end = parts.pop();
  const whole = meant.split(', ');
  if (!parts.every((part, i) => part === whole[i])) return false;
  // Behind an upgrade a parser waits for another protocol: all that was meant is read by then.
  return end === 'refused' || (end === 'waiting' && parts.length >= whole.length - 1);
}

let comparison: Comparison;
beforeAll(async () => {
  comparison = await compareAll();
}, COMPARE_MS);
afterAll(async () => {
  await comparison[Symbol.asyncDispose]();
});

describe('other parsers', () => {
  test('read what we forward as what we mean, or refuse it', () => {
    const forwarded = comparison.cases.filter(({ forwardedReadings }) => forwardedReadings.size > 0);
    expect(forwarded.length).toBeGreaterThan(200);
    const wrong = comparison.cases.flatMap(({ name, forwarded, forwardedReadings }) =>
      [...forwardedReadings]
        .filter(([, reading]) => !isSafe(reading, forwarded))
        .map(([reader, reading]) => `${name}: we mean "${forwarded}", ${reader} reads "${reading}"`),
    );
    expect(wrong).toEqual([]);
  });

  test(
    'read the corpus otherwise only as docs/http-differences.md lists it',
    { timeout: COMPARE_MS },
    async () => {
      const compared = comparison.readers
        .filter(({ name, version }) => {
          const listed = listedVersion(name);
          if (version === listed) return true;
          console.warn(`not compared with the table: ${name} ${version}, the table has ${listed}`);
          return false;
        })
        .map(({ name }) => name);
      const rows = new Map(listedRows().map((row) => [row.name, row]));
      const wrong: string[] = [];
      for (const one of comparison.cases) {
        const row = rows.get(cell(one.name)) ?? {
          name: cell(one.name),
          ours: one.ours,
          others: ['', '', ''],
          reason: '',
        };
        const others = await Promise.all(
          COLUMNS.map(async (name, i) => {
            const listed = row.others[i] ?? '';
            if (!compared.includes(name)) return listed;
            const wanted = allowed(listed, one.ours);
            let reading = one.others.get(name) ?? '';
            // On a busy machine a parser may have been waited for too shortly.
            for (let again = 0; again < 3 && !wanted.includes(reading); again++)
              reading = await comparison.readAgain(name, one.name);
            return wanted.includes(reading) ? listed : reading === one.ours ? '' : reading;
          }),
        );
        if (row.ours !== one.ours || others.join('|') !== row.others.join('|'))
          wrong.push(line({ ...row, ours: one.ours, others }));
      }
      expect(
        wrong,
        'A reading has changed. If it is right, put these lines into the table of docs/http-differences.md in place ' +
          'of those of the same cases, each with the key of a reason that stands above the table; leave out a line ' +
          'whose cells behind ours are all empty.',
      ).toEqual([]);
    },
  );

  test('differ for a reason that is given', () => {
    const given = [...text.matchAll(/^- \*\*([a-z0-9-]+)\*\*: /gm)].map((match) => match[1]);
    const used = listedRows().map(({ reason }) => reason);
    expect(used.filter((reason) => !given.includes(reason))).toEqual([]);
    expect(given.filter((reason) => !used.includes(reason ?? ''))).toEqual([]);
  });
});

describe('a reading is safe', () => {
  test('when it is what was meant, or a beginning of it that was refused', () => {
    expect(isSafe('POST 5, last', 'POST 5, last')).toBe(true);
    expect(isSafe('refused', 'POST 5, last')).toBe(true);
    expect(isSafe('GET 0, refused', 'GET 0, GET 0, last')).toBe(true);
    expect(isSafe('GET 0, waiting', 'GET 0, last')).toBe(true);
  });

  test('not when it has other requests or other bodies, or waits for more', () => {
    expect(isSafe('POST 0, GET 0, last', 'POST 5, last')).toBe(false);
    expect(isSafe('POST 5, GET 0, last', 'POST 5, last')).toBe(false);
    expect(isSafe('waiting', 'POST 5, last')).toBe(false);
    expect(isSafe('POST 0, refused', 'POST 5, last')).toBe(false);
    expect(isSafe('not strict', 'POST 5, last')).toBe(false);
  });
});

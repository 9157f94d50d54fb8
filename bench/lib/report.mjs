/**
 * From measurements to medians, shares and tables.
 */

/**
 * @typedef {object} Measurement one round of one workload on one contestant
 * @property {string} workload
 * @property {string} contestant
 * @property {string} tool
 * @property {number} round
 * @property {number} requests
 * @property {number} errors
 * @property {number} cpuUs CPU time per request, microseconds
 * @property {number} userUs
 * @property {number} systemUs
 * @property {{ user: number, kernel: number } | undefined} instructions per request, where counted
 * @property {number} perSecond
 * @property {number} p50Ms
 * @property {number} p99Ms
 * @property {number} residentBytes after the round
 */

/** The middle value; NaN of nothing. */
export function median(/** @type {readonly number[]} */ values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  if (sorted.length % 2 === 1) return sorted[middle] ?? NaN;
  return ((sorted[middle - 1] ?? NaN) + (sorted[middle] ?? NaN)) / 2;
}

/** What a request cost: instructions where they were counted, else CPU time. */
export function costOf(/** @type {Measurement} */ { instructions, cpuUs }) {
  return instructions === undefined ? cpuUs : instructions.user + instructions.kernel;
}

/**
 * Cost relative to nginx's in the same round: the median of that, for a machine may be
 * slower in one round than in the next. NaN where nginx did not take part.
 * @param {readonly Measurement[]} group
 * @param {readonly Measurement[]} all
 */
function relativeCost(group, all) {
  const shares = group.map((one) => {
    const nginx = all.find(
      ({ contestant, workload, tool, round }) =>
        contestant === 'nginx' && workload === one.workload && tool === one.tool && round === one.round,
    );
    return nginx === undefined ? NaN : costOf(one) / costOf(nginx);
  });
  return median(shares);
}

/**
 * Medians of all rounds of a workload, tool and contestant.
 * @param {readonly Measurement[]} measurements
 */
export function summarise(measurements) {
  /** @type {Map<string, Measurement[]>} */
  const groups = new Map();
  for (const one of measurements) {
    const key = `${one.workload} ${one.tool} ${one.contestant}`;
    groups.set(key, [...(groups.get(key) ?? []), one]);
  }
  return [...groups.values()].map((group) => {
    const middle = (/** @type {(one: Measurement) => number} */ of) => median(group.map(of));
    const [{ workload, tool, contestant, instructions }] = /** @type {[Measurement]} */ (group);
    return {
      ...{ workload, tool, contestant, rounds: group.length },
      cpuUs: middle((one) => one.cpuUs),
      relativeCost: relativeCost(group, measurements),
      userUs: middle((one) => one.userUs),
      systemUs: middle((one) => one.systemUs),
      instructions:
        instructions === undefined
          ? undefined
          : {
              user: middle((one) => one.instructions?.user ?? NaN),
              kernel: middle((one) => one.instructions?.kernel ?? NaN),
            },
      perSecond: middle((one) => one.perSecond),
      p50Ms: middle((one) => one.p50Ms),
      p99Ms: middle((one) => one.p99Ms),
      residentBytes: middle((one) => one.residentBytes),
      errors: group.reduce((sum, one) => sum + one.errors, 0),
    };
  });
}

/** @typedef {ReturnType<typeof summarise>[number]} Summary */

/** Columns set to their width; the first one to the left. @param {readonly (readonly string[])[]} rows */
export function table(rows) {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => (row[column] ?? '').length)),
  );
  return rows
    .map((row) =>
      row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))),
    )
    .map((row) => row.join('  ').trimEnd())
    .join('\n');
}

/** A number with decimals, or a dash for none. @type {(value: number | undefined, digits: number) => string} */
export const cell = (value, digits) =>
  value === undefined || Number.isNaN(value) ? '-' : value.toFixed(digits);

/** @type {readonly [title: string, of: (row: Summary) => string][]} */
const COLUMNS = [
  ['CPU µs/req', (row) => cell(row.cpuUs, 2)],
  ['user', (row) => cell(row.userUs, 2)],
  ['sys', (row) => cell(row.systemUs, 2)],
  ['of nginx', (row) => cell(row.relativeCost, 2)],
  ['req/s', (row) => cell(row.perSecond, 0)],
  ['p50 ms', (row) => cell(row.p50Ms, 2)],
  ['p99 ms', (row) => cell(row.p99Ms, 2)],
  ['RSS MB', (row) => cell(row.residentBytes / 1024 / 1024, 1)],
];

/** @type {typeof COLUMNS} */
const COUNTED = [
  ['k instr user', (row) => cell((row.instructions?.user ?? NaN) / 1000, 1)],
  ['k instr kernel', (row) => cell((row.instructions?.kernel ?? NaN) / 1000, 1)],
];

/**
 * The table of one workload and tool.
 * @param {readonly Summary[]} rows
 * @param {ReadonlyMap<string, number>} systemCalls per request, by contestant
 */
export function loadTable(rows, systemCalls) {
  const counted = rows.some(({ instructions }) => instructions !== undefined);
  const columns = counted ? [...COUNTED, ...COLUMNS] : COLUMNS;
  const head = ['', ...columns.map(([title]) => title), 'syscalls/req'];
  const body = rows.map((row) => [
    row.contestant,
    ...columns.map(([, of]) => of(row)),
    cell(systemCalls.get(row.contestant), 2),
    ...(row.errors > 0 ? [`${row.errors} ERRORS`] : []),
  ]);
  return table([head, ...body]);
}

/**
 * What every contestant costs of nginx, by workload: a row each, a column for a workload.
 * @param {readonly Summary[]} rows of one tool
 */
export function relativeTable(rows) {
  const letters = [...new Set(rows.map(({ workload }) => workload))];
  const names = [...new Set(rows.map(({ contestant }) => contestant))];
  const find = (/** @type {string} */ name, /** @type {string} */ letter) =>
    rows.find(({ contestant, workload }) => contestant === name && workload === letter)?.relativeCost;
  return table([
    ['', ...letters],
    ...names.map((name) => [name, ...letters.map((letter) => cell(find(name, letter), 2))]),
  ]);
}

/**
 * From measurements to a table and a JSON file.
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
 * @property {number | undefined} instructions per request, user and kernel
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

/**
 * CPU time relative to nginx's in the same round: the median of that, for a machine may be
 * slower in one round than in the next. NaN where nginx did not take part.
 * @param {readonly Measurement[]} group
 * @param {readonly Measurement[]} all
 */
function relativeCpu(group, all) {
  const nginx = group.map(({ workload, tool, round }) =>
    all.find(
      (one) =>
        one.contestant === 'nginx' && one.workload === workload && one.tool === tool && one.round === round,
    ),
  );
  return median(group.map((one, i) => one.cpuUs / (nginx[i]?.cpuUs ?? NaN)));
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
    const [{ workload, tool, contestant }] = /** @type {[Measurement]} */ (group);
    return {
      ...{ workload, tool, contestant, rounds: group.length },
      cpuUs: middle((one) => one.cpuUs),
      relativeCpu: relativeCpu(group, measurements),
      userUs: middle((one) => one.userUs),
      systemUs: middle((one) => one.systemUs),
      instructions:
        group[0]?.instructions === undefined ? undefined : middle((one) => one.instructions ?? NaN),
      perSecond: middle((one) => one.perSecond),
      p50Ms: middle((one) => one.p50Ms),
      p99Ms: middle((one) => one.p99Ms),
      residentBytes: middle((one) => one.residentBytes),
      errors: group.reduce((sum, one) => sum + one.errors, 0),
    };
  });
}

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

/**
 * The table of one workload and tool, relative to nginx where it took part.
 * @param {ReturnType<typeof summarise>} rows
 * @param {ReadonlyMap<string, number>} systemCalls per request, by contestant
 */
export function loadTable(rows, systemCalls) {
  const counted = rows.some(({ instructions }) => instructions !== undefined);
  const head = [
    '',
    'CPU µs/req',
    'user',
    'sys',
    'of nginx',
    'syscalls/req',
    'req/s',
    'p50 ms',
    'p99 ms',
    'RSS MB',
  ];
  const body = rows.map((row) => [
    row.contestant,
    row.cpuUs.toFixed(2),
    row.userUs.toFixed(2),
    row.systemUs.toFixed(2),
    Number.isNaN(row.relativeCpu) ? '-' : row.relativeCpu.toFixed(2),
    systemCalls.get(row.contestant)?.toFixed(2) ?? '-',
    row.perSecond.toFixed(0),
    row.p50Ms.toFixed(2),
    row.p99Ms.toFixed(2),
    (row.residentBytes / 1024 / 1024).toFixed(1),
    ...(counted ? [((row.instructions ?? NaN) / 1000).toFixed(1)] : []),
    ...(row.errors > 0 ? [`${row.errors} ERRORS`] : []),
  ]);
  return table([counted ? [...head, 'k instr/req'] : head, ...body]);
}

/**
 * The chart of a result: a panel for each workload, a bar for each contestant, its cost
 * relative to nginx. Plain SVG that follows the reader's light or dark theme.
 */

const COLUMNS = 3;
const WIDTH = 960;
const MARGIN = 24;
const PANEL_WIDTH = (WIDTH - 2 * MARGIN) / COLUMNS;
const NAME_WIDTH = 84;
const BAR_WIDTH = 148;
const BAR_HEIGHT = 13;
const ROW_HEIGHT = 19;
const TOP = 66;
const PANEL_HEAD = 34;
const PANEL_FOOT = 26;
/** What a whole bar stands for; longer ones are cut and say so. */
const SCALE = 2;

const STYLE = `
text { font: 12px system-ui, sans-serif; fill: #1f2328; }
.title { font-size: 16px; font-weight: 600; }
.what { font-weight: 600; }
.small { font-size: 11px; fill: #59636e; }
.bar { fill: #a9b4c0; }
.ours { fill: #1f6feb; }
.line { stroke: #59636e; stroke-width: 1; stroke-dasharray: 3 3; }
.cut { stroke: #ffffff; stroke-width: 3; }
.back { fill: #ffffff; }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3; }
  .small { fill: #9198a1; }
  .bar { fill: #5b6672; }
  .ours { fill: #58a6ff; }
  .line { stroke: #9198a1; }
  .cut { stroke: #0d1117; }
  .back { fill: #0d1117; }
}`;

/** @param {string} text */
const escape = (text) =>
  text.replace(/[&<>"]/g, (c) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[c] ?? c);

/** @type {(x: number, y: number, text: string, more?: string) => string} */
const label = (x, y, text, more = '') => `<text x="${x}" y="${y}"${more}>${escape(text)}</text>`;

/**
 * What a chart needs of a result file of the bench.
 * @typedef {object} Charted
 * @property {string} measure
 * @property {{ workload: string, contestant: string, relativeCost: number | null }[]} summary
 * @property {{ cpu: string, processors: number, kernel: string, node: string, date: string }} machine
 * @property {{ rounds: number, seconds: number }} setting
 */

/** A bar with its name and number. @type {(x: number, y: number, name: string, value: number) => string} */
function bar(x, y, name, value) {
  const from = x + NAME_WIDTH;
  const length = (Math.min(value, SCALE) / SCALE) * BAR_WIDTH;
  const base = y + BAR_HEIGHT - 3;
  const kind = name === 'millrace' ? 'bar ours' : 'bar';
  const cutAt = from + BAR_WIDTH - 14;
  const cut =
    value > SCALE ? `<path class="cut" d="M${cutAt} ${y + BAR_HEIGHT + 1} l6 -${BAR_HEIGHT + 2}"/>` : '';
  return [
    label(from - 6, base, name, ' text-anchor="end"'),
    `<rect class="${kind}" x="${from}" y="${y}" width="${length.toFixed(1)}" height="${BAR_HEIGHT}" rx="2"/>`,
    cut,
    label(from + BAR_WIDTH + 6, base, value.toFixed(2)),
  ].join('');
}

/**
 * @param {Charted} result
 * @param {ReadonlyMap<string, string>} titles what each letter stands for
 * @returns {string} an SVG document
 */
export function drawChart({ measure, summary, machine, setting }, titles) {
  const { date, processors, cpu, kernel, node } = machine;
  const about = `${date}, ${processors} x ${cpu}, ${kernel}, Node ${node}; median of ${setting.rounds} rounds of ${setting.seconds} s`;
  const what = measure === 'instructions' ? 'Instructions' : 'CPU time';
  return draw(`${what} for each request`, about, summary, titles);
}

/**
 * The chart of what the emulated machine counted, with repeated instructions counted once
 * where a profile says how many they were.
 * @param {readonly import('../emulator/measure.mjs').Result[]} results with nginx among them
 * @param {string} about when, and what they were counted with
 * @param {ReadonlyMap<string, string>} titles
 * @returns {string} an SVG document
 */
export function drawEmulated(results, about, titles) {
  const cost = (/** @type {import('../emulator/measure.mjs').Result} */ { total, profile }) =>
    (total.main + total.others) * (1 - (profile?.repeated ?? 0));
  const summary = results.map((one) => {
    const nginx = results.find(
      ({ contestant, workload }) => contestant === 'nginx' && workload === one.workload,
    );
    const { workload, contestant } = one;
    return { workload, contestant, relativeCost: nginx === undefined ? null : cost(one) / cost(nginx) };
  });
  return draw('Instructions for each request', about, summary, titles);
}

/** @type {(title: string, about: string, summary: Charted['summary'], titles: ReadonlyMap<string, string>) => string} */
function draw(title, about, summary, titles) {
  const rows = summary.filter((row) => row.relativeCost !== null && Number.isFinite(row.relativeCost));
  const letters = [...new Set(rows.map(({ workload }) => workload))];
  const names = [...new Set(rows.map(({ contestant }) => contestant))];
  const panelHeight = PANEL_HEAD + names.length * ROW_HEIGHT + PANEL_FOOT;
  const height = TOP + Math.ceil(letters.length / COLUMNS) * panelHeight + 30;
  const parts = letters.map((letter, i) => {
    const x = MARGIN + (i % COLUMNS) * PANEL_WIDTH;
    const y = TOP + Math.floor(i / COLUMNS) * panelHeight;
    const own = names.flatMap((name) => {
      const row = rows.find(({ workload, contestant }) => workload === letter && contestant === name);
      return row === undefined ? [] : [{ name, value: Number(row.relativeCost) }];
    });
    const bars = own.map(({ name, value }, n) => bar(x, y + PANEL_HEAD + n * ROW_HEIGHT, name, value));
    const one = x + NAME_WIDTH + BAR_WIDTH / SCALE;
    const end = y + PANEL_HEAD + own.length * ROW_HEIGHT;
    return [
      label(x + 4, y + 20, `${letter}: ${titles.get(letter) ?? ''}`, ' class="what"'),
      ...bars,
      `<path class="line" d="M${one} ${y + PANEL_HEAD - 4} V${end}"/>`,
    ].join('\n');
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}">
<style>${STYLE}
</style>
<rect class="back" width="100%" height="100%"/>
${label(MARGIN, 32, title, ' class="title"')}
${label(MARGIN, 52, 'nginx is 1, the dashed line; less is better; bars beyond 2 are cut', ' class="small"')}
${parts.join('\n')}
${label(MARGIN, height - 16, about, ' class="small"')}
</svg>
`;
}

/**
 * The command line: one table of flags, and a parser that follows it. nginx's flags
 * keep nginx's manner (`-c FILE`, `-cFILE`, `-tq`); ours are long (`--from ADDRESS`,
 * `--from=ADDRESS`). The help text and docs/cli.md come from the same table.
 */

/** One flag. */
export interface FlagRow {
  /** With its dashes: "-c", "--from". */
  readonly flag: string;
  /** Name of its argument in the help text; undefined when it takes none. */
  readonly argument?: string;
  /** Whether it may be given more than once. */
  readonly repeat?: boolean;
  /** One sentence. */
  readonly doc: string;
}

/** Every flag, in the order of the help text. */
export const FLAGS: readonly FlagRow[] = [
  { flag: '-h', doc: 'Show this help and exit.' },
  { flag: '-v', doc: 'Show the version and exit.' },
  { flag: '-V', doc: 'Show the version, what it was built with and what is missing, and exit.' },
  { flag: '-t', doc: 'Test the configuration and exit.' },
  { flag: '-T', doc: 'Test the configuration, write it out with all included files, and exit.' },
  { flag: '-q', doc: 'With -t or -T: say only what is wrong.' },
  {
    flag: '-s',
    argument: 'SIGNAL',
    doc: 'Send a signal to the running process: stop, quit, reopen or reload.',
  },
  {
    flag: '-p',
    argument: 'PREFIX',
    doc: 'Directory that relative paths of files and logs start from (default: the current one).',
  },
  {
    flag: '-e',
    argument: 'FILE',
    doc: 'Error log until the configuration names another, or "stderr" (the default).',
  },
  {
    flag: '-c',
    argument: 'FILE',
    doc: 'Configuration file, relative to the prefix (default: nginx.conf, then conf/nginx.conf).',
  },
  {
    flag: '-g',
    argument: 'DIRECTIVES',
    doc: 'Directives for the main context, as if they stood in front of the configuration file.',
  },
  {
    flag: '--from',
    argument: 'ADDRESS',
    repeat: true,
    doc: 'Without a configuration file: address or port to listen on, as 8080, :8080 or 127.0.0.1:8080.',
  },
  {
    flag: '--to',
    argument: 'ADDRESS',
    repeat: true,
    doc: 'Without a configuration file: a backend, as 3000, 127.0.0.1:3000 or http://app:3000.',
  },
];

/** What was asked for. */
export interface CliOptions {
  readonly help: boolean;
  readonly version: boolean;
  readonly versionAndBuild: boolean;
  readonly test: boolean;
  readonly dump: boolean;
  readonly quiet: boolean;
  readonly signal: string | undefined;
  readonly prefix: string | undefined;
  readonly errorLog: string | undefined;
  readonly config: string | undefined;
  readonly globals: string | undefined;
  readonly from: readonly string[];
  readonly to: readonly string[];
}

/** A command line that makes no sense; `message` is one sentence for the user. */
export class UsageError extends Error {
  override get name(): string {
    return 'UsageError';
  }
}

const byFlag: ReadonlyMap<string, FlagRow> = new Map(FLAGS.map((row) => [row.flag, row]));

/** What `-s` takes, and the signal it stands for. */
export const SIGNALS: Readonly<Record<string, NodeJS.Signals>> = {
  stop: 'SIGTERM',
  quit: 'SIGQUIT',
  reopen: 'SIGUSR1',
  reload: 'SIGHUP',
};

/** Reads the arguments (without node and the script). Throws UsageError. */
export function parseOptions(argv: readonly string[]): CliOptions {
  const values = collect(argv);
  const last = (flag: string): string | undefined => values.get(flag)?.at(-1);
  const options: CliOptions = {
    help: values.has('-h'),
    version: values.has('-v'),
    versionAndBuild: values.has('-V'),
    test: values.has('-t') || values.has('-T'),
    dump: values.has('-T'),
    quiet: values.has('-q'),
    signal: last('-s'),
    prefix: last('-p'),
    errorLog: last('-e'),
    config: last('-c'),
    globals: last('-g'),
    from: values.get('--from') ?? [],
    to: values.get('--to') ?? [],
  };
  check(options);
  return options;
}

/** Flag → its arguments in the order given ('' for a flag without one). */
function collect(argv: readonly string[]): Map<string, string[]> {
  const values = new Map<string, string[]>();
  const add = (row: FlagRow, value: string): void => {
    const list = values.get(row.flag) ?? [];
    if (list.length > 0 && row.argument !== undefined && row.repeat !== true) {
      throw new UsageError(`option "${row.flag}" was given twice`);
    }
    values.set(row.flag, [...list, value]);
  };
  const rest = [...argv];
  for (let word = rest.shift(); word !== undefined; word = rest.shift()) {
    if (word.startsWith('--')) readLong(word, rest, add);
    else if (word.startsWith('-') && word.length > 1) readShort(word, rest, add);
    else throw new UsageError(`invalid option: "${word}"`);
  }
  return values;
}

type Add = (row: FlagRow, value: string) => void;

function readLong(word: string, rest: string[], add: Add): void {
  const equals = word.indexOf('=');
  const flag = equals < 0 ? word : word.slice(0, equals);
  if (flag === '--help' || flag === '--version') {
    const row = byFlag.get(flag === '--help' ? '-h' : '-v');
    if (row !== undefined && equals < 0) return add(row, '');
  }
  const row = byFlag.get(flag);
  if (row === undefined) throw new UsageError(`invalid option: "${word}"`);
  const value = equals < 0 ? rest.shift() : word.slice(equals + 1);
  if (value === undefined || value === '') throw missing(row);
  add(row, value);
}

/** Letters in one word; the first that takes an argument takes the rest of the word, or the next one. */
function readShort(word: string, rest: string[], add: Add): void {
  for (let i = 1; i < word.length; i++) {
    const row = byFlag.get(`-${word[i] ?? ''}`);
    if (row === undefined) throw new UsageError(`invalid option: "${word}"`);
    if (row.argument === undefined) {
      add(row, '');
      continue;
    }
    const value = i + 1 < word.length ? word.slice(i + 1) : rest.shift();
    if (value === undefined || value === '') throw missing(row);
    return add(row, value);
  }
}

function missing(row: FlagRow): UsageError {
  return new UsageError(`option "${row.flag}" requires ${row.argument ?? 'an argument'}`);
}

function check(options: CliOptions): void {
  if (options.signal !== undefined && !Object.hasOwn(SIGNALS, options.signal)) {
    throw new UsageError(
      `invalid option: "-s ${options.signal}", expected ${Object.keys(SIGNALS).join(', ')}`,
    );
  }
  if (options.from.length === 0 && options.to.length === 0) return;
  if (options.to.length === 0) throw new UsageError('option "--from" needs a "--to"');
  if (options.from.length === 0) throw new UsageError('option "--to" needs a "--from"');
  if (options.config !== undefined) {
    throw new UsageError('option "-c" cannot stand together with "--from" and "--to"');
  }
}

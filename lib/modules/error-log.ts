/**
 * `error_log`: where errors are written and from which level on. A line is written at
 * once, so that whoever reads the file after a response finds it there.
 */
import {
  directive,
  type Argument,
  type LogLevel,
  type Module,
  type ParseContext,
} from '../module-api/index.js';
import type { ErrorLog } from '../proxy/runtime.js';
import type { LogFiles, LogFile } from './log-files.js';
import { argument } from './rows.js';
import { errorTime } from './variables/times.js';

/** One target of `error_log`. */
export interface ErrorLogSetting {
  /** A path as written (relative to the prefix), or "stderr". */
  readonly target: string;
  readonly level: LogLevel;
}

/** From the least severe to the most. */
export const LOG_LEVELS: readonly LogLevel[] = [
  'debug',
  'info',
  'notice',
  'warn',
  'error',
  'crit',
  'alert',
  'emerg',
];

/** The value where no block sets it: nginx's compiled-in path, which `-e` replaces. */
export const DEFAULT_ERROR_LOG: readonly ErrorLogSetting[] = [{ target: 'logs/error.log', level: 'error' }];

export const errorLog = directive<readonly ErrorLogSetting[]>({
  name: 'error_log',
  contexts: ['main', 'http', 'server', 'location'],
  args: [1, 2],
  repeat: 'append',
  parse(node, context, previous) {
    const target = argument(node, 0);
    if (/^(syslog|memory):/.test(target.text)) {
      return context.fail(target, `"${target.text.split(':')[0]}:" in "error_log" is not supported yet`);
    }
    const level = node.args[1];
    const setting = { target: target.text, level: level === undefined ? 'error' : readLevel(level, context) };
    return [...(previous ?? []), setting];
  },
  default: DEFAULT_ERROR_LOG,
  syntax: 'file | stderr [level]',
  defaultText: 'logs/error.log error',
  doc: 'Where errors are written and from which level on: debug, info, notice, warn, error, crit, alert, emerg.',
});

function readLevel(at: Argument, context: ParseContext): LogLevel {
  const level = LOG_LEVELS.find((name) => name === at.text || (name === 'debug' && /^debug_/.test(at.text)));
  return level ?? context.fail(at, `invalid log level "${at.text}"`);
}

interface Target {
  readonly file: LogFile;
  /** Index in LOG_LEVELS. */
  readonly threshold: number;
}

/**
 * An error log over its files, which it opens (and creates) at once; throws what
 * `LogFiles.open` throws. The files belong to `files`.
 */
export function openErrorLog(settings: readonly ErrorLogSetting[], files: LogFiles): ErrorLog {
  const targets = settings.map((setting): Target => ({
    file: files.open(setting.target),
    threshold: rank(setting.level),
  }));
  const lowest = Math.min(LOG_LEVELS.length, ...targets.map((target) => target.threshold));
  return {
    enabled: (level) => rank(level) >= lowest,
    write(level, message, connection) {
      const severity = rank(level);
      if (severity < lowest) return;
      const line = errorLine(level, message, connection);
      for (const { file, threshold } of targets) {
        if (severity >= threshold) file.writeNow(line);
      }
    },
  };
}

/** Longer messages are cut, as in nginx. */
const MAX_MESSAGE_LENGTH = 2048;

/** A line in nginx's form, without its line end. Control characters cannot forge a second line. */
export function errorLine(level: LogLevel, message: string, connection?: number): string {
  const safe = message.slice(0, MAX_MESSAGE_LENGTH).replace(/[\0-\x08\x0a-\x1f\x7f]/g, ' ');
  const about = connection === undefined ? '' : `*${connection} `;
  return `${errorTime(Date.now())} [${level}] ${process.pid}#${process.pid}: ${about}${safe}`;
}

function rank(level: LogLevel): number {
  return LOG_LEVELS.indexOf(level);
}

/** `error_log`. */
export const errorLogModule: Module = { name: 'error_log', directives: [errorLog] };

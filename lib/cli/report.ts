/**
 * Says why the command failed: one line on stderr,
 * `millrace: [emerg] ...`, and the same message in the error log.
 */
import { openErrorLog, type ErrorLogSetting } from '../modules/error-log.js';
import type { LogFiles } from '../modules/log-files.js';
import { printLine } from './print.js';

/** Where failures are told: stderr always, and the error logs that are known so far. */
export class FailureReport {
  readonly #logs: LogFiles;
  #targets: readonly ErrorLogSetting[];

  /** `errorLog` is what `-e` says (a byte string), if anything. */
  constructor(logs: LogFiles, errorLog: string | undefined) {
    this.#logs = logs;
    this.#targets = errorLog === undefined ? [] : [{ target: errorLog, level: 'error' }];
  }

  /** From now on failures also go to the logs that the configuration names. */
  useTargets(targets: readonly ErrorLogSetting[]): void {
    this.#targets = targets;
  }

  /** Says it. Never throws: a log that cannot be opened is left out. */
  emerg(message: string): void {
    printLine(`millrace: [emerg] ${message}`);
    // stderr has been served; once is enough.
    for (const target of this.#targets.filter((each) => each.target !== 'stderr')) {
      try {
        openErrorLog([target], this.#logs).write('emerg', message);
      } catch {
        // Said on stderr, which is what counts.
      }
    }
  }
}

/**
 * The command `millrace`: reads the flags and answers what needs no configuration; the
 * rest is command.ts's. Returns the exit code: 0, or 1 after one line that says why.
 */
import { helpText } from './help.js';
import { parseOptions, UsageError, type CliOptions } from './options.js';
import { print, printLine } from './print.js';
import { buildText, versionText } from './version.js';

/** Runs the command with these arguments (without node and the script). Rejects only when the addon cannot be loaded. */
export async function main(argv: readonly string[]): Promise<number> {
  let options: CliOptions;
  try {
    options = parseOptions(argv);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    printLine(`millrace: ${error.message} (-h shows the options)`);
    return 1;
  }
  if (options.help) return show(1, helpText());
  if (options.version && !options.versionAndBuild) return show(2, versionText());
  const command = await import('./command.js');
  if (options.versionAndBuild) return show(2, buildText(command.directiveNames()));
  return command.runCommand(options);
}

async function show(fd: 1 | 2, text: string): Promise<number> {
  await print(fd, text);
  return 0;
}

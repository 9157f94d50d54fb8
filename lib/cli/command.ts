/**
 * What the command does with a configuration: test it, show it, signal the process that
 * runs it, or run it. Apart from main.ts, so that `-h` and `-v` need no addon.
 */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { decodeBytes, encodeBytes } from '../config/config-error.js';
import { compileConfig, type CompiledConfig, type ConfigTree } from '../config/compile.js';
import { loadConfigFile, type LoadedConfig } from '../config/load.js';
import { loadConfigObject } from '../config/object.js';
import { builtinModules } from '../modules/index.js';
import { LogFiles } from '../modules/log-files.js';
import { daemonReady, isDaemon, startDaemon } from '../process/daemon.js';
import { readPidFile } from '../process/pid-file.js';
import { runUntilStopped } from '../process/run.js';
import { errnoPart, failureMessage, socketName } from '../process/system-message.js';
import { resolveUser } from '../process/user.js';
import { VERSION } from '../util/version.js';
import { plainProxy } from './from-to.js';
import { SIGNALS, UsageError, type CliOptions } from './options.js';
import { print, printLine } from './print.js';
import { FailureReport } from './report.js';

/** Where a configuration is looked for when `-c` is not given, relative to the prefix. */
export const DEFAULT_CONFIGS: readonly string[] = ['nginx.conf', 'conf/nginx.conf'];

/** Does what the options ask for and returns the exit code. Never rejects. */
export async function runCommand(options: CliOptions): Promise<number> {
  const prefix = resolve(options.prefix ?? '.');
  const logs = new LogFiles(prefix);
  const errorLog = options.errorLog === undefined ? undefined : encodeBytes(options.errorLog);
  const report = new FailureReport(logs, errorLog);
  try {
    // Created before anything else can go wrong, so that what goes wrong is found there.
    if (errorLog !== undefined) logs.open(errorLog);
    const tree = await load(options, prefix);
    return await act(options, tree, logs, errorLog ?? 'stderr', report);
  } catch (error) {
    report.emerg(failureMessage(error));
    if (options.test)
      printLine(`millrace: configuration file ${configPath(options, prefix) ?? '(none)'} test failed`);
    return 1;
  } finally {
    logs.close();
  }
}

/** Names that stand in the tables of the built-in modules. */
export function directiveNames(): ReadonlySet<string> {
  return new Set(builtinModules.flatMap((module) => module.directives.map((row) => row.name)));
}

/** The file that is meant: as given, else the first default that exists. */
function configPath(options: CliOptions, prefix: string): string | undefined {
  if (options.config !== undefined) return resolve(prefix, options.config);
  return DEFAULT_CONFIGS.map((name) => resolve(prefix, name)).find((path) => existsSync(path));
}

async function load(options: CliOptions, prefix: string): Promise<ConfigTree | LoadedConfig> {
  if (options.from.length > 0) return loadConfigObject(plainProxy(options.from, options.to), prefix);
  const path = configPath(options, prefix);
  if (path === undefined) {
    throw new UsageError(
      `no configuration: there is no ${DEFAULT_CONFIGS.join(' or ')} in ${prefix}; ` +
        'name one with -c FILE, or use --from ADDRESS --to ADDRESS (-h shows more)',
    );
  }
  return loadConfigFile(path, prefix, encodeBytes(options.globals ?? ''));
}

async function act(
  options: CliOptions,
  tree: ConfigTree | LoadedConfig,
  logs: LogFiles,
  errorLogPath: string,
  report: FailureReport,
): Promise<number> {
  const onWarning = options.test
    ? (message: string): void => printLine(`millrace: [warn] ${message}`)
    : undefined;
  const compiled = await compileConfig(tree, {
    logs,
    errorLogPath,
    ...(onWarning === undefined ? {} : { onWarning }),
  });
  report.useTargets(compiled.main.errorLogs);
  if (options.signal !== undefined) return sendSignal(options.signal, compiled);
  resolveUser(compiled.main.user);
  if (options.test) return reportTest(options, tree);
  if (compiled.main.daemon && !isDaemon()) return startDaemon();
  await runUntilStopped({
    compiled,
    logs,
    pidFile: 'path' in tree,
    onReady: async (addresses) => {
      if (options.from.length > 0) await announce(addresses, options);
      if (isDaemon()) await daemonReady();
    },
  });
  return 0;
}

/** nginx's two lines, and the files themselves with `-T`. */
async function reportTest(options: CliOptions, tree: ConfigTree | LoadedConfig): Promise<number> {
  const path = 'path' in tree ? tree.path : '(command line)';
  if (!options.quiet) {
    printLine(`millrace: the configuration file ${path} syntax is ok`);
    printLine(`millrace: configuration file ${path} test is successful`);
  }
  if (!options.dump || !('files' in tree)) return 0;
  for (const file of tree.files) {
    await print(
      1,
      Buffer.concat([Buffer.from(`# configuration file ${file.path}:\n`), file.bytes, Buffer.from('\n')]),
    );
  }
  return 0;
}

function sendSignal(name: string, { main: { pidPath } }: CompiledConfig): number {
  const pid = readPidFile(decodeBytes(pidPath));
  try {
    process.kill(pid, SIGNALS[name]);
  } catch (error) {
    throw new Error(`kill(${pid}, ${SIGNALS[name] ?? ''}) failed (${errnoPart(error)})`, { cause: error });
  }
  return 0;
}

/** Without a file there is nothing else to look at: say where it listens and where it goes. */
function announce(
  addresses: readonly { address: string; port: number }[],
  options: CliOptions,
): Promise<void> {
  const from = addresses.map(({ address, port }) => socketName(address, port)).join(', ');
  return print(1, `millrace ${VERSION}: ${from} -> ${options.to.join(', ')}\n`);
}

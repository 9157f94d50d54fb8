/**
 * From the tree of directives, whether it came from nginx.conf or from a typed object,
 * to what the engine runs. This file only keeps the order of the steps; the steps are
 * tree.ts (meaning), upstreams.ts, servers.ts and listens.ts.
 */
import type { DirectiveNode, Module, Position, Settings } from '../module-api/index.js';
import { clientBodyTempPath } from '../modules/body-file-rows.js';
import { errorLog, openErrorLog, type ErrorLogSetting } from '../modules/error-log.js';
import { builtinModules } from '../modules/index.js';
import type { LogFiles } from '../modules/log-files.js';
import * as mainRows from '../modules/main.js';
import type { ErrorLog, RuntimeConfig } from '../proxy/runtime.js';
import type { TempFiles } from '../proxy/temp-files.js';
import { BodyFiles } from './body-files.js';
import { ConfigError, encodeBytes } from './config-error.js';
import { groupListens, type CompiledServer } from './listens.js';
import { createParseContext, warningLine } from './parse-context.js';
import { Registry } from './registry.js';
import { compileServer, type ServerTools } from './servers.js';
import { buildTree, type Block } from './tree.js';
import { systemResolver, Upstreams, type ResolveName } from './upstreams.js';

/** A tree, and what its relative paths refer to. */
export interface ConfigTree {
  readonly nodes: readonly DirectiveNode[];
  /** Absolute path of the directory of the configuration file. */
  readonly confDirectory: string;
  /** Absolute path. */
  readonly prefix: string;
}

/** What a compilation needs besides the tree. */
export interface CompileOptions {
  /** Where logs are opened; the files belong to whoever made it, and stay open when compiling fails. */
  readonly logs: LogFiles;
  /** Where errors go when no `error_log` says so (`-e`): a path relative to the prefix, or "stderr". */
  readonly errorLogPath?: string;
  /** By default the built-in ones. Their order is the order of handlers in each phase. */
  readonly modules?: readonly Module[];
  /** By default the system's resolver. */
  readonly resolveName?: ResolveName;
  /** Takes warnings, one line each without level. By default they go to the main error log. */
  readonly onWarning?: (message: string) => void;
}

/** Settings of the process: what lib/process and lib/cli obey. Paths are absolute byte strings. */
export interface MainSettings {
  readonly pidPath: string;
  /** Whether `pid` was written. */
  readonly pidGiven: boolean;
  readonly daemon: boolean;
  readonly masterProcess: boolean;
  readonly user: mainRows.UserSetting | undefined;
  readonly workerProcesses: number;
  readonly workerConnections: number;
  readonly errorLogs: readonly ErrorLogSetting[];
  /** Folders that files are written to while requests run. */
  readonly folders: readonly TempFiles[];
}

/** A compiled configuration. */
export interface CompiledConfig {
  readonly runtime: RuntimeConfig;
  readonly main: MainSettings;
}

/**
 * Compiles a configuration: opens its log files and resolves the names of its
 * backends, but opens no socket. Rejects with ConfigError for the first mistake; a log
 * that cannot be opened is one too. May be called again for the same tree.
 */
export async function compileConfig(tree: ConfigTree, options: CompileOptions): Promise<CompiledConfig> {
  const warnings: string[] = [];
  const registry = new Registry(options.modules ?? builtinModules);
  const parse = createParseContext({
    registry,
    confDirectory: tree.confDirectory,
    prefix: tree.prefix,
    onWarning: (message) => warnings.push(message),
  });
  const main = buildTree(tree.nodes, registry, parse);
  const events = main.blocks.find((block) => block.context === 'events');
  if (events === undefined) throw new ConfigError('no "events" section in configuration');

  const errorLogs = new ErrorLogs(options);
  const mainLog = errorLogs.for(main.settings);
  const upstreams = new Upstreams(options.resolveName ?? systemResolver);
  const bodyFiles = new BodyFiles(parse);
  const tools: ServerTools = {
    registry,
    parse,
    upstreams,
    errorLog: (settings) => errorLogs.for(settings),
    logFile: (path) => opening(() => options.logs.open(path), undefined),
    bodies: (settings) => opening(() => bodyFiles.of(settings), settings.position(clientBodyTempPath)),
  };
  const servers = await compileHttp(
    main.blocks.find((block) => block.context === 'http'),
    tools,
  );
  const listens = groupListens(servers, (message, position) => warnings.push(warningLine(message, position)));
  const onWarning = options.onWarning ?? ((message: string) => mainLog.write('warn', message));
  for (const warning of warnings) onWarning(warning);

  const workerConnections = events.settings.get(mainRows.workerConnections);
  return {
    runtime: { listens, upstreams: upstreams.all(), errorLog: mainLog, workerConnections },
    main: {
      pidPath: parse.prefixPath(main.settings.get(mainRows.pid)),
      pidGiven: main.settings.has(mainRows.pid),
      daemon: main.settings.get(mainRows.daemon),
      masterProcess: main.settings.get(mainRows.masterProcess),
      user: main.settings.get(mainRows.user),
      workerProcesses: main.settings.get(mainRows.workerProcesses),
      workerConnections,
      errorLogs: errorLogs.settings(main.settings),
      folders: bodyFiles.folders(),
    },
  };
}

/** Upstreams first: a server may pass to a group that is written further down. */
async function compileHttp(http: Block | undefined, tools: ServerTools): Promise<CompiledServer[]> {
  const blocks = http?.blocks ?? [];
  for (const block of blocks) if (block.context === 'upstream') await tools.upstreams.add(block);
  const servers: CompiledServer[] = [];
  for (const block of blocks) {
    if (block.context !== 'server') continue;
    servers.push({ block, config: await compileServer(block, servers.length, tools) });
  }
  return servers;
}

/** One ErrorLog for each list of targets, however many locations inherit it. */
class ErrorLogs {
  readonly #logs: LogFiles;
  readonly #fallback: readonly ErrorLogSetting[];
  readonly #open = new Map<readonly ErrorLogSetting[], ErrorLog>();

  constructor({ logs, errorLogPath }: CompileOptions) {
    this.#logs = logs;
    this.#fallback =
      errorLogPath === undefined ? errorLog.default : [{ target: errorLogPath, level: 'error' }];
  }

  settings(settings: Settings): readonly ErrorLogSetting[] {
    return settings.position(errorLog) === undefined ? this.#fallback : settings.get(errorLog);
  }

  for(settings: Settings): ErrorLog {
    const targets = this.settings(settings);
    let log = this.#open.get(targets);
    if (log === undefined) {
      log = opening(() => openErrorLog(targets, this.#logs), settings.position(errorLog));
      this.#open.set(targets, log);
    }
    return log;
  }
}

/** A file that cannot be opened is a mistake of the configuration that names it. */
function opening<T>(open: () => T, position: Position | undefined): T {
  try {
    return open();
  } catch (error) {
    if (error instanceof Error && 'code' in error)
      throw new ConfigError(encodeBytes(error.message), position);
    throw error;
  }
}

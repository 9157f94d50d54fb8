/**
 * Runs a compiled configuration in this process until a signal ends it. The order
 * matters to whoever watches from outside:
 *
 *   bind every socket → write the pid file → become `user` → ready
 *   signal → stop or drain → remove the pid file → last line of the log
 */
import { existsSync } from 'node:fs';
import { constants } from 'node:os';
import { dirname } from 'node:path';
import type { CompiledConfig } from '../config/compile.js';
import { decodeBytes } from '../config/config-error.js';
import type { LogFiles } from '../modules/log-files.js';
import { ProxyEngine } from '../proxy/engine.js';
import { Reactor } from '../reactor/reactor.js';
import { Deferred } from '../util/deferred.js';
import { removePidFile, writePidFile } from './pid-file.js';
import { listenToSignals } from './signals.js';
import { becomeUser, resolveUser } from './user.js';

/** How a configuration is run. */
export interface RunOptions {
  readonly compiled: CompiledConfig;
  /** Every log the configuration opened. Reopened on SIGUSR1, flushed at the end; stays the caller's to close. */
  readonly logs: LogFiles;
  /** Whether a pid file is written. Without a `pid` directive it is, when its directory exists. */
  readonly pidFile: boolean;
  /** Called when every socket is bound and the pid file is there. */
  onReady?(addresses: ProxyEngine['addresses']): void | Promise<void>;
}

/** Resolves when a signal has ended it. Rejects when it cannot start: nothing is left open then. */
export async function runUntilStopped(options: RunOptions): Promise<void> {
  const { compiled, logs } = options;
  const log = compiled.runtime.errorLog;
  const identity = resolveUser(compiled.main.user);
  const pidPath = options.pidFile ? pidFileOf(compiled) : undefined;
  await Reactor.run(
    async (reactor) => {
      const engine = new ProxyEngine(reactor, compiled.runtime);
      engine.listen();
      if (pidPath !== undefined) writePidFile(pidPath);
      try {
        if (identity !== undefined) becomeUser(identity, logs);
        await serve(engine, options);
      } finally {
        if (pidPath !== undefined) removePidFile(pidPath);
      }
    },
    {
      // What is open after `stop` was left on purpose.
      onLeftOpen: () => undefined,
    },
  );
  log.write('notice', 'exit');
  logs.flush();
}

/** Serves until a signal says otherwise. */
async function serve(engine: ProxyEngine, options: RunOptions): Promise<void> {
  const log = options.compiled.runtime.errorLog;
  const ended = new Deferred<void>();
  // A callback that throws has lost its own connection; the others go on.
  const onException = (error: unknown): void => {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    log.write('alert', `uncaught exception: ${text}`);
  };
  process.on('uncaughtException', onException);
  // Without a server nothing else keeps the process: it waits for its signal all the same.
  const alive = setInterval(() => undefined, 2 ** 30);
  const stopListening = listenToSignals({
    stop(signal) {
      log.write('notice', `signal ${numberOf(signal)} (${signal}) received, exiting`);
      engine.stop();
      ended.resolve();
    },
    drain(signal) {
      log.write('notice', `signal ${numberOf(signal)} (${signal}) received, gracefully shutting down`);
      engine.drain().then(
        () => ended.resolve(),
        (error: unknown) => ended.reject(error),
      );
    },
    reopenLogs: () => options.logs.reopen(),
    unsupported(signal) {
      const what = signal === 'SIGHUP' ? 'reload' : 'binary upgrade';
      log.write('error', `signal ${numberOf(signal)} (${signal}) received, but ${what} is not supported yet`);
    },
  });
  try {
    await options.onReady?.(engine.addresses);
    await ended.promise;
  } finally {
    clearInterval(alive);
    stopListening();
    process.off('uncaughtException', onException);
  }
}

/** A path that nobody wrote counts only where its directory exists: a fresh project has no logs/. */
function pidFileOf({ main }: CompiledConfig): string | undefined {
  const path = decodeBytes(main.pidPath);
  return main.pidGiven || existsSync(dirname(path)) ? path : undefined;
}

function numberOf(signal: NodeJS.Signals): number {
  return constants.signals[signal];
}

/**
 * Runs a compiled configuration in this process until a signal ends it. The order
 * matters to whoever watches from outside:
 *
 *   bind every socket → listen to signals → write the pid file → become `user` → ready
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
import { IdleMemory } from './idle-memory.js';
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
      const signals = new Signals(engine, options);
      const memory = process.env['MILLRACE_IDLE_COLLECTION'] === 'off' ? undefined : new IdleMemory(reactor);
      try {
        // From here on somebody may send signals: they are listened to already.
        if (pidPath !== undefined) writePidFile(pidPath);
        if (identity !== undefined) becomeUser(identity, logs, compiled.main.folders);
        await options.onReady?.(engine.addresses);
        await signals.ended;
      } finally {
        memory?.stop();
        signals.close();
        if (pidPath !== undefined) removePidFile(pidPath);
      }
    },
    // What is open after `stop` was left on purpose.
    { onLeftOpen: () => undefined },
  );
  log.write('notice', 'exit');
  logs.flush();
}

/** What signals and stray exceptions do to a running engine, from construction to `close`. */
class Signals {
  /** Fulfilled when the engine has ended as a signal asked for. */
  readonly ended: Promise<void>;
  readonly #stopListening: () => void;
  readonly #onException: (error: unknown) => void;
  // Without a server nothing else keeps the process: it waits for its signal all the same.
  readonly #alive = setInterval(() => undefined, 2 ** 30);

  constructor(engine: ProxyEngine, { compiled, logs }: RunOptions) {
    const log = compiled.runtime.errorLog;
    const ended = new Deferred<void>();
    this.ended = ended.promise;
    // A callback that throws has lost its own connection; the others go on.
    this.#onException = (error) => {
      const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
      log.write('alert', `uncaught exception: ${text}`);
    };
    process.on('uncaughtException', this.#onException);
    this.#stopListening = listenToSignals({
      stop(signal) {
        log.write('notice', `${describeSignal(signal)} received, exiting`);
        engine.stop();
        ended.resolve();
      },
      drain(signal) {
        log.write('notice', `${describeSignal(signal)} received, gracefully shutting down`);
        engine.drain().then(
          () => ended.resolve(),
          (error: unknown) => ended.reject(error),
        );
      },
      reopenLogs: () => logs.reopen(),
      unsupported(signal) {
        const what = signal === 'SIGHUP' ? 'reload' : 'binary upgrade';
        log.write('error', `${describeSignal(signal)} received, but ${what} is not supported yet`);
      },
    });
  }

  close(): void {
    clearInterval(this.#alive);
    this.#stopListening();
    process.off('uncaughtException', this.#onException);
  }
}

/** A path that nobody wrote counts only where its directory exists: a fresh project has no logs/. */
function pidFileOf({ main }: CompiledConfig): string | undefined {
  const path = decodeBytes(main.pidPath);
  return main.pidGiven || existsSync(dirname(path)) ? path : undefined;
}

function describeSignal(signal: NodeJS.Signals): string {
  return `signal ${constants.signals[signal]} (${signal})`;
}

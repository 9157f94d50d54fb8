/**
 * The proxy as a library: a typed object or a file in, a running proxy out. It lives on
 * the event loop of the process that made it, beside whatever else that process does;
 * several may run at once. Signals, pid file, `daemon` and `user` are left alone: they
 * belong to the program (the command `millrace` obeys them).
 */
import { resolve } from 'node:path';
import { encodeBytes } from '../config/config-error.js';
import { compileConfig, type ConfigTree } from '../config/compile.js';
import { loadConfigFile } from '../config/load.js';
import type { ProxyOptions } from '../config/object-types.js';
import { loadConfigObject } from '../config/object.js';
import { MillraceError } from '../errors/millrace-error.js';
import type { Module } from '../module-api/index.js';
import { builtinModules } from '../modules/index.js';
import { LogFiles } from '../modules/log-files.js';
import { ProxyEngine, type BoundAddress } from '../proxy/engine.js';
import { Reactor } from '../reactor/reactor.js';

/** What a proxy needs besides its configuration. */
export interface CreateProxyOptions {
  /** Directory that relative paths start from; by default the working directory. */
  readonly prefix?: string;
  /** Error log where the configuration names none: a path, or "stderr" (the default). */
  readonly errorLog?: string;
  /** Features added to the built-in ones; for the content of a location the last one that applies wins. */
  readonly modules?: readonly Module[];
  /** Takes warnings about the configuration, one line each; by default they go to the error log. */
  readonly onWarning?: (message: string) => void;
}

/**
 * A proxy: `listen` once, then `drain` (in order) or `close` (at once). All three may be
 * called again and from anywhere; the later calls give the first one's result.
 */
export interface Proxy {
  /**
   * Compiles the configuration, binds every socket and serves. Resolves with where it listens.
   * Rejects with ConfigError for a mistake in the configuration, with MillraceError
   * (EADDRINUSE, EACCES, ...) for a socket that cannot be bound, with ERR_CLOSED after
   * drain or close. Nothing is left open when it rejects.
   */
  listen(): Promise<readonly BoundAddress[]>;
  /** Where it listens; with port 0 in the configuration, the port that was given. Empty before and after. */
  readonly addresses: readonly BoundAddress[];
  /** Stops accepting, lets what is under way finish, closes what is idle, then everything else. */
  drain(): Promise<void>;
  /** Closes everything at once. */
  close(): Promise<void>;
}

/**
 * Makes a proxy of a typed object, which has the names and the shape of nginx.conf.
 *
 *     const proxy = createProxy({
 *       http: { server: { listen: '127.0.0.1:8080', location: { '/': { proxy_pass: 'http://127.0.0.1:3000' } } } },
 *     });
 *     await proxy.listen();
 *     ...
 *     await proxy.drain();
 *
 * Nothing is opened, and nothing about the configuration is said, before `listen`.
 */
export function createProxy(config: ProxyOptions, options: CreateProxyOptions = {}): Proxy {
  const prefix = resolve(options.prefix ?? '.');
  return new ProxyHandle(prefix, options, async (modules) => loadConfigObject(config, prefix, modules));
}

/** As {@link createProxy}, from a configuration file; `path` is relative to the prefix. */
export function createProxyFromFile(path: string, options: CreateProxyOptions = {}): Proxy {
  const prefix = resolve(options.prefix ?? '.');
  return new ProxyHandle(prefix, options, () => loadConfigFile(path, prefix));
}

type LoadTree = (modules: readonly Module[]) => Promise<ConfigTree>;

class ProxyHandle implements Proxy {
  readonly #prefix: string;
  readonly #options: CreateProxyOptions;
  readonly #load: LoadTree;
  #reactor: Reactor | undefined;
  #engine: ProxyEngine | undefined;
  #logs: LogFiles | undefined;
  #listening: Promise<readonly BoundAddress[]> | undefined;
  #draining: Promise<void> | undefined;
  #closing: Promise<void> | undefined;

  constructor(prefix: string, options: CreateProxyOptions, load: LoadTree) {
    this.#prefix = prefix;
    this.#options = options;
    this.#load = load;
  }

  get addresses(): readonly BoundAddress[] {
    return this.#engine?.addresses ?? [];
  }

  listen(): Promise<readonly BoundAddress[]> {
    this.#listening ??= this.#start();
    return this.#listening;
  }

  drain(): Promise<void> {
    this.#draining ??= (this.#engine?.drain() ?? Promise.resolve()).then(() => this.close());
    return this.#draining;
  }

  close(): Promise<void> {
    this.#closing ??= this.#stop();
    return this.#closing;
  }

  async #start(): Promise<readonly BoundAddress[]> {
    this.#requireOpen();
    const modules = [...builtinModules, ...(this.#options.modules ?? [])];
    const logs = new LogFiles(this.#prefix);
    try {
      const compiled = await compileConfig(await this.#load(modules), {
        logs,
        modules,
        errorLogPath: encodeBytes(this.#options.errorLog ?? 'stderr'),
        ...(this.#options.onWarning === undefined ? {} : { onWarning: this.#options.onWarning }),
      });
      // Closed while the names of backends were being resolved.
      this.#requireOpen();
      const reactor = new Reactor();
      const engine = new ProxyEngine(reactor, compiled.runtime);
      try {
        engine.listen();
      } catch (error) {
        await reactor.close();
        throw error;
      }
      this.#reactor = reactor;
      this.#engine = engine;
      this.#logs = logs;
      return engine.addresses;
    } catch (error) {
      logs.close();
      throw error;
    }
  }

  async #stop(): Promise<void> {
    this.#engine?.stop();
    await this.#reactor?.close();
    this.#logs?.close();
  }

  #requireOpen(): void {
    if (this.#draining ?? this.#closing)
      throw new MillraceError('ERR_CLOSED', { message: 'The proxy is closed' });
  }
}

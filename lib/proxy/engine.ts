/**
 * The proxy as a whole, in one worker: its listeners, its clients, and how it ends.
 */
import { ignoringHandler } from '../reactor/ignoring-handler.js';
import type { Connection, ConnectionHandler } from '../reactor/connection.js';
import type { Listener } from '../reactor/listener.js';
import type { Reactor } from '../reactor/reactor.js';
import { errnoText } from '../errors/errno.js';
import { EngineContext } from './context.js';
import { Downstream } from './downstream.js';
import { ListenerServers } from './listener-servers.js';
import type { ListenConfig, RuntimeConfig } from './runtime.js';

/** A socket that the engine listens on. */
export interface BoundAddress {
  /** Numeric address, or a unix socket's path. */
  readonly address: string;
  /** -1 for a unix socket; never 0. */
  readonly port: number;
}

export class ProxyEngine {
  readonly context: EngineContext;
  readonly #config: RuntimeConfig;
  readonly #listeners: Listener[] = [];
  #limitLoggedMs = -Infinity;

  constructor(reactor: Reactor, config: RuntimeConfig) {
    this.#config = config;
    this.context = new EngineContext(reactor, config);
  }

  /**
   * Binds every socket, then accepts. Throws MillraceError (EADDRINUSE, EACCES, ...) for the
   * first that cannot be bound; what was bound before is closed again.
   */
  listen(): void {
    try {
      for (const listen of this.#config.listens) this.#listen(listen);
    } catch (error) {
      for (const listener of this.#listeners.splice(0)) listener.close();
      throw error;
    }
  }

  /** Where clients connect to; with port 0 in the configuration, the port that was given. */
  get addresses(): readonly BoundAddress[] {
    return this.#listeners.map((listener, index) => ({
      address: listener.address,
      port: this.#config.listens[index].port < 0 ? -1 : listener.port,
    }));
  }

  /** Stops accepting, lets what runs finish, closes what is idle; fulfilled when the last client has gone. */
  drain(): Promise<void> {
    const { context } = this;
    context.draining = true;
    this.#closeListeners();
    for (const group of this.#config.upstreams) group.closeIdle();
    return new Promise((resolve) => {
      const before = context.onIdle;
      context.onIdle = () => {
        before?.();
        resolve();
      };
      for (const client of context.clients) client.closeIfIdle();
      if (context.clients.size === 0) resolve();
    });
  }

  /** Closes everything at once. Exchanges under way are logged with what they had reached. */
  stop(): void {
    const { context } = this;
    context.draining = true;
    this.#closeListeners();
    for (const group of this.#config.upstreams) group.closeIdle();
    for (const client of context.clients) client.destroy();
  }

  #closeListeners(): void {
    for (const listener of this.#listeners.splice(0)) listener.close();
  }

  #listen(config: ListenConfig): void {
    const servers = new ListenerServers(config);
    const { context } = this;
    const { errorLog } = this.#config;
    const listener = context.reactor.listenRaw(
      {
        address: config.address,
        port: config.port,
        backlog: config.backlog,
        reusePort: config.reusePort,
        ipv6Only: config.ipv6Only,
        deferred: config.deferred,
        ...(config.port < 0 ? { unlinkPath: config.address } : {}),
        onAcceptError: (errno) => {
          errorLog.write('crit', `accept4() failed (${errno}: ${errnoText(errno)})`);
        },
      },
      (connection) => this.#accept(connection, servers),
    );
    this.#listeners.push(listener);
  }

  #accept(connection: Connection, servers: ListenerServers): ConnectionHandler {
    const { context } = this;
    if (context.clients.size >= this.#config.workerConnections) {
      this.#logLimit();
      connection.destroy();
      return ignoringHandler;
    }
    const downstream = new Downstream(connection, context, servers, ++context.serial);
    context.clients.add(downstream);
    return downstream;
  }

  /** At most once a second, however many are turned away. */
  #logLimit(): void {
    const { nowMs } = this.context;
    if (nowMs - this.#limitLoggedMs < 1000) return;
    this.#limitLoggedMs = nowMs;
    this.#config.errorLog.write(
      'alert',
      `${this.#config.workerConnections} worker_connections are not enough`,
    );
  }
}

/**
 * The servers behind one listening socket, with their lookup structures built once.
 */
import type { RequestLimits } from '../http/request-head.js';
import { LocationIndex } from './location-index.js';
import type { ListenConfig, ServerConfig } from './runtime.js';
import { ServerIndex } from './server-index.js';

export class ListenerServers {
  readonly config: ListenConfig;
  readonly index: ServerIndex;
  /** Bounds of a head, by the default server: which one is asked for is known only behind it. */
  readonly limits: RequestLimits;
  readonly #locations = new Map<ServerConfig, LocationIndex>();
  /** Often the next request is for the same server. */
  #lastServer: ServerConfig;
  #lastLocations: LocationIndex;

  constructor(config: ListenConfig) {
    this.config = config;
    this.index = new ServerIndex(config.servers);
    this.limits = this.index.defaultServer.headLimits;
    for (const server of config.servers) this.#locations.set(server, new LocationIndex(server));
    this.#lastServer = this.index.defaultServer;
    this.#lastLocations = this.#locations.get(this.#lastServer) as LocationIndex;
  }

  locations(server: ServerConfig): LocationIndex {
    if (server === this.#lastServer) return this.#lastLocations;
    this.#lastServer = server;
    this.#lastLocations = this.#locations.get(server) as LocationIndex;
    return this.#lastLocations;
  }
}

/**
 * Chooses the virtual server by the request's host, in nginx's order: exact name,
 * longest wildcard at the front ("*.example.com", ".example.com"), longest wildcard
 * at the end ("example.*"), the first regular expression, else the default server.
 */
import type { Exchange, Pattern } from '../module-api/index.js';
import type { ServerConfig } from './runtime.js';

export class ServerIndex {
  readonly defaultServer: ServerConfig;
  readonly #exact = new Map<string, ServerConfig>();
  /** Key: the part behind "*", with its dot: ".example.com". */
  readonly #front = new Map<string, ServerConfig>();
  /** Key: the part before "*", with its dot: "www.example.". */
  readonly #back = new Map<string, ServerConfig>();
  /** In the order of the file. */
  readonly #patterns: { readonly pattern: Pattern; readonly server: ServerConfig }[] = [];
  /** With one server there is nothing to choose, unless its expressions have groups to set. */
  readonly single: boolean;

  /** The default server first; the first server that has a name keeps it. */
  constructor(servers: readonly ServerConfig[]) {
    const first = servers[0];
    if (first === undefined) throw new Error('a listen needs a server');
    this.defaultServer = first;
    for (const server of servers) {
      for (const pattern of server.patterns) this.#patterns.push({ pattern, server });
      for (const raw of server.names) this.#add(raw.toLowerCase(), server);
    }
    this.single = servers.length === 1 && this.#patterns.length === 0;
  }

  /** `host`: lower-cased, without port, without a trailing dot. `exchange` gets the groups of an expression. */
  find(host: string, exchange: Exchange): ServerConfig {
    const exact = this.#exact.get(host);
    if (exact !== undefined) return exact;
    if (this.#front.size > 0) {
      // From the first dot on: the earlier the dot, the longer (more specific) the suffix.
      for (let dot = host.indexOf('.'); dot >= 0; dot = host.indexOf('.', dot + 1)) {
        const server = dot > 0 ? this.#front.get(host.slice(dot)) : undefined;
        if (server !== undefined) return server;
      }
    }
    if (this.#back.size > 0) {
      for (let dot = host.lastIndexOf('.'); dot > 0; dot = host.lastIndexOf('.', dot - 1)) {
        const server = this.#back.get(host.slice(0, dot + 1));
        if (server !== undefined) return server;
      }
    }
    if (host !== '') {
      for (const { pattern, server } of this.#patterns) if (pattern.test(exchange, host)) return server;
    }
    return this.defaultServer;
  }

  #add(name: string, server: ServerConfig): void {
    if (name.startsWith('~')) return;
    if (name.startsWith('*.')) {
      addFirst(this.#front, name.slice(1), server);
    } else if (name.startsWith('.')) {
      addFirst(this.#exact, name.slice(1), server);
      addFirst(this.#front, name, server);
    } else if (name.endsWith('.*')) {
      addFirst(this.#back, name.slice(0, -1), server);
    } else {
      addFirst(this.#exact, name, server);
    }
  }
}

function addFirst(map: Map<string, ServerConfig>, key: string, server: ServerConfig): void {
  if (!map.has(key)) map.set(key, server);
}

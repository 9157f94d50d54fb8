/**
 * Groups of backends: the `upstream` blocks, and one implicit group for each authority
 * that is passed to without one. Names are resolved while the configuration is compiled.
 */
import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import type { Position } from '../module-api/index.js';
import { parseAuthority, type Authority } from '../modules/address.js';
import {
  upstreamKeepalive,
  upstreamKeepaliveRequests,
  upstreamKeepaliveTime,
  upstreamKeepaliveTimeout,
  upstreamServer,
  type UpstreamServerSetting,
} from '../modules/upstream.js';
import { UpstreamGroup, type PeerConfig } from '../proxy/upstream-group.js';
import { ConfigError } from './config-error.js';
import { blockArgument, type Block } from './tree.js';

/** Gives the numeric addresses of a name, at least one; rejects when there is none. */
export type ResolveName = (host: string) => Promise<readonly string[]>;

/** The system's resolver; IPv4 addresses first, as nginx orders its peers. */
export const systemResolver: ResolveName = async (host) => {
  const found = await lookup(host, { all: true, order: 'ipv4first' });
  return [...new Set(found.map(({ address }) => address))];
};

/** Port of a backend that has none. */
const DEFAULT_PORT = 80;
/** Groups that are kept for addresses found while requests run. */
const MAX_FOUND = 256;

/** Thrown by {@link Upstreams.group} for a name that must be resolved first; see {@link Upstreams.settle}. */
export class UnresolvedName extends Error {
  readonly host: string;
  readonly position: Position;

  constructor(host: string, position: Position) {
    super(`"${host}" is not resolved yet`);
    this.host = host;
    this.position = position;
  }
}

/** The groups of one configuration. */
export class Upstreams {
  readonly #resolveName: ResolveName;
  readonly #addresses = new Map<string, readonly string[]>();
  /** By lower-cased name. */
  readonly #explicit = new Map<string, UpstreamGroup>();
  /** By authority with its port. */
  readonly #implicit = new Map<string, UpstreamGroup>();
  /** Groups for numeric addresses that requests asked for. */
  readonly #found = new Map<string, UpstreamGroup>();

  constructor(resolveName: ResolveName) {
    this.#resolveName = resolveName;
  }

  /** Every group so far; the blocks first. */
  all(): UpstreamGroup[] {
    return [...this.#explicit.values(), ...this.#implicit.values()];
  }

  /** Adds an `upstream` block. Throws ConfigError. */
  async add(block: Block): Promise<void> {
    const { text: name, position } = blockArgument(block, 0);
    const key = name.toLowerCase();
    if (this.#explicit.has(key)) throw new ConfigError(`duplicate upstream "${name}"`, position);
    const servers = block.settings.own(upstreamServer) ?? [];
    if (servers.every((server) => server.backup)) {
      throw new ConfigError('no servers are inside upstream', position);
    }
    const peers: PeerConfig[] = [];
    for (const server of servers) {
      await this.settle(server.address.host, server.position, server.address);
      peers.push(...this.#peers(server, server.position));
    }
    const group = new UpstreamGroup({
      name,
      peers,
      keepalive: block.settings.get(upstreamKeepalive),
      keepaliveRequests: block.settings.get(upstreamKeepaliveRequests),
      keepaliveTimeoutMs: block.settings.get(upstreamKeepaliveTimeout),
      keepaliveTimeMs: block.settings.get(upstreamKeepaliveTime),
    });
    this.#explicit.set(key, group);
  }

  /**
   * The group for an authority: that of the block with this name, else the implicit one.
   * Throws ConfigError, or UnresolvedName when a name has to be resolved before.
   */
  group(text: string, position: Position): UpstreamGroup {
    const address = parseAuthority(text, DEFAULT_PORT);
    if (typeof address === 'string') throw new ConfigError(`${address} in upstream "${text}"`, position);
    const explicit = address.port < 0 ? undefined : this.#explicit.get(address.host.toLowerCase());
    if (explicit !== undefined) {
      if (!address.hasPort) return explicit;
      throw new ConfigError(`upstream "${address.host}" may not have port ${address.port}`, position);
    }
    let group = this.#implicit.get(address.name);
    if (group === undefined) {
      group = this.#createImplicit(text, address, position);
      this.#implicit.set(address.name, group);
    }
    return group;
  }

  /**
   * The group for an authority that is known only while a request runs: that of the
   * configuration, else one for a numeric address. A text says why there is none.
   */
  readonly find = (text: string): UpstreamGroup | string => {
    const address = parseAuthority(text, DEFAULT_PORT);
    if (typeof address === 'string') return `${address} in upstream "${text}"`;
    const explicit =
      address.port < 0 || address.hasPort ? undefined : this.#explicit.get(address.host.toLowerCase());
    const known = explicit ?? this.#implicit.get(address.name) ?? this.#found.get(address.name);
    if (known !== undefined) return known;
    if (address.port >= 0 && isIP(address.host) === 0)
      return `no resolver defined to resolve ${address.host}`;
    // Clients may name as many addresses as they like.
    if (this.#found.size >= MAX_FOUND) this.#found.clear();
    const group = this.#createImplicit(text, address, { file: '', line: 0, column: 0 });
    this.#found.set(address.name, group);
    return group;
  };

  /** Resolves a name, unless that was done before or it is an address. Throws ConfigError when it has no address. */
  async settle(host: string, position: Position, address?: Authority): Promise<void> {
    if (address?.port === -1 || isIP(host) !== 0 || this.#addresses.has(host)) return;
    let addresses: readonly string[];
    try {
      addresses = await this.#resolveName(host);
    } catch (error) {
      throw notFound(address?.name ?? host, position, error);
    }
    if (addresses.length === 0) throw notFound(address?.name ?? host, position, undefined);
    this.#addresses.set(host, addresses);
  }

  /** nginx keeps no idle connections for a group that has no block. */
  #createImplicit(name: string, address: Authority, position: Position): UpstreamGroup {
    const server = { address, weight: 1, maxFails: 1, failTimeoutMs: 10_000, maxConns: 0 };
    return new UpstreamGroup({
      name,
      peers: this.#peers({ ...server, backup: false, down: false }, position),
      keepalive: 0,
      keepaliveRequests: upstreamKeepaliveRequests.default,
      keepaliveTimeoutMs: upstreamKeepaliveTimeout.default,
      keepaliveTimeMs: upstreamKeepaliveTime.default,
    });
  }

  #peers(server: Omit<UpstreamServerSetting, 'position'>, position: Position): PeerConfig[] {
    const { address, ...policy } = server;
    const { host, port } = address;
    if (port < 0) return [{ ...peerPolicy(policy), address: host, port, name: address.name }];
    const addresses = isIP(host) === 0 ? this.#addresses.get(host) : [host];
    if (addresses === undefined) throw new UnresolvedName(host, position);
    return addresses.map((numeric) => ({
      ...peerPolicy(policy),
      address: numeric,
      port,
      name: numeric.includes(':') ? `[${numeric}]:${port}` : `${numeric}:${port}`,
    }));
  }
}

type Policy = Omit<PeerConfig, 'address' | 'port' | 'name'>;

function peerPolicy({ weight, maxFails, failTimeoutMs, maxConns, backup, down }: Policy): Policy {
  return { weight, maxFails, failTimeoutMs, maxConns, backup, down };
}

function notFound(name: string, position: Position, cause: unknown): ConfigError {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
  return new ConfigError(
    `host not found in upstream "${name}"`,
    position,
    code === '' ? '' : `resolver: ${code}`,
  );
}

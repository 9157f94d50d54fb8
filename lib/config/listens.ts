/**
 * Sockets: which servers share one, which of them is its default, and with which
 * options it is opened.
 */
import { SocketAddress, isIPv6 } from 'node:net';
import type { Position } from '../module-api/index.js';
import { DEFAULT_BACKLOG, listen, type ListenSetting } from '../modules/listen.js';
import type { ListenConfig, ServerConfig } from '../proxy/runtime.js';
import { ConfigError } from './config-error.js';
import type { Block } from './tree.js';

/** A server and the block it was made of. */
export interface CompiledServer {
  readonly config: ServerConfig;
  readonly block: Block;
}

interface Socket {
  readonly address: string;
  readonly port: number;
  readonly label: string;
  readonly servers: ServerConfig[];
  readonly position: Position | undefined;
  /** The setting that brought options; the first one otherwise. */
  options: ListenSetting;
  defaultServer: ServerConfig | undefined;
}

/**
 * Groups the `listen` directives of all servers by socket, in order of appearance.
 * `warn` takes a line about names that two servers of one socket claim.
 */
export function groupListens(
  servers: readonly CompiledServer[],
  warn: (message: string, position: Position | undefined) => void,
): ListenConfig[] {
  const sockets = new Map<string, Socket>();
  for (const { config, block } of servers) {
    const settings = block.settings.own(listen) ?? [implicitListen(block)];
    const own = new Set<string>();
    for (const setting of settings) {
      const label = socketLabel(setting);
      if (own.has(label)) throw new ConfigError(`a duplicate listen ${label}`, setting.position);
      own.add(label);
      addListen(sockets, label, setting, config);
    }
  }
  refuseOverlaps([...sockets.values()]);
  return [...sockets.values()].map((socket) => finish(socket, warn));
}

/** nginx's default: port 80, or 8000 for those who may not open it. */
function implicitListen(block: Block): ListenSetting {
  return {
    address: '0.0.0.0',
    port: process.geteuid?.() === 0 ? 80 : 8000,
    defaultServer: false,
    backlog: undefined,
    reusePort: false,
    deferred: false,
    ipv6Only: true,
    hasOptions: false,
    position: block.node?.position ?? { file: '', line: 0, column: 0 },
  };
}

function addListen(
  sockets: Map<string, Socket>,
  label: string,
  setting: ListenSetting,
  server: ServerConfig,
): void {
  let socket = sockets.get(label);
  if (socket === undefined) {
    const { port, position } = setting;
    const address = canonicalAddress(setting.address);
    socket = { address, port, label, servers: [], position, options: setting, defaultServer: undefined };
    sockets.set(label, socket);
  } else if (setting.hasOptions) {
    if (socket.options.hasOptions) {
      throw new ConfigError(`duplicate listen options for ${label}`, setting.position);
    }
    socket.options = setting;
  }
  if (setting.defaultServer) {
    if (socket.defaultServer !== undefined) {
      throw new ConfigError(`a duplicate default server for ${label}`, setting.position);
    }
    socket.defaultServer = server;
  }
  socket.servers.push(server);
}

/**
 * nginx opens the wildcard socket alone and chooses among its addresses by the local
 * address of the connection. Here each address is a socket of its own, and the system
 * refuses one beside the wildcard: said at once, not when the second bind fails.
 */
function refuseOverlaps(sockets: readonly Socket[]): void {
  for (const wildcard of sockets) {
    if (wildcard.address !== '0.0.0.0' && wildcard.address !== '::') continue;
    const dual = wildcard.address === '::' && !wildcard.options.ipv6Only;
    const overlapping = sockets.find(
      (other) =>
        other !== wildcard &&
        other.port === wildcard.port &&
        (dual || isIPv6(other.address) === isIPv6(wildcard.address)),
    );
    if (overlapping !== undefined) {
      throw new ConfigError(
        `listening on ${overlapping.label} beside ${wildcard.label} is not supported yet`,
        overlapping.position,
        'use the wildcard address for both',
      );
    }
  }
}

function finish(
  socket: Socket,
  warn: (message: string, position: Position | undefined) => void,
): ListenConfig {
  const { address, port, label, options, position } = socket;
  const first = socket.defaultServer;
  const servers =
    first === undefined ? socket.servers : [first, ...socket.servers.filter((server) => server !== first)];
  // Conflicts are told in the order of the file, which is also who wins.
  const owners = new Map<string, ServerConfig>();
  for (const server of socket.servers) {
    for (const name of server.names) {
      const owner = owners.get(name);
      if (owner === undefined) owners.set(name, server);
      else if (owner !== server) warn(`conflicting server name "${name}" on ${label}, ignored`, undefined);
    }
  }
  return {
    address,
    port,
    backlog: options.backlog ?? DEFAULT_BACKLOG,
    reusePort: options.reusePort,
    ipv6Only: options.ipv6Only,
    deferred: options.deferred,
    servers,
    position,
  };
}

/** "0.0.0.0:80", "[::]:80", "unix:/path": the same for every spelling of one address. */
function socketLabel({ address, port }: ListenSetting): string {
  if (port < 0) return `unix:${address}`;
  const canonical = canonicalAddress(address);
  return canonical.includes(':') ? `[${canonical}]:${port}` : `${canonical}:${port}`;
}

function canonicalAddress(address: string): string {
  return isIPv6(address) ? new SocketAddress({ address, family: 'ipv6' }).address : address;
}

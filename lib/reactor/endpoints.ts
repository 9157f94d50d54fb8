/** Both ends of a socket, read from the kernel's numbers when somebody asks for them. */
import { native } from '../native/index.js';

/** "address port" taken apart; port 0 for a unix socket. */
export function splitEndpoint(endpoint: string): { address: string; port: number } {
  const space = endpoint.lastIndexOf(' ');
  const port = space < 0 ? NaN : Number(endpoint.slice(space + 1));
  if (!Number.isInteger(port)) return { address: endpoint, port: 0 };
  return { address: endpoint.slice(0, space), port: Math.max(port, 0) };
}

/** Addresses and ports of one socket. A closed handle (-1) gives "" and 0. */
export class Endpoints {
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly localAddress: string;
  readonly localPort: number;

  constructor(handle: number) {
    const remote = splitEndpoint(handle < 0 ? '' : native.remoteAddress(handle));
    const local = splitEndpoint(handle < 0 ? '' : native.localAddress(handle));
    this.remoteAddress = remote.address;
    this.remotePort = remote.port;
    this.localAddress = local.address;
    this.localPort = local.port;
  }
}

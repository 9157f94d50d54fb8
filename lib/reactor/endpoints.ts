/** Both ends of a socket, read from the kernel's numbers when somebody asks for them. */
import { native } from '../native/index.js';

/** "address port" taken apart; port 0 for a unix socket. */
export function splitEndpoint(endpoint: string): Endpoint {
  const space = endpoint.lastIndexOf(' ');
  const port = space < 0 ? NaN : Number(endpoint.slice(space + 1));
  if (!Number.isInteger(port)) return { address: endpoint, port: 0 };
  return { address: endpoint.slice(0, space), port: Math.max(port, 0) };
}

/** A numeric address, or a unix socket's path with port 0. */
export interface Endpoint {
  readonly address: string;
  readonly port: number;
}

/** Connections come in a row from the same client: one string for them all is compared by its address alone. */
let lastAddress = '';

function shared(endpoint: Endpoint): Endpoint {
  if (endpoint.address === lastAddress) return { address: lastAddress, port: endpoint.port };
  lastAddress = endpoint.address;
  return endpoint;
}

const NOWHERE: Endpoint = { address: '', port: 0 };

/**
 * The ends of one socket. The peer's is known from accept; ours costs a system call, so
 * each is asked for on its own. A closed handle (-1) gives "" and 0.
 */
export class Endpoints {
  readonly #handle: number;
  #remote: Endpoint | undefined;
  #local: Endpoint | undefined;

  constructor(handle: number) {
    this.#handle = handle;
  }

  get remote(): Endpoint {
    this.#remote ??= this.#handle < 0 ? NOWHERE : shared(splitEndpoint(native.remoteAddress(this.#handle)));
    return this.#remote;
  }

  get local(): Endpoint {
    this.#local ??= this.#handle < 0 ? NOWHERE : splitEndpoint(native.localAddress(this.#handle));
    return this.#local;
  }
}

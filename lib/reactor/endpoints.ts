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

const SPACE = 0x20;
const ZERO = 0x30;

/** As {@link splitEndpoint}, but the address is the last one's string where that is the same. */
function readEndpoint(endpoint: string): Endpoint {
  const { length } = lastAddress;
  if (endpoint.charCodeAt(length) === SPACE && endpoint.startsWith(lastAddress)) {
    const port = digits(endpoint, length + 1);
    if (port >= 0) return { address: lastAddress, port };
  }
  const split = splitEndpoint(endpoint);
  lastAddress = split.address;
  return split;
}

/** The number that a text ends with from `from` on; -1 when there is anything but digits. */
function digits(text: string, from: number): number {
  let number = from < text.length ? 0 : -1;
  for (let i = from; i < text.length; i++) {
    const digit = text.charCodeAt(i) - ZERO;
    if (digit < 0 || digit > 9) return -1;
    number = number * 10 + digit;
  }
  return number;
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
    this.#remote ??= this.#handle < 0 ? NOWHERE : readEndpoint(native.remoteAddress(this.#handle));
    return this.#remote;
  }

  get local(): Endpoint {
    this.#local ??= this.#handle < 0 ? NOWHERE : splitEndpoint(native.localAddress(this.#handle));
    return this.#local;
  }
}

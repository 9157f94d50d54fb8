/**
 * A group of peers, its balancer and its pool of idle connections.
 */

/** One `server` of an `upstream`, resolved: a name with two addresses makes two peers. */
export interface PeerConfig {
  /** Numeric address, or a unix socket's path with port -1. */
  readonly address: string;
  readonly port: number;
  /** As logged in `$upstream_addr`: "127.0.0.1:3000", "[::1]:80", "unix:/tmp/s". */
  readonly name: string;
  readonly weight: number;
  /** 0 disables passive health accounting. */
  readonly maxFails: number;
  readonly failTimeoutMs: number;
  /** 0 is without limit. */
  readonly maxConns: number;
  readonly backup: boolean;
  readonly down: boolean;
}

export interface UpstreamGroupOptions {
  /** The name of the `upstream`, or the authority of an implicit group. */
  readonly name: string;
  readonly peers: readonly PeerConfig[];
  /** Idle connections kept by this worker; 0 keeps none. */
  readonly keepalive: number;
  readonly keepaliveRequests: number;
  /** How long an idle connection is kept. */
  readonly keepaliveTimeoutMs: number;
  /** How long any connection may live in all. */
  readonly keepaliveTimeMs: number;
}

export class UpstreamGroup {
  readonly name: string;

  constructor(options: UpstreamGroupOptions) {
    this.name = options.name;
  }
}

/**
 * Finds the location of a URI: an exact one, else the longest prefix.
 *
 * Prefixes are kept in a tree by containment ("/" holds "/a/", "/a/" holds "/a/b/"),
 * so that a lookup descends only where the URI already matches: the work is bounded
 * by the siblings on the path, not by the number of locations.
 */
import type { LocationConfig, ServerConfig } from './runtime.js';

interface Node {
  readonly bytes: Uint8Array;
  readonly location: LocationConfig;
  readonly children: Node[];
}

export class LocationIndex {
  readonly #exact: { readonly bytes: Uint8Array; readonly location: LocationConfig }[] = [];
  readonly #roots: Node[] = [];
  readonly #named = new Map<string, LocationConfig>();
  readonly #fallback: LocationConfig;

  constructor(server: ServerConfig) {
    this.#fallback = server.fallback;
    const prefixes: LocationConfig[] = [];
    for (const location of server.locations) {
      if (location.kind === 'exact') {
        this.#exact.push({ bytes: Buffer.from(location.name, 'latin1'), location });
      } else if (location.kind === 'named') {
        this.#named.set(location.name, location);
      } else {
        prefixes.push(location);
      }
    }
    prefixes.sort((a, b) => a.name.length - b.name.length);
    for (const location of prefixes) {
      insert(this.#roots, { bytes: Buffer.from(location.name, 'latin1'), location, children: [] });
    }
  }

  /** The location of the normalised URI that lies at [start, end) of `u8`. */
  find(u8: Uint8Array, start: number, end: number): LocationConfig {
    for (const exact of this.#exact) {
      if (exact.bytes.length === end - start && startsWith(u8, start, end, exact.bytes, 0)) {
        return exact.location;
      }
    }
    let found = this.#fallback;
    let level = this.#roots;
    let matched = 0;
    for (let at = 0; at < level.length; at++) {
      const node = level[at];
      if (!startsWith(u8, start, end, node.bytes, matched)) continue;
      found = node.location;
      matched = node.bytes.length;
      level = node.children;
      at = -1;
    }
    return found;
  }

  /** "@name". */
  named(name: string): LocationConfig | undefined {
    return this.#named.get(name);
  }
}

/** Whether [start, end) begins with `prefix`, of which the first `known` bytes are known to match. */
function startsWith(u8: Uint8Array, start: number, end: number, prefix: Uint8Array, known: number): boolean {
  if (end - start < prefix.length) return false;
  for (let i = known; i < prefix.length; i++) {
    if (u8[start + i] !== prefix[i]) return false;
  }
  return true;
}

/** Nodes come by length, so a parent is there before its children. */
function insert(level: Node[], node: Node): void {
  for (const sibling of level) {
    if (startsWith(node.bytes, 0, node.bytes.length, sibling.bytes, 0)) {
      insert(sibling.children, node);
      return;
    }
  }
  level.push(node);
}

/**
 * Finds the location of a URI: an exact one, else the longest prefix; where there are
 * regular expressions, the first that matches wins over the prefix.
 *
 * Prefixes are kept in a tree by containment ("/" holds "/a/", "/a/" holds "/a/b/"),
 * so that a lookup descends only where the URI already matches: the work is bounded
 * by the siblings on the path, not by the number of locations. Without expressions it
 * does not matter which location is written inside which; with them each block of the
 * configuration is a level of its own.
 */
import type { Exchange, Pattern } from '../module-api/index.js';
import type { LocationConfig, LocationNode, ServerConfig } from './runtime.js';

interface PrefixNode {
  readonly bytes: Uint8Array;
  readonly entry: Entry;
  readonly children: PrefixNode[];
}

/** A location as its level knows it. */
interface Entry {
  readonly location: LocationConfig;
  /** `^~`. */
  readonly final: boolean;
  readonly pattern: Pattern | undefined;
  readonly inner: Level | undefined;
}

export class LocationIndex {
  readonly #level: Level;
  readonly #named = new Map<string, LocationConfig>();
  readonly #fallback: LocationConfig;

  constructor(server: ServerConfig) {
    this.#fallback = server.fallback;
    for (const location of server.locations) {
      if (location.kind === 'named') this.#named.set(location.name, location);
    }
    this.#level = new Level(
      server.locationTree ??
        server.locations.map((location) => ({ location, pattern: undefined, final: false, inner: [] })),
    );
  }

  /** The location of the normalised URI that lies at [start, end) of `u8`; expressions look at `exchange.uri`, which is the same. */
  find(u8: Uint8Array, start: number, end: number, exchange: Exchange): LocationConfig {
    return this.#level.find(u8, start, end, exchange)?.location ?? this.#fallback;
  }

  /** "@name". */
  named(name: string): LocationConfig | undefined {
    return this.#named.get(name);
  }
}

/** The locations of one block. */
class Level {
  readonly #exact: { readonly bytes: Uint8Array; readonly entry: Entry }[] = [];
  readonly #roots: PrefixNode[] = [];
  readonly #patterns: Entry[] = [];
  /** Set by `find`: nothing of an outer level may win over what was found. */
  decided = false;

  constructor(nodes: readonly LocationNode[]) {
    const prefixes: PrefixNode[] = [];
    for (const { location, pattern, final, inner } of nodes) {
      const { kind, name } = location;
      if (kind === 'named') continue;
      const entry = { location, final, pattern, inner: inner.length > 0 ? new Level(inner) : undefined };
      const bytes = Buffer.from(name, 'latin1');
      if (kind === 'exact') this.#exact.push({ bytes, entry });
      else if (kind === 'regex') this.#patterns.push(entry);
      else prefixes.push({ bytes, entry, children: [] });
    }
    prefixes.sort((a, b) => a.bytes.length - b.bytes.length);
    for (const node of prefixes) insert(this.#roots, node);
  }

  find(u8: Uint8Array, start: number, end: number, exchange: Exchange): Entry | undefined {
    this.decided = false;
    for (const { bytes, entry } of this.#exact) {
      if (bytes.length === end - start && startsWith(u8, start, end, bytes, 0)) {
        this.decided = true;
        return entry;
      }
    }
    let found = this.#longestPrefix(u8, start, end);
    const stop = found?.final === true;
    const inner = found?.inner;
    if (inner !== undefined) {
      found = inner.find(u8, start, end, exchange) ?? found;
      if (inner.decided) {
        this.decided = true;
        return found;
      }
    }
    if (stop) return found;
    for (const entry of this.#patterns) {
      if (entry.pattern?.test(exchange, exchange.uri) !== true) continue;
      this.decided = true;
      return entry.inner?.find(u8, start, end, exchange) ?? entry;
    }
    return found;
  }

  #longestPrefix(u8: Uint8Array, start: number, end: number): Entry | undefined {
    let found: Entry | undefined;
    let level = this.#roots;
    let matched = 0;
    for (let at = 0; at < level.length; at++) {
      const node = level[at];
      if (!startsWith(u8, start, end, node.bytes, matched)) continue;
      found = node.entry;
      matched = node.bytes.length;
      level = node.children;
      at = -1;
    }
    return found;
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
function insert(level: PrefixNode[], node: PrefixNode): void {
  for (const sibling of level) {
    if (startsWith(node.bytes, 0, node.bytes.length, sibling.bytes, 0)) {
      insert(sibling.children, node);
      return;
    }
  }
  level.push(node);
}

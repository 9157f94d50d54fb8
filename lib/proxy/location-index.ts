/**
 * Finds the location of a URI: an exact one, else the longest prefix; where there are
 * regular expressions, the first that matches wins over the prefix.
 *
 * Exact locations and prefixes are in a tree (prefix-tree.ts), so that a lookup does not
 * depend on their number. Without expressions it does not matter which location is written
 * inside which; with them each block of the configuration is a level of its own.
 */
import { host } from '../native/host.js';
import type { Exchange, Pattern } from '../module-api/index.js';
import { PrefixTree } from './prefix-tree.js';
import type { LocationConfig, LocationNode, ServerConfig } from './runtime.js';

const { u8, layout } = host;
/** Where a URI is put that does not lie in the arena: in the scratch region, in which nothing is being composed now. */
const { scratch: SCRATCH, scratchSize: SCRATCH_BYTES } = layout;

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

  /**
   * The location of the normalised URI that lies at [start, end) of the arena, with at least
   * three bytes behind it; expressions look at `exchange.uri`, which is the same.
   */
  find(start: number, end: number, exchange: Exchange): LocationConfig {
    return this.#level.find(start, end, exchange)?.location ?? this.#fallback;
  }

  /** The location of `exchange.uri`, wherever it comes from. */
  findByUri(exchange: Exchange): LocationConfig {
    const { uri } = exchange;
    // One byte more than the longest name: whatever else follows makes no difference.
    const length = Math.min(uri.length, this.#level.longest + 1, SCRATCH_BYTES - 3);
    for (let i = 0; i < length; i++) u8[SCRATCH + i] = uri.charCodeAt(i);
    return this.find(SCRATCH, SCRATCH + length, exchange);
  }

  /** "@name". */
  named(name: string): LocationConfig | undefined {
    return this.#named.get(name);
  }
}

/** The locations of one block. */
class Level {
  /** Bytes of the longest name, of those inside too. */
  readonly longest: number;
  readonly #tree: PrefixTree<Entry>;
  readonly #patterns: Entry[] = [];
  /** Set by `find`: nothing of an outer level may win over what was found. */
  decided = false;

  constructor(nodes: readonly LocationNode[]) {
    const exacts: [string, Entry][] = [];
    const prefixes: [string, Entry][] = [];
    let longest = 0;
    for (const { location, pattern, final, inner } of nodes) {
      const { kind, name } = location;
      if (kind === 'named') continue;
      const entry = { location, final, pattern, inner: inner.length > 0 ? new Level(inner) : undefined };
      if (kind === 'exact') exacts.push([name, entry]);
      else if (kind === 'regex') this.#patterns.push(entry);
      else prefixes.push([name, entry]);
      if (entry.inner !== undefined) longest = Math.max(longest, entry.inner.longest);
    }
    this.#tree = new PrefixTree(prefixes, exacts);
    this.longest = Math.max(longest, this.#tree.longest);
  }

  find(start: number, end: number, exchange: Exchange): Entry | undefined {
    let found = this.#tree.find(start, end);
    const { exact } = this.#tree;
    this.decided = exact !== undefined;
    if (exact !== undefined) return exact;
    const stop = found?.final === true;
    const inner = found?.inner;
    if (inner !== undefined) {
      found = inner.find(start, end, exchange) ?? found;
      if (inner.decided) {
        this.decided = true;
        return found;
      }
    }
    if (stop) return found;
    for (const entry of this.#patterns) {
      if (entry.pattern?.test(exchange, exchange.uri) !== true) continue;
      this.decided = true;
      return entry.inner?.find(start, end, exchange) ?? entry;
    }
    return found;
  }
}

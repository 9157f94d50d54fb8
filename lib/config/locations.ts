/** Reads what `location` says about itself, and whether it may stand inside another. */
import { ConfigError } from './config-error.js';
import { blockArgument, type Block } from './tree.js';

/** A location's own words. */
export interface LocationSpec {
  readonly kind: 'prefix' | 'exact' | 'named';
  /** "/", "/images/", "@fallback". */
  readonly name: string;
}

/** A location with its block; nested ones stand in the list on their own. */
export interface LocatedBlock extends LocationSpec {
  readonly block: Block;
}

const NO_REGEX = 'a regular expression in "location" is not supported yet';

/**
 * Every location of a server, from the outside in, in the order of the file.
 *
 * The list is flat, because the longest prefix is the longest wherever it stands. A
 * nested location with the very name of one around it hides that one.
 * Throws ConfigError.
 */
export function collectLocations(server: Block): LocatedBlock[] {
  const found = new Map<string, LocatedBlock>();
  collect(server, [], found);
  return [...found.values()];
}

function collect(block: Block, outer: readonly LocatedBlock[], found: Map<string, LocatedBlock>): void {
  const siblings = new Set<string>();
  for (const inner of block.blocks) {
    const spec = readLocation(inner);
    const around = outer[outer.length - 1];
    if (around !== undefined) checkNesting(spec, around, inner);
    const key = `${spec.kind} ${spec.name}`;
    const hidden = outer.some((each) => each.kind === spec.kind && each.name === spec.name);
    if (siblings.has(key) || (found.has(key) && !hidden)) {
      throw new ConfigError(`duplicate location "${spec.name}"`, inner.node?.position);
    }
    siblings.add(key);
    const located = { ...spec, block: inner };
    found.set(key, located);
    collect(inner, [...outer, located], found);
  }
}

function readLocation(block: Block): LocationSpec {
  const first = blockArgument(block, 0);
  const second = block.node?.args[1];
  if (second !== undefined) {
    if (first.text === '=') return { kind: 'exact', name: second.text };
    if (first.text === '^~') return { kind: 'prefix', name: second.text };
    if (first.text === '~' || first.text === '~*') throw new ConfigError(NO_REGEX, first.position);
    throw new ConfigError(`invalid location modifier "${first.text}"`, first.position);
  }
  const { text } = first;
  if (text.startsWith('=')) return { kind: 'exact', name: text.slice(1) };
  if (text.startsWith('^~')) return { kind: 'prefix', name: text.slice(2) };
  if (text.startsWith('~')) throw new ConfigError(NO_REGEX, first.position);
  return { kind: text.startsWith('@') ? 'named' : 'prefix', name: text };
}

function checkNesting(inner: LocationSpec, outer: LocationSpec, block: Block): void {
  const position = block.node?.position;
  if (outer.kind === 'exact' || outer.kind === 'named') {
    throw new ConfigError(
      `location "${inner.name}" cannot be inside the ${outer.kind} location "${outer.name}"`,
      position,
    );
  }
  if (inner.kind === 'named') {
    throw new ConfigError(`named location "${inner.name}" can be on the server level only`, position);
  }
  if (!inner.name.startsWith(outer.name)) {
    throw new ConfigError(`location "${inner.name}" is outside location "${outer.name}"`, position);
  }
}

/** Reads what `location` says about itself, and whether it may stand inside another. */
import type { ParseContext, Pattern } from '../module-api/index.js';
import type { LocationConfig, LocationNode } from '../proxy/runtime.js';
import { ConfigError } from './config-error.js';
import { isLimit } from './limit-except.js';
import { blockArgument, type Block } from './tree.js';

/** A location's own words. */
export interface LocationSpec {
  readonly kind: 'prefix' | 'exact' | 'regex' | 'named';
  /** "/", "/images/", "@fallback", "\\.php$". */
  readonly name: string;
  readonly pattern: Pattern | undefined;
  /** `^~`. */
  readonly final: boolean;
}

/** A location with its block. */
export interface LocatedBlock extends LocationSpec {
  readonly block: Block;
  readonly inner: readonly LocatedBlock[];
}

/**
 * Every location of a server, in the order of the file, with those inside it.
 * Throws ConfigError.
 */
export function collectLocations(server: Block, parse: ParseContext): LocatedBlock[] {
  return collect(server, [], new Map<string, LocationSpec>(), parse);
}

/** The same in one list, from the outside in. */
export function flatten(located: readonly LocatedBlock[]): LocatedBlock[] {
  return located.flatMap((each) => [each, ...flatten(each.inner)]);
}

/**
 * Of such a list, what is needed without regular expressions: the longest prefix is the
 * longest wherever it stands, and a nested location with the very name of one around it
 * hides that one.
 */
export function withoutHidden(located: readonly LocatedBlock[]): LocatedBlock[] {
  return [...new Map(located.map((each) => [keyOf(each), each])).values()];
}

/** The tree that the engine searches where there are regular expressions; `compiled` gives the locations that a block became. */
export function locationTree(
  located: readonly LocatedBlock[],
  compiled: (block: LocatedBlock) => readonly LocationConfig[],
): LocationNode[] {
  return located.flatMap((each) => {
    const { pattern, final, inner } = each;
    return compiled(each).map((location, index) => ({
      location,
      pattern,
      final,
      inner: index === 0 ? locationTree(inner, compiled) : [],
    }));
  });
}

const keyOf = ({ kind, name }: LocationSpec): string => `${kind} ${name}`;

function collect(
  block: Block,
  outer: readonly LocationSpec[],
  found: Map<string, LocationSpec>,
  parse: ParseContext,
): LocatedBlock[] {
  const siblings = new Set<string>();
  return block.blocks
    .filter((inner) => !isLimit(inner))
    .map((inner) => {
      const spec = readLocation(inner, parse);
      const around = outer[outer.length - 1];
      if (around !== undefined) checkNesting(spec, around, inner);
      if (spec.kind !== 'regex') {
        const key = keyOf(spec);
        const hidden = outer.some((each) => each.kind === spec.kind && each.name === spec.name);
        if (siblings.has(key) || (found.has(key) && !hidden)) {
          throw new ConfigError(`duplicate location "${spec.name}"`, inner.node?.position);
        }
        siblings.add(key);
        found.set(key, spec);
      }
      return { ...spec, block: inner, inner: collect(inner, [...outer, spec], found, parse) };
    });
}

const plain = (kind: 'prefix' | 'exact' | 'named', name: string, final = false): LocationSpec => ({
  kind,
  name,
  final,
  pattern: undefined,
});

function readLocation(block: Block, parse: ParseContext): LocationSpec {
  const first = blockArgument(block, 0);
  const second = block.node?.args[1];
  if (second !== undefined) {
    if (first.text === '=') return plain('exact', second.text);
    if (first.text === '^~') return plain('prefix', second.text, true);
    if (first.text !== '~' && first.text !== '~*') {
      throw new ConfigError(`invalid location modifier "${first.text}"`, first.position);
    }
    const pattern = parse.compilePattern(second, second.text, first.text === '~*');
    return { kind: 'regex', name: second.text, pattern, final: false };
  }
  const { text } = first;
  if (text.startsWith('=')) return plain('exact', text.slice(1));
  if (text.startsWith('^~')) return plain('prefix', text.slice(2), true);
  if (text.startsWith('~')) {
    const caseless = text.startsWith('~*');
    const name = text.slice(caseless ? 2 : 1);
    return { kind: 'regex', name, pattern: parse.compilePattern(first, name, caseless), final: false };
  }
  return plain(text.startsWith('@') ? 'named' : 'prefix', text);
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
  if (inner.kind !== 'regex' && !inner.name.startsWith(outer.name)) {
    throw new ConfigError(`location "${inner.name}" is outside location "${outer.name}"`, position);
  }
}

/**
 * Gives the parsed directives their meaning: every directive is looked up where it
 * stands, its row reads its value, and each block gets its settings with a view of the
 * blocks around it.
 */
import type { AnyDirective, Argument, Context, DirectiveNode, ParseContext } from '../module-api/index.js';
import { ConfigError } from './config-error.js';
import { declareVariables } from './declarations.js';
import type { Registry } from './registry.js';
import { BlockSettings } from './settings.js';

/** A block with its values. */
export interface Block {
  readonly context: Context;
  /** Undefined for the outermost. */
  readonly node: DirectiveNode | undefined;
  readonly settings: BlockSettings;
  /** The blocks inside, in the order of the file. */
  readonly blocks: readonly Block[];
}

/** Reads a whole configuration. The first mistake is thrown as ConfigError. */
export function buildTree(nodes: readonly DirectiveNode[], registry: Registry, parse: ParseContext): Block {
  declareVariables(nodes, registry);
  return buildBlock('main', undefined, nodes, undefined, registry, parse);
}

function buildBlock(
  context: Context,
  node: DirectiveNode | undefined,
  nodes: readonly DirectiveNode[],
  outer: BlockSettings | undefined,
  registry: Registry,
  parse: ParseContext,
): Block {
  const settings = new BlockSettings(outer);
  const blocks: Block[] = [];
  const seen = new Set<string>();
  for (const each of nodes) {
    const entry = registry.resolve(each, context);
    if (entry.kind === 'row') {
      settings.add(each);
      applyRow(entry.row, each, settings, seen, parse);
      continue;
    }
    const { name, repeat, opens } = entry.row;
    if (!repeat && seen.has(name)) throw duplicate(each);
    seen.add(name);
    blocks.push(buildBlock(opens, each, each.block ?? [], settings, registry, parse));
  }
  return { context, node, settings, blocks };
}

function applyRow(
  row: AnyDirective,
  node: DirectiveNode,
  settings: BlockSettings,
  seen: Set<string>,
  parse: ParseContext,
): void {
  if (row.repeat !== 'append' && seen.has(row.name)) throw duplicate(node);
  seen.add(row.name);
  const key: AnyDirective = row.storedAs ?? row;
  settings.set(key, row.parse(node, parse, settings.own(key)), node.position);
}

function duplicate(node: DirectiveNode): ConfigError {
  return new ConfigError(`"${node.name}" directive is duplicate`, node.position);
}

/** The n-th argument of a block, which its row promises to be there. */
export function blockArgument(block: Block, index: number): Argument {
  const argument = block.node?.args[index];
  if (argument === undefined) throw new TypeError(`a ${block.context} block without argument ${index}`);
  return argument;
}

/**
 * Which variables a configuration brings itself: named groups of regular expressions,
 * and what rows declare (`set`). They are collected before anything is compiled, since
 * a text may use a variable that is declared further down, as in nginx.
 */
import type { DirectiveNode } from '../module-api/index.js';
import { groupNames } from '../util/regex.js';
import type { Registry } from './registry.js';

/** Declares the variables of every directive. Those that a module has already are reported where their directive is read. */
export function declareVariables(nodes: readonly DirectiveNode[], registry: Registry): void {
  for (const node of nodes) {
    const names =
      node.name === 'location' && node.block !== undefined
        ? node.args.flatMap(({ text }) => groupNames(text))
        : registry.declaredBy(node);
    for (const name of names) registry.declareSlot(name.toLowerCase());
    if (node.block !== undefined) declareVariables(node.block, registry);
  }
}

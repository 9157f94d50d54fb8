/**
 * The reference of directives and variables as Markdown, made of the tables that the
 * program itself runs on. scripts/docs-directives.mjs writes it to docs/directives.md,
 * and a test compares the two.
 */
import type { AnyDirective, Module, Variable } from '../module-api/index.js';
import { BLOCKS, type BlockRow } from './registry.js';

const HEAD = `# Directives and variables

Made by \`scripts/docs-directives.mjs\` from the tables in \`lib/modules\`: change the rows there.

Times are seconds unless they carry a unit (\`ms s m h d w\`); sizes are bytes, or \`k m g\`.
"Reload" says what a change of the directive needs: nothing is said where a swap of the
configuration is enough; *socket*: a listening socket is opened or closed; *worker*: a new worker.
A directive that nginx has and that is not here is refused by name.

\`include file | mask;\` may stand anywhere in a file: the directives of the files take its place.
Relative names start at the directory of the configuration file that was given to the program.
`;

/** The whole page. */
export function renderReference(modules: readonly Module[]): string {
  const sections = modules
    .filter((module) => module.directives.length > 0)
    .map((module) => `## ${module.name}\n\n${directiveTable(module.directives)}`);
  const variables = modules.flatMap((module) => module.variables ?? []);
  return [
    HEAD,
    `## Blocks\n\n${blockTable(BLOCKS)}`,
    ...sections,
    `## Variables\n\nA name that ends in *name* is a family. A variable without a value is empty in texts and \`-\` in logs.\n\n${variableTable(variables)}`,
  ].join('\n');
}

function blockTable(rows: readonly BlockRow[]): string {
  const lines = rows.map(({ name, syntax, contexts, doc }) => [
    code(`${name} ${syntax}`),
    contexts.join(', '),
    doc,
  ]);
  return table(['Block', 'In', ''], lines);
}

function directiveTable(rows: readonly AnyDirective[]): string {
  const lines = rows.map(({ name, syntax, defaultText, contexts, reload, doc }) => [
    code(`${name} ${syntax}`),
    defaultText === '-' ? '' : code(defaultText),
    contexts.join(', '),
    reload === undefined || reload === 'swap' ? '' : reload,
    doc,
  ]);
  return table(['Directive', 'Default', 'In', 'Reload', ''], lines);
}

function variableTable(variables: readonly Variable[]): string {
  const lines = [...variables]
    .sort((left, right) => (left.name < right.name ? -1 : 1))
    .map(({ name, prefix, doc }) => [prefix === true ? `${code(`$${name}`)}*name*` : code(`$${name}`), doc]);
  return table(['Variable', ''], lines);
}

function table(head: readonly string[], lines: readonly (readonly string[])[]): string {
  const rows = [head, head.map(() => '---'), ...lines];
  return `${rows.map((cells) => `| ${cells.map(escapeCell).join(' | ')} |`).join('\n')}\n`;
}

function escapeCell(text: string): string {
  return text.replaceAll('|', '\\|');
}

function code(text: string): string {
  return `\`${text}\``;
}

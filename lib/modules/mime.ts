/**
 * `types`: content types by file extension, and the choice of one for a path.
 */
import { directive, type Module } from '../module-api/index.js';
import { BUILTIN_TYPES } from './mime-table.js';
import { HTTP_SERVER_LOCATION } from './rows.js';

/** Content type by lower-cased extension. */
export type MimeTypes = ReadonlyMap<string, string>;

export const mimeTypes = directive<MimeTypes>({
  name: 'types',
  contexts: HTTP_SERVER_LOCATION,
  args: 0,
  block: 'raw',
  repeat: 'append',
  parse(node, context, previous) {
    const types = new Map(previous ?? []);
    for (const line of node.block ?? []) {
      for (const extension of line.args) {
        const key = extension.text.toLowerCase();
        const old = types.get(key);
        if (old !== undefined && old !== line.name) {
          context.warn(
            extension,
            `duplicate extension "${extension.text}", content type: "${line.name}", previous content type: "${old}"`,
          );
        }
        types.set(key, line.name);
      }
    }
    return types;
  },
  default: BUILTIN_TYPES,
  syntax: '{ mime-type extension ...; }',
  defaultText: 'a table of common types',
  doc: 'Content types by file extension. Without it a built-in table of the common ones holds, where nginx knows html, gif and jpg only.',
});

/** The type for a path by its extension, else `fallback`. */
export function contentTypeOf(path: string, types: MimeTypes, fallback: string): string {
  for (let at = path.length - 1; at >= 0; at -= 1) {
    const char = path.charCodeAt(at);
    if (char === 0x2f) break;
    if (char === 0x2e) return types.get(path.slice(at + 1).toLowerCase()) ?? fallback;
  }
  return fallback;
}

/** `types`. */
export const mimeModule: Module = { name: 'types', directives: [mimeTypes] };

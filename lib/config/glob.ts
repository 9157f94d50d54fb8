/**
 * File names by pattern, for `include`: `*`, `?` and `[...]` in any component of a
 * path, as glob(3) has them without its extensions. A leading dot is only matched by a
 * dot. The result is sorted by bytes, as glob(3) sorts in the C locale.
 */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

const MAGIC = /[*?[]/;

/** Whether a path is a pattern. */
export function isPattern(path: string): boolean {
  return MAGIC.test(path);
}

/**
 * Existing paths that match. Directories that cannot be read count as empty, as with
 * glob(3) without GLOB_ERR. Empty when nothing matches.
 */
export function expandPattern(pattern: string): string[] {
  const components = pattern.split('/').filter((component, index) => component !== '' || index === 0);
  let found: string[] = [pattern.startsWith('/') ? '/' : ''];
  for (const component of components) {
    if (component === '') continue;
    found = found.flatMap((directory) => matchComponent(directory, component));
  }
  return found.sort(compareBytes);
}

function matchComponent(directory: string, component: string): string[] {
  if (!MAGIC.test(component)) {
    const path = join(directory, component);
    return statSync(path, { throwIfNoEntry: false }) === undefined ? [] : [path];
  }
  const matcher = compileComponent(component);
  return listDirectory(directory === '' ? '.' : directory)
    .filter((name) => matcher.test(name) && (!name.startsWith('.') || component.startsWith('.')))
    .map((name) => join(directory, name));
}

function listDirectory(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

/** One component as a regular expression. A `[` without its `]` stands for itself. */
function compileComponent(component: string): RegExp {
  const source = component.replace(
    /\[(!?)(\]?[^\]]*)\]|[\s\S]/g,
    (part: string, not?: string, set?: string) => {
      if (set !== undefined && set !== '') {
        return `[${not === '!' ? '^' : ''}${set.replace(/[\\\]^[]/g, '\\$&')}]`;
      }
      if (part === '*') return '.*';
      if (part === '?') return '.';
      return part.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
    },
  );
  try {
    return new RegExp(`^${source}$`, 's');
  } catch {
    // A range from high to low ("[z-a]") matches nothing.
    return /[^\s\S]/;
  }
}

function compareBytes(left: string, right: string): number {
  return Buffer.compare(Buffer.from(left), Buffer.from(right));
}

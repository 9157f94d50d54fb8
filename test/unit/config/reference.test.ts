// First, because it takes the engine out of the modules.
import './helpers.js';
import { describe, expect, it } from 'vitest';
import { NGINX_DIRECTIVES } from '../../../lib/config/nginx-directives.js';
import { renderReference } from '../../../lib/config/reference.js';
import { builtinModules } from '../../../lib/modules/index.js';

const rows = builtinModules.flatMap((module) => module.directives);

describe('docs/directives.md', () => {
  it('says what the tables say (after a change: run this file with -u, or scripts/docs-directives.mjs)', async () => {
    await expect(renderReference(builtinModules)).toMatchFileSnapshot('../../../docs/directives.md');
  });

  it('has a sentence for every directive and variable', () => {
    const variables = builtinModules.flatMap((module) => module.variables ?? []);
    for (const { name, doc } of [...rows, ...variables]) {
      expect(doc, name).toMatch(/^\S.*\S$/);
    }
  });
});

describe('the tables', () => {
  it("use nginx's names, but for what is said to be ours", () => {
    const theirs = rows.filter(({ doc }) => !doc.startsWith('Ours. '));
    expect(rows.length - theirs.length).toBe(2);
    expect(theirs.map(({ name }) => name).filter((name) => !NGINX_DIRECTIVES.has(name))).toEqual([]);
  });
});

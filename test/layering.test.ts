/**
 * Holds the sources to the ranks of docs/architecture.md. The second half gives each
 * rule a small breach, so that a rule that can no longer fail is noticed.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import {
  checkCycles,
  checkEngine,
  checkImports,
  checkLength,
  checkNative,
  HARD_LINES,
  importsOf,
  LIB_ROOMS,
  SOFT_LINES,
  type Sources,
} from './support/layering.js';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');

function readSources(folders: readonly string[], pattern: RegExp): Sources {
  const sources = new Map<string, string>();
  const walk = (folder: string): void => {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) {
        if (!/^(node_modules|build.*|fixtures|corpus)$/.test(entry.name)) walk(path);
      } else if (pattern.test(entry.name)) {
        sources.set(relative(root, path).split(sep).join('/'), readFileSync(path, 'utf8'));
      }
    }
  };
  for (const folder of folders) walk(join(root, folder));
  return sources;
}

const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  dependencies: Record<string, string>;
};
const dependencies = new Set(Object.keys(manifest.dependencies));

describe('the sources', () => {
  const lib = readSources(['lib'], /\.ts$/);
  const native = readSources(['native'], /\.(cc|h)$/);

  test('were found', () => {
    expect(lib.size).toBeGreaterThan(20);
    expect(native.size).toBeGreaterThan(10);
  });

  test('import only what lies in a lower room', () => {
    expect(checkImports(lib, dependencies)).toEqual([]);
  });

  test('have no import cycles', () => {
    expect(checkCycles(lib)).toEqual([]);
  });

  test('include only what lies in a lower room, and know the system only in per-OS files', () => {
    expect(checkNative(native)).toEqual([]);
  });

  test('keep nginx.conf out of the engine', () => {
    expect(checkEngine(lib)).toEqual([]);
  });

  test('have files of a readable length', () => {
    const all = readSources(['lib', 'native', 'test', 'bench', 'scripts', 'examples'], /\.(ts|mjs|cc|h)$/);
    const long = checkLength(all, SOFT_LINES);
    if (long.length > 0) console.warn(`over the soft limit:\n  ${long.join('\n  ')}`);
    expect(checkLength(all, HARD_LINES)).toEqual([]);
  });

  test('are tested in folders that mirror the rooms', () => {
    const rooms = readdirSync(join(root, 'test/unit'), { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => entry.name);
    expect(rooms.filter((room) => !(LIB_ROOMS as readonly string[]).includes(room))).toEqual([]);
  });
});

describe('the rules can fail', () => {
  const sources = (files: Record<string, string>): Sources => new Map(Object.entries(files));
  const none = new Set<string>();

  test('an import of a higher room, also of a type and by import()', () => {
    for (const line of [
      "import { run } from '../proxy/engine.js';",
      "import type { Engine } from '../proxy/engine.js';",
      "export * from '../proxy/engine.js';",
      "const engine = await import('../proxy/engine.js');",
      "let engine: import('../proxy/engine.js').Engine;",
    ]) {
      const found = checkImports(sources({ 'lib/http/a.ts': line, 'lib/proxy/engine.ts': '' }), none);
      expect(found, line).toEqual([
        'lib/http/a.ts: imports lib/proxy/engine.ts, which is not in a lower room',
      ]);
    }
  });

  test('lower rooms, the own room, Node and dependencies are allowed', () => {
    const text =
      "import 'node:fs'; import './b.js'; import '../http/c.js'; import 'piscina'; import '@x/y/z';";
    const files = sources({ 'lib/proxy/a.ts': text, 'lib/proxy/b.ts': '', 'lib/http/c.ts': '' });
    expect(checkImports(files, new Set(['piscina', '@x/y']))).toEqual([]);
  });

  test('an unknown room, a missing file, a file outside lib, a package that is no dependency', () => {
    expect(checkImports(sources({ 'lib/attic/a.ts': '' }), none)).toHaveLength(1);
    expect(checkImports(sources({ 'lib/http/a.ts': "import './gone.js';" }), none)).toHaveLength(1);
    expect(checkImports(sources({ 'lib/http/a.ts': "import '../../test/x.js';" }), none)).toHaveLength(1);
    expect(checkImports(sources({ 'lib/http/a.ts': "import 'left-pad';" }), none)).toHaveLength(1);
  });

  test('lib/index.ts knows every room, and no room knows it', () => {
    const index = sources({ 'lib/index.ts': "export * from './cli/main.js';", 'lib/cli/main.ts': '' });
    expect(checkImports(index, none)).toEqual([]);
    const back = sources({ 'lib/index.ts': '', 'lib/cli/main.ts': "import '../index.js';" });
    expect(checkImports(back, none)).toHaveLength(1);
  });

  test('a cycle at run time; a cycle of types alone is none', () => {
    const b = "import { a } from './a.js';";
    const cycle = sources({ 'lib/http/a.ts': "import { b } from './b.js';", 'lib/http/b.ts': b });
    expect(checkCycles(cycle)).toEqual(['lib/http/a.ts → lib/http/b.ts → lib/http/a.ts']);
    const types = sources({ 'lib/http/a.ts': "import type { B } from './b.js';", 'lib/http/b.ts': b });
    expect(checkCycles(types)).toEqual([]);
  });

  test('a type that is imported within braces still loads its file', () => {
    expect(importsOf('a.ts', "import { type B } from './b.js';")).toEqual([
      { specifier: './b.js', typeOnly: false },
    ]);
  });

  test('an include of a higher room, of a neighbour, of a private header', () => {
    expect(checkNative(sources({ 'native/base/a.cc': '#include "loop/loop.h"' }))).toHaveLength(1);
    expect(checkNative(sources({ 'native/scan/a.cc': '#include "relay/relay.h"' }))).toHaveLength(1);
    expect(checkNative(sources({ 'native/net/a.cc': '# include <uv.h>' }))).toHaveLength(1);
    expect(checkNative(sources({ 'native/net/a.cc': '#include <openssl/ssl.h>' }))).toHaveLength(1);
    expect(checkNative(sources({ 'native/attic/a.cc': '' }))).toHaveLength(1);
    expect(
      checkNative(sources({ 'native/binding/a.cc': '#include <napi.h>\n#include "loop/loop.h"' })),
    ).toEqual([]);
  });

  test('a question for the operating system outside the per-OS files', () => {
    const text = '#ifdef __linux__\n#endif\n';
    expect(checkNative(sources({ 'native/loop/loop.cc': text }))).toHaveLength(1);
    expect(
      checkNative(sources({ 'native/net/socket_linux.cc': text, 'native/poller/poller.h': text })),
    ).toEqual([]);
  });

  test('nginx.conf in the code of the engine, not in its comments', () => {
    expect(checkEngine(sources({ 'lib/proxy/a.ts': "const path = 'nginx.conf';" }))).toHaveLength(1);
    expect(checkEngine(sources({ 'lib/proxy/a.ts': '// knows no nginx.conf\n/* nginx.conf */' }))).toEqual(
      [],
    );
  });

  test('a file that is too long', () => {
    expect(checkLength(sources({ 'lib/a.ts': 'x\n'.repeat(601) }), HARD_LINES)).toHaveLength(1);
    expect(checkLength(sources({ 'lib/a.ts': 'x\n'.repeat(600) }), HARD_LINES)).toEqual([]);
  });
});

/**
 * The rules of docs/architecture.md on who may know whom, as a function over source
 * texts: paths and texts in, sentences about violations out. It touches no disk, so
 * that layering.test.ts can also show that each rule is able to fail.
 */
import { posix } from 'node:path';
import ts from 'typescript';

/** Source files by their path from the project's root, with forward slashes. */
export type Sources = ReadonlyMap<string, string>;

/** Rooms of lib/, lowest first. An import goes to a room before one's own, or stays inside. */
export const LIB_ROOMS = [
  'errors',
  'util',
  'native',
  'reactor',
  'http',
  'module-api',
  'proxy',
  'modules',
  'config',
  'process',
  'cli',
] as const;

/** Rooms of native/ and their ranks; rooms of one rank do not know each other. */
export const NATIVE_RANKS: ReadonlyMap<string, number> = new Map([
  ['base', 0],
  ['poller', 1],
  ['loop', 2],
  ['net', 3],
  ['relay', 4],
  ['shm', 4],
  ['scan', 4],
  ['tls', 4],
  ['binding', 5],
]);

/** Lines a file should keep to, and lines it must not pass. */
export const SOFT_LINES = 400;
export const HARD_LINES = 600;

/** Headers that one room alone may include. */
const PRIVATE_HEADERS: readonly { pattern: RegExp; room: string }[] = [
  { pattern: /^(napi|node_api|node_api_types|js_native_api|node|v8|uv)(-inl)?\.h$/, room: 'binding' },
  { pattern: /^openssl\//, room: 'tls' },
];

/** Files that may ask for the operating system: the poller's, and those named after one. */
const PER_OS_FILE = /^native\/poller\/|_(linux|bsd|darwin|macos|posix|epoll|kqueue)\.(cc|h)$/;
const OS_MACRO = /\b(__linux__|__APPLE__|__FreeBSD__|__OpenBSD__|__NetBSD__|_WIN32)\b/;

/** Rank of a file of lib/: its room's place; a file directly in lib/ is above all rooms. Undefined for an unknown room. */
function libRank(path: string): number | undefined {
  const parts = path.split('/');
  if (parts.length === 2) return LIB_ROOMS.length;
  const rank = (LIB_ROOMS as readonly string[]).indexOf(parts[1] ?? '');
  return rank < 0 ? undefined : rank;
}

/** What a TypeScript file loads. `typeOnly` edges vanish when it is compiled. */
export interface ImportEdge {
  readonly specifier: string;
  readonly typeOnly: boolean;
}

/** Every import, re-export, import() and import type of a file. */
export function importsOf(path: string, text: string): ImportEdge[] {
  const edges: ImportEdge[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node) && ts.isStringLiteral(node.moduleSpecifier)) {
      const typeOnly = node.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword;
      edges.push({ specifier: node.moduleSpecifier.text, typeOnly });
    } else if (
      ts.isExportDeclaration(node) &&
      node.moduleSpecifier &&
      ts.isStringLiteral(node.moduleSpecifier)
    ) {
      edges.push({ specifier: node.moduleSpecifier.text, typeOnly: node.isTypeOnly });
    } else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      const argument = node.arguments[0];
      if (argument && ts.isStringLiteralLike(argument))
        edges.push({ specifier: argument.text, typeOnly: false });
    } else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) {
      const literal = node.argument.literal;
      if (ts.isStringLiteral(literal)) edges.push({ specifier: literal.text, typeOnly: true });
    }
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile(path, text, ts.ScriptTarget.ES2022, true));
  return edges;
}

/** Path of the source file that a relative specifier means. */
function resolveImport(from: string, specifier: string): string {
  return posix.join(posix.dirname(from), specifier).replace(/\.js$/, '.ts');
}

/** Imports that go up or sideways, leave lib/, miss their file, or name a package that is no dependency. */
export function checkImports(sources: Sources, dependencies: ReadonlySet<string>): string[] {
  const found: string[] = [];
  for (const [path, text] of libFiles(sources)) {
    const rank = libRank(path);
    if (rank === undefined) {
      found.push(`${path}: the room is not in the list of rooms`);
      continue;
    }
    for (const { specifier } of importsOf(path, text)) {
      if (specifier.startsWith('node:')) continue;
      if (!specifier.startsWith('.')) {
        const name = specifier
          .split('/')
          .slice(0, specifier.startsWith('@') ? 2 : 1)
          .join('/');
        if (!dependencies.has(name)) found.push(`${path}: "${specifier}" is not a dependency`);
        continue;
      }
      found.push(...checkRelative(path, rank, specifier, sources));
    }
  }
  return found;
}

function checkRelative(path: string, rank: number, specifier: string, sources: Sources): string[] {
  const target = resolveImport(path, specifier);
  if (!target.startsWith('lib/')) return [`${path}: "${specifier}" lies outside lib/`];
  if (!sources.has(target)) return [`${path}: "${specifier}" does not exist`];
  const targetRank = libRank(target);
  if (targetRank === undefined || sameRoom(path, target) || targetRank < rank) return [];
  return [`${path}: imports ${target}, which is not in a lower room`];
}

function sameRoom(a: string, b: string): boolean {
  const [roomA, roomB] = [a.split('/'), b.split('/')];
  return roomA.length > 2 && roomB.length > 2 && roomA[1] === roomB[1];
}

/** Files that import each other at run time, each cycle once as "a → b → a". Type-only imports do not count. */
export function checkCycles(sources: Sources): string[] {
  const graph = new Map<string, string[]>();
  for (const [path, text] of libFiles(sources)) {
    const targets = importsOf(path, text)
      .filter((edge) => !edge.typeOnly && edge.specifier.startsWith('.'))
      .map((edge) => resolveImport(path, edge.specifier));
    graph.set(path, targets);
  }
  const found: string[] = [];
  const done = new Set<string>();
  const trail: string[] = [];
  const visit = (path: string): void => {
    const start = trail.indexOf(path);
    if (start >= 0) found.push([...trail.slice(start), path].join(' → '));
    if (start >= 0 || done.has(path)) return;
    trail.push(path);
    for (const target of graph.get(path) ?? []) visit(target);
    trail.pop();
    done.add(path);
  };
  for (const path of graph.keys()) visit(path);
  return found;
}

/** Includes of native/ that go up or sideways, or that only another room may have; OS macros outside the per-OS files. */
export function checkNative(sources: Sources): string[] {
  const found: string[] = [];
  for (const [path, text] of sources) {
    if (!path.startsWith('native/')) continue;
    const room = path.split('/')[1] ?? '';
    const rank = NATIVE_RANKS.get(room);
    if (rank === undefined) {
      found.push(`${path}: the room is not in the list of rooms`);
      continue;
    }
    for (const match of text.matchAll(/^[ \t]*#[ \t]*include[ \t]*[<"]([^>"]+)[>"]/gm)) {
      const header = match[1] ?? '';
      const owner = PRIVATE_HEADERS.find((entry) => entry.pattern.test(header));
      if (owner && owner.room !== room) found.push(`${path}: only ${owner.room}/ may include ${header}`);
      const target = header.split('/')[0] ?? '';
      const targetRank = NATIVE_RANKS.get(target);
      if (targetRank === undefined || target === room || !header.includes('/')) continue;
      if (targetRank >= rank) found.push(`${path}: includes ${header}, which is not in a lower room`);
    }
    if (PER_OS_FILE.test(path)) continue;
    for (const line of text.split('\n')) {
      if (/^\s*#\s*(if|ifdef|ifndef|elif)\b/.test(line) && OS_MACRO.test(line)) {
        found.push(`${path}: asks for the operating system: ${line.trim()}`);
      }
    }
  }
  return found;
}

/** Code of lib/proxy that names nginx.conf; comments may. */
export function checkEngine(sources: Sources): string[] {
  return [...libFiles(sources)]
    .filter(([path, text]) => path.startsWith('lib/proxy/') && stripComments(text).includes('nginx.conf'))
    .map(([path]) => `${path}: the engine mentions nginx.conf`);
}

function stripComments(text: string): string {
  const scanner = ts.createScanner(ts.ScriptTarget.ES2022, false, ts.LanguageVariant.Standard, text);
  let code = '';
  for (let token = scanner.scan(); token !== ts.SyntaxKind.EndOfFileToken; token = scanner.scan()) {
    const comment =
      token === ts.SyntaxKind.SingleLineCommentTrivia || token === ts.SyntaxKind.MultiLineCommentTrivia;
    if (!comment) code += scanner.getTokenText();
  }
  return code;
}

/** Files with more lines than `limit`. */
export function checkLength(sources: Sources, limit: number): string[] {
  const found: string[] = [];
  for (const [path, text] of sources) {
    const lines = text.split('\n').length - (text.endsWith('\n') ? 1 : 0);
    if (lines > limit) found.push(`${path}: ${lines} lines, more than ${limit}`);
  }
  return found;
}

function* libFiles(sources: Sources): Iterable<[string, string]> {
  for (const entry of sources) if (entry[0].startsWith('lib/') && entry[0].endsWith('.ts')) yield entry;
}

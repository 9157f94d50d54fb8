/**
 * Builds the tree of directives from the text of a configuration. `include` is
 * resolved here, wherever it stands, so that nobody after the parser sees files.
 * Which directives exist, and which may have a block, is not known here.
 */
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { errnoText } from '../errors/errno.js';
import type { Argument, DirectiveNode, Position } from '../module-api/index.js';
import { ConfigError, decodeBytes, encodeBytes } from './config-error.js';
import { expandPattern, isPattern } from './glob.js';
import { Lexer, type Token } from './lexer.js';

/** Files inside files. */
export const MAX_INCLUDE_DEPTH = 32;
/** Blocks inside blocks. */
export const MAX_BLOCK_DEPTH = 64;

/** A file that belongs to a configuration, as it was read. */
export interface SourceFile {
  readonly path: string;
  readonly bytes: Uint8Array;
}

/** A parsed configuration. */
export interface ParsedConfig {
  readonly nodes: readonly DirectiveNode[];
  /** In the order in which they were opened; a file included twice stands here once. */
  readonly files: readonly SourceFile[];
}

/** Reads a file's bytes; throws Node's error of the file system. */
export type ReadFile = (path: string) => Uint8Array;

/**
 * Reads a configuration file with everything it includes.
 * Relative includes are relative to the directory of `path`, also inside included files, as in nginx.
 * Throws only ConfigError.
 */
export function parseConfigFile(path: string, readFile: ReadFile = readFileSync): ParsedConfig {
  const parser = new Parser(dirname(path), readFile);
  const nodes = parser.file(path, undefined);
  return { nodes, files: parser.files };
}

/**
 * Reads a text (a byte string, see lib/module-api/directive.ts) as if it stood in a
 * file of that name; relative includes are relative to the file's directory.
 * Throws only ConfigError.
 */
export function parseConfigText(
  text: string,
  file: string,
  readFile: ReadFile = readFileSync,
): DirectiveNode[] {
  return new Parser(dirname(file), readFile).text(text, file);
}

class Parser {
  readonly #directory: string;
  readonly #readFile: ReadFile;
  readonly #files = new Map<string, SourceFile>();
  #includeDepth = 0;
  #blockDepth = 0;

  constructor(directory: string, readFile: ReadFile) {
    this.#directory = directory;
    this.#readFile = readFile;
  }

  get files(): SourceFile[] {
    return [...this.#files.values()];
  }

  /** `from` is the include that names the file. */
  file(path: string, from: Position | undefined): DirectiveNode[] {
    let source = this.#files.get(path);
    if (source === undefined) {
      source = { path, bytes: this.#read(path, from) };
      this.#files.set(path, source);
    }
    return this.text(Buffer.from(source.bytes).toString('latin1'), path);
  }

  text(text: string, file: string): DirectiveNode[] {
    return this.#statements(new Lexer(text, file), undefined);
  }

  /** Directives up to the end of the block `opened` (or of the file). */
  #statements(lexer: Lexer, opened: DirectiveHead | undefined): DirectiveNode[] {
    const nodes: DirectiveNode[] = [];
    for (;;) {
      const first = lexer.next();
      if (first.kind === '}') {
        if (opened === undefined) throw new ConfigError('unexpected "}"', first.position);
        return nodes;
      }
      if (first.kind === 'end') {
        if (opened === undefined) return nodes;
        const hint = `"${opened.name}" at line ${opened.position.line} is not closed`;
        throw new ConfigError('unexpected end of file, expecting "}"', first.position, hint);
      }
      if (first.kind !== 'word') throw new ConfigError(`unexpected "${first.kind}"`, first.position);
      this.#statement(lexer, first, nodes);
    }
  }

  #statement(lexer: Lexer, first: Extract<Token, { kind: 'word' }>, nodes: DirectiveNode[]): void {
    const { text: name, position } = first;
    const args: Argument[] = [];
    for (;;) {
      const token = lexer.next();
      if (token.kind === 'word') {
        args.push({ text: token.text, quoted: token.quoted, position: token.position });
      } else if (token.kind === ';') {
        if (name === 'include') nodes.push(...this.#include(args, position));
        else nodes.push({ name, args, position });
        return;
      } else if (token.kind === '{') {
        if (name === 'include')
          throw new ConfigError(`directive "${name}" is not terminated by ";"`, position);
        nodes.push({ name, args, position, block: this.#block(lexer, { name, position }) });
        return;
      } else if (token.kind === '}') {
        throw new ConfigError('unexpected "}"', token.position, `"${name}" is not terminated by ";"`);
      } else {
        const hint = `"${name}" at line ${position.line} is not terminated`;
        throw new ConfigError('unexpected end of file, expecting ";" or "}"', token.position, hint);
      }
    }
  }

  #block(lexer: Lexer, head: DirectiveHead): DirectiveNode[] {
    if (this.#blockDepth >= MAX_BLOCK_DEPTH) {
      throw new ConfigError(`blocks nest too deeply, more than ${MAX_BLOCK_DEPTH}`, head.position);
    }
    this.#blockDepth++;
    const nodes = this.#statements(lexer, head);
    this.#blockDepth--;
    return nodes;
  }

  #include(args: readonly Argument[], position: Position): DirectiveNode[] {
    const [argument] = args;
    if (argument === undefined || args.length !== 1) {
      throw new ConfigError('invalid number of arguments in "include" directive', position);
    }
    if (this.#includeDepth >= MAX_INCLUDE_DEPTH) {
      throw new ConfigError(`includes nest too deeply, more than ${MAX_INCLUDE_DEPTH} files`, position);
    }
    const path = resolve(this.#directory, decodeBytes(argument.text));
    const paths = isPattern(path) ? expandPattern(path) : [path];
    // A block has to end in the file in which it began, so each file is read for itself.
    this.#includeDepth++;
    const nodes = paths.flatMap((each) => this.file(each, argument.position));
    this.#includeDepth--;
    return nodes;
  }

  #read(path: string, from: Position | undefined): Uint8Array {
    try {
      return this.#readFile(path);
    } catch (error) {
      throw new ConfigError(`open() "${encodeBytes(path)}" failed (${describeFailure(error)})`, from);
    }
  }
}

interface DirectiveHead {
  readonly name: string;
  readonly position: Position;
}

/** "2: No such file or directory", as nginx writes a failed system call. */
function describeFailure(error: unknown): string {
  const errno = error instanceof Error && 'errno' in error ? Number(error.errno) : Number.NaN;
  if (Number.isInteger(errno)) return `${Math.abs(errno)}: ${errnoText(Math.abs(errno))}`;
  return error instanceof Error ? error.message : String(error);
}

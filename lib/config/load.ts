/** Reads a configuration file for compileConfig. */
import { dirname, resolve } from 'node:path';
import type { ConfigTree } from './compile.js';
import { parseConfigFile, parseConfigText, type SourceFile } from './parser.js';

/** A configuration as it was read, before anything in it was understood. */
export interface LoadedConfig extends ConfigTree {
  /** Absolute path of the file. */
  readonly path: string;
  /** The file and all it includes, in the order of reading; for `-T`. */
  readonly files: readonly SourceFile[];
}

/**
 * Reads `path`, which is relative to `prefix`, with its includes. `globals` are
 * directives of the command line (`-g`, a byte string), read before the file.
 * Rejects with ConfigError when a file cannot be read or its words make no tree.
 */
export async function loadConfigFile(path: string, prefix: string, globals = ''): Promise<LoadedConfig> {
  const absolutePrefix = resolve(prefix);
  const absolutePath = resolve(absolutePrefix, path);
  const given = globals === '' ? [] : parseConfigText(globals, 'command line');
  const { nodes, files } = parseConfigFile(absolutePath);
  return {
    nodes: [...given, ...nodes],
    files,
    path: absolutePath,
    prefix: absolutePrefix,
    confDirectory: dirname(absolutePath),
  };
}

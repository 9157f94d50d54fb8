/** What tests of lib/config share: compiling a text without touching files or resolvers. */
import { mkdtempSync, rmSync, writeFileSync, mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { vi } from 'vitest';
import { compileConfig, type CompiledConfig, type CompileOptions } from '../../../lib/config/compile.js';
import { parseConfigText } from '../../../lib/config/parser.js';
import { LogFiles } from '../../../lib/modules/log-files.js';
import type { PhaseHandler } from '../../../lib/module-api/index.js';
import type { LocationConfig, ProxyPassConfig, ServerConfig } from '../../../lib/proxy/runtime.js';

// The handler of proxy_pass leads to the engine and its addon; here it only has to say what it was given.
vi.mock('../../../lib/proxy/proxy-handler.js', () => ({
  proxyHandler: (config: ProxyPassConfig): PhaseHandler => Object.assign(() => 0, { config }),
}));

/** What the content handler of a location with proxy_pass was made of. */
export function proxyConfig(location: LocationConfig): ProxyPassConfig {
  const { content } = location;
  if (content === undefined || !('config' in content)) throw new Error(`${location.name} has no proxy_pass`);
  return content.config as ProxyPassConfig;
}

/** Compiled, with the warnings. */
export interface Compiled extends CompiledConfig {
  readonly warnings: string[];
  /** The first server. */
  readonly server: ServerConfig;
  location(name: string): LocationConfig;
}

/** Compiles a text that is called "nginx.conf"; logs go to stderr or nowhere. */
export async function compileText(text: string, options: Partial<CompileOptions> = {}): Promise<Compiled> {
  const nodes = parseConfigText(Buffer.from(text).toString('latin1'), 'nginx.conf');
  return compileNodes(nodes, options);
}

/** The same for nodes that are there already. */
export async function compileNodes(
  nodes: Parameters<typeof compileConfig>[0]['nodes'],
  options: Partial<CompileOptions> = {},
): Promise<Compiled> {
  const warnings: string[] = [];
  const compiled = await compileConfig(
    { nodes, confDirectory: '/conf', prefix: '/prefix' },
    {
      logs: new LogFiles('/nonexistent'),
      errorLogPath: 'stderr',
      onWarning: (message) => warnings.push(message),
      resolveName: () => Promise.reject(Object.assign(new Error('no names here'), { code: 'ENOTFOUND' })),
      ...options,
    },
  );
  const server = (): ServerConfig => {
    const found = compiled.runtime.listens[0]?.servers[0];
    if (found === undefined) throw new Error('no server');
    return found;
  };
  return {
    ...compiled,
    warnings,
    get server() {
      return server();
    },
    location(name) {
      const found = server().locations.find((location) => location.name === name);
      if (found === undefined) throw new Error(`no location ${name}`);
      return found;
    },
  };
}

/** An http block in a whole configuration. */
export function inHttp(text: string): string {
  return `events {}\nhttp {\naccess_log off;\n${text}\n}\n`;
}

/** A server block that listens somewhere. */
export function inServer(text: string): string {
  return inHttp(`server {\nlisten 127.0.0.1:8080;\n${text}\n}`);
}

/** Files in a directory of their own, which `remove` takes away. */
export function writeFiles(files: Readonly<Record<string, string>>): {
  directory: string;
  remove: () => void;
} {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-config-'));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(directory, name)), { recursive: true });
    writeFileSync(join(directory, name), text, 'latin1');
  }
  return { directory, remove: () => rmSync(directory, { recursive: true }) };
}

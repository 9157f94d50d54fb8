/**
 * What the tests of lib/proxy share that need no socket: a generator with a seed, an
 * allocator that counts, and configurations built by hand.
 */
import type { NativeBinding } from '../../../lib/native/binding.js';
import type { LogLevel, Value } from '../../../lib/module-api/index.js';
import { handlersOf } from '../../../lib/proxy/phases.js';
import type { ErrorLog, LocationConfig, ServerConfig } from '../../../lib/proxy/runtime.js';

/** A small generator with a seed (mulberry32), so that a failure can be repeated: an integer in [0, below). */
export function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

/**
 * An allocator over a range of a test's own memory. Throws on a block that is given back
 * twice or with another size; `capacity` bytes are there, then it refuses.
 */
export class CountingAllocator implements Pick<NativeBinding, 'acquireBlock' | 'releaseBlock'> {
  /** Blocks that are out: offset and size. */
  readonly taken = new Map<number, number>();
  acquired = 0;
  released = 0;
  readonly #start: number;
  readonly #end: number;

  constructor(start: number, capacity: number) {
    this.#start = start;
    this.#end = start + capacity;
  }

  acquireBlock(size: number): number {
    const blocks = [...this.taken].sort((a, b) => a[0] - b[0]);
    let at = this.#start;
    for (const [offset, length] of blocks) {
      if (offset - at >= size) break;
      at = offset + length;
    }
    if (at + size > this.#end) return -12;
    this.taken.set(at, size);
    this.acquired++;
    return at;
  }

  releaseBlock(offset: number, size: number): void {
    if (this.taken.get(offset) !== size) throw new Error(`no block of ${size} bytes at ${offset} is out`);
    this.taken.delete(offset);
    this.released++;
  }

  /** Bytes that are out. */
  get bytes(): number {
    let sum = 0;
    for (const size of this.taken.values()) sum += size;
    return sum;
  }
}

/** Keeps what is written, as "level: message". */
export class MemoryLog implements ErrorLog {
  readonly lines: string[] = [];

  enabled(): boolean {
    return true;
  }

  write(level: LogLevel, message: string): void {
    this.lines.push(`${level}: ${message}`);
  }

  /** The lines that match. */
  matching(pattern: RegExp): string[] {
    return this.lines.filter((line) => pattern.test(line));
  }
}

/** A text without variables. */
export function constant(text: string): Value {
  return {
    constant: text,
    constantBytes: Buffer.from(text, 'latin1'),
    get: () => text,
    getOrUndefined: () => text,
    write: (_exchange, out) => {
      out.text(text);
      return true;
    },
    source: undefined,
  };
}

/** A location; what is not given is as nginx has it by default. */
export function location(given: Partial<LocationConfig> & { readonly name: string }): LocationConfig {
  return {
    kind: given.name.startsWith('@') ? 'named' : 'prefix',
    root: '/nonexistent',
    serverIndex: 0,
    limit: undefined,
    rewrite: [],
    access: [],
    content: undefined,
    headerFilters: [],
    trailers: [],
    logHandlers: [],
    clientMaxBodySize: 1 << 20,
    bodyFile: undefined,
    quotesBody: false,
    clientBodyBufferSize: 16 * 1024,
    clientBodyTimeoutMs: 60_000,
    sendTimeoutMs: 60_000,
    clientBodyMinRate: undefined,
    sendMinRate: undefined,
    keepaliveTimeoutMs: 75_000,
    keepaliveHeaderSeconds: 0,
    keepaliveRequests: 1000,
    keepaliveTimeMs: 3_600_000,
    keepaliveMinTimeoutMs: 0,
    keepaliveDisable: 0,
    lingeringTimeMs: 30_000,
    lingeringTimeoutMs: 5_000,
    defaultType: 'text/plain',
    errorPages: new Map(),
    errorLog: new MemoryLog(),
    lingers: true,
    lingersAlways: false,
    resetTimedOut: false,
    chunkedTransferEncoding: true,
    serverTokens: true,
    handlers: handlersOf(given.rewrite ?? [], given.access ?? [], given.content),
    ...given,
  };
}

/** A server; its fallback answers 404 unless one is given. */
export function server(given: Partial<ServerConfig> = {}): ServerConfig {
  return {
    names: ['example.com'],
    patterns: [],
    locationTree: undefined,
    index: 0,
    rewrite: [],
    locations: [],
    fallback: location({ name: '', kind: 'server' }),
    clientHeaderTimeoutMs: 60_000,
    headLimits: {},
    ...given,
  };
}

/**
 * Compiles a `server` block: asks every module what it adds to the server and to each
 * of its locations, and writes down what the engine itself obeys.
 */
import type {
  HeaderFilter,
  LogHandler,
  ParseContext,
  PhaseHandler,
  Settings,
  TrailerSource,
} from '../module-api/index.js';
import * as core from '../modules/core.js';
import * as minRate from '../modules/min-rate.js';
import { errorPage } from '../modules/error-page.js';
import * as keepalive from '../modules/keepalive.js';
import * as server from '../modules/server.js';
import { handlersOf } from '../proxy/phases.js';
import { MAX_REPLAY_BYTES } from '../proxy/replay-buffer.js';
import type { EngineBuilder, ErrorLog, LocationConfig, LogSink, ServerConfig } from '../proxy/runtime.js';
import type { RequestLimits } from '../http/request-head.js';
import { escapeUri } from '../http/uri.js';
import { proxyPass } from '../modules/proxy-rows.js';
import { redirectPolicy, sendRedirect } from '../modules/redirect.js';
import { exceptedMethods, limitBlock } from './limit-except.js';
import { collectLocations, flatten, locationTree, withoutHidden } from './locations.js';
import type { BodyFiles } from './body-files.js';
import type { Registry } from './registry.js';
import type { BlockSettings } from './settings.js';
import type { Block } from './tree.js';
import { UnresolvedName, type Upstreams } from './upstreams.js';

/** What the compilation of every server shares. */
export interface ServerTools {
  readonly registry: Registry;
  readonly parse: ParseContext;
  readonly upstreams: Upstreams;
  /** The error log that these settings ask for. */
  errorLog(settings: Settings): ErrorLog;
  logFile(path: string): LogSink;
  /** What becomes of bodies in a location. */
  bodies(settings: BlockSettings): ReturnType<BodyFiles['of']>;
}

/** Compiles one server; `index` is its serial number among all servers. Throws ConfigError. */
export async function compileServer(block: Block, index: number, tools: ServerTools): Promise<ServerConfig> {
  const { settings } = block;
  const outside = await build({ kind: 'server', name: '' }, settings, tools, 'server');
  const located = collectLocations(block, tools.parse);
  const written = flatten(located);
  const hasPatterns = written.some(({ kind }) => kind === 'regex');
  const all = hasPatterns ? written : withoutHidden(written);
  const names = new Set(all.map(({ name }) => name));
  const compiled = new Map<Block, LocationConfig[]>();
  // Hidden ones too: what is nested in them inherits from them.
  for (const { kind, name, block: inner } of written) {
    const location = await compileLimited({ kind, name }, inner, index, tools);
    const locations = [location];
    compiled.set(inner, locations);
    const bare = name.slice(0, -1);
    const proxied = kind === 'prefix' && name.endsWith('/') && inner.settings.own(proxyPass) !== undefined;
    if (proxied && bare !== '' && !names.has(bare)) {
      locations.push(slashAdded(location, bare, inner.settings));
    }
  }
  return {
    ...settings.get(server.serverName),
    index,
    rewrite: outside.rewrites,
    locations: all.flatMap((each) => compiled.get(each.block) ?? []),
    locationTree: hasPatterns ? locationTree(located, (each) => compiled.get(each.block) ?? []) : undefined,
    fallback: await compileLocation({ kind: 'server', name: '' }, settings, index, tools),
    clientHeaderTimeoutMs: settings.get(server.clientHeaderTimeout),
    headLimits: headLimits(settings),
  };
}

/** A line lies in one buffer, the first or a large one; a head may fill all of them. */
function headLimits(settings: Settings): RequestLimits {
  const first = settings.get(server.clientHeaderBufferSize);
  const { count, size } = settings.get(server.largeClientHeaderBuffers);
  const maxLineBytes = Math.max(first, size);
  return {
    maxRequestLineBytes: maxLineBytes,
    maxFieldBytes: maxLineBytes,
    maxHeadBytes: first + count * size,
    maxFields: settings.get(server.maxHeaders),
    underscores: settings.get(server.underscoresInHeaders),
    ignoreInvalid: settings.get(server.ignoreInvalidHeaders),
    mergeSlashes: settings.get(server.mergeSlashes),
  };
}

/**
 * A proxied "/folder/" answers "/folder" too, with a redirect to itself, unless there is
 * a location of that name.
 */
function slashAdded(location: LocationConfig, name: string, settings: Settings): LocationConfig {
  const policy = redirectPolicy(settings);
  const content: PhaseHandler = (exchange) => {
    const query = exchange.args === '' ? '' : `?${exchange.args}`;
    return sendRedirect(exchange, 301, escapeUri(location.name) + query, policy);
  };
  const handlers = handlersOf([], [], content);
  return { ...location, kind: 'exact', name, limit: undefined, rewrite: [], access: [], content, handlers };
}

type Place = Pick<LocationConfig, 'kind' | 'name'>;

/** A location with what other methods have in its place (`limit_except`). */
async function compileLimited(
  place: Place,
  block: Block,
  serverIndex: number,
  tools: ServerTools,
): Promise<LocationConfig> {
  const location = await compileLocation(place, block.settings, serverIndex, tools);
  const inner = limitBlock(block);
  if (inner === undefined) return location;
  const methods = exceptedMethods(inner);
  const other = await compileLocation(place, inner.settings, serverIndex, tools);
  const content = inner.settings.own(proxyPass) === undefined ? location.content : other.content;
  const handlers = handlersOf(other.rewrite, other.access, content);
  return { ...location, limit: { methods, location: { ...other, content, handlers } } };
}

async function compileLocation(
  place: Place,
  settings: BlockSettings,
  serverIndex: number,
  tools: ServerTools,
): Promise<LocationConfig> {
  const phases = await build(place, settings, tools, 'location');
  const kept = settings.get(keepalive.keepaliveTimeout);
  const lingering = settings.get(core.lingeringClose);
  // What a server rewrites has run before a location was looked for; as in nginx it does
  // not run again where none was found, not even after an internal redirect.
  const rewrite = place.kind === 'server' ? [] : phases.rewrites;
  const { accesses: access, contentHandler: content } = phases;
  return {
    ...place,
    ...tools.bodies(settings),
    limit: undefined,
    root: effectiveRoot(settings, tools.parse),
    serverIndex,
    rewrite,
    access,
    content,
    handlers: handlersOf(rewrite, access, content),
    headerFilters: phases.headerFilters,
    trailers: phases.trailerSources,
    logHandlers: phases.logHandlers,
    clientMaxBodySize: settings.get(core.clientMaxBodySize),
    clientBodyBufferSize: Math.min(settings.get(core.clientBodyBufferSize), MAX_REPLAY_BYTES),
    clientBodyTimeoutMs: settings.get(core.clientBodyTimeout),
    sendTimeoutMs: settings.get(core.sendTimeout),
    clientBodyMinRate: settings.get(minRate.clientBodyMinRate),
    sendMinRate: settings.get(minRate.sendMinRate),
    keepaliveTimeoutMs: kept.timeoutMs,
    keepaliveHeaderSeconds: kept.headerSeconds,
    keepaliveRequests: settings.get(keepalive.keepaliveRequests),
    keepaliveTimeMs: settings.get(keepalive.keepaliveTime),
    keepaliveMinTimeoutMs: settings.get(keepalive.keepaliveMinTimeout),
    keepaliveDisable: settings.get(keepalive.keepaliveDisable),
    lingeringTimeMs: settings.get(core.lingeringTime),
    lingeringTimeoutMs: settings.get(core.lingeringTimeout),
    lingers: lingering !== 'off',
    lingersAlways: lingering === 'always',
    resetTimedOut: settings.get(core.resetTimedoutConnection),
    chunkedTransferEncoding: settings.get(core.chunkedTransferEncoding),
    defaultType: settings.get(core.defaultType),
    errorPages: settings.get(errorPage),
    errorLog: tools.errorLog(settings),
    serverTokens: settings.get(core.serverTokens),
  };
}

/** The nearest `alias` or `root`, as in nginx. The rows resolve what is written; what is not written is relative to the prefix too. */
function effectiveRoot(settings: Settings, parse: ParseContext): string {
  for (let at: Settings | undefined = settings; at !== undefined; at = at.outer) {
    const written = at.own(core.alias) ?? at.own(core.root);
    if (written !== undefined) return written;
  }
  return parse.prefixPath(core.root.default);
}

/**
 * Runs the modules over one place. A module that needs a backend whose name is not
 * resolved yet is stopped, the name is resolved, and the place is built afresh: so
 * modules stay plain functions, and no name is looked up that nobody uses.
 */
async function build(
  place: Place,
  settings: Settings,
  tools: ServerTools,
  step: 'server' | 'location',
): Promise<Phases> {
  for (;;) {
    const phases = new Phases(place, settings, tools);
    try {
      for (const module of tools.registry.modules) module[step]?.(phases);
      return phases;
    } catch (error) {
      if (!(error instanceof UnresolvedName)) throw error;
      await tools.upstreams.settle(error.host, error.position);
    }
  }
}

/** Collects the handlers of one place. Its methods are closures, so that a module may take them out of the object. */
class Phases implements EngineBuilder {
  readonly location: Place;
  readonly settings: Settings;
  readonly parse: ParseContext;
  readonly errorLog: ErrorLog;
  readonly upstreamGroup: EngineBuilder['upstreamGroup'];
  readonly findUpstream: EngineBuilder['findUpstream'];
  readonly logFile: EngineBuilder['logFile'];

  readonly rewrites: PhaseHandler[] = [];
  readonly accesses: PhaseHandler[] = [];
  contentHandler: PhaseHandler | undefined;
  readonly headerFilters: HeaderFilter[] = [];
  readonly trailerSources: TrailerSource[] = [];
  readonly logHandlers: LogHandler[] = [];

  constructor(location: Place, settings: Settings, tools: ServerTools) {
    this.location = location;
    this.settings = settings;
    this.parse = tools.parse;
    this.errorLog = tools.errorLog(settings);
    this.upstreamGroup = (authority, position) => tools.upstreams.group(authority, position);
    this.findUpstream = tools.upstreams.find;
    this.logFile = (path) => tools.logFile(path);
  }

  readonly rewrite = (handler: PhaseHandler): void => void this.rewrites.push(handler);
  readonly access = (handler: PhaseHandler): void => void this.accesses.push(handler);
  readonly trailers = (source: TrailerSource): void => void this.trailerSources.push(source);
  readonly headerFilter = (filter: HeaderFilter): void => void this.headerFilters.push(filter);
  readonly log = (handler: LogHandler): void => void this.logHandlers.push(handler);
  readonly content = (handler: PhaseHandler): void => {
    this.contentHandler = handler;
  };
}

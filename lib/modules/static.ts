/**
 * Plain files under `root` or `alias`: what answers where nothing else does. Nothing
 * here blocks the loop: files are opened and read by Node's thread pool.
 *
 *   /dir/      each `index` in turn: found, or an absolute path, an internal redirect to it; none, 403
 *   /dir       301 to /dir/
 *   /file      the file, 304 or 412
 */
import { stat } from 'node:fs/promises';
import type { Exchange, Module, PhaseHandler, PhaseResult, Settings, Value } from '../module-api/index.js';
import type { EngineBuilder } from '../proxy/runtime.js';
import { alias, defaultType, root } from './core.js';
import { mimeTypes } from './mime.js';
import { redirectPolicy, sendRedirect } from './redirect.js';
import { openFile, sendFile, type FileOptions } from './static-file.js';
import { etag, ifModifiedSince, index, logNotFound, maxRanges } from './static-rows.js';
import { describeErrno } from '../errors/file-error.js';

const BAD_REQUEST = 400;
const FORBIDDEN = 403;
const NOT_FOUND = 404;
const NOT_ALLOWED = 405;
const INTERNAL = 500;

/** What a location says about its files. */
interface Site extends FileOptions {
  readonly indexes: readonly (string | Value)[];
  readonly logNotFound: boolean;
  /** Gives the path on disk for the path of a request, or undefined when it would leave the directory. */
  readonly pathOf: PathMapper;
}

type PathMapper = (exchange: Exchange, uri: string) => string | undefined;

/** A segment "." or ".."; the engine resolved those of the request, but an alias may cut a name in two. */
const DOT_SEGMENT = /(?:^|\/)\.\.?(?:\/|$)/;

/** Maps by the root of the location that applies. */
const byRoot: PathMapper = (exchange, uri) =>
  DOT_SEGMENT.test(uri) ? undefined : exchange.location.root + uri;

/** Without a prefix to replace, an alias is the whole path. */
function byAlias(path: string, { kind, name }: EngineBuilder['location']): PathMapper {
  if (kind === 'regex') return () => path;
  return (_exchange, uri) => {
    const rest = uri.slice(name.length);
    return DOT_SEGMENT.test(rest) ? undefined : path + rest;
  };
}

/** What locations with an alias made of it, for those inside them that have neither alias nor root. */
const aliased = new WeakMap<Settings, PathMapper>();

function pathMapper(settings: Settings, location: EngineBuilder['location']): PathMapper {
  const path = settings.own(alias);
  if (path !== undefined) {
    const mapper = byAlias(path, location);
    aliased.set(settings, mapper);
    return mapper;
  }
  let at: Settings | undefined = settings;
  while (at !== undefined && at.own(root) === undefined) {
    const inherited = aliased.get(at);
    if (inherited !== undefined) return inherited;
    at = at.outer;
  }
  return byRoot;
}

function siteOf(settings: Settings, location: EngineBuilder['location']): Site {
  return {
    indexes: settings.get(index),
    logNotFound: settings.get(logNotFound),
    types: settings.get(mimeTypes),
    defaultType: settings.get(defaultType),
    etag: settings.get(etag),
    ifModifiedSince: settings.get(ifModifiedSince),
    maxRanges: settings.get(maxRanges),
    redirect: redirectPolicy(settings),
    pathOf: pathMapper(settings, location),
  };
}

function staticHandler(site: Site): PhaseHandler {
  return (exchange) => {
    const { method } = exchange.request;
    if (method !== 'GET' && method !== 'HEAD' && method !== 'POST') return NOT_ALLOWED;
    const { uri } = exchange;
    if (!uri.startsWith('/') || uri.includes('\0')) return BAD_REQUEST;
    return uri.endsWith('/') ? serveDirectory(exchange, site) : serveFile(exchange, site, uri);
  };
}

async function serveDirectory(exchange: Exchange, site: Site): Promise<PhaseResult> {
  const { uri } = exchange;
  for (const index of site.indexes) {
    const name = typeof index === 'string' ? index : index.get(exchange);
    if (name.startsWith('/')) return exchange.redirectInternally(withArgs(exchange, name));
    const path = site.pathOf(exchange, uri + name);
    if (path === undefined) return refuse(exchange, uri);
    const found = await probe(path);
    if (found === 'file') return showIndex(exchange, site, uri + name);
    if (found === 'denied') return refuse(exchange, path);
  }
  const directory = site.pathOf(exchange, uri);
  if (directory === undefined) return refuse(exchange, uri);
  if ((await probe(directory)) === 'nothing') {
    return notFound(exchange, site, `"${directory}" is not found (2: No such file or directory)`);
  }
  exchange.log('error', `directory index of "${directory}" is forbidden`);
  return FORBIDDEN;
}

/** The redirect goes through the locations again; a "?" in the path itself would be taken for the query's. */
function showIndex(exchange: Exchange, site: Site, uri: string): PhaseResult | Promise<PhaseResult> {
  if (uri.includes('?')) return serveFile(exchange, site, uri);
  return exchange.redirectInternally(withArgs(exchange, uri));
}

const withArgs = ({ args }: Exchange, path: string): string => (args === '' ? path : `${path}?${args}`);

async function serveFile(exchange: Exchange, site: Site, uri: string): Promise<PhaseResult> {
  const path = site.pathOf(exchange, uri);
  if (path === undefined) return refuse(exchange, uri);
  let file;
  try {
    file = await openFile(path);
  } catch (error) {
    return openFailed(exchange, site, path, error);
  }
  try {
    const info = await file.stat();
    if (info.isDirectory()) return redirectToDirectory(exchange, site, uri);
    if (!info.isFile()) return notFound(exchange, site, `"${path}" is not a regular file`);
    if (exchange.request.method === 'POST') return NOT_ALLOWED;
    return await sendFile(exchange, file, info, path, uri, site);
  } finally {
    await file.close();
  }
}

function redirectToDirectory(exchange: Exchange, site: Site, uri: string): PhaseResult {
  return sendRedirect(exchange, 301, withArgs(exchange, `${escapePath(uri)}/`), site.redirect);
}

/** Percent-encodes what may not stand in a path. */
export function escapePath(path: string): string {
  return path.replace(/[\0-\x20"#%<>?\\^`{|}\x7f-\xff]/g, (char) => {
    return `%${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`;
  });
}

type Probe = 'file' | 'other' | 'nothing' | 'denied';

async function probe(path: string): Promise<Probe> {
  try {
    return (await stat(Buffer.from(path, 'latin1'))).isFile() ? 'file' : 'other';
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EACCES' ? 'denied' : 'nothing';
  }
}

const MISSING: ReadonlySet<string | undefined> = new Set(['ENOENT', 'ENOTDIR', 'ENAMETOOLONG', 'ELOOP']);

function openFailed(exchange: Exchange, site: Site, path: string, error: unknown): PhaseResult {
  const { code } = error as NodeJS.ErrnoException;
  const message = `open() "${path}" failed (${describeErrno(error)})`;
  if (MISSING.has(code)) return notFound(exchange, site, message);
  if (code === 'EACCES' || code === 'EPERM') {
    exchange.log('error', message);
    return FORBIDDEN;
  }
  exchange.log('crit', message);
  return INTERNAL;
}

function notFound(exchange: Exchange, site: Site, message: string): PhaseResult {
  if (site.logNotFound) exchange.log('error', message);
  return NOT_FOUND;
}

function refuse(exchange: Exchange, path: string): PhaseResult {
  exchange.log('error', `access to "${path}" is forbidden`);
  return FORBIDDEN;
}

/** Plain files. */
export const staticModule: Module = {
  name: 'static',
  directives: [index, etag, ifModifiedSince, maxRanges, logNotFound],
  location(builder) {
    const { settings } = builder;
    builder.content(staticHandler(siteOf(settings, (builder as EngineBuilder).location)));
  },
};

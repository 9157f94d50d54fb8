/**
 * Sends one open file, or ranges of it: its head with validators, 304, 412 or 416 where the
 * request's conditions say so, and its bytes in bounded chunks at the client's pace.
 */
import { constants, type Stats } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { DONE, type Exchange, type PhaseResult } from '../module-api/index.js';
import { contentRange, multipart, selectRanges, type ByteRange, type Multipart } from './byte-ranges.js';
import { evaluateConditions, type Validators } from './conditions.js';
import { contentTypeOf, type MimeTypes } from './mime.js';
import type { RedirectPolicy } from './redirect.js';

/** What shapes the answer for a file. */
export interface FileOptions {
  readonly types: MimeTypes;
  readonly defaultType: string;
  readonly etag: boolean;
  readonly ifModifiedSince: 'off' | 'exact' | 'before';
  /** Ranges in one request; 0 ignores them. */
  readonly maxRanges: number;
  readonly redirect: RedirectPolicy;
}

const CHUNK_BYTES = 64 * 1024;
/** Chunks kept for the next file: as many as the thread pool could fill at once, and some. */
const MAX_SPARE = 8;
const spare: Buffer[] = [];

/** Opens for reading; a FIFO without a writer does not block. `path` is a byte string. */
export function openFile(path: string): Promise<FileHandle> {
  return open(Buffer.from(path, 'latin1'), constants.O_RDONLY | constants.O_NONBLOCK);
}

/** Answers with the file; it stays open, the caller closes it. Its type is that of `uri`, which an alias may give another ending. */
export async function sendFile(
  exchange: Exchange,
  file: FileHandle,
  info: Stats,
  path: string,
  uri: string,
  options: FileOptions,
): Promise<PhaseResult> {
  const validators = validatorsOf(info, options);
  // A file that is shown as an error page has the status of the error already: no condition applies to it.
  const isErrorPage = exchange.response.status >= 300;
  const verdict = isErrorPage
    ? 200
    : evaluateConditions(exchange.request, validators, options.ifModifiedSince);
  if (verdict === 412) return 412;
  const ranges =
    isErrorPage || verdict === 304
      ? 'whole'
      : selectRanges(exchange.request, validators, info.size, options.maxRanges);
  if (ranges.length === 0) {
    exchange.response.setHeader('Content-Range', `bytes */${info.size}`);
    return 416;
  }
  // The time is the page's, not that of what is missing.
  if (!isErrorPage) exchange.response.setHeader('Last-Modified', validators.lastModified);
  if (validators.etag !== undefined) exchange.response.setHeader('ETag', validators.etag);
  if (verdict === 304) return exchange.respond(304, '');
  const source: Source = { exchange, file, path, size: info.size };
  const contentType = contentTypeOf(uri, options.types, options.defaultType);
  if (ranges !== 'whole') return sendRanges(source, ranges, contentType);
  if (!isErrorPage && options.maxRanges > 0) exchange.response.setHeader('Accept-Ranges', 'bytes');
  exchange.begin(200, info.size, contentType);
  if (exchange.request.method !== 'HEAD') await sendBytes(source, { start: 0, end: info.size });
  exchange.end();
  return DONE;
}

/** What is sent, and to whom. */
interface Source {
  readonly exchange: Exchange;
  readonly file: FileHandle;
  readonly path: string;
  /** Of the whole. */
  readonly size: number;
}

/** One range as the body, several as parts of one. */
async function sendRanges(
  source: Source,
  ranges: readonly ByteRange[],
  contentType: string,
): Promise<PhaseResult> {
  const { exchange, size } = source;
  const isHead = exchange.request.method === 'HEAD';
  const [only] = ranges;
  if (only !== undefined && ranges.length === 1) {
    exchange.response.setHeader('Content-Range', contentRange(only, size));
    exchange.begin(206, only.end - only.start, contentType);
    if (!isHead) await sendBytes(source, only);
  } else {
    const parts = multipart(ranges, size, contentType);
    exchange.begin(206, parts.length, parts.contentType);
    if (!isHead) await sendParts(source, ranges, parts);
  }
  exchange.end();
  return DONE;
}

async function sendParts(source: Source, ranges: readonly ByteRange[], parts: Multipart): Promise<void> {
  for (const [index, range] of ranges.entries()) {
    const head = Buffer.from(parts.heads[index] ?? '', 'latin1');
    if (!source.exchange.write(head) && !(await isDrained(source.exchange))) return;
    if (!(await sendBytes(source, range))) return;
  }
  source.exchange.write(Buffer.from(parts.tail, 'latin1'));
}

function validatorsOf(info: Stats, options: FileOptions): Validators {
  const modifiedSeconds = Math.floor(info.mtimeMs / 1000);
  return {
    modifiedSeconds,
    lastModified: new Date(modifiedSeconds * 1000).toUTCString(),
    etag: options.etag ? `"${modifiedSeconds.toString(16)}-${info.size.toString(16)}"` : undefined,
  };
}

/** Sends those bytes; false when the file has shrunk or the client has left. */
async function sendBytes({ exchange, file, path }: Source, { start, end }: ByteRange): Promise<boolean> {
  const chunk = spare.pop() ?? Buffer.allocUnsafeSlow(CHUNK_BYTES);
  try {
    let position = start;
    while (position < end) {
      const { bytesRead } = await file.read(chunk, 0, Math.min(CHUNK_BYTES, end - position), position);
      if (bytesRead === 0) {
        exchange.log('alert', `"${path}" was truncated while it was sent`);
        return false;
      }
      position += bytesRead;
      if (exchange.write(chunk.subarray(0, bytesRead)) || position === end) continue;
      if (!(await isDrained(exchange))) return false;
    }
    return true;
  } finally {
    if (spare.length < MAX_SPARE) spare.push(chunk);
  }
}

/** Waits until the client takes more; false when it has left. */
async function isDrained(exchange: Exchange): Promise<boolean> {
  try {
    await exchange.drained();
    return true;
  } catch {
    return false;
  }
}

/**
 * Sends one open file: its head with validators, 304 or 412 where the request's
 * conditions say so, and its bytes in bounded chunks at the client's pace.
 */
import { constants, type Stats } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { DONE, type Exchange, type PhaseResult } from '../module-api/index.js';
import { evaluateConditions, type Validators } from './conditions.js';
import { contentTypeOf, type MimeTypes } from './mime.js';
import type { RedirectPolicy } from './redirect.js';

/** What shapes the answer for a file. */
export interface FileOptions {
  readonly types: MimeTypes;
  readonly defaultType: string;
  readonly etag: boolean;
  readonly ifModifiedSince: 'off' | 'exact' | 'before';
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

/** Answers with the file; it stays open, the caller closes it. */
export async function sendFile(
  exchange: Exchange,
  file: FileHandle,
  info: Stats,
  path: string,
  options: FileOptions,
): Promise<PhaseResult> {
  const validators = validatorsOf(info, options);
  // A file that is shown as an error page has the status of the error already: no condition applies to it.
  const isErrorPage = exchange.response.status >= 300;
  const verdict = isErrorPage
    ? 200
    : evaluateConditions(exchange.request, validators, options.ifModifiedSince);
  if (verdict === 412) return 412;
  // The time is the page's, not that of what is missing.
  if (!isErrorPage) exchange.response.setHeader('Last-Modified', validators.lastModified);
  if (validators.etag !== undefined) exchange.response.setHeader('ETag', validators.etag);
  if (verdict === 304) return exchange.respond(304, '');
  exchange.begin(200, info.size, contentTypeOf(path, options.types, options.defaultType));
  if (exchange.request.method !== 'HEAD') await sendBytes(exchange, file, info.size, path);
  exchange.end();
  return DONE;
}

function validatorsOf(info: Stats, options: FileOptions): Validators {
  const modifiedSeconds = Math.floor(info.mtimeMs / 1000);
  return {
    modifiedSeconds,
    lastModified: new Date(modifiedSeconds * 1000).toUTCString(),
    etag: options.etag ? `"${modifiedSeconds.toString(16)}-${info.size.toString(16)}"` : undefined,
  };
}

/** Sends `size` bytes; fewer when the file has shrunk or the client has left. */
async function sendBytes(exchange: Exchange, file: FileHandle, size: number, path: string): Promise<void> {
  const chunk = spare.pop() ?? Buffer.allocUnsafeSlow(CHUNK_BYTES);
  try {
    let position = 0;
    while (position < size) {
      const { bytesRead } = await file.read(chunk, 0, Math.min(CHUNK_BYTES, size - position), position);
      if (bytesRead === 0) {
        exchange.log('alert', `"${path}" was truncated while it was sent`);
        return;
      }
      position += bytesRead;
      if (!exchange.write(chunk.subarray(0, bytesRead)) && position < size && !(await isDrained(exchange)))
        return;
    }
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

/** Failed system calls in nginx's words, whoever reports them: `open() "/x" failed (2: No such file or directory)`. */
import { errnoText } from '../errors/errno.js';
import { MillraceError } from '../errors/millrace-error.js';

/** "2: No such file or directory" from an error of Node or of ours; its message when it carries no errno. */
export function errnoPart(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { errno } = error as NodeJS.ErrnoException;
  if (errno === undefined || errno === 0) return error.message;
  return `${Math.abs(errno)}: ${errnoText(Math.abs(errno))}`;
}

/**
 * A failure as one sentence. A socket that could not be opened names its address, as in
 * `bind() to 127.0.0.1:8080 failed (98: Address already in use)`; everything else is
 * its first line, without a stack.
 */
export function failureMessage(error: unknown): string {
  if (error instanceof MillraceError && error.phase === 'listen' && error.errno !== 0) {
    return `bind() to ${socketName(error.address ?? '', error.port ?? -1)} failed (${errnoPart(error)})`;
  }
  const text = error instanceof Error ? error.message : String(error);
  return text.split('\n', 1)[0] ?? text;
}

/** "127.0.0.1:80", "[::1]:80", "unix:/path". A port below 0 means a unix socket. */
export function socketName(address: string, port: number): string {
  if (port < 0) return `unix:${address}`;
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

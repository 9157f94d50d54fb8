/**
 * Errors of the file system in nginx's words: `open() "/x" failed (2: No such file or
 * directory)`.
 */
import { errnoText } from './errno.js';

/** Number and text of what Node reports: "2: No such file or directory"; its message when it has no number. */
export function describeErrno(error: unknown): string {
  const { errno, message } = error as NodeJS.ErrnoException;
  if (errno === undefined) return message;
  const text = errnoText(Math.abs(errno));
  return `${Math.abs(errno)}: ${text.charAt(0).toUpperCase()}${text.slice(1)}`;
}

/** The error with a message in nginx's words; `code` and `errno` are kept. */
export function systemError(call: string, path: string, error: unknown): NodeJS.ErrnoException {
  const { code, errno } = error as NodeJS.ErrnoException;
  const made: NodeJS.ErrnoException = new Error(`${call} "${path}" failed (${describeErrno(error)})`, {
    cause: error,
  });
  if (code !== undefined) made.code = code;
  if (errno !== undefined) made.errno = errno;
  return made;
}

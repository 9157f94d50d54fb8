/**
 * Errors of the operating system in nginx's words: `open() "/x" failed (2: No such file
 * or directory)`.
 */
import { getSystemErrorMap } from 'node:util';

/** Number and text of an errno: "2: No such file or directory". */
export function errnoText(error: unknown): string {
  const { errno, code, message } = error as NodeJS.ErrnoException;
  if (errno === undefined) return message;
  const text = getSystemErrorMap().get(errno)?.[1] ?? code ?? message;
  return `${Math.abs(errno)}: ${text.charAt(0).toUpperCase()}${text.slice(1)}`;
}

/** The error with a message in nginx's words; `code` and `errno` are kept. */
export function systemError(call: string, path: string, error: unknown): NodeJS.ErrnoException {
  const { code, errno } = error as NodeJS.ErrnoException;
  const made: NodeJS.ErrnoException = new Error(`${call} "${path}" failed (${errnoText(error)})`, {
    cause: error,
  });
  if (code !== undefined) made.code = code;
  if (errno !== undefined) made.errno = errno;
  return made;
}

/**
 * One row per error code that can reach a user: what kind of error it is, which HTTP
 * status a proxy answers with when it happens on the upstream's side, and whether the
 * attempt may be repeated. `docs/errors.md` is checked against this table.
 *
 * System errors are known by their errno name, our own by a name that begins with
 * `ERR_`. A code without a row counts as {@link FALLBACK_ROW}.
 */

/** What kind of trouble it is: the world's, a lack of resources, a time limit, or a mistake of the caller. */
export type ErrorClass =
  'network' | 'resource' | 'timeout' | 'permission' | 'protocol' | 'usage' | 'cancelled';

/**
 * When an attempt that ended so may be repeated: `never`; `safe`, because nothing was
 * sent; `if-reused`, when the connection had been kept alive and its peer may have
 * closed it before it saw the request.
 */
export type RetryRule = 'never' | 'safe' | 'if-reused';

/** One row of the table. */
export interface ErrorRow {
  readonly class: ErrorClass;
  /** HTTP status that a proxy gives for it. */
  readonly status: number;
  readonly retry: RetryRule;
  /** What the system's strerror says (system errors) or a sentence (ours). */
  readonly text: string;
}

function row(errorClass: ErrorClass, status: number, retry: RetryRule, text: string): ErrorRow {
  return Object.freeze({ class: errorClass, status, retry, text });
}

/** What counts for a code without a row of its own. */
export const FALLBACK_ROW: ErrorRow = row('network', 502, 'never', 'Unknown error');

/** Every code that has a row. Texts of system errors are those of POSIX systems' strerror(3). */
export const ERROR_TABLE: Readonly<Record<string, ErrorRow>> = Object.freeze({
  // The peer, or the way to it, refuses before anything was sent.
  ECONNREFUSED: row('network', 502, 'safe', 'Connection refused'),
  EHOSTUNREACH: row('network', 502, 'safe', 'No route to host'),
  ENETUNREACH: row('network', 502, 'safe', 'Network is unreachable'),
  EHOSTDOWN: row('network', 502, 'safe', 'Host is down'),
  ENETDOWN: row('network', 502, 'safe', 'Network is down'),
  EADDRNOTAVAIL: row('network', 502, 'safe', 'Cannot assign requested address'),
  EAFNOSUPPORT: row('network', 502, 'safe', 'Address family not supported by protocol'),
  ENOENT: row('network', 502, 'safe', 'No such file or directory'),
  ERR_RESOLVE: row('network', 502, 'safe', 'The name could not be resolved'),

  // The peer goes away in the middle.
  ECONNRESET: row('network', 502, 'if-reused', 'Connection reset by peer'),
  EPIPE: row('network', 502, 'if-reused', 'Broken pipe'),
  ECONNABORTED: row('network', 502, 'if-reused', 'Software caused connection abort'),
  ENOTCONN: row('network', 502, 'if-reused', 'Transport endpoint is not connected'),
  ERR_UNEXPECTED_END: row('protocol', 502, 'if-reused', 'The peer closed the connection too early'),

  // Time limits.
  ETIMEDOUT: row('timeout', 504, 'never', 'Connection timed out'),
  ERR_CONNECT_TIMEOUT: row('timeout', 504, 'safe', 'The connection was not established in time'),
  ERR_DEADLINE: row('timeout', 504, 'never', 'The deadline passed'),

  // Resources of this machine are used up.
  EMFILE: row('resource', 500, 'safe', 'Too many open files'),
  ENFILE: row('resource', 500, 'safe', 'Too many open files in system'),
  ENOMEM: row('resource', 500, 'never', 'Cannot allocate memory'),
  ENOBUFS: row('resource', 500, 'never', 'No buffer space available'),
  EAGAIN: row('resource', 502, 'safe', 'Resource temporarily unavailable'),

  // What the system does not allow, or what is taken.
  EACCES: row('permission', 500, 'never', 'Permission denied'),
  EPERM: row('permission', 500, 'never', 'Operation not permitted'),
  EADDRINUSE: row('usage', 500, 'never', 'Address already in use'),
  EINVAL: row('usage', 500, 'never', 'Invalid argument'),
  ENAMETOOLONG: row('usage', 500, 'never', 'File name too long'),
  EMSGSIZE: row('usage', 500, 'never', 'Message too long'),
  EBADF: row('usage', 500, 'never', 'Bad file descriptor'),
  ENOTSOCK: row('usage', 500, 'never', 'Socket operation on non-socket'),
  EDESTADDRREQ: row('usage', 500, 'never', 'Destination address required'),

  // Mistakes of the caller, and what the caller asked for.
  ERR_INVALID_ADDRESS: row('usage', 500, 'never', 'Not a numeric address'),
  ERR_WRITE_AFTER_END: row('usage', 500, 'never', 'write() after end()'),
  ERR_REACTOR_CLOSED: row('usage', 500, 'never', 'The reactor is closed'),
  ERR_CLOSED: row('usage', 500, 'never', 'The connection is closed'),
  ERR_BUSY: row('usage', 500, 'never', 'Another reader already reads this connection'),
  ERR_NOT_TRANSFERABLE: row('usage', 500, 'never', 'The function cannot be sent to a worker thread'),
  ECANCELED: row('cancelled', 499, 'never', 'Operation canceled'),
});

/** The row of a code; {@link FALLBACK_ROW} when it has none. */
export function errorRow(code: string): ErrorRow {
  return ERROR_TABLE[code] ?? FALLBACK_ROW;
}

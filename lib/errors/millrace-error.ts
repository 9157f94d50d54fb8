/**
 * The one error class of the project: code, what was being done, and with whom.
 *
 * Native code and the hot path only pass numbers; an object is made where somebody
 * reads it. What follows from a code (class, HTTP status, retry) comes from the table
 * in error-table.ts, so that it is decided in one place.
 */
import { errnoCode, errnoText } from './errno.js';
import { errorRow, type ErrorClass, type RetryRule } from './error-table.js';

/** Which side an error belongs to: the client's, the backend's, our own, or the configuration. */
export type ErrorSource = 'downstream' | 'upstream' | 'internal' | 'config';

/** What an error can carry besides its code. */
export interface ErrorDetails {
  /** The sentence after the code; by default the text of the code's row. */
  message?: string;
  /** Positive errno when a system call failed. */
  errno?: number;
  /** The system call, or the phase of the work: "connect", "listen", "read", "resolve". */
  phase?: string;
  source?: ErrorSource;
  /** Numeric address, name, or path of a unix socket. */
  address?: string;
  /** Port; left out for unix sockets. */
  port?: number;
  cause?: unknown;
}

/**
 * An error with a stable `code` ("ECONNREFUSED", "ERR_DEADLINE").
 * `status`, `retry` and `errorClass` are what the table says about that code.
 */
export class MillraceError extends Error {
  /** errno name or a name that begins with `ERR_`. */
  readonly code: string;
  /** Positive errno, 0 when no system call was involved. */
  readonly errno: number;
  /** The system call or phase, "" when unknown. */
  readonly phase: string;
  readonly source: ErrorSource | undefined;
  readonly address: string | undefined;
  readonly port: number | undefined;

  constructor(code: string, details: ErrorDetails = {}) {
    super(composeMessage(code, details), details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.errno = details.errno ?? 0;
    this.phase = details.phase ?? '';
    this.source = details.source;
    this.address = details.address;
    this.port = details.port;
  }

  override get name(): string {
    return 'MillraceError';
  }

  /** Node's name for the phase, so that code written for Node's errors understands this one. */
  get syscall(): string {
    return this.phase;
  }

  get errorClass(): ErrorClass {
    return errorRow(this.code).class;
  }

  /** HTTP status for a proxy that met this error at its upstream. */
  get status(): number {
    return errorRow(this.code).status;
  }

  get retry(): RetryRule {
    return errorRow(this.code).retry;
  }
}

/** The error of a failed system call; `number` is the positive errno. */
export function systemError(number: number, phase: string, details: ErrorDetails = {}): MillraceError {
  const code = errnoCode(number);
  return new MillraceError(code, { message: errnoText(number), ...details, errno: number, phase });
}

/** "listen EADDRINUSE: Address already in use 127.0.0.1:80" */
function composeMessage(code: string, details: ErrorDetails): string {
  const phase = details.phase === undefined ? '' : `${details.phase} `;
  const place = placeOf(details.address, details.port);
  return `${phase}${code}: ${details.message ?? errorRow(code).text}${place === '' ? '' : ` ${place}`}`;
}

function placeOf(address: string | undefined, port: number | undefined): string {
  if (address === undefined) return '';
  if (port === undefined || port < 0) return address;
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

/**
 * The files that log lines go to. Each path is open once, in append mode, however many
 * directives name it.
 *
 *   error log    writeNow   one write for each line, before the call returns
 *   access log   lines      gathered in the arena; written in one go by a microtask, which runs
 *                           when the callback of the turn is left: at its end at the latest
 *
 * No line is lost: `flush`, `close` and the exit of the process write what is pending,
 * `reopen` does it before it changes the file.
 */
import { closeSync, openSync, writeSync } from 'node:fs';
import { isAbsolute, resolve } from 'node:path';
import { host } from '../native/host.js';
import { LogLines, type LogOutput } from '../proxy/log-lines.js';
import type { LogSink } from '../proxy/runtime.js';
import { systemError } from '../errors/file-error.js';

/** How long a full pipe (stderr that nobody reads) is waited for before its lines are dropped. */
const MAX_WAIT_MS = 1000;
const MODE = 0o644;

/** Told of a line that could not be written, at most once a second for a file. */
export type LogFailure = (path: string, error: NodeJS.ErrnoException) => void;

/** One open file, or stderr. Owned by its LogFiles. */
export class LogFile implements LogSink, LogOutput {
  /** Absolute, or "stderr". */
  readonly path: string;
  #fd: number;
  readonly #onFailure: LogFailure;
  readonly lines: LogLines;
  #scheduled = false;
  readonly #flushLater: () => void;
  #failedAtMs = Number.NEGATIVE_INFINITY;

  constructor(path: string, onFailure: LogFailure) {
    this.path = path;
    this.#onFailure = onFailure;
    this.#fd = openLog(path);
    this.lines = new LogLines(this);
    this.#flushLater = () => {
      this.#scheduled = false;
      this.flush();
    };
  }

  /** See {@link LogOutput}: the line is written at the end of the turn. */
  lineEnded(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(this.#flushLater);
  }

  /** See {@link LogOutput}. */
  writeRange(offset: number, length: number): void {
    this.#write(host.u8, offset, length);
  }

  /** Writes a line (a byte string without line end), and what is pending before it, at once. */
  writeNow(line: string): void {
    this.flush();
    const bytes = Buffer.from(`${line}\n`, 'latin1');
    this.#write(bytes, 0, bytes.length);
  }

  /** Writes what is pending. */
  flush(): void {
    this.lines.flush();
  }

  /** Never throws: a full disk must not stop requests. */
  #write(bytes: Uint8Array, offset: number, length: number): void {
    if (this.#fd < 0) return;
    try {
      writeAll(this.#fd, bytes, offset, length);
    } catch (error) {
      this.#report(error as NodeJS.ErrnoException);
    }
  }

  /** Writes what is pending and opens the path anew, so that a renamed file is let go. On failure the old file stays. */
  reopen(): void {
    this.flush();
    if (this.path === STDERR) return;
    const old = this.#fd;
    try {
      this.#fd = openLog(this.path);
    } catch (error) {
      this.#report(error as NodeJS.ErrnoException);
      return;
    }
    if (old >= 0) closeSync(old);
  }

  /** Writes what is pending and closes; later lines are dropped. May be called again. */
  close(): void {
    this.flush();
    if (this.#fd >= 0 && this.path !== STDERR) closeSync(this.#fd);
    this.#fd = -1;
  }

  /** Descriptor of the file, for whoever changes its owner; -1 after close. */
  get fd(): number {
    return this.#fd;
  }

  #report(error: NodeJS.ErrnoException): void {
    const nowMs = Date.now();
    if (nowMs - this.#failedAtMs < 1000) return;
    this.#failedAtMs = nowMs;
    this.#onFailure(this.path, error);
  }
}

const STDERR = 'stderr';
const STDERR_FD = 2;

/** Every log file of a process. */
export class LogFiles {
  readonly #prefix: string;
  readonly #files = new Map<string, LogFile>();
  readonly #onFailure: LogFailure;

  /** `prefix` is the directory that relative paths start from. By default a failed write is reported on stderr. */
  constructor(prefix: string, onFailure: LogFailure = reportOnStderr) {
    this.#prefix = prefix;
    this.#onFailure = onFailure;
  }

  /**
   * The file of that path (a byte string), created when it is not there; "stderr" is the
   * process's own. Throws an Error with `code` and nginx's words:
   * `open() "/x/error.log" failed (2: No such file or directory)`.
   */
  open(path: string): LogFile {
    const text = Buffer.from(path, 'latin1').toString();
    const full = path === STDERR ? STDERR : isAbsolute(text) ? text : resolve(this.#prefix, text);
    const known = this.#files.get(full);
    if (known !== undefined) return known;
    const file = new LogFile(full, this.#onFailure);
    this.#files.set(full, file);
    flushAtExit(this);
    return file;
  }

  /** Writes what is pending in every file. */
  flush(): void {
    for (const file of this.#files.values()) file.flush();
  }

  /** After logs were rotated (USR1). */
  reopen(): void {
    for (const file of this.#files.values()) file.reopen();
  }

  /** Writes what is pending and closes every file. */
  close(): void {
    for (const file of this.#files.values()) file.close();
    this.#files.clear();
    live.delete(this);
  }

  /** The open files, for changing their owner. */
  files(): Iterable<LogFile> {
    return this.#files.values();
  }
}

/** Those with an open file: `process.exit` leaves the turn without its microtasks. */
const live = new Set<LogFiles>();
let hooked = false;

function flushAtExit(files: LogFiles): void {
  live.add(files);
  if (hooked) return;
  hooked = true;
  process.once('exit', flushLiveLogs);
}

function flushLiveLogs(): void {
  for (const each of live) each.flush();
}

function openLog(path: string): number {
  if (path === STDERR) return STDERR_FD;
  try {
    return openSync(path, 'a', MODE);
  } catch (error) {
    throw systemError('open()', path, error);
  }
}

function writeAll(fd: number, bytes: Uint8Array, from: number, length: number): void {
  const end = from + length;
  let offset = from;
  let waitedMs = 0;
  while (offset < end) {
    try {
      offset += writeSync(fd, bytes, offset, end - offset);
    } catch (error) {
      // An inherited stderr may be a pipe in non-blocking mode: wait for its reader, but not for ever.
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN' || waitedMs >= MAX_WAIT_MS) throw error;
      Atomics.wait(sleeper, 0, 0, 1);
      waitedMs += 1;
    }
  }
}

/** Never notified: waiting on it is a sleep. */
const sleeper = new Int32Array(new SharedArrayBuffer(4));

function reportOnStderr(path: string, error: NodeJS.ErrnoException): void {
  try {
    writeSync(STDERR_FD, `millrace: ${systemError('write()', path, error).message}\n`);
  } catch {
    // Nobody reads stderr either: there is nowhere left to say it.
  }
}

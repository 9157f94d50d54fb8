/**
 * The body of one request as a file: written as the body comes, read again for each backend
 * that gets it. All of it is done by Node's thread pool, one operation at a time, since even a
 * file that is "ready" can make the loop wait for a disk.
 *
 *   add ──► filling ──► written by the pool, while the next bytes are added to the other block
 *   send ─► read by the pool, a block at a time ──► owner ──► (full) more ──► ...
 *
 * Memory: two blocks while it is written (the client is not read while more than 64 KB wait for
 * a write to end), one of at most 256 KB while it is sent; none in between.
 */
import { close, read, unlink, unlinkSync, write } from 'node:fs';
import { systemError } from '../errors/file-error.js';
import { ByteStash } from './byte-stash.js';
import type { EngineContext } from './context.js';
import type { ExchangeImpl } from './exchange.js';
import type { Downstream } from './downstream.js';
import { blockSizeFor } from './memory.js';
import type { BodyFilePolicy, ErrorLog } from './runtime.js';
import { bytesOfPath } from './temp-files.js';

/** More than this waits for a write: the client is not read. */
const HIGH_BYTES = 64 * 1024;
/** What is read at once. */
const READ_BYTES = 256 * 1024;

/** Whom the file serves; not called after `close`. */
export interface BodyFileOwner {
  /** A write has ended: more may be added. */
  onFileRoom(): void;
  /** After `finish`: everything is in the file. */
  onFileWritten(): void;
  /** What `send` asked for; the bytes lie in the arena and are gone when the call returns. False: no more until `more`. */
  onFileData(offset: number, length: number, last: boolean): boolean;
  /** It cannot be written, or read. */
  onFileFailed(message: string, status: number): void;
}

/** Files that go with their requests, and are still there: an exit of the process removes them. */
const passing = new Set<string>();
let hooked = false;

function removeAtExit(): void {
  if (hooked) return;
  hooked = true;
  process.once('exit', () => {
    for (const path of passing) {
      try {
        unlinkSync(bytesOfPath(path));
      } catch {
        // It is gone already, or nobody is left who could be told.
      }
    }
  });
}

export class BodyFile {
  readonly #policy: BodyFilePolicy;
  readonly #owner: BodyFileOwner;
  readonly #exchange: ExchangeImpl;
  readonly #context: EngineContext;
  // The exchange may be another client's when the last operation ends.
  readonly #downstream: Downstream;
  readonly #errorLog: ErrorLog;
  /** Where it is, from its creation on; before that "". A byte string. */
  path = '';
  /** Bytes that were added. */
  length = 0;
  #fd = -1;
  /** An operation of the pool is under way. */
  #busy = false;
  #closed = false;
  #failed = false;
  #ended = false;
  /** Everything is in the file, and the owner knows. */
  #complete = false;

  #filling: ByteStash;
  #fillAt = 0;
  #fillLength = 0;
  /** Being written. */
  #leaving: ByteStash;
  #leaveAt = 0;
  #leaveLength = 0;
  #written = 0;

  #sending = false;
  /** Grows with every `send`: what was read for an earlier one is void. */
  #round = 0;
  #held = false;
  #position = 0;
  #block = -1;
  #blockSize = 0;

  constructor(exchange: ExchangeImpl, policy: BodyFilePolicy, owner: BodyFileOwner) {
    const { context } = exchange;
    this.#exchange = exchange;
    this.#policy = policy;
    this.#owner = owner;
    this.#context = context;
    this.#downstream = exchange.downstream;
    this.#errorLog = exchange.location.errorLog;
    this.#filling = new ByteStash(context.blocks, context.u8);
    this.#leaving = new ByteStash(context.blocks, context.u8);
  }

  /** The whole body is in the file. */
  get complete(): boolean {
    return this.#complete;
  }

  /** Appends a range of the arena, which is copied. False: no more until `onFileRoom`. */
  add(offset: number, length: number): boolean {
    if (this.#failed || this.#closed) return true;
    const at = this.#filling.join(this.#fillAt, this.#fillLength, offset, length);
    if (at < 0) {
      this.#fail('the arena is exhausted: no room for the request body', 503);
      return true;
    }
    this.#fillAt = at;
    this.#fillLength += length;
    this.length += length;
    this.#work();
    return this.#fillLength <= HIGH_BYTES;
  }

  /** Nothing more is added; `onFileWritten` follows. */
  finish(): void {
    this.#ended = true;
    this.#work();
  }

  /** Hands the whole to the owner, from the beginning; also again, for another backend. `held`: not before `more`. */
  send(held: boolean): void {
    this.#round++;
    this.#sending = true;
    this.#held = held;
    this.#position = 0;
    this.#pump();
  }

  /** The owner takes more. */
  more(): void {
    this.#held = false;
    this.#pump();
  }

  /** Nobody takes it any more. */
  stop(): void {
    this.#sending = false;
    if (!this.#busy) this.#releaseBlock();
  }

  /** The exchange is over: closes the file, and removes it where it does not outlive its request. */
  close(): void {
    this.#closed = true;
    this.#sending = false;
    if (!this.#busy) this.#dispose();
  }

  /** What is to be done next for writing. */
  #work(): void {
    if (this.#busy || this.#failed || this.#complete) return;
    if (this.#fillLength > 0) this.#write();
    else if (this.#fd < 0) this.#create();
    else if (this.#ended) {
      this.#filling.release();
      this.#leaving.release();
      this.#complete = true;
      this.#owner.onFileWritten();
    }
  }

  #create(): void {
    this.#busy = true;
    this.#policy.directory.create((fd, path, failure) => {
      const { removal, which } = this.#policy;
      if (fd >= 0) {
        this.#fd = fd;
        this.path = path;
        if (removal === 'at once') this.#remove();
        else if (removal === 'afterwards') {
          removeAtExit();
          passing.add(path);
        }
      }
      this.#settled(() => {
        if (fd < 0) {
          this.#fail(failure, 500);
          return;
        }
        this.#exchange.log(
          which === 'all' ? 'notice' : 'warn',
          `a client request body is buffered to a temporary file ${path}`,
        );
        if (this.#leaveLength > 0) this.#writeRest();
        else this.#work();
      });
    });
  }

  /** What was added is on its way now; what comes meanwhile goes to the other block. */
  #write(): void {
    const leaving = this.#filling;
    this.#filling = this.#leaving;
    this.#leaving = leaving;
    this.#leaveAt = this.#fillAt;
    this.#leaveLength = this.#fillLength;
    this.#fillAt = 0;
    this.#fillLength = 0;
    if (this.#fd < 0) this.#create();
    else this.#writeRest();
  }

  #writeRest(): void {
    const { u8 } = this.#context;
    this.#busy = true;
    write(this.#fd, u8, this.#leaveAt, this.#leaveLength, this.#written, (error, count) => {
      this.#settled(() => {
        if (error !== null || count === 0) {
          const cause = error ?? new Error('nothing was written');
          this.#fail(systemError('write()', this.path, cause).message, 500);
          return;
        }
        this.#written += count;
        this.#leaveAt += count;
        this.#leaveLength -= count;
        if (this.#leaveLength > 0) this.#writeRest();
        else this.#wrote();
      });
    });
  }

  #wrote(): void {
    // What came meanwhile is on its way before anybody adds to it.
    if (this.#fillLength > 0) this.#write();
    this.#owner.onFileRoom();
    if (!this.#closed) this.#work();
  }

  #pump(): void {
    if (this.#busy) return;
    if (!this.#sending) {
      this.#releaseBlock();
      return;
    }
    if (this.#held) return;
    const left = this.length - this.#position;
    if (left === 0) {
      this.#hand(0);
      return;
    }
    if (this.#block < 0) {
      this.#blockSize = Math.min(blockSizeFor(left), READ_BYTES);
      this.#block = this.#context.blocks.acquire(this.#blockSize);
      if (this.#block < 0) {
        this.#fail('the arena is exhausted: no room for the request body', 503);
        return;
      }
    }
    const round = this.#round;
    this.#busy = true;
    const length = Math.min(left, this.#blockSize);
    read(this.#fd, this.#context.u8, this.#block, length, this.#position, (error, count) => {
      this.#settled(() => {
        if (this.#sending && round === this.#round) {
          if (error !== null) this.#fail(systemError('read()', this.path, error).message, 500);
          else if (count === 0) this.#fail(`"${this.path}" was truncated while it was sent`, 500);
          else this.#hand(count);
        }
        if (!this.#closed) this.#pump();
      });
    });
  }

  /** Gives the owner what was read. */
  #hand(length: number): void {
    this.#position += length;
    const last = this.#position === this.length;
    if (last) this.#sending = false;
    const round = this.#round;
    const below = this.#owner.onFileData(this.#block, length, last);
    // The owner may have begun anew meanwhile.
    if (!below && round === this.#round) this.#held = true;
  }

  /** An operation has ended. What goes wrong in `step` costs the client its connection, as in a callback of the turn. */
  #settled(step: () => void): void {
    this.#busy = false;
    if (this.#closed) {
      this.#dispose();
      return;
    }
    try {
      step();
    } catch (error) {
      this.#downstream.destroy();
      throw error;
    }
  }

  #fail(message: string, status: number): void {
    this.#failed = true;
    this.#sending = false;
    this.#owner.onFileFailed(message, status);
  }

  #dispose(): void {
    this.#filling.release();
    this.#leaving.release();
    this.#releaseBlock();
    if (this.#fd < 0) return;
    close(this.#fd, () => {
      // Whether closing failed changes nothing any more: the bytes were written, or that failed.
    });
    this.#fd = -1;
    const { removal } = this.#policy;
    // One that was created for nothing is nobody's.
    const isEmpty = removal === 'never' && this.#written === 0 && !this.#complete;
    if (removal === 'afterwards' || isEmpty) this.#remove();
  }

  #remove(): void {
    const { path } = this;
    unlink(bytesOfPath(path), (error) => {
      passing.delete(path);
      // A backend may have moved it, or removed it itself.
      if (error === null || error.code === 'ENOENT') return;
      this.#errorLog.write('crit', systemError('unlink()', path, error).message);
    });
  }

  #releaseBlock(): void {
    if (this.#block < 0) return;
    this.#context.blocks.release(this.#block, this.#blockSize);
    this.#block = -1;
  }
}

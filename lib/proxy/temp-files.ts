/**
 * A folder in which bodies of requests are kept as files, each named by a number. With levels
 * the last digits of the number are folders, so that none of them holds too many files:
 *
 *     client_body_temp/0000000123        no levels
 *     client_body_temp/3/12/0000000123   levels 1 and 2
 *
 * Nothing here blocks the loop: Node's thread pool opens, and makes folders that are missing.
 */
import { randomInt } from 'node:crypto';
import { constants, mkdir, mkdirSync, open } from 'node:fs';
import { dirname } from 'node:path';
import { systemError } from '../errors/file-error.js';

const CREATE = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL;
const FILE_MODE = 0o600;
const FOLDER_MODE = 0o700;
const DIGITS = 10;
const NUMBERS = 10 ** DIGITS;

/** Told of a new file: its descriptor, or -1 and why there is none in nginx's words. */
export type FileCreated = (fd: number, path: string, failure: string) => void;

/** A path of the configuration, a byte string, as the file system takes it. */
export function bytesOfPath(path: string): Buffer {
  return Buffer.from(path, 'latin1');
}

export class TempFiles {
  /** Absolute; a byte string. */
  readonly path: string;
  readonly #levels: readonly number[];
  #number = 0;

  /** `levels`: digits of each level of folders, from the outside in. */
  constructor(path: string, levels: readonly number[]) {
    this.path = path;
    this.#levels = levels;
  }

  /** Makes the folder where it is not there; the one around it has to be. Throws an Error with `code`, in nginx's words. */
  prepare(): void {
    try {
      mkdirSync(bytesOfPath(this.path), FOLDER_MODE);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw systemError('mkdir()', this.path, error);
    }
  }

  /** Creates a file that only its owner may read and write. Whoever is told closes and removes it. */
  create(created: FileCreated): void {
    this.#open(this.#next(1), false, created);
  }

  /** `made`: a folder that was missing has been made. */
  #open(path: string, made: boolean, created: FileCreated): void {
    open(bytesOfPath(path), CREATE, FILE_MODE, (error, fd) => {
      if (error === null) {
        created(fd, path, '');
      } else if (error.code === 'EEXIST') {
        // Kept from an earlier run, or another process numbers its files here as well: far away from there.
        this.#open(this.#next(randomInt(1, 2 ** 20)), made, created);
      } else if (error.code === 'ENOENT' && !made) {
        this.#makeFolder(path, created);
      } else {
        created(-1, path, systemError('open()', path, error).message);
      }
    });
  }

  #makeFolder(path: string, created: FileCreated): void {
    const folder = dirname(path);
    mkdir(bytesOfPath(folder), { recursive: true, mode: FOLDER_MODE }, (error) => {
      if (error === null) this.#open(path, true, created);
      else created(-1, path, systemError('mkdir()', folder, error).message);
    });
  }

  #next(step: number): string {
    this.#number = (this.#number + step) % NUMBERS;
    const name = String(this.#number).padStart(DIGITS, '0');
    let path = this.path;
    let end = DIGITS;
    for (const digits of this.#levels) {
      path += `/${name.slice(end - digits, end)}`;
      end -= digits;
    }
    return `${path}/${name}`;
  }
}

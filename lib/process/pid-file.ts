/**
 * The pid file: tells tools which process to signal, and by appearing that every socket
 * is bound. It is written whole (a temporary name, then rename), so that nobody reads
 * half of it.
 */
import { chmodSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { errnoPart } from './system-message.js';

/** Throws an Error in nginx's words when it cannot be written. */
export function writePidFile(path: string): void {
  const temporary = `${path}.${process.pid}`;
  try {
    writeFileSync(temporary, `${process.pid}\n`, { mode: 0o644, flag: 'wx' });
    chmodSync(temporary, 0o644);
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw new Error(`open() "${path}" failed (${errnoPart(error)})`, { cause: error });
  }
}

/** Removes the file if it still names this process: a successor's file stays. Never throws. */
export function removePidFile(path: string): void {
  try {
    if (readFileSync(path, 'utf8').trim() === String(process.pid)) rmSync(path);
  } catch {
    // Gone already, or in a directory that is not ours any more after `user`.
  }
}

/** The process id that a pid file holds. Throws an Error in nginx's words. */
export function readPidFile(path: string): number {
  let text: string;
  try {
    text = readFileSync(path, 'utf8').trim();
  } catch (error) {
    throw new Error(`open() "${path}" failed (${errnoPart(error)})`, { cause: error });
  }
  if (!/^[1-9][0-9]{0,9}$/.test(text))
    throw new Error(`invalid PID number "${text.slice(0, 20)}" in "${path}"`);
  return Number(text);
}

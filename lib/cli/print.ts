/** Texts for whoever started the command. */
import { writeSync } from 'node:fs';

/** Writes a text to stderr (fd 2) or stdout (fd 1), whole. A reader that went away is no reason to fail. */
export function print(fd: 1 | 2, text: string | Uint8Array): Promise<void> {
  const stream = fd === 1 ? process.stdout : process.stderr;
  return new Promise((resolve) => {
    stream.once('error', () => resolve());
    stream.write(text, () => resolve());
  });
}

/** One line on stderr, at once: the process may end right after. */
export function printLine(text: string): void {
  try {
    writeSync(2, `${text}\n`);
  } catch {
    // stderr is closed or nobody reads it: the exit code remains.
  }
}

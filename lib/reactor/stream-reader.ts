/**
 * Who reads a stream connection: the buffer behind `for await`, the user's callbacks, a
 * pipe, or a Duplex. One at a time; changing it loses no byte.
 */
import type { MillraceError } from '../errors/millrace-error.js';

/** Receives the bytes of a connection, in order. */
export interface StreamReader {
  /** Bytes in the arena; gone when this returns. */
  onView(offset: number, length: number): void;
  /** Bytes that had arrived before this reader was set; the reader may keep them. */
  onChunk(chunk: Buffer): void;
  /** The peer has ended; nothing follows. */
  onEnd(): void;
  /** The connection is closed; `error` says why when it was not in order. */
  onClose(error: MillraceError | undefined): void;
}

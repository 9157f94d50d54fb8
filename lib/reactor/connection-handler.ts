/** The callbacks of a connection. */
import type { Connection } from './connection.js';

/**
 * Who receives what happens on a connection.
 *
 * One object per connection; an engine implements it as a class, so that no closure and
 * no event object is made per event. All of it is called from the turn and never from
 * inside a method of the connection: whoever calls write() or destroy() can finish its
 * own work first. In every callback any method of the connection may be called,
 * setHandler and destroy included. A callback that throws closes the connection (errno
 * ECANCELED) and the error reaches uncaughtException.
 */
export interface ConnectionHandler {
  /**
   * Bytes arrived. They lie in the arena at `offset` (usually in the shared receive
   * window) and are gone when this returns. Not called while reading is paused.
   */
  onData(connection: Connection, offset: number, length: number): void;
  /** The peer sent FIN, after all data. Reading is over; writing is still possible. At most once. */
  onEnd(connection: Connection): void;
  /** The write queue fell to its low watermark after a write had returned false. */
  onDrain(connection: Connection): void;
  /**
   * The connection is closed; nothing follows. Exactly once, always from the turn: at
   * its end, or at the end of the next when none was running. errno is 0 when it was
   * closed in order or by its owner, else the positive errno.
   */
  onClose(connection: Connection, errno: number): void;
  /** The deadline passed; it is cleared. */
  onDeadline(connection: Connection): void;
  /** Only for connectRaw: established; local and remote address are known. */
  onConnect?(connection: Connection): void;
  /**
   * While reading was paused the peer sent FIN (`reset` false) or the connection broke
   * (`reset` true, also after a write that failed), or onData paused it and that was known
   * already. Data may still wait to be read: it is
   * after resume(), and destroy() drops it. Without this method a paused connection closes
   * when a write fails, and any other news waits for resume().
   */
  onHangup?(connection: Connection, reset: boolean): void;
  /** A relay from this connection has moved its last byte; reading goes on. See relay.ts for its other ends. */
  onRelayed?(connection: Connection): void;
}

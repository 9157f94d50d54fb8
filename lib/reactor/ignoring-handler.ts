/** The handler of a connection that nobody has taken over: drops data, closes when the peer does. */
import type { Connection, ConnectionHandler } from './connection.js';

class IgnoringHandler implements ConnectionHandler {
  onData(): void {
    // Read, so that the end is seen; kept by nobody.
  }

  onEnd(connection: Connection): void {
    connection.close();
  }

  onDrain(): void {
    // Nobody writes.
  }

  onClose(): void {
    // Nobody waits for it.
  }

  onDeadline(connection: Connection): void {
    connection.destroy();
  }
}

/** Stateless, shared. */
export const ignoringHandler: ConnectionHandler = new IgnoringHandler();

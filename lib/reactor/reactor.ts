/**
 * A scope of ownership on the environment's event loop: whatever a reactor opens, it
 * closes. Several reactors of one process share the loop and know nothing of each other.
 */
import { MillraceError } from '../errors/millrace-error.js';
import type { Connection, ConnectionHandler } from './connection.js';
import { addTask, nowMs, wallMs, type Scope } from './dispatch.js';
import type { AcceptFunction, Listener } from './listener.js';
import { openConnection, openListener, type RawListenOptions } from './raw-sockets.js';
import { Timer } from './timer.js';

export class Reactor implements Scope {
  #closed = false;

  get closed(): boolean {
    return this.#closed;
  }

  get nowMs(): number {
    return nowMs();
  }

  get wallMs(): number {
    return wallMs();
  }

  listenRaw(options: RawListenOptions, onAccept: AcceptFunction): Listener {
    this.#requireOpen('listen');
    return openListener(this, options, onAccept);
  }

  connectRaw(address: string, port: number, handler: ConnectionHandler, localAddress = ''): Connection {
    this.#requireOpen('connect');
    return openConnection(this, address, port, handler, localAddress);
  }

  setTimer(delayMs: number, callback: () => void): Timer {
    this.#requireOpen('setTimer');
    return new Timer(this, delayMs, callback);
  }

  post(task: () => void): void {
    this.#requireOpen('post');
    addTask(this, task);
  }

  #requireOpen(phase: string): void {
    if (this.#closed) throw new MillraceError('ERR_REACTOR_CLOSED', { phase });
  }
}

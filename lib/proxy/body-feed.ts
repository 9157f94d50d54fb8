/**
 * The way of a request's body to a backend: read first, into memory or into a file, or passed
 * on as it comes.
 *
 *   collect ─► memory ──ended───────────────────────────► onCollected ─► follow
 *      │          ├──too long──► file ──ended, written──► onCollected ─► follow (from the file)
 *      │          └──too long, and no file──────────────► onCollected ─► follow (as it comes)
 *      ╰────────► file
 *
 * When the backend takes no more, whoever gives is held: the client is not read, or the file.
 */
import type { Connection } from '../reactor/connection.js';
import type { Relay } from '../reactor/relay.js';
import { BodyFile, type BodyFileOwner } from './body-file.js';
import type { ExchangeImpl } from './exchange.js';
import type { BodySink } from './request-body.js';
import { TO_FILE, TO_MEMORY, type RequestSender } from './request-sender.js';

/** The run that it belongs to. */
export interface FeedOwner {
  /** The backend's connection, while there is one. */
  readonly connection: Connection | null;
  /** A response head is awaited from it. */
  readonly awaitsHead: boolean;
  /** The body is here as far as it is waited for: a backend may be asked. */
  onCollected(): void;
  /** A part of the body was handed to the connection, which is established. */
  onBodySent(): void;
  /** Ends the run, for the exchange is answered otherwise. */
  cancel(): void;
}

/** Nothing is collected. */
const NOT = 0;

export class BodyFeed implements BodySink, BodyFileOwner {
  readonly #exchange: ExchangeImpl;
  readonly #sender: RequestSender;
  readonly #owner: FeedOwner;
  /** NOT, TO_MEMORY or TO_FILE. */
  #collecting = NOT;
  /** The backend gets the body from the file. */
  #fromFile = false;
  /** The backend, or the file, takes no more for now. */
  #held = false;

  constructor(exchange: ExchangeImpl, sender: RequestSender, owner: FeedOwner) {
    this.#exchange = exchange;
    this.#sender = sender;
    this.#owner = owner;
  }

  /** Reads the body where it has to be here first. False: it has not. */
  collect(): boolean {
    const where = this.#sender.collects;
    if (where === NOT) return false;
    const { body } = this.#exchange;
    this.#collecting = where;
    if (where === TO_FILE && this.#openFile() && !body.left) this.onBodyEnd();
    else body.start(this);
    return true;
  }

  /** A connection has got the head (`above`: its queue is above the high watermark); the rest of the body follows. */
  follow(above: boolean): void {
    const { file, readsBody, asks } = this.#sender;
    const { body } = this.#exchange;
    if (file !== null) {
      this.#fromFile = true;
      this.#held = above;
      file.send(above);
      return;
    }
    // An earlier connection may have held the client back.
    if (above) this.#hold();
    else this.release();
    if (readsBody && body.left && !body.reading) body.start(this, asks);
  }

  /** The run has ended, or its connection has gone. */
  stop(): void {
    this.#collecting = NOT;
    if (this.#fromFile) {
      this.#fromFile = false;
      this.#held = false;
      this.#exchange.bodyFile?.stop();
    } else {
      this.release();
    }
  }

  #hold(): void {
    if (this.#held) return;
    this.#held = true;
    if (!this.#fromFile) this.#exchange.downstream.connection.pause();
  }

  /** More is taken again. */
  release(): void {
    if (!this.#held) return;
    this.#held = false;
    if (this.#fromFile) {
      this.#exchange.bodyFile?.more();
      return;
    }
    this.#exchange.downstream.connection.resume();
    this.#exchange.body.watch();
  }

  // What the client sends

  onBodyData(offset: number, length: number, last: boolean): void {
    if (this.#collecting !== NOT && this.#collected(offset, length)) return;
    this.#sender.replay.add(offset, length);
    this.#send(offset, length, last);
  }

  relayBody(length: number): Relay | null {
    const { connection, awaitsHead } = this.#owner;
    return connection === null || !awaitsHead ? null : this.#sender.relay(connection, length);
  }

  onBodyMoved(length: number): void {
    this.#sender.countMoved(length);
  }

  onBodyEnd(): void {
    if (this.#collecting === TO_FILE) {
      this.#exchange.bodyFile?.finish();
    } else if (this.#collecting === TO_MEMORY) {
      this.#endCollecting();
    } else {
      this.#end();
    }
  }

  onBodyError(status: number): void {
    const { writer } = this.#exchange;
    this.#owner.cancel();
    if (writer.headSent) {
      this.#exchange.abort();
      return;
    }
    this.#exchange.rejectBody(status);
  }

  // What the file says

  onFileRoom(): void {
    if (this.#collecting === TO_FILE) this.release();
  }

  onFileWritten(): void {
    if (this.#collecting === TO_FILE) this.#endCollecting();
  }

  onFileData(offset: number, length: number, last: boolean): boolean {
    this.#held = length > 0 && !this.#send(offset, length, last);
    if (last) this.#end();
    return !this.#held;
  }

  onFileFailed(message: string, status: number): void {
    this.#exchange.log('crit', message);
    this.onBodyError(status);
  }

  /** Takes a part of a body that is collected. False: it is too long, and goes on to the backend as it comes. */
  #collected(offset: number, length: number): boolean {
    const { replay } = this.#sender;
    if (this.#collecting === TO_MEMORY) {
      if (replay.length + length <= replay.limitBytes) {
        replay.add(offset, length);
        if (!replay.complete) this.#noRoom();
        return true;
      }
      // Before the file is opened: where there is no memory for it, that ends the run.
      this.#collecting = TO_FILE;
      if (!this.#openFile()) {
        this.#endCollecting();
        // Answered without a backend: nothing is kept for this exchange any more.
        return this.#owner.connection === null;
      }
    }
    if (this.#exchange.bodyFile?.add(offset, length) === false) this.#hold();
    return true;
  }

  #noRoom(): void {
    this.#exchange.log('crit', 'the arena is exhausted: no room for the request body');
    this.onBodyError(503);
  }

  /** Begins a file with what is in memory. False: bodies are not kept in files here. */
  #openFile(): boolean {
    const exchange = this.#exchange;
    const { bodyFile } = exchange.location;
    if (bodyFile === undefined || !this.#sender.spills) return false;
    exchange.bodyFile = new BodyFile(exchange, bodyFile, this);
    this.#sender.replay.moveTo(exchange.bodyFile);
    return true;
  }

  #endCollecting(): void {
    this.#collecting = NOT;
    this.release();
    this.#owner.onCollected();
  }

  // What the backend gets

  /** False: it takes no more for now. */
  #send(offset: number, length: number, last: boolean): boolean {
    const { connection } = this.#owner;
    if (connection === null || !this.#sender.sendsBody || connection.ended) return true;
    const below = this.#sender.data(connection, offset, length, last);
    if (!below && !this.#fromFile) this.#hold();
    if (!connection.connecting) this.#owner.onBodySent();
    return below;
  }

  #end(): void {
    const { connection } = this.#owner;
    if (connection === null || !this.#sender.sendsBody || connection.ended) return;
    this.#sender.end(connection);
    if (!connection.connecting) this.#owner.onBodySent();
  }
}

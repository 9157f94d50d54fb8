/** The attempts of one exchange at backends. The records are reused; they never shrink below what one exchange needed. */
import type { UpstreamAttempt } from '../module-api/index.js';

export class AttemptRecord implements UpstreamAttempt {
  address = '';
  status = 0;
  /** ms of the turn's clock. */
  startedMs = 0;
  connectTimeMs = -1;
  headerTimeMs = -1;
  responseTimeMs = -1;
  bytesSent = 0;
  bytesReceived = 0;
  bodyBytesReceived = 0;
}

export class Attempts {
  readonly #records: AttemptRecord[] = [];
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** The attempts so far, in order. */
  get list(): readonly AttemptRecord[] {
    return this.#records.slice(0, this.#count);
  }

  /** The current one. */
  get last(): AttemptRecord {
    return this.#records[this.#count - 1];
  }

  begin(address: string, nowMs: number): AttemptRecord {
    let record = this.#records[this.#count];
    if (record === undefined) {
      record = new AttemptRecord();
      this.#records.push(record);
    }
    this.#count++;
    record.address = address;
    record.status = 0;
    record.startedMs = nowMs;
    record.connectTimeMs = -1;
    record.headerTimeMs = -1;
    record.responseTimeMs = -1;
    record.bytesSent = 0;
    record.bytesReceived = 0;
    record.bodyBytesReceived = 0;
    return record;
  }

  clear(): void {
    this.#count = 0;
  }
}

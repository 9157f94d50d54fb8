/**
 * What lies under a connection: bytes as the application means them go in and come out,
 * and the transport turns them into what the socket carries.
 *
 * The plain transport is one stateless object for every connection. A TLS transport is
 * one object per connection; it keeps its records behind these same four functions.
 */
import { receiveBytes, receiveHead, sendBytes, sendGathered } from '../native/hot.js';
import { native } from '../native/index.js';
import { segmentLength, segmentOffset } from './segments.js';

/** Four functions; results `>= 0`, or `-errno` with -EAGAIN for "not now". */
export interface Transport {
  /**
   * Reads up to `length` bytes into the arena. 0 is the end of the stream. With `scan` the
   * native scanner looks at them on the way, as a message head from its beginning.
   */
  read(handle: number, offset: number, length: number, scan: boolean): number;
  /**
   * Writes `count` (at most MAX_SEGMENTS) ranges of the arena at once; see segments.ts for
   * the list at byte offset `pairs`. Result: bytes taken, possibly fewer.
   */
  writev(handle: number, pairs: number, count: number): number;
  /** Tells the peer that nothing more will be written. */
  shutdown(handle: number): number;
  /** Bytes that are readable at once although the socket is drained. */
  pending(): number;
}

class PlainTransport implements Transport {
  read(handle: number, offset: number, length: number, scan: boolean): number {
    return scan ? receiveHead(handle, offset, length) : receiveBytes(handle, offset, length);
  }

  writev(handle: number, pairs: number, count: number): number {
    // send is one argument check and no iovec cheaper, and a reply often is one range.
    return count === 1
      ? sendBytes(handle, segmentOffset(pairs, 0), segmentLength(pairs, 0))
      : sendGathered(handle, pairs, count);
  }

  shutdown(handle: number): number {
    return native.shutdown(handle);
  }

  pending(): number {
    return 0;
  }
}

/** The socket itself. */
export const plainTransport: Transport = new PlainTransport();

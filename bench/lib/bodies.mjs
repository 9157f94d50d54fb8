/**
 * The bodies that go back and forth: known to the backends, to the load and to the proof.
 */
import { createHash } from 'node:crypto';

/**
 * A body of this many bytes; conf/upload.lua makes the same.
 * @param {number} bytes
 */
export function bodyOf(bytes) {
  return 'millrace '.repeat(Math.ceil(bytes / 9)).slice(0, bytes);
}

/** The fast backend's replies by path; any other path gets that of "/1k". */
export const REPLIES = Object.freeze({
  '/1k': bodyOf(1024),
  '/64k': bodyOf(65_536),
  '/1m': bodyOf(1_048_576),
});

/** @param {Buffer | string} bytes */
export function hashOf(bytes) {
  return createHash('sha256').update(bytes).digest('hex');
}

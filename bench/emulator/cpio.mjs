/**
 * Writes an archive in the "newc" format of cpio, which is what the kernel unpacks as its
 * first root file system (Documentation/driver-api/early-userspace/buffer-format.rst).
 */

const MODES = { directory: 0o040755, file: 0o100755, device: 0o020600 };

/**
 * @typedef {object} Entry
 * @property {string} path without a slash in front
 * @property {keyof typeof MODES} kind
 * @property {Buffer} [content] of a file
 * @property {readonly [number, number]} [device] major and minor number
 */

/** Rounds up to the next multiple of four. @param {Buffer} bytes */
const padded = (bytes) => Buffer.concat([bytes, Buffer.alloc(-bytes.length & 3)]);

/** @param {Entry} entry @param {number} inode */
function record({ path, kind, content = Buffer.alloc(0), device = [0, 0] }, inode) {
  const name = Buffer.from(`${path}\0`);
  const fields = [inode, MODES[kind], 0, 0, 1, 0, content.length, 0, 0, ...device, name.length, 0];
  const head = `070701${fields.map((field) => field.toString(16).padStart(8, '0')).join('')}`;
  return Buffer.concat([padded(Buffer.concat([Buffer.from(head), name])), padded(content)]);
}

/** @param {readonly Entry[]} entries directories before what is in them */
export function archive(entries) {
  const end = /** @type {Entry} */ ({ path: 'TRAILER!!!', kind: 'file' });
  return Buffer.concat([...entries, end].map((entry, i) => record(entry, i + 1)));
}

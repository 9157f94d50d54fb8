// How long it takes to put a head together from received lines, constants and text; see
// harness.mjs.
import { SegmentWriter } from '../../dist/lib/proxy/segment-writer.js';
import { measure } from './harness.mjs';

const buffer = new ArrayBuffer(128 * 1024);
const PAIRS = 0;
const SCRATCH = 1024;
const SCRATCH_BYTES = 32 * 1024;
const RECEIVED = 64 * 1024;
const CONSTANTS = 96 * 1024;
const writer = new SegmentWriter(
  new Uint8Array(buffer),
  new Int32Array(buffer),
  PAIRS,
  SCRATCH,
  SCRATCH_BYTES,
);
const crlf = { offset: CONSTANTS, length: 2 };
const constant = { offset: CONSTANTS + 100, length: 60 };
const bytes = Buffer.from('192.0.2.7', 'latin1');

await measure('one run and a constant', () => {
  writer.reset();
  writer.copy(RECEIVED, 300);
  writer.constant(constant);
  return writer.count;
});
await measure('12 lines that touch', () => {
  writer.reset();
  for (let i = 0; i < 12; i++) writer.copy(RECEIVED + i * 40, 40);
  return writer.count;
});
await measure('12 lines with gaps', () => {
  writer.reset();
  for (let i = 0; i < 12; i++) writer.copy(RECEIVED + i * 50, 40);
  return writer.count;
});
await measure('four fields of text', () => {
  writer.reset();
  writer.constant(constant);
  for (let i = 0; i < 4; i++) {
    writer.bytes(bytes);
    writer.text('bench.example');
    writer.constant(crlf);
  }
  return writer.count;
});
await measure('100 segments, flattened', () => {
  writer.reset();
  for (let i = 0; i < 100; i++) writer.copy(RECEIVED + i * 50, 40);
  return writer.count;
});

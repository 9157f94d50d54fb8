/** All faults. */
import type { Fault } from './fault.js';
import { MESSAGE_HEAD_FAULTS, SCANNER_FAULTS } from './head-faults.js';
import { REQUEST_HEAD_FAULTS, REQUEST_LINE_FAULTS } from './request-faults.js';
import { CHUNKED_FAULTS, RESPONSE_FAULTS } from './response-faults.js';

export const FAULTS: readonly Fault[] = [
  ...REQUEST_LINE_FAULTS,
  ...REQUEST_HEAD_FAULTS,
  ...MESSAGE_HEAD_FAULTS,
  ...SCANNER_FAULTS,
  ...RESPONSE_FAULTS,
  ...CHUNKED_FAULTS,
];

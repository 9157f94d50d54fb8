/**
 * Variables of time, host and process.
 */
import { hostname } from 'node:os';
import type { Variable } from '../../module-api/index.js';
import { isoTime, localTime, seconds, writeSeconds } from './times.js';

/** The version of nginx whose behaviour is followed. */
export const NGINX_VERSION = '1.31.4';

const hostName = hostname();
const processId = String(process.pid);

export const processVariables: readonly Variable[] = [
  {
    name: 'msec',
    get: (exchange) => seconds(exchange.wallMs),
    write: (exchange, out) => writeSeconds(exchange.wallMs, out),
    doc: 'Seconds since 1970, with three decimals.',
  },
  {
    name: 'time_local',
    get: (exchange) => localTime(exchange.wallMs),
    doc: 'Local time as in common logs: "21/Nov/2026:02:35:15 +0000".',
  },
  {
    name: 'time_iso8601',
    get: (exchange) => isoTime(exchange.wallMs),
    doc: 'Local time as ISO 8601: "2026-11-21T02:35:15+00:00".',
  },
  { name: 'hostname', get: () => hostName, doc: 'Name of the host.' },
  { name: 'pid', get: () => processId, doc: 'Process id.' },
  { name: 'nginx_version', get: () => NGINX_VERSION, doc: 'Version of nginx whose behaviour is followed.' },
];

/**
 * Rows of kept client connections: how long, for how many requests, and for whom.
 */
import { directive, type Module } from '../module-api/index.js';
import { DISABLE_MSIE6, DISABLE_SAFARI } from '../proxy/keep-alive.js';
import { argument, HTTP_SERVER_LOCATION, MANY, numberRow, readTime, timeRow } from './rows.js';

/** `keepalive_timeout`. */
export interface KeepaliveTimeout {
  /** 0 closes the connection after each response. */
  readonly timeoutMs: number;
  /** Seconds of `Keep-Alive: timeout=`; 0 sends no field. */
  readonly headerSeconds: number;
}

export const keepaliveTimeout = directive<KeepaliveTimeout>({
  name: 'keepalive_timeout',
  contexts: HTTP_SERVER_LOCATION,
  args: [1, 2],
  parse(node, context) {
    const timeoutMs = readTime(node, argument(node, 0), context);
    const header = node.args[1];
    return {
      timeoutMs,
      headerSeconds: header === undefined ? 0 : readTime(node, header, context, 's') / 1000,
    };
  },
  default: { timeoutMs: 75_000, headerSeconds: 0 },
  syntax: 'timeout [header_timeout]',
  defaultText: '75s',
  doc: 'How long an idle client connection stays open; 0 closes it after each response. The second time goes into a "Keep-Alive: timeout=" field.',
});

export const keepaliveRequests = numberRow(
  'keepalive_requests',
  1000,
  'Requests after which a client connection is closed.',
);

export const keepaliveTime = timeRow(
  'keepalive_time',
  '1h',
  'Age from which a client connection is closed after the request that it carries.',
);

export const keepaliveMinTimeout = timeRow(
  'keepalive_min_timeout',
  '0',
  'Time for which an idle client connection is left open when the process is told to quit.',
);

/** Value: bits of DISABLE_*. */
export const keepaliveDisable = directive<number>({
  name: 'keepalive_disable',
  contexts: HTTP_SERVER_LOCATION,
  args: [1, MANY],
  parse(node, context) {
    let browsers = 0;
    for (const at of node.args) {
      if (at.text === 'msie6') browsers |= DISABLE_MSIE6;
      else if (at.text === 'safari') browsers |= DISABLE_SAFARI;
      else if (at.text !== 'none' || node.args.length > 1) context.fail(at, `invalid value "${at.text}"`);
    }
    return browsers;
  },
  default: DISABLE_MSIE6,
  syntax: 'none | msie6 | safari ...',
  defaultText: 'msie6',
  doc: 'Browsers whose connections are not kept: "msie6" after a POST, "safari" on macOS always.',
});

/** `keepalive_*` of clients. */
export const keepaliveModule: Module = {
  name: 'keepalive',
  directives: [keepaliveTimeout, keepaliveRequests, keepaliveTime, keepaliveMinTimeout, keepaliveDisable],
};

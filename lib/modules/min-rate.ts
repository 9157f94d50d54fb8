/**
 * Least speeds of clients, ours: a timeout between two reads or writes is met by one byte in
 * a minute, which these are not.
 */
import { directive, type Directive, type Module } from '../module-api/index.js';
import type { MinRate } from '../proxy/pacer.js';
import { argument, failParameter, HTTP_SERVER_LOCATION, parameter, readSize } from './rows.js';
import { parseTimeMs } from '../util/units.js';

const GRACE_MS = 10_000;

function rateRow(name: string, doc: string): Directive<MinRate | undefined> {
  return directive<MinRate | undefined>({
    name,
    contexts: HTTP_SERVER_LOCATION,
    args: [1, 2],
    parse(node, context) {
      const bytesPerSecond = readSize(node, argument(node, 0), context);
      const second = node.args[1];
      let graceMs = GRACE_MS;
      if (second !== undefined) {
        const text = parameter(second, 'grace');
        graceMs =
          (text === undefined ? undefined : parseTimeMs(text, 'ms')) ?? failParameter(second, context);
        if (graceMs === 0) failParameter(second, context);
      }
      return bytesPerSecond === 0 ? undefined : { bytesPerSecond, graceMs };
    },
    default: undefined,
    syntax: 'size [grace=time]',
    defaultText: '0',
    doc,
  });
}

export const clientBodyMinRate = rateRow(
  'client_body_min_rate',
  'Ours. Bytes a second, on average over the grace period (10s), that a client has to send of a request body while nothing holds it back; a slower one gets 408, or is cut off when its answer was begun. 0 asks for nothing.',
);

export const sendMinRate = rateRow(
  'send_min_rate',
  'Ours. Bytes a second, on average over the grace period (10s), that a client has to take of a response that waits for it; a slower one is cut off. 0 asks for nothing.',
);

/** The engine obeys them. */
export const minRateModule: Module = { name: 'min_rate', directives: [clientBodyMinRate, sendMinRate] };

// How long texts with variables and lines of the access log take; see harness.mjs. The
// exchange is a plain object: what is measured is the compiled text, not the engine's views.
import { createParseContext } from '../../dist/lib/config/parse-context.js';
import { Registry } from '../../dist/lib/config/registry.js';
import { builtinModules } from '../../dist/lib/modules/index.js';
import { COMBINED, compileFormat } from '../../dist/lib/modules/log-format.js';
import { RequestHead } from '../../dist/lib/http/request-head.js';
import { host } from '../../dist/lib/native/host.js';
import { native } from '../../dist/lib/native/index.js';
import { HeadComposer } from '../../dist/lib/proxy/head-composer.js';
import { LinePlan } from '../../dist/lib/proxy/line-plan.js';
import { LogLines } from '../../dist/lib/proxy/log-lines.js';
import { ArenaConstants } from '../../dist/lib/proxy/memory.js';
import { measure } from './harness.mjs';

const parse = createParseContext({
  registry: new Registry(builtinModules),
  confDirectory: '/conf',
  prefix: '/prefix',
  onWarning: () => undefined,
});
const value = (text) => parse.compileText(text);

const fields = new Map([
  ['host', 'bench.example'],
  ['user-agent', 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/131.0.0.0 Safari/537.36'],
  ['referer', 'https://www.example.com/some/page'],
]);

/** Puts a text into the receive window, where a head would be. */
let end = host.layout.window;
function place(text) {
  const range = { offset: end, length: text.length };
  host.u8.set(Buffer.from(text, 'latin1'), end);
  end += text.length;
  return range;
}

const ranges = new Map([...fields].map(([name, text]) => [name, place(text)]));
const line = place('GET /service13/1k?a=b HTTP/1.1');
const address = place('192.0.2.7');
const exchange = {
  client: {
    remoteAddress: '192.0.2.7',
    remotePort: 40_000,
    serverPort: 8080,
    writeRemoteAddress: (out) => out.copy(address.offset, address.length),
  },
  request: {
    line: 'GET /service13/1k?a=b HTTP/1.1',
    method: 'GET',
    target: '/service13/1k?a=b',
    protocol: 'HTTP/1.1',
    host: 'bench.example',
    header: (name) => fields.get(name.text),
    writeHeader(name, out) {
      const range = ranges.get(name.text);
      if (range !== undefined) out.copy(range.offset, range.length);
      return range !== undefined;
    },
    writeLine(out) {
      out.copy(line.offset, line.length);
      return true;
    },
  },
  response: { status: 200, bytesSent: 1234, bodyBytesSent: 1024 },
  uri: '/service13/1k',
  args: 'a=b',
  scheme: 'http',
  serverName: 'bench.example',
  attempts: [],
  startedMs: 1000,
  nowMs: 1234,
  wallMs: Date.UTC(2026, 10, 21, 2, 35, 15, 678),
  captures: null,
  slots: [],
};

for (const text of ['$host', '$remote_addr', '$scheme://$host$request_uri', '$arg_a', '$http_user_agent']) {
  const compiled = value(text);
  await measure(`value ${text}`, () => compiled.get(exchange));
}

// A line by its plan, as requests have it, and value by value, as unusual ones do.
const text = [
  'GET /service13/1k?a=b HTTP/1.1',
  ...[...fields].map(([name, each]) => `${name}: ${each}`),
  '',
  '',
];
const whole = place(text.join('\r\n'));
const head = new RequestHead();
head.begin();
if (head.parse(whole.offset, whole.length) !== whole.length) throw new Error(head.errorReason);
exchange.head = head;
exchange.downstream = {};
const context = {
  composer: new HeadComposer(),
  constants: new ArenaConstants(native, host.u8),
  addressOffset: address.offset,
  placeAddress: () => address.length,
};
const lines = new LogLines({ writeRange: () => undefined, lineEnded: () => undefined });
for (const escape of ['default', 'json', 'none']) {
  const format = compileFormat(COMBINED, escape, value);
  const plan = new LinePlan(format, context);
  await measure(`combined log line, ${escape}`, () => {
    if (!plan.write(exchange, lines)) throw new Error('the plan refused the line');
  });
  await measure(`value by value, ${escape}`, () => format.write(exchange, lines));
}

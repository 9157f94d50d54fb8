/** Every request has the same line whether its plan writes it or the form value by value. */
import { describe, expect, it } from 'vitest';
import { createParseContext } from '../../../lib/config/parse-context.js';
import { Registry } from '../../../lib/config/registry.js';
import { builtinModules } from '../../../lib/modules/index.js';
import { COMBINED, compileFormat } from '../../../lib/modules/log-format.js';
import type { Exchange } from '../../../lib/module-api/index.js';
import { host } from '../../../lib/native/host.js';
import { lineWriter, type LineForm } from '../../../lib/proxy/line-plan.js';
import { LOG_ESCAPES, LogLines } from '../../../lib/proxy/log-lines.js';
import { request, start } from './engine-support.js';
import { random } from './support.js';

const parse = createParseContext({
  registry: new Registry(builtinModules),
  confDirectory: '/conf',
  prefix: '/prefix',
  onWarning: () => undefined,
});

class Log {
  text = '';
  readonly lines = new LogLines({
    writeRange: (offset, length) => {
      this.text += Buffer.from(host.u8.subarray(offset, offset + length)).toString('latin1');
    },
    lineEnded: () => undefined,
  });

  take(): string {
    this.lines.flush();
    const { text } = this;
    this.text = '';
    return text;
  }
}

/** A form that counts the lines it writes itself, and can also be asked for a line. */
class Form implements LineForm {
  readonly #form: LineForm;
  readonly escape: number;
  readonly parts: LineForm['parts'];
  readonly end: string;
  alone = 0;

  constructor(form: LineForm) {
    this.#form = form;
    this.escape = form.escape;
    this.parts = form.parts;
    this.end = form.end;
  }

  write(exchange: Exchange, lines: LogLines): void {
    this.alone++;
    this.#form.write(exchange, lines);
  }

  reference(exchange: Exchange, lines: LogLines): void {
    this.#form.write(exchange, lines);
  }
}

const EVERYTHING =
  '$remote_addr$remote_user[$time_iso8601] $request_method $uri $args "$request" $status $bytes_sent ' +
  '$body_bytes_sent $request_time $request_length $http_referer $http_user_agent $http_x_more ' +
  '$http_cookie $http_cache_control $connection_requests $sent_http_content_type $arg_a <$host>';

/** Usual requests, and at the end four whose lines are not all composed at once. */
function requests(): string[] {
  const below = random(5);
  const odd = (): string =>
    Array.from({ length: below(60) }, () => {
      const code = [0x20 + below(0x5f), 0x80 + below(0x80), 0x22, 0x5c, 0x09][below(12)] ?? 0x61;
      return String.fromCharCode(code);
    }).join('');
  const names = ['Referer', 'User-Agent', 'X-More', 'Cookie', 'Cache-Control'];
  const texts = Array.from({ length: 300 }, (_, i) =>
    request(
      i % 7 === 0 ? 'OPTIONS' : 'GET',
      `/${'a/'.repeat(below(20))}?a=${'b'.repeat(below(40))}`,
      ...names.filter(() => below(3) > 0).map((name) => `${name}: ${odd()}`),
    ),
  );
  return [
    ...texts,
    request('GET', '/', 'User-Agent: one', 'User-Agent: two'),
    request('GET', '/', 'Cookie: one', 'Referer: r', 'Cookie: two'),
    'GET /  HTTP/1.1 \r\nHost: a\r\n\r\n',
    request('GET', '/', `User-Agent: ${'long"'.repeat(2200)}`),
  ];
}

describe.each(Object.keys(LOG_ESCAPES) as (keyof typeof LOG_ESCAPES)[])('lines, escape=%s', (escape) => {
  it.each([
    ['combined', COMBINED],
    ['of many variables', EVERYTHING],
    ['without a variable', 'a line'],
  ])('%s', async (_name, text) => {
    const form = new Form(compileFormat(text, escape, (name) => parse.compileText(name)));
    const planned = new Log();
    const plain = new Log();
    const write = lineWriter(form, planned.lines);
    let logged = 0;
    const both = (exchange: Exchange): void => {
      logged++;
      write(exchange);
      form.reference(exchange, plain.lines);
    };
    const rig = start(
      { '/': (exchange) => exchange.respond(200, 'body') },
      { all: { logHandlers: [both] }, headLimits: { maxFieldBytes: 16_384, maxHeadBytes: 65_536 } },
    );
    const texts = requests();
    const client = await rig.connect();
    for (const one of texts) {
      client.send(one);
      await client.readMessage();
    }
    const bad = await rig.send('GET / HTTP/1.1\r\nno field\r\n\r\n');
    await bad.readMessage();
    await rig.until('the lines', () => logged === texts.length + 1);
    const lines = planned.take();
    expect(lines.split('\n').length).toBe(texts.length + 2);
    expect(lines).toBe(plain.take());
    // The field that is there twice, the line with blanks, the bad one; escaped, the long one might not fit.
    if (text === COMBINED) expect(form.alone).toBe(escape === 'none' ? 3 : 4);
  });
});

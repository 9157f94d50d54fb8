/** Lines of bytes against the same made of strings: every byte, every length, every way of escaping. */
import { describe, expect, it } from 'vitest';
import { knownHeaderId } from '../../../lib/http/known-headers.js';
import { RequestHead } from '../../../lib/http/request-head.js';
import { host } from '../../../lib/native/host.js';
import { native } from '../../../lib/native/index.js';
import { HeadComposer } from '../../../lib/proxy/head-composer.js';
import { LOG_ESCAPES, LogLines } from '../../../lib/proxy/log-lines.js';
import { random } from './support.js';

const { u8, i32, layout } = host;
/** Where values lie that are copied from the arena. */
const AT = layout.window;
/** Where the steps of a line lie that is composed at once. */
const STEPS = layout.table;
const composer = new HeadComposer();

type Mode = keyof typeof LOG_ESCAPES;
const MODES = Object.keys(LOG_ESCAPES) as Mode[];

const hex = (code: number, digits: number): string => code.toString(16).toUpperCase().padStart(digits, '0');

function escaped(text: string, mode: Mode): string {
  if (mode === 'none') return text;
  return [...text]
    .map((char) => {
      const code = char.charCodeAt(0);
      if (mode === 'default')
        return code < 0x20 || code > 0x7e || /["\\]/.test(char) ? `\\x${hex(code, 2)}` : char;
      if (code >= 0x20) return /["\\]/.test(char) ? `\\${char}` : char;
      const short = '\b\t\n\f\r'.indexOf(char);
      return short < 0 ? `\\u${hex(code, 4)}` : `\\${'btnfr'.charAt(short)}`;
    })
    .join('');
}

class Rig {
  text = '';
  writes = 0;
  ended = 0;
  readonly lines = new LogLines({
    writeRange: (offset, length) => {
      this.text += Buffer.from(u8.subarray(offset, offset + length)).toString('latin1');
      this.writes++;
    },
    lineEnded: () => void this.ended++,
  });

  /** Composes a line of constants, each with a value behind it. False when it is too long. */
  compose(
    escape: number,
    ...parts: readonly (readonly [constant: string, value?: string | number | undefined])[]
  ): boolean {
    let at = AT;
    const place = (text: string): number => {
      u8.set(Buffer.from(text, 'latin1'), at);
      at += text.length;
      return at - text.length;
    };
    composer.begin();
    parts.forEach(([constant, ...value], slot) => {
      const [first] = value;
      i32.set([place(constant), constant.length, value.length === 0 ? -1 : slot, 0], (STEPS >> 2) + slot * 4);
      if (typeof first === 'string') composer.set(slot, place(first), first.length);
      else if (first === undefined) composer.unset(slot);
      else composer.number(slot, first);
    });
    return this.lines.compose(STEPS, parts.length, escape, new RequestHead());
  }

  take(): string {
    this.lines.flush();
    const { text } = this;
    this.text = '';
    return text;
  }
}

describe.each(MODES)('values, escape=%s', (mode) => {
  it('are escaped whatever the byte, wherever it stands', () => {
    const rig = new Rig();
    let expected = '';
    for (let byte = 0; byte < 256; byte++) {
      for (let before = 0; before < 6; before++) {
        const text = `${'ab cd~'.slice(0, before)}${String.fromCharCode(byte)}${'xyz12 '.slice(0, 5 - before)}`;
        rig.lines.begin(LOG_ESCAPES[mode]);
        rig.lines.text(text);
        rig.lines.end();
        expected += `${escaped(text, mode)}\n`;
      }
    }
    expect(rig.take()).toBe(expected);
  });

  it('are the same as strings, for random bytes of random length', () => {
    const rig = new Rig();
    const below = random(7);
    let expected = '';
    for (let i = 0; i < 400; i++) {
      const odd = below(3);
      const length = below(10) === 0 ? below(9000) : below(40);
      const text = Array.from({ length }, () =>
        String.fromCharCode(odd === 0 ? below(256) : 0x20 + below(odd === 1 ? 0x5f : 16)),
      ).join('');
      rig.lines.begin(LOG_ESCAPES[mode]);
      rig.lines.text(text);
      rig.lines.constant(text);
      rig.lines.end();
      expected += `${escaped(text, mode)}${text}\n`;
    }
    expect(rig.take()).toBe(expected);
    expect(rig.ended).toBe(400);
  });

  it('are the same in lines that are composed at once, for every length, byte and place', () => {
    const rig = new Rig();
    const below = random(11);
    let expected = '';
    for (let length = 0; length < 70; length++) {
      for (let round = 0; round < 40; round++) {
        const codes = Array.from({ length }, () => 0x20 + below(16) * 4);
        // One odd byte, or none, or nothing but odd ones.
        if (round % 4 === 1 && length > 0) codes[below(length)] = below(256);
        if (round % 4 === 2) codes.forEach((_, i) => (codes[i] = below(256)));
        const text = String.fromCharCode(...codes);
        const constant = '[é"\n '.repeat(4).slice(0, below(24));
        rig.compose(LOG_ESCAPES[mode], [constant, text], ['', round], ['] ', undefined], [text]);
        const unset = mode === 'default' ? '-' : '';
        expected += `${constant}${escaped(text, mode)}${round}] ${unset}${text}\n`;
      }
    }
    expect(rig.take()).toBe(expected);
  });

  it('that are not set', () => {
    const rig = new Rig();
    rig.lines.begin(LOG_ESCAPES[mode]);
    rig.lines.unset();
    rig.lines.end();
    expect(rig.take()).toBe(mode === 'default' ? '-\n' : '\n');
  });
});

describe('a line that is composed at once', () => {
  it('has numbers in decimal', () => {
    const rig = new Rig();
    const numbers = [0, 7, 10, 99, 100, 999, 1000, 12_345, 999_999_999, 2 ** 31 - 1];
    for (const value of numbers) expect(rig.compose(LOG_ESCAPES.default, ['', value])).toBe(true);
    expect(rig.take()).toBe(`${numbers.join('\n')}\n`);
  });

  it('has fields of a head', () => {
    const rig = new Rig();
    const text = 'GET / HTTP/1.1\r\nHost: a\r\nUser-Agent: one"\r\nCache-Control: no\r\nX: y\r\n\r\n';
    u8.set(Buffer.from(text), AT);
    const head = new RequestHead();
    head.begin();
    expect(head.parse(AT, text.length)).toBe(text.length);
    const from = AT + text.length;
    u8.set(Buffer.from('<>'), from);
    const ids = ['user-agent', 'referer', 'cache-control', 'pragma', 'host'].map(knownHeaderId);
    // The scanner's records lie in the table, so these steps lie elsewhere.
    const steps = layout.scratch;
    i32.set(
      ids.flatMap((id) => [from, 2, -1, id]),
      steps >> 2,
    );
    expect(rig.lines.compose(steps, ids.length, LOG_ESCAPES.default, head)).toBe(true);
    expect(rig.take()).toBe('<>one\\x22<>-<>no<>-<>a\n');
  });

  it('goes into what is left of the block, or after the lines in it were written', () => {
    const rig = new Rig();
    let expected = '';
    for (let i = 0; i < 3000; i++) {
      const text = 'x'.repeat(i % 100);
      expect(rig.compose(LOG_ESCAPES.default, ['', i], ['', text])).toBe(true);
      expected += `${i}${text}\n`;
      if (rig.text !== '') expect(rig.text.endsWith('\n')).toBe(true);
    }
    expect(rig.writes).toBeGreaterThan(1);
    expect(rig.writes).toBeLessThan(12);
    expect(rig.take()).toBe(expected);
  });

  it('is refused when it might not fit a block, and nothing of it is there', () => {
    const rig = new Rig();
    for (const mode of [LOG_ESCAPES.default, LOG_ESCAPES.json]) {
      expect(rig.compose(mode, ['first', ''])).toBe(true);
      expect(rig.compose(mode, ['second ', 'x'.repeat(12_000)])).toBe(false);
      expect(rig.compose(mode, ['third', ''])).toBe(true);
    }
    expect(rig.compose(LOG_ESCAPES.none, ['long ', 'x'.repeat(60_000)])).toBe(true);
    expect(rig.compose(LOG_ESCAPES.none, ['long ', 'x'.repeat(66_000)])).toBe(false);
    expect(rig.take()).toBe(`${'first\nthird\n'.repeat(2)}long ${'x'.repeat(60_000)}\n`);
  });
});

describe('the block', () => {
  it('is written whole lines at a time when it is full, and given back when nothing is pending', () => {
    const rig = new Rig();
    const before = native.counters();
    let expected = '';
    for (let i = 0; i < 3000; i++) {
      rig.lines.begin(LOG_ESCAPES.default);
      rig.lines.text(String(i));
      rig.lines.text('x'.repeat(i % 100));
      rig.lines.end();
      expected += `${i}${'x'.repeat(i % 100)}\n`;
      if (rig.text !== '') expect(rig.text.endsWith('\n')).toBe(true);
    }
    expect(rig.writes).toBeGreaterThan(1);
    expect(rig.writes).toBeLessThan(8);
    expect(native.counters().blocks).toBe(before.blocks + 1);
    expect(rig.take()).toBe(expected);
    expect(native.counters().blocks).toBe(before.blocks);
  });

  it('may be smaller than a line', () => {
    const rig = new Rig();
    const long = 'a"b'.repeat(40_000);
    for (const mode of MODES) {
      rig.lines.begin(LOG_ESCAPES.none);
      rig.lines.text('first');
      rig.lines.end();
      rig.lines.begin(LOG_ESCAPES[mode]);
      rig.lines.text(long);
      rig.lines.end();
      expect(rig.take()).toBe(`first\n${escaped(long, mode)}\n`);
    }
  });

  it('is not needed: where the arena is exhausted a line is written at its end', () => {
    const taken: number[] = [];
    for (;;) {
      const block = native.acquireBlock(1 << 20);
      if (block < 0) break;
      taken.push(block);
    }
    for (;;) {
      const block = native.acquireBlock(64 << 10);
      if (block < 0) break;
      taken.push(-block);
    }
    try {
      const rig = new Rig();
      rig.lines.begin(LOG_ESCAPES.default);
      rig.lines.text('a line"'.repeat(8));
      rig.lines.constant('and more');
      rig.lines.end();
      expect(rig.text).toBe(`${'a line\\x22'.repeat(8)}and more\n`);
      rig.compose(LOG_ESCAPES.default, ['composed ', 'line"']);
      expect(rig.text).toMatch(/more\ncomposed line\\x22\n$/);
    } finally {
      for (const block of taken) native.releaseBlock(Math.abs(block), block < 0 ? 64 << 10 : 1 << 20);
    }
  });
});

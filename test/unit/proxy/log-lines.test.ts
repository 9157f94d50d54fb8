/** Lines of bytes against the same made of strings: every byte, every length, every way of escaping. */
import { describe, expect, it } from 'vitest';
import { host } from '../../../lib/native/host.js';
import { native } from '../../../lib/native/index.js';
import { LOG_ESCAPES, LastText, LogLines, PreparedText } from '../../../lib/proxy/log-lines.js';
import { random } from './support.js';

const { u8, layout } = host;
/** Where values lie that are copied from the arena. */
const AT = layout.window;

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

  copy(text: string): void {
    u8.set(Buffer.from(text, 'latin1'), AT);
    // What follows must not be taken, nor looked at.
    u8.fill(0x22, AT + text.length, AT + text.length + 8);
    this.lines.copy(AT, text.length);
  }

  take(): string {
    this.lines.flush();
    const { text } = this;
    this.text = '';
    return text;
  }
}

describe.each(MODES)('values, escape=%s', (mode) => {
  it('are escaped whatever the byte, wherever it stands, however they are written', () => {
    const rig = new Rig();
    let expected = '';
    for (let byte = 0; byte < 256; byte++) {
      for (let before = 0; before < 6; before++) {
        const text = `${'ab cd~'.slice(0, before)}${String.fromCharCode(byte)}${'xyz12 '.slice(0, 5 - before)}`;
        for (const write of [() => rig.copy(text), () => rig.lines.text(text)]) {
          rig.lines.begin(LOG_ESCAPES[mode]);
          write();
          rig.lines.end();
          expected += `${escaped(text, mode)}\n`;
        }
      }
    }
    expect(rig.take()).toBe(expected);
  });

  it('are the same as strings, for random bytes of random length', () => {
    const rig = new Rig();
    const below = random(7);
    const last = new LastText();
    let expected = '';
    for (let i = 0; i < 400; i++) {
      const odd = below(3);
      const length = below(10) === 0 ? below(9000) : below(40);
      const text = Array.from({ length }, () =>
        String.fromCharCode(odd === 0 ? below(256) : 0x20 + below(odd === 1 ? 0x5f : 16)),
      ).join('');
      rig.lines.begin(LOG_ESCAPES[mode]);
      rig.copy(text);
      rig.lines.text(text);
      rig.lines.bytes(Buffer.from(text, 'latin1'));
      for (let k = 0; k < 3; k++) rig.lines.repeated(text, last);
      rig.lines.constant(new PreparedText(text));
      rig.lines.end();
      expected += `${escaped(text, mode).repeat(6)}${text}\n`;
    }
    expect(rig.take()).toBe(expected);
    expect(rig.ended).toBe(400);
  });

  it('that are not set', () => {
    const rig = new Rig();
    rig.lines.begin(LOG_ESCAPES[mode]);
    rig.lines.unset();
    rig.lines.end();
    expect(rig.take()).toBe(mode === 'default' ? '-\n' : '\n');
  });
});

describe('numbers', () => {
  it('are decimal, with zeros in front where they are asked for', () => {
    const rig = new Rig();
    const numbers = [0, 7, 9, 10, 99, 100, 12_345, 999_999_999, 1_000_000_000, 2 ** 31 - 1, 2 ** 31, 2 ** 45];
    for (const value of numbers) {
      for (const digits of [1, 3, 12]) {
        rig.lines.begin(LOG_ESCAPES.default);
        rig.lines.uint(value, digits);
        rig.lines.end();
        expect(rig.take()).toBe(`${String(value).padStart(digits, '0')}\n`);
      }
    }
  });
});

describe('the block', () => {
  it('is written whole lines at a time when it is full, and given back when nothing is pending', () => {
    const rig = new Rig();
    const before = native.counters();
    let expected = '';
    for (let i = 0; i < 3000; i++) {
      rig.lines.begin(LOG_ESCAPES.default);
      rig.lines.uint(i);
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
    const long = 'a"b'.repeat(20_000);
    for (const mode of MODES) {
      rig.lines.begin(LOG_ESCAPES.none);
      rig.lines.text('first');
      rig.lines.end();
      rig.lines.begin(LOG_ESCAPES[mode]);
      rig.lines.text(long);
      rig.copy(long);
      rig.lines.end();
      expect(rig.take()).toBe(`first\n${escaped(long, mode).repeat(2)}\n`);
    }
  });

  it('holds no line that was given up; what was written of a long one is a line of its own', () => {
    const rig = new Rig();
    const line = (text: string, ends: boolean): void => {
      rig.lines.begin(LOG_ESCAPES.none);
      rig.lines.text(text);
      if (ends) rig.lines.end();
    };
    line('short', false);
    line('first', true);
    line('x'.repeat(100_000), false);
    line('y', false);
    line('second', true);
    line('third', true);
    expect(rig.take().replace(/x+/, 'x')).toBe('first\nx\nsecond\nthird\n');
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
      rig.copy('and more');
      rig.lines.end();
      expect(rig.text).toBe(`${'a line\\x22'.repeat(8)}and more\n`);
    } finally {
      for (const block of taken) native.releaseBlock(Math.abs(block), block < 0 ? 64 << 10 : 1 << 20);
    }
  });
});

/** What the composer writes by a program, against strings. */
import { afterAll, describe, expect, it } from 'vitest';
import { DROP, HIDDEN } from '../../../lib/http/fields.js';
import { knownHeaderId } from '../../../lib/http/known-headers.js';
import { RequestHead } from '../../../lib/http/request-head.js';
import { host } from '../../../lib/native/host.js';
import { MAX_COMPOSE_SLOTS } from '../../../lib/native/hot.js';
import { native } from '../../../lib/native/index.js';
import { ProgramBuilder, type ComposeProgram } from '../../../lib/proxy/compose-program.js';
import { HeadComposer } from '../../../lib/proxy/head-composer.js';
import { ArenaConstants } from '../../../lib/proxy/memory.js';
import { random } from './support.js';

const { u8, i32, layout } = host;
const constants = new ArenaConstants(native, u8);
const composer = new HeadComposer();
const nothing = constants.reserve(256);

afterAll(() => constants.release());

const build = (builder: ProgramBuilder): ComposeProgram => builder.build(constants, i32);

/** The head whose bytes lie in the window. */
function parse(text: string): RequestHead {
  u8.set(Buffer.from(text, 'latin1'), layout.window);
  const head = new RequestHead();
  head.begin({ ignoreInvalid: false });
  expect(head.parse(layout.window, text.length)).toBe(text.length);
  return head;
}

function written(
  program: ComposeProgram,
  head: RequestHead | null = null,
  flags = DROP,
  drop = nothing,
): string {
  const length = composer.compose(program, head, flags, drop);
  expect(length).toBeGreaterThanOrEqual(0);
  return Buffer.from(u8.subarray(composer.output, composer.output + length)).toString('latin1');
}

describe('a program', () => {
  it('writes constants, slots and lines in their order', () => {
    const builder = new ProgramBuilder();
    const first = builder.slot();
    builder.constant(' x').constant('y\r\n');
    const one = builder.line('One');
    const two = builder.line('Two');
    const program = build(builder);
    composer.begin();
    composer.open(first);
    composer.text('GET');
    composer.open(one);
    composer.text('1');
    composer.open(two);
    expect(written(program)).toBe('GET xy\r\nOne: 1\r\n');
    composer.set(two, layout.window, 0);
    composer.setConstant(one, constants.intern('eins'));
    expect(written(program)).toBe('GET xy\r\nOne: eins\r\n');
  });

  it('passes fields on, those in no canonical form written anew', () => {
    const lines = ['Host: a', 'X-One:1', 'x-two:\t2 ', 'Cookie: c', 'X-Three: 3', 'X-Empty:', 'Accept: */*'];
    const head = parse(`GET / HTTP/1.1\r\n${lines.join('\r\n')}\r\nX-Bare: b\n\r\n`);
    const program = build(new ProgramBuilder().constant('<').fields().constant('>'));
    composer.begin();
    expect(written(program, head)).toBe(
      '<Host: a\r\nX-One: 1\r\nx-two: 2\r\nCookie: c\r\nX-Three: 3\r\nX-Empty: \r\nAccept: */*\r\nX-Bare: b\r\n>',
    );
    expect(written(program, null)).toBe('<>');
  });

  it('leaves out fields of one hop, by id, and hidden ones', () => {
    const head = parse(
      'GET / HTTP/1.1\r\nHost: a\r\nTE: b\r\nCookie: c\r\nX: 1\r\nY: 2\r\nAccept: d\r\n\r\n',
    );
    const program = build(new ProgramBuilder().fields());
    const drop = constants.reserve(256);
    u8[drop + knownHeaderId('cookie')] = 1;
    composer.begin();
    head.setHidden(3, true);
    expect(written(program, head, DROP | HIDDEN, drop)).toBe('Host: a\r\nY: 2\r\nAccept: d\r\n');
    expect(written(program, head, DROP, drop)).toBe('Host: a\r\nX: 1\r\nY: 2\r\nAccept: d\r\n');
    head.setHidden(3, false);
    expect(written(program, head, DROP | HIDDEN, drop)).toBe('Host: a\r\nX: 1\r\nY: 2\r\nAccept: d\r\n');
    expect(written(program, head, 0)).toContain('TE: b\r\n');
  });

  it('has a bound on its values', () => {
    const builder = new ProgramBuilder();
    for (let i = 0; i < MAX_COMPOSE_SLOTS; i++) builder.slot();
    expect(() => builder.line('more')).toThrow('more than 448 values in one head');
  });
});

describe('a value', () => {
  it('of several pieces is put together, wherever they come from', () => {
    const builder = new ProgramBuilder();
    const slots = [builder.slot(), builder.slot(), builder.slot()];
    const program = build(builder);
    for (let seed = 1; seed < 200; seed++) {
      const below = random(seed);
      let expected = '';
      composer.begin();
      for (const slot of slots) {
        composer.open(slot);
        for (let i = below(6); i > 0; i--) {
          const piece = String.fromCharCode(97 + below(26)).repeat(below(70));
          const at = layout.window + below(1000);
          const how = below(4);
          if (how === 0) composer.text(piece);
          else if (how === 1) composer.raw(piece);
          else if (how === 2) composer.bytes(Buffer.from(piece));
          else composer.copy(at, piece.length);
          const seen = Buffer.from(u8.subarray(at, at + piece.length)).toString('latin1');
          expected += how === 3 ? seen : piece;
        }
      }
      expect(written(program), `seed ${seed}`).toBe(expected);
    }
  });

  it('with a line end or NUL from outside is unsafe, until the next one', () => {
    for (const text of ['a\rb', 'a\nb', 'a\0b', 'a\u010db', 'a\u010ab', 'a\u0100b']) {
      composer.begin();
      composer.open(0);
      expect(composer.unsafe).toBe(false);
      composer.text(text);
      composer.text('c');
      expect(composer.unsafe).toBe(true);
      composer.open(1);
      expect(composer.unsafe).toBe(false);
      composer.raw(text);
      expect(composer.unsafe).toBe(false);
    }
  });
});

describe('what does not fit', () => {
  it('is refused, and the next head is not concerned', () => {
    const builder = new ProgramBuilder();
    const slot = builder.slot();
    const again = builder.slot();
    const program = build(builder);
    composer.begin();
    composer.open(slot);
    composer.text('t'.repeat(composer.room));
    composer.set(again, layout.window, 0);
    expect(written(program)).toHaveLength(32 * 1024);
    composer.text('t');
    expect(composer.compose(program, null, 0, nothing)).toBe(-1);
    composer.begin();
    composer.set(slot, layout.window, 90 * 1024);
    composer.set(again, layout.window, 90 * 1024);
    expect(composer.compose(program, null, 0, nothing)).toBe(-1);
    composer.set(again, layout.window, 10);
    expect(written(program)).toHaveLength(90 * 1024 + 10);
  });
});

import { describe, expect, it } from 'vitest';
import { closest, Registry } from '../../../lib/config/registry.js';
import { BlockSettings } from '../../../lib/config/settings.js';
import { compileValue } from '../../../lib/config/value.js';
import { directive, type ByteWriter, type Exchange, type Variable } from '../../../lib/module-api/index.js';

const exchange = {} as Exchange;

class Recorder implements ByteWriter {
  readonly calls: string[] = [];
  bytes(bytes: Uint8Array): void {
    this.calls.push(`bytes ${Buffer.from(bytes).toString('latin1')}`);
  }
  copy(offset: number, length: number): void {
    this.calls.push(`copy ${offset} ${length}`);
  }
  text(text: string): void {
    this.calls.push(`text ${text}`);
  }
  uint(value: number): void {
    this.calls.push(`uint ${value}`);
  }
}

const variables: Variable[] = [
  { name: 'host', get: () => 'example.com', doc: '' },
  { name: 'unset', get: () => undefined, doc: '' },
  {
    name: 'fast',
    get: () => 'slow',
    write(_exchange, out) {
      out.copy(1, 2);
      return true;
    },
    doc: '',
  },
  { name: 'unset_fast', get: () => undefined, write: () => false, doc: '' },
  {
    name: 'bound_',
    prefix: true,
    get: () => 'not asked',
    bind: (suffix) => ({ get: () => `made for ${suffix}` }),
    doc: '',
  },
  { name: 'http_', prefix: true, get: (_exchange, suffix) => `<${suffix}>`, doc: '' },
  { name: 'http_special', get: () => 'exact', doc: '' },
  { name: 'upstream_', prefix: true, get: () => 'short', doc: '' },
  { name: 'upstream_http_', prefix: true, get: (_exchange, suffix) => `long ${suffix}`, doc: '' },
];
const registry = new Registry([{ name: 'test', directives: [], variables }]);

function compile(text: string): ReturnType<typeof compileValue> {
  return compileValue(text, registry, undefined);
}

function written(text: string): string[] {
  const out = new Recorder();
  compile(text).write(exchange, out);
  return out.calls;
}

describe('compileValue', () => {
  it.each([
    ['', ''],
    ['plain', 'plain'],
    ['$host', 'example.com'],
    ['${host}', 'example.com'],
    ['$HOST', 'example.com'],
    ['a$host/b', 'aexample.com/b'],
    ['${host}x$unset-y', 'example.comx-y'],
    ['$host$host', 'example.comexample.com'],
    ['$http_x_forwarded_for', '<x_forwarded_for>'],
    ['$http_special', 'exact'],
    ['$bound_x', 'made for x'],
    ['$upstream_http_x', 'long x'],
    ['$upstream_x', 'short'],
    ['}', '}'],
    ['$host}', 'example.com}'],
    ['$host-$host.', 'example.com-example.com.'],
  ])('%s is %s', (text, expected) => {
    expect(compile(text).get(exchange)).toBe(expected);
    expect(compile(text).getOrUndefined(exchange)).toBe(expected);
  });

  it('knows constants', () => {
    const constant = compile('pl\xe9in');
    expect(constant.constant).toBe('pl\xe9in');
    expect([...(constant.constantBytes ?? [])]).toEqual([0x70, 0x6c, 0xe9, 0x69, 0x6e]);
    expect(compile('').constant).toBe('');
    expect(compile('$host').constant).toBeUndefined();
    expect(compile('a$host').constantBytes).toBeUndefined();
  });

  it('tells an unset variable from an empty text', () => {
    expect(compile('$unset').getOrUndefined(exchange)).toBeUndefined();
    expect(compile('$unset').get(exchange)).toBe('');
    expect(compile('$unset$unset').getOrUndefined(exchange)).toBe('');
  });

  it('writes constants as bytes and fast variables without a string', () => {
    expect(written('a$fast-$host$unset')).toEqual(['bytes a', 'copy 1 2', 'bytes -', 'text example.com']);
    expect(written('$fast')).toEqual(['copy 1 2']);
  });

  it.each(['$', 'a$', '$ a', '${}', '$-'])('refuses %s', (text) => {
    expect(() => compile(text)).toThrow('invalid variable name');
  });

  it.each(['${host', '${', '${ho-st}'])('wants the bracket of %s', (text) => {
    expect(() => compile(text)).toThrow(/the closing bracket in "\w*" variable is missing/);
  });

  it('refuses unknown variables', () => {
    expect(() => compile('$nothing')).toThrow('unknown "nothing" variable');
  });

  it('takes the name of a family alone for a variable that is never set', () => {
    for (const text of ['$http_', '$BOUND_', '${upstream_}']) {
      expect(compile(text).getOrUndefined(exchange)).toBeUndefined();
      expect(compile(`a${text}-b`).get(exchange)).toBe('a-b');
    }
    expect(written('a$http_-')).toEqual(['bytes a', 'bytes -']);
  });
});

describe('Registry', () => {
  const row = directive({
    name: 'twice',
    contexts: ['http'],
    args: 0,
    parse: () => 1,
    default: 0,
    syntax: '',
    defaultText: '-',
    doc: '',
  });

  it('refuses modules that claim the same', () => {
    const module = { name: 'm', directives: [row], variables: [{ name: 'v', get: () => '', doc: '' }] };
    expect(() => new Registry([module, { name: 'n', directives: [row] }])).toThrow(TypeError);
    expect(() => new Registry([module, { ...module, directives: [] }])).toThrow(TypeError);
    expect(
      () => new Registry([module, { name: 'n', directives: [{ ...row, contexts: ['server'] }] }]),
    ).not.toThrow();
  });

  it('finds the closest name', () => {
    expect(closest('prox_pass', ['proxy_pass', 'proxy_hide_header'])).toBe('proxy_pass');
    expect(closest('lsten', ['listen', 'location'])).toBe('listen');
    expect(closest('x', ['y'])).toBeUndefined();
    expect(closest('completely', ['different'])).toBeUndefined();
    expect(closest('x'.repeat(1000), ['x'])).toBeUndefined();
  });
});

describe('BlockSettings', () => {
  const common = { contexts: ['http'], args: 1, syntax: '', defaultText: '-', doc: '' } as const;
  const plain = directive<number>({ ...common, name: 'plain', parse: () => 0, default: 7 });
  const merged = directive<readonly string[]>({
    ...common,
    name: 'merged',
    parse: () => [],
    default: ['default'],
    merge: (outer, inner) => [...outer, ...inner],
  });
  const at = (line: number): { file: string; line: number; column: number } => ({
    file: 'f',
    line,
    column: 1,
  });

  it('takes own, then outer, then default', () => {
    const http = new BlockSettings(undefined);
    const server = new BlockSettings(http);
    const location = new BlockSettings(server);
    expect(location.get(plain)).toBe(7);
    expect(location.position(plain)).toBeUndefined();
    http.set(plain, 1, at(1));
    expect(location.get(plain)).toBe(1);
    server.set(plain, 0, at(2));
    expect(location.get(plain)).toBe(0);
    expect(location.own(plain)).toBeUndefined();
    expect(server.own(plain)).toBe(0);
    expect(location.position(plain)?.line).toBe(2);
    expect(http.get(plain)).toBe(1);
  });

  it('merges where the row says so, once', () => {
    const http = new BlockSettings(undefined);
    const server = new BlockSettings(http);
    const location = new BlockSettings(server);
    location.set(merged, ['c'], at(3));
    http.set(merged, ['a'], at(1));
    expect(location.get(merged)).toEqual(['a', 'c']);
    expect(location.get(merged)).toBe(location.get(merged));
    expect(server.get(merged)).toEqual(['a']);
  });

  it('keeps the place of the first of several', () => {
    const block = new BlockSettings(undefined);
    block.set(plain, 1, at(1));
    block.set(plain, 2, at(2));
    expect(block.get(plain)).toBe(2);
    expect(block.position(plain)?.line).toBe(1);
  });
});

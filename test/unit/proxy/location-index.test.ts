/** Which location a URI gets: the fixed rules, and a comparison with a search that looks at every prefix. */
import { describe, expect, it } from 'vitest';
import { host } from '../../../lib/native/host.js';
import { LocationIndex } from '../../../lib/proxy/location-index.js';
import type { Exchange } from '../../../lib/module-api/index.js';
import type { LocationConfig } from '../../../lib/proxy/runtime.js';
import { location, random, server } from './support.js';

const { u8, layout } = host;
/** Bytes before and behind the URI that must make no difference. */
const MARGIN = 7;

function indexOf(...locations: LocationConfig[]): LocationIndex {
  return new LocationIndex(server({ locations }));
}

/** Looks up a URI that stands between bytes that would match if they were looked at, and the same as a text. */
function find(index: LocationIndex, uri: string): LocationConfig {
  const exchange = { uri } as Exchange;
  u8.fill(0x2f, layout.window, layout.window + uri.length + 2 * MARGIN);
  const start = layout.window + MARGIN;
  u8.set(Buffer.from(uri, 'latin1'), start);
  const found = index.find(start, start + uri.length, exchange);
  u8.fill(0x2f, layout.scratch, layout.scratch + uri.length + 2 * MARGIN);
  expect(index.findByUri(exchange)).toBe(found);
  return found;
}

function prefix(name: string): LocationConfig {
  return location({ name });
}

function exact(name: string): LocationConfig {
  return location({ name, kind: 'exact' });
}

describe('LocationIndex', () => {
  it('gives the fallback where nothing matches', () => {
    const fallback = location({ name: '', kind: 'server' });
    const index = new LocationIndex(server({ locations: [prefix('/a/')], fallback }));
    expect(find(index, '/b/')).toBe(fallback);
    expect(find(index, '/a')).toBe(fallback);
    expect(find(index, '')).toBe(fallback);
    expect(find(new LocationIndex(server({ fallback })), '/')).toBe(fallback);
  });

  it('takes the longest prefix, in whatever order they were written', () => {
    const names = ['/', '/a', '/a/', '/a/b', '/a/b/c/', '/ab'];
    for (const order of [names, [...names].reverse(), ['/a/b', '/', '/ab', '/a/b/c/', '/a', '/a/']]) {
      const index = indexOf(...order.map(prefix));
      const found = (uri: string): string => find(index, uri).name;
      expect(found('/')).toBe('/');
      expect(found('/x')).toBe('/');
      expect(found('/a')).toBe('/a');
      expect(found('/ax')).toBe('/a');
      expect(found('/abc')).toBe('/ab');
      expect(found('/a/')).toBe('/a/');
      expect(found('/a/b')).toBe('/a/b');
      expect(found('/a/bc')).toBe('/a/b');
      expect(found('/a/b/c')).toBe('/a/b');
      expect(found('/a/b/c/d')).toBe('/a/b/c/');
    }
  });

  it('goes on with the next sibling after one whose children do not match', () => {
    const index = indexOf(...['/', '/a/', '/a/x/', '/b/', '/b/y/', '/b/y/z/'].map(prefix));
    expect(find(index, '/a/y/z/').name).toBe('/a/');
    expect(find(index, '/b/y/z').name).toBe('/b/y/');
    expect(find(index, '/b/y/z/').name).toBe('/b/y/z/');
  });

  it('prefers an exact match to the longest prefix, and only for the whole URI', () => {
    const index = indexOf(prefix('/'), prefix('/a/b'), exact('/a'), exact('/a/b'), exact('/'));
    expect(find(index, '/').kind).toBe('exact');
    expect(find(index, '/a').kind).toBe('exact');
    expect(find(index, '/a/b').kind).toBe('exact');
    expect(find(index, '/a/b/').name).toBe('/a/b');
    expect(find(index, '/a/').name).toBe('/');
  });

  it('finds named locations by name only', () => {
    const named = location({ name: '@back' });
    const index = indexOf(named, prefix('/'));
    expect(index.named('@back')).toBe(named);
    expect(index.named('@other')).toBeUndefined();
    expect(index.named('/')).toBeUndefined();
    expect(find(index, '@back').kind).toBe('server');
    expect(find(index, '/@back').name).toBe('/');
  });

  it('compares bytes', () => {
    const index = indexOf(prefix('/'), prefix('/caf\xc3\xa9/'));
    expect(find(index, '/caf\xc3\xa9/x').name).toBe('/caf\xc3\xa9/');
    expect(find(index, '/caf\xe9/x').name).toBe('/');
    expect(find(index, '/CAF\xc3\xa9/x').name).toBe('/');
  });
});

describe('many locations', () => {
  it('are told apart wherever they begin to differ', () => {
    const names = ['/'];
    for (let i = 0; i < 300; i++) names.push(`/service${i}/`, `/${'x'.repeat(i % 17)}${i}`);
    for (let byte = 1; byte < 256; byte++) names.push(`/${String.fromCharCode(byte)}`);
    const all = [...new Set(names)];
    const index = indexOf(...all.map(prefix), ...all.map((name) => exact(`${name}end`)));
    for (const name of all) {
      expect(find(index, name).name).toBe(name);
      expect(find(index, `${name}end`)).toMatchObject({ kind: 'exact', name: `${name}end` });
      const behind = find(index, `${name}\xff\xff`).name;
      expect(`${name}\xff\xff`.startsWith(behind) && behind.length >= name.length).toBe(true);
    }
  });

  it('may have long names', () => {
    const long = `/${'abcdefg/'.repeat(400)}`;
    const index = indexOf(prefix('/'), prefix(long), exact(`${long}x`));
    expect(find(index, `${long}x`).kind).toBe('exact');
    expect(find(index, `${long}xy`).name).toBe(long);
    expect(find(index, long.slice(0, -1)).name).toBe('/');
    expect(find(index, long.repeat(100)).name).toBe(long);
  });
});

describe('any set of locations', () => {
  it('finds what a search over all of them finds', () => {
    for (let seed = 1; seed <= 300; seed++) {
      const below = random(seed);
      const path = (): string => '/' + Array.from({ length: below(6) }, () => 'ab/'[below(3)]).join('');
      const byKind = (kind: 'prefix' | 'exact', count: number): LocationConfig[] =>
        [...new Set(Array.from({ length: below(count) }, path))].map((name) => location({ name, kind }));
      const prefixes = byKind('prefix', 14);
      const exacts = byKind('exact', 4);
      const locations = [...prefixes, ...exacts].sort(() => below(3) - 1);
      const fallback = location({ name: '', kind: 'server' });
      const index = new LocationIndex(server({ locations, fallback }));
      for (let i = 0; i < 60; i++) {
        const uri = path() + (below(2) === 0 ? path() : '');
        const naive =
          exacts.find(({ name }) => name === uri) ??
          prefixes
            .filter(({ name }) => uri.startsWith(name))
            .reduce((best, each) => (each.name.length > best.name.length ? each : best), fallback);
        const what = `seed ${seed}: ${uri} of ${locations.map(({ kind, name }) => `${kind} ${name}`).join(', ')}`;
        expect(find(index, uri), what).toBe(naive);
      }
    }
  });
});

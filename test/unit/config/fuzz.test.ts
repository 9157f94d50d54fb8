/** Whatever bytes come, the lexer, the parser and the registry throw ConfigError or nothing. */
// First, because it takes the engine out of the modules.
import { compileText, inServer } from './helpers.js';
import { describe, expect, it } from 'vitest';
import { ConfigError } from '../../../lib/config/config-error.js';
import { parseConfigText } from '../../../lib/config/parser.js';
import { Registry } from '../../../lib/config/registry.js';
import { compileValue } from '../../../lib/config/value.js';
import { builtinModules } from '../../../lib/modules/index.js';

/** A small generator with a seed (mulberry32), so that a failure can be repeated. */
function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

/** Runs; anything but ConfigError gets out. */
function survive(run: () => unknown): 'ok' | 'refused' {
  try {
    run();
    return 'ok';
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return 'refused';
  }
}

const PIECES = [
  'a',
  'b ',
  ' ',
  '\n',
  ';',
  '{',
  '}',
  '"',
  "'",
  '\\',
  '$',
  '${',
  '#',
  '*',
  '=',
  '~',
  '\t',
  '\r',
  '\0',
  '\xff',
  'listen 1;',
  'http {',
  'server {',
  'events {}',
  'location / {',
];

describe('random input', () => {
  it('of bytes', () => {
    const next = random(1);
    for (let round = 0; round < 3000; round++) {
      const bytes = Array.from({ length: next(60) }, () => next(256));
      survive(() => parseConfigText(String.fromCharCode(...bytes), 'f'));
    }
  });

  it('of pieces that mean something', () => {
    const next = random(2);
    const outcomes = { ok: 0, refused: 0 };
    for (let round = 0; round < 5000; round++) {
      const text = Array.from({ length: next(14) }, () => PIECES[next(PIECES.length)]).join('');
      outcomes[survive(() => parseConfigText(text, 'f'))]++;
    }
    expect(outcomes.ok).toBeGreaterThan(0);
    expect(outcomes.refused).toBeGreaterThan(0);
  });

  it('as values', () => {
    const next = random(3);
    const registry = new Registry(builtinModules);
    const pieces = ['$', '{', '}', 'host', 'http_', 'a', '-', '1', '\xff', '$host', '${uri}'];
    for (let round = 0; round < 3000; round++) {
      const text = Array.from({ length: next(8) }, () => pieces[next(pieces.length)]).join('');
      survive(() => compileValue(text, registry, undefined));
    }
  });

  it('as arguments of every directive', async () => {
    const next = random(4);
    const words = [
      '0',
      '1',
      '-1',
      '8k',
      '1h',
      'on',
      'off',
      '""',
      '$host',
      '$',
      '=',
      '=200',
      '/',
      'a=b',
      'unix:',
      '[::1]:1',
      '~x',
      '404',
      'http://127.0.0.1',
      '99999999999999999999',
      '{',
      'é',
    ];
    const rows = builtinModules
      .flatMap((module) => module.directives)
      .filter((row) => row.contexts.includes('server') || row.contexts.includes('location'))
      // These open files.
      .filter((row) => row.name !== 'access_log' && row.name !== 'error_log');
    for (let round = 0; round < 1500; round++) {
      const row = rows[next(rows.length)];
      const args = Array.from({ length: next(4) }, () => words[next(words.length)]).join(' ');
      const inner = `${row?.name} ${args};`;
      const text = inServer(row?.contexts.includes('server') === true ? inner : `location / { ${inner} }`);
      try {
        await compileText(text);
      } catch (error) {
        if (!(error instanceof ConfigError))
          throw new Error(`${inner} threw ${String(error)}`, { cause: error });
      }
    }
  });
});

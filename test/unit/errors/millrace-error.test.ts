/** Codes, texts and what follows from them. */
import { constants } from 'node:os';
import { describe, expect, test } from 'vitest';
import { errno, errnoCode, errnoText } from '../../../lib/errors/errno.js';
import { ERROR_TABLE, errorRow, FALLBACK_ROW } from '../../../lib/errors/error-table.js';
import { MillraceError, systemError } from '../../../lib/errors/millrace-error.js';

describe('errno', () => {
  test('names and texts of this platform', () => {
    expect(errnoCode(constants.errno.ECONNRESET)).toBe('ECONNRESET');
    expect(errnoCode(constants.errno.EAGAIN)).toBe('EAGAIN');
    expect(errno['EADDRINUSE']).toBe(constants.errno.EADDRINUSE);
    expect(errnoText(constants.errno.ECONNREFUSED)).toBe('Connection refused');
    expect(errnoText(constants.errno.ENOTDIR)).toBe('not a directory');
    expect([errnoCode(9999), errnoText(9999)]).toEqual(['E9999', 'Unknown error 9999']);
  });
});

describe('the table', () => {
  test('knows system errors by names that exist, and our own', () => {
    for (const code of Object.keys(ERROR_TABLE)) {
      if (!code.startsWith('ERR_')) expect(errno, code).toHaveProperty(code);
    }
    expect(errorRow('ERR_CONNECT_TIMEOUT')).toMatchObject({ class: 'timeout', status: 504, retry: 'safe' });
    expect(errorRow('ENOSUCHCODE')).toBe(FALLBACK_ROW);
  });

  test('lets nothing be repeated that may have been acted on', () => {
    const repeatable = Object.keys(ERROR_TABLE).filter((code) => errorRow(code).retry === 'if-reused');
    expect(repeatable.sort()).toEqual([
      'ECONNABORTED',
      'ECONNRESET',
      'ENOTCONN',
      'EPIPE',
      'ERR_UNEXPECTED_END',
    ]);
  });
});

describe('MillraceError', () => {
  test('says what, when and with whom', () => {
    const cause = new Error('below');
    const error = systemError(constants.errno.ECONNREFUSED, 'connect', {
      address: '::1',
      port: 80,
      source: 'upstream',
      cause,
    });
    expect(error).toBeInstanceOf(Error);
    expect(String(error)).toBe('MillraceError: connect ECONNREFUSED: Connection refused [::1]:80');
    expect(error).toMatchObject({
      code: 'ECONNREFUSED',
      errno: constants.errno.ECONNREFUSED,
      phase: 'connect',
      syscall: 'connect',
      address: '::1',
      port: 80,
      source: 'upstream',
      errorClass: 'network',
      status: 502,
      retry: 'safe',
      cause,
    });
  });

  test('leaves out what is not known', () => {
    const error = new MillraceError('ERR_DEADLINE');
    expect(error.message).toBe('ERR_DEADLINE: The deadline passed');
    expect([error.errno, error.phase, error.address, error.port, error.cause]).toEqual([
      0,
      '',
      undefined,
      undefined,
      undefined,
    ]);
    const path = new MillraceError('ENOENT', { phase: 'connect', address: '/run/socket', port: -1 });
    expect(path.message).toBe('connect ENOENT: No such file or directory /run/socket');
  });
});

/** `--from` and `--to`: the forms of an address, and the configuration they make. */
import { describe, expect, test } from 'vitest';
import { backendAddress, listenAddress, plainProxy } from '../../../lib/cli/from-to.js';

describe('listenAddress', () => {
  test.each([
    ['8080', '8080'],
    [':8080', '8080'],
    ['0', '0.0.0.0:0'],
    ['127.0.0.1:8080', '127.0.0.1:8080'],
    ['localhost:8080', 'localhost:8080'],
    ['[::1]:8080', '[::1]:8080'],
    ['unix:/run/x.sock', 'unix:/run/x.sock'],
  ])('%s', (text, expected) => {
    expect(listenAddress(text)).toBe(expected);
  });

  test.each(['', '127.0.0.1', 'host:', ':65536', '::1:80', '[::g]:80', 'a b:80', '-1', '80;', 'unix:x'])(
    '%j is refused',
    (text) => {
      expect(() => listenAddress(text)).toThrow('invalid address');
    },
  );
});

describe('backendAddress', () => {
  test.each([
    ['3000', '127.0.0.1:3000'],
    [':3000', '127.0.0.1:3000'],
    ['app', 'app:80'],
    ['app:3000', 'app:3000'],
    ['http://app:3000/', 'http app:3000'],
    ['http://app', 'http app:80'],
    ['[::1]:3000', '[::1]:3000'],
    ['unix:/run/app.sock', 'unix:/run/app.sock'],
  ])('%s', (text, expected) => {
    expect(backendAddress(text)).toBe(expected.replace('http ', ''));
  });

  test.each(['', ':0', 'app:70000', 'http://app/path', 'a;b'])('%j is refused', (text) => {
    expect(() => backendAddress(text)).toThrow('invalid address');
  });

  test('https is refused in its own words', () => {
    expect(() => backendAddress('https://app')).toThrow('TLS to backends is not supported yet');
  });
});

test('plainProxy forwards what a backend needs to know', () => {
  const options = plainProxy([':8080'], ['3000', '3001']);
  expect(options.http?.upstream?.['backends']?.server).toEqual(['127.0.0.1:3000', '127.0.0.1:3001']);
  expect(options.http?.server).toMatchObject({
    listen: ['8080'],
    location: { '/': { proxy_pass: 'http://backends', proxy_set_header: { Host: '$http_host' } } },
  });
});

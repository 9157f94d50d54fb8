/** Failures as one sentence in nginx's words. */
import { constants } from 'node:os';
import { expect, test } from 'vitest';
import { systemError } from '../../../lib/errors/millrace-error.js';
import { failureMessage, socketName } from '../../../lib/process/system-message.js';

const inUse = constants.errno.EADDRINUSE;

test.each([
  ['127.0.0.1', 8080, '127.0.0.1:8080'],
  ['::1', 80, '[::1]:80'],
  ['/run/x.sock', -1, 'unix:/run/x.sock'],
])('a socket that cannot be bound: %s %i', (address, port, name) => {
  expect(socketName(address, port)).toBe(name);
  const error = systemError(inUse, 'listen', { address, port });
  expect(failureMessage(error)).toBe(`bind() to ${name} failed (${inUse}: Address already in use)`);
});

test('anything else is its first line, without a stack', () => {
  expect(failureMessage(new Error('one\ntwo'))).toBe('one');
  expect(failureMessage('text')).toBe('text');
});

/** What may be written in `limit_except`, and what becomes of it. */
import { expect, it } from 'vitest';
import { loadConfigObject } from '../../../lib/config/object.js';
import { compileNodes, compileText, inServer } from './helpers.js';

it('makes a location of its own for other methods', async () => {
  const { server } = await compileText(
    inServer('location / { limit_except get put { deny all; } } location /a { }'),
  );
  const [limited, free] = server.locations;
  expect([...(limited?.limit?.methods ?? [])].sort()).toEqual(['GET', 'HEAD', 'PUT']);
  expect(limited?.access).toEqual([]);
  expect(limited?.limit?.location.access).toHaveLength(1);
  expect(limited?.limit?.location.content).toBe(limited?.content);
  expect(free?.limit).toBeUndefined();
});

it('is a property of a typed object too', async () => {
  const location = { '/': { limit_except: { 'POST  PATCH': { deny: 'all' } } } };
  const { nodes } = loadConfigObject({ http: { server: { listen: 80, location } } });
  const { server } = await compileNodes(nodes);
  expect([...(server.locations[0]?.limit?.methods ?? [])]).toEqual(['POST', 'PATCH']);
});

it.each([
  ['location / { limit_except FETCH { } }', 'invalid method "FETCH"'],
  ['location / { limit_except { } }', 'invalid number of arguments in "limit_except" directive'],
  ['limit_except GET { }', '"limit_except" directive is not allowed here'],
  ['location / { limit_except GET { return 200; } }', '"return" directive is not allowed here'],
  ['location / { limit_except GET { location /a { } } }', '"location" directive is not allowed here'],
  ['location / { limit_except GET { } limit_except GET { } }', '"limit_except" directive is duplicate'],
])('%s: %s', async (text, message) => {
  await expect(compileText(inServer(text))).rejects.toThrow(message);
});

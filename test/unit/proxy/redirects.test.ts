/** Internal redirects, named locations and error_page: where a request ends up, and that loops end. */
import { describe, expect, it } from 'vitest';
import type { Exchange, PhaseHandler } from '../../../lib/module-api/index.js';
import type { ErrorPage } from '../../../lib/proxy/runtime.js';
import { request, start } from './engine-support.js';
import { constant } from './support.js';

/** Tells what the exchange looks like at the end of the way. */
function tell(exchange: Exchange): number {
  const { location, uri, args, request: received } = exchange;
  return exchange.respond(200, `${location.name}|${uri}|${args}|${received.method}|${received.target}`);
}

function to(target: string): PhaseHandler {
  return (exchange) => exchange.redirectInternally(target);
}

function pages(rules: Record<number, [target: string, status?: number]>): Map<number, ErrorPage> {
  return new Map(
    Object.entries(rules).map(([status, [target, shown]]) => [
      Number(status),
      { target: constant(target), status: shown },
    ]),
  );
}

describe('redirectInternally', () => {
  it('looks up the location of the new URI and leaves the request as it came', async () => {
    const rig = start({ '/a': to('/b/c?d=e'), '/b/': tell });
    expect(await rig.get('/a?x=y')).toBe('200 /b/|/b/c|d=e|GET|/a?x=y');
    expect(rig.logged).toEqual([{ uri: '/b/c', status: 200, completed: true }]);
  });

  it('drops the query when the new URI has none', async () => {
    expect(await start({ '/a': to('/b'), '/b': tell }).get('/a?x=y')).toBe('200 /b|/b||GET|/a?x=y');
  });

  it('goes to a named location with URI and query as they are', async () => {
    const rig = start({ '/a': to('@back'), '@back': tell });
    expect(await rig.get('/a/b?x=y')).toBe('200 @back|/a/b|x=y|GET|/a/b?x=y');
  });

  it('runs the handlers of the server again, but not for a named location', async () => {
    let runs = 0;
    const rewrite: PhaseHandler[] = [
      () => {
        runs++;
        return 0;
      },
    ];
    const rig = start({ '/a': to('/b'), '/b': to('@c'), '@c': tell }, { rewrite });
    await rig.get('/a');
    expect(runs).toBe(2);
  });

  it('ends in 500 when the named location does not exist', async () => {
    const rig = start({ '/': to('@nowhere') });
    expect(await rig.get('/')).toContain('500 Internal Server Error');
    expect(rig.errorLog.matching(/^error: could not find named location "@nowhere"/)).toHaveLength(1);
    expect(rig.logged).toEqual([{ uri: '/', status: 500, completed: true }]);
  });

  it('may happen ten times', async () => {
    let times = 0;
    const rig = start({
      '/': (exchange) => (++times <= 10 ? exchange.redirectInternally('/') : tell(exchange)),
    });
    expect(await rig.get('/')).toBe('200 /|/||GET|/');
    expect(times).toBe(11);
  });

  it.each([
    ['a URI', { '/': to('/again') }],
    ['two URIs', { '/a': to('/b'), '/b': to('/a'), '/': to('/a') }],
    ['a name', { '/': to('@loop'), '@loop': to('@loop') }],
  ])('ends a loop over %s with 500, logged once', async (_name, places) => {
    const rig = start(places);
    const client = await rig.send(request('GET', '/'));
    const { status } = await client.readMessage();
    expect(status).toBe(500);
    expect(await client.waitEnd()).toBe('fin');
    expect(rig.errorLog.matching(/^error: rewrite or internal redirection cycle/)).toHaveLength(1);
    expect(rig.logged).toHaveLength(1);
    expect(rig.logged[0].status).toBe(500);
  });

  it('ends a loop of promises, too', async () => {
    const rig = start({
      '/': async (exchange) => {
        await Promise.resolve();
        return exchange.redirectInternally('/');
      },
    });
    expect(await rig.get('/')).toContain('500 Internal Server Error');
    expect(rig.logged).toHaveLength(1);
  });

  it('does not carry the count over to the next request of the connection', async () => {
    const rig = start({ '/a': to('/b'), '/b': tell });
    const client = await rig.send(request('GET', '/a').repeat(15));
    for (let i = 0; i < 15; i++) expect((await client.readMessage()).status).toBe(200);
  });
});

describe('error_page', () => {
  it('answers with the page and keeps the status', async () => {
    const rig = start({ '/': { content: () => 403, errorPages: pages({ 403: ['/page'] }) }, '/page': tell });
    expect(await rig.get('/a?x')).toBe('403 /page|/page||GET|/a?x');
    expect(rig.logged).toEqual([{ uri: '/page', status: 403, completed: true }]);
  });

  it('answers with the status of the rule', async () => {
    const rig = start({
      '/': { content: () => 404, errorPages: pages({ 404: ['/page', 200] }) },
      '/page': tell,
    });
    expect(await rig.get('/a')).toMatch(/^200 \/page/);
  });

  it('answers with what the page itself says for "="', async () => {
    const rig = start({
      '/': { content: () => 404, errorPages: pages({ 404: ['/page', 0] }) },
      '/page': (exchange) => exchange.respond(202, 'own'),
    });
    expect(await rig.get('/a')).toBe('202 own');
  });

  it('asks for a page with GET, and for a named location with the method as it came', async () => {
    const rig = start({
      '/page': tell,
      '@named': tell,
      '/a': { content: () => 502, errorPages: pages({ 502: ['/page'] }) },
      '/b': { content: () => 502, errorPages: pages({ 502: ['@named'] }) },
    });
    for (const [target, expected] of [
      ['/a', '/page|/page||GET|/a'],
      ['/b', '@named|/b||PUT|/b'],
    ]) {
      const client = await rig.send(request('PUT', target));
      const { status, body } = await client.readMessage();
      expect([status, body]).toEqual([502, expected]);
    }
  });

  it('sends no body for HEAD', async () => {
    const rig = start({ '/': { content: () => 404, errorPages: pages({ 404: ['/page'] }) }, '/page': tell });
    const client = await rig.send(request('HEAD', '/') + request('GET', '/page'));
    const { status } = await client.readMessage('HEAD');
    expect(status).toBe(404);
    expect((await client.readMessage()).status).toBe(200);
  });

  it('redirects the client for an address', async () => {
    const errorPages = pages({ 404: ['http://other/x'], 403: ['https://other/y', 301] });
    const rig = start({ '/a': { content: () => 404, errorPages }, '/b': { content: () => 403, errorPages } });
    for (const [target, status, place] of [
      ['/a', 302, 'http://other/x'],
      ['/b', 301, 'https://other/y'],
    ] as const) {
      const client = await rig.send(request('GET', target));
      const message = await client.readMessage();
      expect(message.status).toBe(status);
      expect(message.head).toContain(`\r\nLocation: ${place}\r\n`);
      expect(message.body).toContain(String(status));
    }
  });

  it('is applied once: the page of a page is our own', async () => {
    const errorPages = pages({ 404: ['/page'], 403: ['/page'] });
    const rig = start({
      '/': { content: () => 404, errorPages },
      '/page': { content: () => 403, errorPages },
    });
    // As in nginx: what the page's own location answers replaces the first status.
    expect(await rig.get('/')).toMatch(/^403 <html>/);
    expect(rig.logged).toHaveLength(1);
  });

  it('applies to statuses of the phases, to a throw, and to what is not found', async () => {
    const errorPages = pages({ 403: ['@e'], 404: ['@e'], 500: ['@e'] });
    const rig = start(
      {
        '@e': (exchange) => exchange.respond(200, 'page'),
        '/access': { access: [() => 403], errorPages },
        '/throw': {
          content: () => {
            throw new Error('boom');
          },
          errorPages,
        },
      },
      { fallback: { errorPages } },
    );
    expect(await rig.get('/access')).toBe('403 page');
    expect(await rig.get('/throw')).toBe('500 page');
    expect(await rig.get('/other')).toBe('404 page');
    expect(rig.logged.map(({ status }) => status)).toEqual([403, 500, 404]);
  });

  it('closes the connection where the status itself would', async () => {
    const rig = start({ '/': { content: () => 400, errorPages: pages({ 400: ['@e', 200] }) }, '@e': tell });
    const client = await rig.send(request('GET', '/'));
    const { status, head } = await client.readMessage();
    expect(status).toBe(200);
    expect(head).toContain('Connection: close\r\n');
    expect(await client.waitEnd()).toBe('fin');
  });

  it('applies to a body that is announced too large', async () => {
    const rig = start({
      '/': { content: tell, clientMaxBodySize: 10, errorPages: pages({ 413: ['/page'] }) },
      '/page': tell,
    });
    const client = await rig.send(request('POST', '/', 'Content-Length: 11') + 'x'.repeat(11));
    const { status, body } = await client.readMessage();
    expect([status, body]).toEqual([413, '/page|/page||GET|/']);
    expect(rig.logged).toHaveLength(1);
  });
});

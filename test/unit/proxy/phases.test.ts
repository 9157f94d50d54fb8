/** Handlers in their order, and what each kind of result makes of the request. Over real sockets. */
import { describe, expect, it } from 'vitest';
import { DONE, NEXT, type Exchange, type PhaseHandler } from '../../../lib/module-api/index.js';
import { request, start } from './engine-support.js';

const MARKS = Symbol('marks');

/** A handler that leaves its mark and gives the result. */
function mark(name: string, result = NEXT): PhaseHandler {
  return ({ state }) => {
    state.set(MARKS, `${(state.get(MARKS) as string | undefined) ?? ''}${name} `);
    return result;
  };
}

/** Answers with the marks so far. */
function tell(exchange: Exchange): number {
  return exchange.respond(200, `${(exchange.state.get(MARKS) as string | undefined) ?? ''}content`);
}

describe('the order of the phases', () => {
  it('is the server, then rewrite, access and content of the location', async () => {
    const rig = start(
      {
        '/': {
          access: [mark('access1'), mark('access2')],
          rewrite: [mark('rewrite1'), mark('rewrite2')],
          content: tell,
        },
      },
      { rewrite: [mark('server1'), mark('server2')] },
    );
    expect(await rig.get('/')).toBe('200 server1 server2 rewrite1 rewrite2 access1 access2 content');
  });

  it('begins anew for the next request, also on the same connection', async () => {
    const rig = start({ '/': { rewrite: [mark('rewrite')], content: tell } });
    const client = await rig.send(request('GET', '/1') + request('GET', '/2'));
    expect((await client.readMessage()).body).toBe('rewrite content');
    expect((await client.readMessage()).body).toBe('rewrite content');
  });

  it('chooses the location between the phases of the server and its own', async () => {
    const seen: string[] = [];
    const look: PhaseHandler = ({ location }) => {
      seen.push(`${location.name}.`);
      return NEXT;
    };
    const rig = start(
      { '/a/': { rewrite: [look], content: tell }, '= /a/b': { rewrite: [look], content: tell }, '/': tell },
      { rewrite: [look] },
    );
    for (const target of ['/a/x', '/a/b', '/%61/./c/../b?q', '/b']) await rig.get(target);
    expect(seen.join(' ')).toBe('. /a/. . /a/b. . /a/b. .');
  });

  it('answers 404 where a location has no content, or none matches', async () => {
    const rig = start({ '/a': { access: [mark('access')] } });
    expect(await rig.get('/a')).toContain('404 Not Found');
    expect(await rig.get('/b')).toContain('404 Not Found');
    expect(rig.logged).toEqual([
      { uri: '/a', status: 404, completed: true },
      { uri: '/b', status: 404, completed: true },
    ]);
  });
});

describe('the result of a handler', () => {
  it.each(['server', 'rewrite', 'access', 'content'])(
    'a status from %s ends with its page',
    async (phase) => {
      const rest = { [phase]: [mark('x', 403), mark('never', 500)] };
      const own = phase === 'content' ? { content: mark('x', 403) } : { content: tell, ...rest };
      const rig = start({ '/': own }, phase === 'server' ? { rewrite: rest[phase] } : {});
      expect(await rig.get('/')).toMatch(/^403 <html>.*<h1>403 Forbidden<\/h1>.*<hr><center>millrace\//s);
      expect(rig.logged).toEqual([{ uri: '/', status: 403, completed: true }]);
    },
  );

  it('DONE runs no later handler; the answer may come from anywhere', async () => {
    let later: Exchange | undefined;
    let calls = 0;
    const rig = start({
      '/': {
        access: [
          (exchange) => {
            later = exchange;
            return DONE;
          },
          () => {
            calls++;
            return NEXT;
          },
        ],
        content: tell,
      },
    });
    const client = await rig.send(request('GET', '/'));
    await rig.until('the handler', () => later !== undefined);
    later?.respond(202, 'late', 'text/x-late');
    const { status, body, head } = await client.readMessage();
    expect([status, body, calls]).toEqual([202, 'late', 0]);
    expect(head).toContain('Content-Type: text/x-late\r\n');
  });

  it.each([
    ['an Error', () => new Error('boom')],
    ['a string', () => 'boom'],
  ])('a throw of %s is logged and answered with 500, once', async (_name, make) => {
    const rig = start({
      '/a/': {
        access: [
          () => {
            // eslint-disable-next-line @typescript-eslint/only-throw-error -- a module may throw anything
            throw make();
          },
        ],
        content: tell,
      },
    });
    const client = await rig.send(request('GET', '/a/b'));
    const { status, head } = await client.readMessage();
    expect(status).toBe(500);
    expect(head).toContain('Connection: close\r\n');
    expect(await client.waitEnd()).toBe('fin');
    expect(rig.logged).toEqual([{ uri: '/a/b', status: 500, completed: true }]);
    expect(rig.errorLog.lines).toHaveLength(1);
    expect(rig.errorLog.lines[0]).toMatch(
      /^error: a handler of location "\/a\/" failed: .*boom.*, client: 127\.0\.0\.1, server: example\.com, request: "GET \/a\/b HTTP\/1\.1", host: "example\.com"$/s,
    );
  });

  it('a throw behind the head cuts the response', async () => {
    const rig = start({
      '/': (exchange) => {
        exchange.begin(200, 10);
        exchange.write(Buffer.from('half'));
        throw new Error('boom');
      },
    });
    const client = await rig.send(request('GET', '/'));
    const { complete } = await client.readMessage();
    expect(complete).toBe(false);
    expect(rig.logged).toEqual([{ uri: '/', status: 200, completed: false }]);
  });

  it('a throw behind the answer changes nothing', async () => {
    const rig = start({
      '/': (exchange) => {
        exchange.respond(200, 'fine');
        throw new Error('boom');
      },
    });
    const client = await rig.send(request('GET', '/') + request('GET', '/'));
    expect((await client.readMessage()).body).toBe('fine');
    expect((await client.readMessage()).body).toBe('fine');
    expect(rig.logged).toHaveLength(2);
  });

  it('444 closes without an answer', async () => {
    const rig = start({ '/': mark('x', 444) });
    const client = await rig.send(request('GET', '/'));
    expect(await client.readToEnd()).toBe('');
    expect(rig.logged).toEqual([{ uri: '/', status: 444, completed: false }]);
  });

  it('an answer counts once, whatever the handler does behind it', async () => {
    const rig = start({
      '/': (exchange) => {
        exchange.respond(200, 'first');
        exchange.respond(201, 'second');
        exchange.begin(202, 0);
        exchange.end();
        exchange.finalize(500);
        exchange.redirectInternally('/other');
        return 403;
      },
      '/other': tell,
    });
    expect(await rig.get('/')).toBe('200 first');
    expect(rig.logged).toEqual([{ uri: '/', status: 200, completed: true }]);
  });
});

describe('header filters', () => {
  it('run once, in order, before the head of every local answer', async () => {
    const seen: string[] = [];
    const rig = start(
      { '/ok': (exchange) => exchange.respond(200, 'x'), '/no': () => 403, '/stream': streaming },
      {
        all: {
          headerFilters: [
            ({ response }) => {
              seen.push(`${response.status} ${response.headSent}`);
              response.setHeader('X-Filter', 'first');
            },
            ({ response }) => {
              response.setHeader('X-Filter', `${response.getHeader('x-filter')}, second`);
            },
          ],
        },
      },
    );
    for (const target of ['/ok', '/no', '/stream']) {
      const client = await rig.send(request('GET', target));
      expect((await client.readMessage()).head).toMatch(/\r\nX-Filter: first, second\r\n(?!.*X-Filter)/s);
    }
    expect(seen).toEqual(['200 false', '403 false', '206 false']);
  });

  it('are those of the location that answers', async () => {
    const filter = (name: string): { headerFilters: ((exchange: Exchange) => void)[] } => ({
      headerFilters: [({ response }) => response.addHeader('X-Filter', name)],
    });
    const rig = start({
      '/a': { ...filter('a'), content: (exchange) => exchange.redirectInternally('/b') },
      '/b': { ...filter('b'), content: tell },
    });
    const client = await rig.send(request('GET', '/a'));
    expect((await client.readMessage()).head.match(/X-Filter: ./g)).toEqual(['X-Filter: b']);
  });
});

function streaming(exchange: Exchange): number {
  exchange.begin(206, -1);
  exchange.write(Buffer.from('x'));
  exchange.end();
  return DONE;
}

/** Handlers that return a promise: waiting, answering late, failing, and settling when nobody is there any more. */
import { describe, expect, it } from 'vitest';
import { DONE, NEXT, type Exchange, type PhaseHandler } from '../../../lib/module-api/index.js';
import { Deferred } from '../../../lib/util/deferred.js';
import { request, start, turns } from './engine-support.js';

/** A handler that waits for the test. */
function gate(): { handler: PhaseHandler; result: Deferred<number>; seen: Exchange[] } {
  const result = new Deferred<number>();
  const seen: Exchange[] = [];
  const handler: PhaseHandler = async (exchange) => {
    seen.push(exchange);
    return result.promise;
  };
  return { handler, result, seen };
}

function answer(exchange: Exchange): number {
  return exchange.respond(200, `${exchange.location.name} ${exchange.request.header('x-mine') ?? 'none'}`);
}

describe('a promise', () => {
  it.each(['rewrite', 'access', 'content'])(
    'of NEXT or an answer from %s goes on where it was',
    async (phase) => {
      const waiting: PhaseHandler = async (exchange) => {
        await turns();
        return phase === 'content' ? answer(exchange) : NEXT;
      };
      const place =
        phase === 'content' ? { content: waiting } : { [phase]: [waiting, waiting], content: answer };
      const rig = start({ '/': place });
      expect(await rig.get('/', 'X-Mine: yes')).toBe('200 / yes');
      expect(rig.logged).toEqual([{ uri: '/', status: 200, completed: true }]);
    },
  );

  it('of the server goes on with the location', async () => {
    const rig = start({ '/a': answer }, { rewrite: [async () => (await turns(), NEXT)] });
    expect(await rig.get('/a', 'X-Mine: yes')).toBe('200 /a yes');
  });

  it('of a status ends with its page', async () => {
    const rig = start({ '/': { access: [async () => (await turns(), 403)], content: answer } });
    expect(await rig.get('/')).toContain('403 Forbidden');
    expect(rig.logged).toEqual([{ uri: '/', status: 403, completed: true }]);
  });

  it('that rejects is logged and answered with 500', async () => {
    const rig = start({
      '/': {
        access: [
          async () => {
            await turns();
            throw new Error('boom');
          },
        ],
        content: answer,
      },
    });
    expect(await rig.get('/')).toContain('500 Internal Server Error');
    expect(rig.errorLog.matching(/^error: a handler of location "\/" failed: Error: boom/)).toHaveLength(1);
    expect(rig.logged).toEqual([{ uri: '/', status: 500, completed: true }]);
  });

  it('that rejects behind the head cuts the response', async () => {
    const rig = start({
      '/': async (exchange) => {
        await turns();
        exchange.begin(200, -1);
        exchange.write(Buffer.from('part'));
        await turns();
        throw new Error('boom');
      },
    });
    const client = await rig.send(request('GET', '/'));
    const { body, complete } = await client.readMessage();
    expect([body, complete]).toEqual(['part', false]);
    expect(rig.logged).toEqual([{ uri: '/', status: 200, completed: false }]);
  });

  it('that settles behind the answer changes nothing', async () => {
    for (const end of ['403', 'NEXT', 'throw']) {
      const rig = start({
        '/': async (exchange) => {
          await turns();
          exchange.respond(200, 'fine');
          await turns();
          if (end === 'throw') throw new Error('boom');
          return end === '403' ? 403 : NEXT;
        },
      });
      const client = await rig.send(request('GET', '/'));
      expect((await client.readMessage()).body).toBe('fine');
      await turns(20);
      client.send(request('GET', '/'));
      expect((await client.readMessage()).body).toBe('fine');
      expect(client.received).toBe('');
      expect(rig.logged, end).toHaveLength(2);
    }
  });

  it('makes the head survive what is received meanwhile, here and elsewhere', async () => {
    const { handler, result, seen } = gate();
    const rig = start({ '/': { access: [handler], content: answer } });
    const client = await rig.send(request('GET', '/', 'X-Mine: kept'));
    await rig.until('the handler', () => seen.length === 1);
    client.send(request('GET', '/', 'X-Mine: next'));
    const others = await Promise.all(
      Array.from({ length: 5 }, () => rig.send(request('POST', '/zzzzzzzzzzzzzzzz', 'X-Mine: other'))),
    );
    await rig.until('the others', () => seen.length === 6);
    result.resolve(NEXT);
    expect((await client.readMessage()).body).toBe('/ kept');
    expect((await client.readMessage()).body).toBe('/ next');
    for (const other of others) expect((await other.readMessage()).body).toBe('/ other');
  });

  it('lets pipelined requests wait their turn', async () => {
    const order: string[] = [];
    const rig = start({
      '/': async (exchange) => {
        order.push(`begin ${exchange.uri}`);
        await turns(exchange.uri === '/1' ? 20 : 1);
        order.push(`end ${exchange.uri}`);
        return exchange.respond(200, exchange.uri);
      },
    });
    const client = await rig.send(['/1', '/2', '/3'].map((uri) => request('GET', uri)).join(''));
    for (const uri of ['/1', '/2', '/3']) expect((await client.readMessage()).body).toBe(uri);
    expect(order).toEqual(['/1', '/2', '/3'].flatMap((uri) => [`begin ${uri}`, `end ${uri}`]));
  });

  it('may redirect internally', async () => {
    const rig = start({
      '/a': async (exchange) => {
        await turns();
        return exchange.redirectInternally('/b?x=1');
      },
      '/b': async (exchange) => {
        await turns();
        return exchange.respond(
          200,
          `${exchange.uri} ${exchange.args} ${exchange.request.header('x-mine') ?? ''}`,
        );
      },
    });
    expect(await rig.get('/a', 'X-Mine: yes')).toBe('200 /b x=1 yes');
    expect(rig.logged).toHaveLength(1);
  });
});

describe('a handler that settles when the client has left', () => {
  /** Starts a request, resets the connection, waits until that is logged. */
  async function leave(
    gated: ReturnType<typeof gate>,
    before?: (exchange: Exchange) => void,
  ): Promise<ReturnType<typeof start>> {
    const rig = start({ '/': { access: [gated.handler], content: answer }, '/other': answer });
    const client = await rig.send(request('GET', '/'));
    await rig.until('the handler', () => gated.seen.length === 1);
    before?.(gated.seen[0]);
    client.reset();
    await rig.until('the end', () => rig.logged.length > 0);
    return rig;
  }

  it.each([
    ['NEXT', NEXT],
    ['DONE', DONE],
    ['a status', 403],
    ['an error', new Error('boom')],
  ])('with %s is not heard', async (_name, result) => {
    const gated = gate();
    const rig = await leave(gated);
    expect(rig.logged).toEqual([{ uri: '/', status: 499, completed: false }]);
    if (typeof result === 'number') gated.result.resolve(result);
    else gated.result.reject(result);
    await turns();
    expect(await rig.get('/other')).toBe('200 /other none');
    expect(rig.logged).toHaveLength(2);
    expect(rig.errorLog.matching(/failed/)).toEqual([]);
  });

  it('and answers by every means it has is not heard either, by this client or another', async () => {
    const gated = gate();
    const rig = await leave(gated);
    // One that waits while the late answers come.
    const other = await rig.send(request('GET', '/', 'X-Mine: other'));
    await rig.until('the other', () => gated.seen.length === 2);
    const [late] = gated.seen;
    late.respond(200, 'late');
    late.begin(200, 4);
    expect(late.write(Buffer.from('late'))).toBe(false);
    late.end();
    late.finalize(500);
    late.redirectInternally('/other');
    await expect(late.drained()).rejects.toThrow('the client has left');
    await turns();
    expect(other.received).toBe('');
    gated.result.resolve(NEXT);
    expect((await other.readMessage()).body).toBe('/ other');
    expect(rig.logged).toHaveLength(2);
  });

  it('keeps the status that was sent when the head had left', async () => {
    const gated = gate();
    const rig = await leave(gated, (exchange) => exchange.begin(206, -1));
    expect(rig.logged).toEqual([{ uri: '/', status: 206, completed: false }]);
    gated.result.resolve(DONE);
  });

  it('has its wait for the client rejected', async () => {
    const gated = gate();
    const outcomes: string[] = [];
    const rig = await leave(gated, (exchange) => {
      exchange.begin(200, -1);
      expect(exchange.write(Buffer.alloc(32 << 20))).toBe(false);
      exchange.drained().then(
        () => outcomes.push('drained'),
        (error: Error) => outcomes.push(error.message),
      );
    });
    await rig.until('the outcome', () => outcomes.length > 0);
    expect(outcomes).toEqual(['the client has left']);
    gated.result.resolve(DONE);
  });
});

describe('a client that only half-closes', () => {
  it('gets its answer, and the connection ends with it', async () => {
    const gated = gate();
    const rig = start({ '/': { access: [gated.handler], content: answer } });
    const client = await rig.send(request('GET', '/'));
    await rig.until('the handler', () => gated.seen.length === 1);
    client.end();
    await turns(20);
    gated.result.resolve(NEXT);
    const { status, head } = await client.readMessage();
    expect(status).toBe(200);
    expect(head).toContain('Connection: close\r\n');
    expect(await client.waitEnd()).toBe('fin');
    expect(rig.logged).toEqual([{ uri: '/', status: 200, completed: true }]);
  });
});

describe('backpressure', () => {
  it('write says false until the client has taken enough; drained tells when', async () => {
    const size = 16 << 20;
    let writes = 0;
    let waits = 0;
    const rig = start({
      '/': async (exchange) => {
        await turns();
        exchange.begin(200, size);
        for (; writes < 64; writes++) {
          if (exchange.write(Buffer.alloc(size / 64, writes))) continue;
          waits++;
          await exchange.drained();
        }
        exchange.end();
        return DONE;
      },
    });
    const client = await rig.connect();
    client.stopReading();
    client.send(request('GET', '/'));
    await rig.until('a wait', () => waits > 0);
    await turns(20);
    expect(writes).toBeLessThan(64);
    client.startReading();
    // Asked for as a message only when it is whole: each question reads it from the beginning.
    await client.until('all of it', () => client.received.length > size);
    const { body, complete } = await client.readMessage();
    expect([body.length, complete]).toEqual([size, true]);
    expect(rig.logged).toEqual([{ uri: '/', status: 200, completed: true }]);
  });
});

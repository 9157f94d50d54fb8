/** The ends of the engine: drain() lets finish what runs, stop() does not; in whatever state the clients are. */
import { describe, expect, it } from 'vitest';
import { DONE, type Exchange, type PhaseHandler } from '../../../lib/module-api/index.js';
import { Deferred } from '../../../lib/util/deferred.js';
import { startAnswering, startBackend } from '../../e2e/support/backend.js';
import { Peer } from '../../e2e/support/peer.js';
import { proxyTo, request, start, turns, type Rig } from './engine-support.js';

function hello(exchange: Exchange): number {
  return exchange.respond(200, 'hello');
}

/** A handler that answers when the test says so. */
function held(): { handler: PhaseHandler; go: Deferred<void>; count: () => number } {
  const go = new Deferred<void>();
  let count = 0;
  const handler: PhaseHandler = async (exchange) => {
    count++;
    await go.promise;
    return hello(exchange);
  };
  return { handler, go, count: () => count };
}

/** Begins to drain; says whether that is over. */
function drain(rig: Rig): { done: boolean; promise: Promise<void> } {
  const state = { done: false, promise: rig.engine.drain() };
  void state.promise.then(() => (state.done = true));
  return state;
}

async function refused(rig: Rig, port: number): Promise<boolean> {
  await turns();
  expect(rig.engine.addresses).toEqual([]);
  return Peer.connect(port).then(
    (client) => (client.close(), false),
    () => true,
  );
}

describe('drain', () => {
  it('is over at once without clients', async () => {
    const rig = start({ '/': hello });
    const [{ port }] = rig.engine.addresses;
    await rig.engine.drain();
    expect(await refused(rig, port)).toBe(true);
  });

  it('closes idle clients: those that have not asked yet, and those that were answered', async () => {
    const rig = start({ '/': hello });
    const fresh = await rig.connect();
    const used = await rig.send(request('GET', '/'));
    await used.readMessage();
    await rig.until('both', () => rig.engine.context.clients.size === 2);
    await rig.engine.drain();
    expect([await fresh.waitEnd(), await used.waitEnd()]).toEqual(['fin', 'fin']);
    expect(rig.logged).toHaveLength(1);
  });

  it('ends an answer that began before it, and gives everything back though a body is left', async () => {
    const go = new Deferred<void>();
    const rig = start({
      '/': async (exchange) => {
        await turns();
        exchange.begin(200, 5);
        await go.promise;
        exchange.write(Buffer.from('hello'));
        exchange.end();
        return DONE;
      },
    });
    const client = await rig.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf');
    await client.until('the head', () => client.received.includes('\r\n\r\n'));
    const state = drain(rig);
    go.resolve();
    expect((await client.readMessage()).body).toBe('hello');
    await client.waitEnd();
    client.close();
    await state.promise;
  });

  it('waits for what runs, which is answered whole and closes', async () => {
    const { handler, go, count } = held();
    const rig = start({ '/': handler });
    const [{ port }] = rig.engine.addresses;
    const clients = [await rig.send(request('GET', '/')), await rig.send(request('GET', '/'))];
    await rig.until('the handlers', () => count() === 2);
    const state = drain(rig);
    expect(await refused(rig, port)).toBe(true);
    await turns(20);
    expect(state.done).toBe(false);
    go.resolve();
    for (const client of clients) {
      const { head, body } = await client.readMessage();
      expect(body).toBe('hello');
      expect(head).toContain('Connection: close\r\n');
      expect(await client.waitEnd()).toBe('fin');
    }
    await state.promise;
    expect(rig.logged).toHaveLength(2);
  });

  it('answers a head that was half there', async () => {
    const rig = start({ '/': hello });
    const client = await rig.send('GET / HTTP/1.1\r\nHo');
    await turns(20);
    const state = drain(rig);
    await turns(20);
    expect(state.done).toBe(false);
    client.send('st: x\r\n\r\n');
    const { status, head } = await client.readMessage();
    expect(status).toBe(200);
    expect(head).toContain('Connection: close\r\n');
    await state.promise;
  });

  it('is over when the clients it waited for leave', async () => {
    const { handler, count } = held();
    const rig = start({ '/': handler });
    const client = await rig.send(request('GET', '/'));
    await rig.until('the handler', () => count() === 1);
    const { promise } = drain(rig);
    client.reset();
    await promise;
    expect(rig.logged).toEqual([{ uri: '/', status: 499, completed: false }]);
  });

  it('answers the first of pipelined requests and not the rest', async () => {
    const { handler, go, count } = held();
    const rig = start({ '/': handler });
    const client = await rig.send(request('GET', '/').repeat(3));
    await rig.until('the handler', () => count() === 1);
    const { promise } = drain(rig);
    go.resolve();
    expect((await client.readMessage()).head).toContain('Connection: close\r\n');
    expect(await client.readToEnd()).toBe('');
    // The rest came with the first and is thrown away until the client closes.
    client.close();
    await promise;
    expect([count(), rig.logged.length]).toEqual([1, 1]);
  });

  it('sends to the end what a slow client has not taken yet', async () => {
    const size = 8 << 20;
    const rig = start({ '/': (exchange) => exchange.respond(200, Buffer.alloc(size, 'x')) });
    const client = await rig.connect();
    client.stopReading();
    client.send(request('GET', '/', 'Connection: close'));
    await rig.until('the answer', () => rig.logged.length === 1);
    const state = drain(rig);
    await turns(20);
    expect(state.done).toBe(false);
    client.startReading();
    const { body, complete } = await client.readMessage();
    expect([body.length, complete]).toEqual([size, true]);
    await state.promise;
  });

  it('lets a backend answer, and keeps no connection to it', async () => {
    const go = new Deferred<void>();
    await using backend = await startBackend(async (connection) => {
      await connection.readUntil('\r\n\r\n');
      await go.promise;
      connection.send('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
    });
    const { group, handler } = proxyTo(backend.port);
    const rig = start({ '/': handler }, { upstreams: [group] });
    const client = await rig.send(request('GET', '/'));
    await rig.until('the backend', () => backend.connections.length === 1);
    const { promise } = drain(rig);
    go.resolve();
    expect((await client.readMessage()).body).toBe('ok');
    await promise;
    expect([group.idleCount, group.peers[0].active]).toEqual([0, 0]);
    await backend.connections[0].waitEnd();
  });

  it('closes what is idle towards backends', async () => {
    await using backend = await startAnswering(() => 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
    const { group, handler } = proxyTo(backend.port);
    const rig = start({ '/': handler }, { upstreams: [group] });
    expect(await rig.get('/')).toBe('200 ok');
    expect(group.idleCount).toBe(1);
    await rig.engine.drain();
    expect(group.idleCount).toBe(0);
    await backend.connections[0].waitEnd();
  });
});

describe('stop', () => {
  it('cuts what runs and logs it once', async () => {
    const { handler, go, count } = held();
    const rig = start({
      '/': handler,
      '/begin': (exchange) => {
        exchange.begin(200, 10);
        return DONE;
      },
    });
    const [{ port }] = rig.engine.addresses;
    const waiting = await rig.send(request('GET', '/'));
    const begun = await rig.send(request('GET', '/begin'));
    const idle = await rig.connect();
    await rig.until('the handler', () => count() === 1 && rig.engine.context.clients.size === 3);
    await begun.readUntil('\r\n\r\n');
    rig.engine.stop();
    expect(await refused(rig, port)).toBe(true);
    for (const client of [waiting, begun, idle]) expect(await client.readToEnd()).toBe('');
    expect(rig.engine.context.clients.size).toBe(0);
    const seen = rig.logged.map(({ uri, status, completed }) => `${uri} ${status} ${completed}`);
    expect(seen.sort()).toEqual(['/ 499 false', '/begin 200 false']);
    // The handler that was waiting finds nobody there.
    go.resolve();
    await turns();
    expect(rig.logged).toHaveLength(2);
  });

  it('ends a drain that waits', async () => {
    const { handler, count } = held();
    const rig = start({ '/': handler });
    await rig.send(request('GET', '/'));
    await rig.until('the handler', () => count() === 1);
    const { promise } = drain(rig);
    rig.engine.stop();
    await promise;
    expect(rig.logged).toEqual([{ uri: '/', status: 499, completed: false }]);
  });

  it('may be called again, and without clients', async () => {
    const rig = start({ '/': hello });
    rig.engine.stop();
    rig.engine.stop();
    await rig.engine.drain();
    expect(rig.engine.addresses).toEqual([]);
  });

  it.each(['handler', 'header filter', 'log handler'])('may be called from a %s', async (where) => {
    let logged = 0;
    const stopIn = (place: string): void => {
      if (place === where) rig.engine.stop();
    };
    const rig = start({
      '/': {
        content: (exchange) => {
          stopIn('handler');
          return hello(exchange);
        },
        headerFilters: [() => stopIn('header filter')],
        logHandlers: [() => stopIn('log handler'), () => logged++],
      },
    });
    const client = await rig.send(request('GET', '/'));
    await client.waitEnd();
    await rig.until('the end', () => rig.engine.context.clients.size === 0);
    await turns();
    expect(logged).toBe(1);
  });

  it('drops the connections to backends', async () => {
    await using backend = await startBackend(async (connection) => {
      await connection.readUntil('\r\n\r\n');
      connection.send('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf');
    });
    const { group, handler } = proxyTo(backend.port);
    const rig = start({ '/': handler }, { upstreams: [group] });
    const client = await rig.send(request('GET', '/'));
    await client.readUntil('half');
    rig.engine.stop();
    await client.waitEnd();
    await backend.connections[0].waitEnd();
    expect([group.idleCount, group.peers[0].active]).toEqual([0, 0]);
    expect(rig.logged).toEqual([{ uri: '/', status: 200, completed: false }]);
  });
});

describe('worker_connections', () => {
  it('turns away whoever is one too many, and takes the next when one has left', async () => {
    const rig = start({ '/': hello }, { workerConnections: 2 });
    const first = await rig.connect();
    await rig.connect();
    await rig.until('two', () => rig.engine.context.clients.size === 2);
    const third = await rig.send(request('GET', '/'));
    expect(await third.readToEnd()).toBe('');
    expect(rig.errorLog.lines).toEqual(['alert: 2 worker_connections are not enough']);
    first.close();
    await rig.until('one', () => rig.engine.context.clients.size === 1);
    expect(await rig.get('/')).toBe('200 hello');
  });
});

describe('listen', () => {
  it('closes what it had bound when one cannot be bound', async () => {
    const rig = start({ '/': hello });
    const [{ port, address }] = rig.engine.addresses;
    expect(address).toBe('127.0.0.1');
    expect(() => start({ '/': hello }, { ports: [0, port] })).toThrow(
      expect.objectContaining({ code: 'EADDRINUSE' }),
    );
    expect(await rig.get('/')).toBe('200 hello');
  });
});

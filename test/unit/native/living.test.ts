/**
 * Living with Node: what libuv serves goes on while our sockets are busy, while they are
 * idle, and when the host is not referenced; and ours goes on while libuv is busy.
 */
import { describe, expect, it } from 'vitest';
import { BUSY, IDLE, SLOW, runScenario } from './scenario.js';

/** What each scenario needs besides: an end that closes everything. */
const END = `
function end() {
  if (client.stop) client.stop(); else m.close(client.handle);
  m.close(server.listener);
  m.native.unref();
}
`;

async function lines(script: string): Promise<string[]> {
  const outcome = await runScenario(script);
  expect(outcome.stderr).toBe('');
  expect(outcome.code).toBe(0);
  return outcome.stdout.trimEnd().split('\n');
}

describe.each([
  ['busy', BUSY],
  ['idle', IDLE],
  ['idle and not referenced', `${IDLE} m.native.unref();`],
])('while the host is %s', (_name, setup) => {
  const start = setup + END;

  // Not by the clock, which a loaded machine stretches: by the turns of ours that were begun
  // although the interval was due.
  it('no interval waits for our turns', async () => {
    const [late, early] = await lines(`${start}
      const begin = performance.now();
      let ticks = 0, due = begin + 10, turns = 0, worst = 0, early = 0;
      m.hooks.turn = () => { if (performance.now() > due + 1.5) turns++; };
      const interval = setInterval(() => {
        const now = performance.now();
        if (now < due - 1.5) early++;
        worst = Math.max(worst, turns);
        turns = 0;
        due = now + 10;
        if (++ticks < 40) return;
        clearInterval(interval);
        console.log(worst);
        console.log(early);
        end();
      }, 10);
    `);
    expect(Number(late)).toBeLessThanOrEqual(3);
    expect(Number(early)).toBe(0);
  });

  it('immediates chain quickly and timers run between them', async () => {
    const [took, timers] = await lines(`${start}
      let left = 5000, timers = 0;
      const begin = performance.now();
      const interval = setInterval(() => timers++, 1);
      (function step() {
        if (left-- > 0) return setImmediate(step);
        clearInterval(interval);
        console.log(performance.now() - begin);
        console.log(timers);
        end();
      })();
    `);
    expect(Number(took)).toBeLessThan(2000 * SLOW);
    expect(Number(timers)).toBeGreaterThan(0);
  });

  it('an http server answers fetch', async () => {
    const [answer, took] = await lines(`${start}
      const server80 = require('node:http').createServer((_request, response) => response.end('hello'));
      server80.listen(0, '127.0.0.1', async () => {
        const url = 'http://127.0.0.1:' + server80.address().port;
        const begin = performance.now();
        let answer;
        for (let i = 0; i < 30; i++) answer = await (await fetch(url)).text();
        console.log(answer);
        console.log(performance.now() - begin);
        server80.close();
        server80.closeAllConnections();
        end();
      });
    `);
    expect(answer).toBe('hello');
    expect(Number(took)).toBeLessThan(2000 * SLOW);
  });

  it('files, names, child processes, workers and signals are served', async () => {
    const result = await lines(`${start}
      const { promises } = require('node:fs');
      const { execFile } = require('node:child_process');
      const { Worker } = require('node:worker_threads');
      const alive = setInterval(() => {}, 1000);
      (async () => {
        for (let i = 0; i < 50; i++) await promises.stat('/');
        console.log('files');
        await require('node:dns').promises.lookup('127.0.0.1');
        console.log('names');
        console.log((await new Promise((resolve) => execFile('echo', ['child'], (_e, out) => resolve(out)))).trim());
        const worker = new Worker("require('node:worker_threads').parentPort.postMessage('worker')", { eval: true });
        console.log(await new Promise((resolve) => worker.once('message', resolve)));
        await new Promise((resolve) => { process.once('SIGUSR2', resolve); process.kill(process.pid, 'SIGUSR2'); });
        console.log('signal');
        clearInterval(alive);
        end();
      })();
    `);
    expect(result).toEqual(['files', 'names', 'child', 'worker', 'signal']);
  });

  it('our timers keep their time', async () => {
    const [earliest, median] = await lines(`${start}
      const alive = setInterval(() => {}, 1000);
      const late = [];
      (function next() {
        const due = m.native.updateClock() + 7.3;
        m.after(7.3, () => {
          late.push(m.native.updateClock() - due);
          if (late.length < 21) return next();
          late.sort((a, b) => a - b);
          console.log(late[0]);
          console.log(late[10]);
          clearInterval(alive);
          end();
        });
      })();
    `);
    expect(Number(earliest)).toBeGreaterThanOrEqual(0);
    expect(Number(median)).toBeLessThan(20 * SLOW);
  });
});

describe('our sockets', () => {
  it('are served while libuv is busy with immediates', async () => {
    const [rounds] = await lines(`${BUSY}${END}
      let left = 3000;
      (function step() {
        if (left-- > 0) return setImmediate(step);
        console.log(client.rounds);
        end();
      })();
    `);
    expect(Number(rounds)).toBeGreaterThan(1000);
  });

  it('are served while only libuv keeps the process alive', async () => {
    const [rounds] = await lines(`${BUSY}
      m.native.unref();
      setTimeout(() => console.log(client.rounds), 200);
    `);
    expect(Number(rounds)).toBeGreaterThan(100);
  });

  it('do not bring the thread back to libuv for each turn', async () => {
    const [turns, iterations] = await lines(`${BUSY}${END}
      const before = process.hrtime.bigint();
      let iterations = 0;
      const { performance } = require('node:perf_hooks');
      const first = m.native.counters().turns;
      setTimeout(() => {
        console.log(m.native.counters().turns - first);
        console.log(performance.nodeTiming.uvMetricsInfo?.loopCount ?? 0);
        end();
      }, 300);
    `);
    expect(Number(turns)).toBeGreaterThan(500 / SLOW);
    expect(Number(iterations)).toBeLessThan(Number(turns) / 20);
  });

  it('cost nothing while idle', async () => {
    const [polls] = await lines(`${IDLE}${END}
      setTimeout(() => {
        const before = m.native.counters().polls;
        setTimeout(() => { console.log(m.native.counters().polls - before); end(); }, 300);
      }, 100);
    `);
    expect(Number(polls)).toBeLessThan(10);
  });
});

describe('a turn', () => {
  it('settles ticks and promises at each checkpoint and at its end', async () => {
    const result = await lines(`
      m.native.ref();
      let call = 0;
      m.hooks.turn = (_events, _due, resumed) => {
        call++;
        console.log('call', call, resumed);
        process.nextTick(() => console.log('tick', call));
        Promise.resolve().then(() => console.log('promise', call));
        if (call === 4) { m.native.unref(); m.hooks.turn = undefined; return 0; }
        return call < 3 ? 1 : 2; // CHECKPOINT, CHECKPOINT, AGAIN
      };
      m.native.wake();
    `);
    expect(result).toEqual([
      'call 1 false', 'tick 1', 'promise 1',
      'call 2 true', 'tick 2', 'promise 2',
      'call 3 true', 'tick 3', 'promise 3',
      'call 4 false', 'tick 4', 'promise 4',
    ]); // prettier-ignore
  });

  it("comes at once after wake, from Node's callbacks too", async () => {
    const result = await lines(`
      m.native.ref();
      m.after(60_000, () => {});
      setTimeout(() => {
        m.hooks.turn = (events, due) => { console.log('turn', events, due); m.native.unref(); };
        m.native.wake();
      }, 20);
    `);
    expect(result).toEqual(['turn 0 0']);
  });

  it('does not come without a reason', async () => {
    const [turns] = await lines(`
      setTimeout(() => console.log(m.native.counters().turns), 50);
      for (let i = 0; i < 10; i++) setImmediate(() => {});
    `);
    expect(turns).toBe('0');
  });

  it('has an async context of its own', async () => {
    const result = await lines(`
      const { AsyncLocalStorage, executionAsyncId } = require('node:async_hooks');
      const storage = new AsyncLocalStorage();
      m.native.ref();
      storage.run('scope', () => m.after(1, () => {
        console.log(storage.getStore(), executionAsyncId() > 0);
        m.native.unref();
      }));
    `);
    expect(result).toEqual(['undefined true']);
  });
});

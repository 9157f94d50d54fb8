/**
 * Environments that die while descriptors, timers and blocks live: exit, exceptions,
 * worker.terminate at every stage. Nothing may crash, hang, or stay behind.
 */
import { describe, expect, it } from 'vitest';
import { BUSY, IDLE, MINI, SLOW, runScenario } from './scenario.js';

const STAGES = { busy: BUSY, idle: IDLE };

describe.each(Object.entries(STAGES))('a process that is %s', (_stage, setup) => {
  it('ends with process.exit inside a turn', async () => {
    const outcome = await runScenario(`${setup} m.after(10, () => process.exit(3));`);
    expect(outcome).toEqual({ code: 3, signal: null, stdout: '', stderr: '' });
  });

  it("ends with process.exit from one of libuv's callbacks", async () => {
    const outcome = await runScenario(`${setup} setTimeout(() => process.exit(4), 10);`);
    expect(outcome).toEqual({ code: 4, signal: null, stdout: '', stderr: '' });
  });

  it('ends with an exception that nobody handles', async () => {
    const outcome = await runScenario(`${setup} m.after(10, () => { throw new Error('boom'); });`);
    expect(outcome.code).toBe(1);
    expect(outcome.stderr).toContain('Error: boom');
  });

  it('ends with a reported exception that nobody handles', async () => {
    const outcome = await runScenario(
      `${setup} m.after(10, () => { m.native.reportException(new Error('boom')); console.log('not reached'); });`,
    );
    expect(outcome.code).toBe(1);
    expect(outcome.stderr).toContain('Error: boom');
    expect(outcome.stdout).toBe('');
  });

  it('ends with a rejection that nobody handles', async () => {
    const outcome = await runScenario(`${setup} m.after(10, () => void Promise.reject(new Error('boom')));`);
    expect(outcome.code).toBe(1);
    expect(outcome.stderr).toContain('Error: boom');
  });

  it('ends with a signal', async () => {
    const outcome = await runScenario(`${setup} m.after(10, () => process.kill(process.pid, 'SIGTERM'));`);
    expect(outcome.signal).toBe('SIGTERM');
  });

  it('ends by itself when the host is not referenced any more', async () => {
    const outcome = await runScenario(`
      ${setup}
      process.on('exit', () => { console.log(m.native.counters().slots > 0, m.close(server.listener)); });
      m.after(10, () => m.native.unref());
    `);
    expect(outcome).toEqual({ code: 0, signal: null, stdout: 'true 0\n', stderr: '' });
  });
});

describe('exceptions', () => {
  it('reach uncaughtException and the turn goes on with what is left', async () => {
    const outcome = await runScenario(`
      m.native.ref();
      process.on('uncaughtException', (error) => console.log('caught', error.message));
      for (const name of ['a', 'b', 'c']) m.after(1, () => { throw new Error(name); });
      m.after(1, () => console.log('fourth'));
      m.after(30, () => m.native.unref());
    `);
    expect(outcome.stdout).toBe('caught a\ncaught b\ncaught c\nfourth\n');
    expect(outcome.code).toBe(0);
  });

  it('do not loop for ever when the turn function itself always throws', async () => {
    const outcome = await runScenario(`
      m.native.ref();
      let caught = 0;
      process.on('uncaughtException', () => { if (++caught === 20) process.exit(6); });
      m.hooks.turn = () => { throw new Error('always'); };
      m.native.wake();
    `);
    expect(outcome.code).toBe(6);
  });

  it('that are reported leave the callback running', async () => {
    const outcome = await runScenario(`
      m.native.ref();
      process.on('uncaughtException', (error) => console.log('caught', error.message));
      m.after(1, () => { m.native.reportException(new Error('x')); console.log('on'); m.native.unref(); });
    `);
    expect(outcome.stdout).toBe('caught x\non\n');
    expect(outcome.code).toBe(0);
  });
});

/** Runs workers inside a scenario's process and compares descriptors and mappings before and after. */
const WORKERS = `
  const { Worker } = require('node:worker_threads');
  const { once } = require('node:events');
  const start = ${JSON.stringify(`const m = require(${JSON.stringify(MINI)}); const { parentPort } = require('node:worker_threads');`)};
  async function run(source, afterMs) {
    const worker = new Worker(start + source, { eval: true });
    let error;
    worker.on('error', (e) => (error = e.message));
    const exit = new Promise((resolve) => worker.on('exit', resolve));
    if (afterMs !== undefined) {
      await once(worker, 'message');
      if (afterMs > 0) await new Promise((resolve) => setTimeout(resolve, afterMs));
      await worker.terminate();
    }
    return { code: await exit, error };
  }
  async function measured(body) {
    await run("process.exit(0)");
    const before = { descriptors: m.descriptors(), arenas: m.arenas() };
    await body();
    for (let i = 0; i < 50 && m.descriptors() !== before.descriptors; i++) await new Promise((r) => setTimeout(r, 20));
    console.log('left', m.descriptors() - before.descriptors, m.arenas() - before.arenas);
  }
`;

describe('a worker', () => {
  const stages: Record<string, string> = {
    'with an open host': '',
    'that is busy': BUSY,
    'that is idle': IDLE,
    'that listens': 'm.native.ref(); m.echoServer();',
    'that is connecting': "m.native.ref(); m.native.connect('127.0.0.1', m.echoServer().port, '');",
    'whose listener is paused': 'm.native.ref(); m.native.enableListener(m.echoServer().listener, 0);',
    'with timers': 'm.native.ref(); for (let i = 0; i < 100; i++) m.after(i, () => m.after(1, () => {}));',
    'that is always ready': 'm.native.ref(); m.hooks.turn = () => 2; m.native.wake();',
    'that always asks for a checkpoint': 'm.native.ref(); m.hooks.turn = () => 1; m.native.wake();',
    'in an endless callback': 'm.native.ref(); m.after(5, () => { for (;;); });',
    'that keeps promises going':
      'm.native.ref(); const again = () => Promise.resolve().then(() => m.after(0, again)); again();',
  };

  it.each(Object.entries(stages))(
    '%s is terminated',
    async (_name, source) => {
      const message = "parentPort.postMessage('up');";
      const outcome = await runScenario(`${WORKERS}
      measured(async () => {
        for (const afterMs of [0, 1, 10]) {
          for (let i = 0; i < 2; i++) await run(${JSON.stringify(message + source)}, afterMs);
        }
      });
    `);
      expect(outcome).toEqual({ code: 0, signal: null, stdout: 'left 0 0\n', stderr: '' });
    },
    20_000 * SLOW,
  );

  it(
    'ends by exit, by exception, by itself',
    async () => {
      const outcome = await runScenario(`${WORKERS}
      const busy = ${JSON.stringify(BUSY)};
      measured(async () => {
        console.log(await run(busy + 'm.after(5, () => process.exit(7))'));
        console.log(await run(busy + 'm.after(5, () => { throw new Error("boom"); })'));
        console.log(await run(busy + 'm.after(5, () => m.native.reportException(new Error("told")))'));
        console.log(await run(busy + 'm.after(5, () => m.native.unref())'));
      });
    `);
      expect(outcome.stdout.split('\n')).toEqual([
        '{ code: 7, error: undefined }',
        "{ code: 1, error: 'boom' }",
        "{ code: 1, error: 'told' }",
        '{ code: 0, error: undefined }',
        'left 0 0',
        '',
      ]);
      expect(outcome.code).toBe(0);
    },
    20_000 * SLOW,
  );

  it('does not outlive a process that exits', async () => {
    const outcome = await runScenario(`${WORKERS}
      ${BUSY}
      run(${JSON.stringify(BUSY)});
      run(${JSON.stringify(IDLE)});
      setTimeout(() => process.exit(5), 100);
    `);
    expect(outcome).toEqual({ code: 5, signal: null, stdout: '', stderr: '' });
  });
});

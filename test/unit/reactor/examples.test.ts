/**
 * The examples, started as a reader would start them (so dist/ must be built), with free
 * ports and short seconds.
 */
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { endPrograms, Program } from './program.js';

afterEach(endPrograms);

const example = (name: string, ...args: string[]): Program =>
  new Program(new URL(`../../../examples/reactor/${name}.mjs`, import.meta.url), args);

/** All that the peer sends until it ends. */
async function readToEnd(socket: Socket): Promise<string> {
  let text = '';
  for await (const chunk of socket) text += String(chunk);
  return text;
}

describe('two-ports', () => {
  test('a silent client on one port does not stall the other', async () => {
    const program = example('two-ports', '0', '0');
    const [, first, second] = await program.line(/port (\d+), .* port (\d+)/);
    const silent = connect(Number(first), '127.0.0.1');
    await new Promise((resolve) => silent.once('data', resolve));
    for (let i = 0; i < 3; i++) {
      const time = await readToEnd(connect(Number(second), '127.0.0.1'));
      expect(Math.abs(Date.parse(time.trim()) - Date.now())).toBeLessThan(10_000);
    }
    silent.end('hello');
    expect(await readToEnd(silent)).toBe('HELLO');
  });
});

describe('downloads', () => {
  test('end together after the longest, in the order C, B, A', async () => {
    const program = example('downloads', '200');
    const { code, stdout, stderr } = await program.outcome;
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const lines = stdout.trim().split('\n');
    expect(lines.map((line) => line.slice(0, line.indexOf(' after')))).toEqual([
      'C: 4000 bytes',
      'B: 8000 bytes',
      'A: 12000 bytes',
      'all: 12000 + 8000 + 4000 bytes',
    ]);
    const seconds = lines.map((line) => Number(/after ([\d.]+) s/.exec(line)?.[1]));
    expect(seconds[3]).toBeGreaterThanOrEqual(3);
    // One after the other they would take 6.
    expect(seconds[3]).toBeLessThan(5);
  });
});

describe('echo', () => {
  test('gives back what comes, also a megabyte to a client that reads late', async () => {
    const [, port] = await example('echo', '0').line(/port (\d+)/);
    const socket = connect({ port: Number(port), host: '127.0.0.1', allowHalfOpen: true });
    socket.end('abc'.repeat(400_000));
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(await readToEnd(socket)).toBe('abc'.repeat(400_000));
  });
});

describe('relay', () => {
  test('passes both directions on, and says so when the target is dead', async () => {
    const [, echoPort] = await example('echo', '0').line(/port (\d+)/);
    const relay = example('relay', '0', `127.0.0.1:${echoPort}`);
    const [, port] = await relay.line(/port (\d+)/);
    const socket = connect({ port: Number(port), host: '127.0.0.1', allowHalfOpen: true });
    socket.end('through the relay');
    expect(await readToEnd(socket)).toBe('through the relay');
    await relay.line(/sent 17 bytes, got 17/);

    const dead = example('relay', '0', '127.0.0.1:1');
    const [, deadPort] = await dead.line(/port (\d+)/);
    expect(await readToEnd(connect(Number(deadPort), '127.0.0.1'))).toBe('');
    await dead.line(/failed: connect ECONNREFUSED: Connection refused 127\.0\.0\.1:1/);
  });
});

describe('slow-reader', () => {
  test('one byte at a time stalls nobody and costs a bounded queue', async () => {
    const { code, stdout, stderr } = await example('slow-reader', '20').outcome;
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/10 clients read 4194304 bytes each/);
    const [, read, queued] = /has read (\d+) bytes; (\d+) wait/.exec(stdout) as RegExpExecArray;
    expect(Number(read)).toBeGreaterThan(0);
    expect(Number(read)).toBeLessThan(1000);
    expect(Number(queued)).toBeLessThanOrEqual(128 * 1024);
  });
});

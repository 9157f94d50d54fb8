/** Bodies in files where the disk is slow, full or broken, and where somebody leaves meanwhile. */
import { closeSync, mkdtempSync, openSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { BodyFilePolicy, LocationConfig } from '../../../lib/proxy/runtime.js';
import { TempFiles, type FileCreated } from '../../../lib/proxy/temp-files.js';
import { response, startAnswering, startBackend } from '../../e2e/support/backend.js';
import type { Peer } from '../../e2e/support/peer.js';
import { proxyTo, start, type Rig } from './engine-support.js';

type Callback = (error: NodeJS.ErrnoException | null, count: number) => void;
type Operation = (
  fd: number,
  bytes: Uint8Array,
  offset: number,
  length: number,
  at: number,
  done: Callback,
) => void;

/** What becomes of the operations of the pool; undefined: what always becomes of them. */
const disk = vi.hoisted(() => ({
  write: undefined as ((go: () => void) => void) | undefined,
  read: undefined as ((go: () => void, done: Callback) => void) | undefined,
}));

vi.mock('node:fs', async (original) => {
  const fs = await original<Record<string, unknown>>();
  const write: Operation = (fd, bytes, offset, length, at, done) => {
    const go = (): void => (fs['write'] as Operation)(fd, bytes, offset, length, at, done);
    if (disk.write === undefined) go();
    else disk.write(go);
  };
  const read: Operation = (fd, bytes, offset, length, at, done) => {
    const go = (): void => (fs['read'] as Operation)(fd, bytes, offset, length, at, done);
    if (disk.read === undefined) go();
    else disk.read(go, done);
  };
  return { ...fs, write, read };
});

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-bodies-'));
});
afterEach(() => {
  disk.write = undefined;
  disk.read = undefined;
  rmSync(folder, { recursive: true });
});

const policy = (given: Partial<BodyFilePolicy> = {}): BodyFilePolicy => ({
  directory: new TempFiles(folder, []),
  which: 'all',
  removal: 'afterwards',
  ...given,
});

function serve(port: number, bodyFile = policy(), more: Partial<LocationConfig> = {}): Rig {
  const { group, handler } = proxyTo(port);
  return start({ '/': handler }, { all: { bodyFile, clientMaxBodySize: 0, ...more }, upstreams: [group] });
}

const put = (length: number): string => `PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: ${length}\r\n\r\n`;
const MB = 1024 * 1024;

/** Bytes of the only client's body that its file has taken. */
function taken(rig: Rig): number {
  const [client] = rig.engine.context.clients;
  return client?.exchange?.bodyFile?.length ?? 0;
}

it('reads a client no faster than the disk takes it, and loses nothing', async () => {
  await using backend = await startAnswering(({ body }) => response(String(body.length)));
  const rig = serve(backend.port);
  const waiting: (() => void)[] = [];
  disk.write = (go) => void waiting.push(go);
  const client = await rig.send(put(8 * MB));
  client.send(Buffer.alloc(8 * MB, 'x'));
  await rig.until('the first write', () => waiting.length === 1);
  for (let before = -1; before !== taken(rig);) {
    before = taken(rig);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  expect(taken(rig)).toBeLessThanOrEqual(MB);
  expect(waiting).toHaveLength(1);
  disk.write = undefined;
  waiting.pop()?.();
  expect((await client.readMessage()).body).toBe(String(8 * MB));
  await rig.until('the file to go', () => readdirSync(folder).length === 0);
});

it('takes what was in memory already, however much that is', async () => {
  await using backend = await startAnswering(({ body }) => response(String(body.length)));
  const rig = serve(backend.port, policy({ which: 'long' }), { clientBodyBufferSize: MB });
  const client = await rig.send('PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n');
  client.send(`${(MB + 100_000).toString(16)}\r\n${'x'.repeat(MB + 100_000)}\r\n0\r\n\r\n`);
  const { status, body } = await client.readMessage();
  expect([status, body, rig.errorLog.matching(/^crit/)]).toEqual([200, String(MB + 100_000), []]);
  await rig.until('the file to go', () => readdirSync(folder).length === 0);
});

it('is nothing to the next request when there is no memory for it', async () => {
  await using backend = await startAnswering(({ body }) => response(String(body.length)));
  const { group, handler } = proxyTo(backend.port);
  const rig = start(
    { '/': { content: handler, bodyFile: policy({ which: 'long' }) }, '/stream': handler },
    { all: { clientMaxBodySize: 0, clientBodyBufferSize: 10 }, upstreams: [group] },
  );
  const { blocks } = rig.engine.context;
  const client = await rig.send(
    'PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n',
  );
  await rig.until('what fits', () => [...rig.engine.context.clients][0]?.exchange?.body.bytesReceived === 10);
  const exhausted = vi.spyOn(blocks, 'acquire').mockReturnValue(-1);
  client.send('8\r\ntoo much\r\n0\r\n\r\n');
  expect((await client.readMessage()).status).toBe(503);
  exhausted.mockRestore();
  const next = await rig.send(put(20).replace('/', '/stream'));
  await rig.until('the backend', () => backend.connections.length === 1);
  next.send('x'.repeat(20));
  expect((await next.readMessage()).body).toBe('20');
});

it('answers 500 where the disk is full', async () => {
  await using backend = await startAnswering(() => response('ok'));
  class FullDisk extends TempFiles {
    override create(created: FileCreated): void {
      // A path of its own, since it is removed.
      created(openSync('/dev/full', 'r+'), join(folder, 'full'), '');
    }
  }
  const rig = serve(backend.port, policy({ directory: new FullDisk(folder, []), removal: 'never' }));
  const client = await rig.send(`${put(MB)}${'x'.repeat(MB / 2)}`);
  expect((await client.readMessage()).status).toBe(500);
  expect(rig.errorLog.matching(/^crit/)).toEqual([
    expect.stringContaining(`crit: write() "${folder}/full" failed (28: No space left on device), client: `),
  ]);
  expect(backend.connections).toHaveLength(0);
});

it.each([
  [
    'is shorter than it was',
    (_go: () => void, done: Callback) => done(null, 0),
    'was truncated while it was sent',
  ],
  [
    'cannot be read',
    (_go: () => void, done: Callback) => done(Object.assign(new Error('bad'), { errno: -5, code: 'EIO' }), 0),
    'failed (5: ',
  ],
])('answers 500 where the file %s, and lets the backend go', async (_what, read, message) => {
  await using backend = await startBackend(async (peer) => {
    await peer.waitEnd();
    peer.close();
  });
  const rig = serve(backend.port);
  disk.read = (go, done) => void setTimeout(() => read(go, done), 5);
  const client = await rig.send(`${put(5)}hello`);
  expect((await client.readMessage()).status).toBe(500);
  expect(rig.errorLog.matching(/^crit/)).toEqual([expect.stringContaining(message)]);
  await backend.connections[0]?.waitEnd();
  await rig.until('the file to go', () => readdirSync(folder).length === 0);
});

it.each(['write', 'read'] as const)(
  'gives everything back when a client leaves during a %s',
  async (which) => {
    await using backend = await startBackend(async (peer) => {
      await peer.waitEnd();
      peer.close();
    });
    const rig = serve(backend.port);
    const waiting: (() => void)[] = [];
    disk[which] = (go: () => void) => void waiting.push(go);
    const leaving = await rig.send(`${put(5)}hello`);
    await rig.until('the operation', () => waiting.length === 1);
    leaving.reset();
    await rig.until('the client to go', () => rig.engine.context.clients.size === 0);
    // Another client may have the same objects by now.
    disk[which] = undefined;
    const next: Peer = await rig.send(`${put(3)}new`);
    await rig.until('its file', () => readdirSync(folder).length === 2);
    waiting.pop()?.();
    await rig.until('the first file to go', () => readdirSync(folder).length === 1);
    expect(rig.logged).toEqual([{ uri: '/', status: 499, completed: false }]);
    next.reset();
    await rig.until('the other file to go', () => readdirSync(folder).length === 0);
  },
);

it('begins anew for another connection, whatever was being read', async () => {
  const got: string[] = [];
  await using backend = await startBackend(async (peer, index) => {
    if (index === 0) {
      // Kept, and dead when the request with the body comes.
      await peer.readMessage();
      peer.send(response('first'));
      await peer.readUntil('\r\n\r\n');
      peer.reset();
      return;
    }
    got.push((await peer.readMessage()).body);
    peer.send(response('second'));
  });
  const rig = serve(backend.port);
  const body = Array.from({ length: 100_000 }, (_, i) => i.toString(36).padStart(6, '.')).join('');
  expect(await rig.get('/')).toBe('200 first');
  const waiting: (() => void)[] = [];
  disk.read = (go) => void waiting.push(go);
  const client = await rig.send(`${put(body.length)}${body}`);
  await rig.until('the first read', () => waiting.length === 1);
  await rig.until('the next connection', () => backend.connections.length === 2);
  disk.read = undefined;
  waiting.pop()?.();
  expect((await client.readMessage()).body).toBe('second');
  expect(got).toEqual([body]);
});

it('is not made for a body that is refused', async () => {
  const rig = start({ '/': () => 403 }, { all: { bodyFile: policy() } });
  const client = await rig.send(`${put(5)}hello`);
  expect((await client.readMessage()).status).toBe(403);
  expect(readdirSync(folder)).toEqual([]);
});

it('numbers its files on from where they are free', async () => {
  const files = new TempFiles(folder, []);
  const create = (): Promise<string> =>
    new Promise((resolve) =>
      files.create((fd, path) => {
        closeSync(fd);
        resolve(path.slice(folder.length));
      }),
    );
  const other = new TempFiles(folder, []);
  expect([await create(), await create()]).toEqual(['/0000000001', '/0000000002']);
  const path = await new Promise<string>((resolve) =>
    other.create((fd, made) => {
      closeSync(fd);
      resolve(made);
    }),
  );
  expect(Number(path.slice(-10))).toBeGreaterThan(2);
  expect(await create()).toBe('/0000000003');
});

/**
 * Server-sent events: each event reaches the client while the answer is open and nothing
 * more was written, the backend learns of a client's departure, heartbeats keep a stream
 * alive and silence ends it. What it costs in milliseconds is bench/travel.mjs's matter.
 */
import { createServer, get, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { PATIENCE_MS } from './support/peer.js';
import { IS_MILLRACE, startProxy } from './support/proxy.js';

/** A stream of the backend's: the answer that is open, and whether the other side has gone. */
interface Stream {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  gone: boolean;
}

/** A backend that opens a stream for each request and leaves the rest to the test. */
class Events implements AsyncDisposable {
  readonly streams: Stream[] = [];
  readonly #server = createServer((request, response) => {
    const stream: Stream = { request, response, gone: false };
    response.on('close', () => (stream.gone = true));
    response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-cache' });
    response.flushHeaders();
    this.streams.push(stream);
  });

  static async start(): Promise<Events> {
    const events = new Events();
    await new Promise<void>((resolve) => events.#server.listen(0, '127.0.0.1', resolve));
    return events;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

/** A reader in the manner of a browser's EventSource, as far as the tests need it. */
class Source {
  /** "event: id: data" of each event, in their order. */
  readonly events: string[] = [];
  readonly comments: string[] = [];
  retryMs = 0;
  lastId = '';
  /** 'end' after a clean end, 'cut' after another one. */
  ended: 'end' | 'cut' | undefined;
  readonly response: IncomingMessage;
  #rest = '';

  constructor(response: IncomingMessage) {
    this.response = response;
    response.setEncoding('utf8');
    response.on('data', (text: string) => this.#feed(text));
    response.on('end', () => (this.ended = 'end'));
    response.on('error', () => (this.ended ??= 'cut'));
    response.on('close', () => (this.ended ??= 'cut'));
  }

  /** Resolves with the head of the answer, when no event may have been written yet. */
  static open(port: number, headers: Record<string, string> = {}): Promise<Source> {
    return new Promise((resolve, reject) => {
      const options = { host: '127.0.0.1', port, path: '/events', headers, agent: false as const };
      get(options, (response) => resolve(new Source(response))).on('error', reject);
    });
  }

  async until(what: string, condition: () => boolean): Promise<void> {
    const limit = Date.now() + PATIENCE_MS;
    while (!condition()) {
      if (Date.now() > limit) throw new Error(`waited for ${what}; got ${JSON.stringify(this.events)}`);
      await sleep(2);
    }
  }

  close(): void {
    this.response.destroy();
  }

  #feed(text: string): void {
    const blocks = (this.#rest + text).split('\n\n');
    this.#rest = blocks.pop() ?? '';
    for (const block of blocks) {
      let event = 'message';
      const data: string[] = [];
      for (const line of block.split('\n')) {
        const [, field = '', value = ''] = /^([^:]*):? ?(.*)$/.exec(line) ?? [];
        if (field === '') this.comments.push(value);
        else if (field === 'event') event = value;
        else if (field === 'data') data.push(value);
        else if (field === 'id') this.lastId = value;
        else if (field === 'retry') this.retryMs = Number(value);
      }
      if (data.length > 0) this.events.push(`${event}: ${this.lastId}: ${data.join('\n')}`);
    }
  }
}

const CONF = (port: number, backend: number, more = ''): string => `
  server {
    listen 127.0.0.1:${port};
    location / { proxy_pass http://127.0.0.1:${backend}; ${IS_MILLRACE ? '' : 'proxy_buffering off;'} ${more} }
  }`;

/** The stream that the latest client opened. */
async function latest(events: Events, count: number): Promise<Stream> {
  for (let i = 0; i < 500 && events.streams.length < count; i++) await sleep(5);
  const stream = events.streams[count - 1];
  if (stream === undefined) throw new Error('no stream');
  return stream;
}

describe('an event stream', () => {
  test('its head comes before any event, each event before the next is written', async () => {
    await using events = await Events.start();
    await using proxy = await startProxy((port) => CONF(port, events.port));
    const source = await Source.open(proxy.port, { Accept: 'text/event-stream', 'Last-Event-ID': '7' });
    const { request, response } = await latest(events, 1);
    expect(request.headers['last-event-id']).toBe('7');
    expect(source.response.headers['content-type']).toBe('text/event-stream');
    expect(source.events).toEqual([]);
    for (let i = 0; i < 100; i++) {
      response.write(`id: ${i}\nevent: tick\ndata: ${i}\n\n`);
      await source.until(`event ${i}`, () => source.events.length > i);
    }
    expect(source.events[99]).toBe('tick: 99: 99');
    expect(source.ended).toBeUndefined();
    response.end('retry: 1234\ndata: a\ndata: b\n\n');
    await source.until('the end', () => source.ended !== undefined);
    expect([source.ended, source.retryMs, source.events.at(-1)]).toEqual(['end', 1234, 'message: 99: a\nb']);
  });

  test('10,000 events to each of ten clients keep their order', async () => {
    await using events = await Events.start();
    await using proxy = await startProxy((port) => CONF(port, events.port));
    const sources = await Promise.all(Array.from({ length: 10 }, () => Source.open(proxy.port)));
    await latest(events, 10);
    for (let from = 0; from < 10_000; from += 100) {
      for (const { response } of events.streams) {
        for (let i = from; i < from + 100; i++) response.write(`data: ${i}\n\n`);
      }
      await sleep(0);
    }
    const all = Array.from({ length: 10_000 }, (_, i) => `message: : ${i}`);
    for (const source of sources) {
      await source.until('all events', () => source.events.length === 10_000);
      expect(source.events).toEqual(all);
      source.close();
    }
  });

  test('that its client leaves is told to the backend, and the stream can be taken up again', async () => {
    await using events = await Events.start();
    await using proxy = await startProxy((port) => CONF(port, events.port));
    const source = await Source.open(proxy.port);
    const first = await latest(events, 1);
    first.response.write('id: 41\ndata: a\n\n');
    await source.until('the event', () => source.events.length === 1);
    source.close();
    // Nothing more is written: only the departure itself can end the backend's side.
    for (let i = 0; i < 500 && !first.gone; i++) await sleep(10);
    expect(first.gone).toBe(true);
    const again = await Source.open(proxy.port, { 'Last-Event-ID': source.lastId });
    expect((await latest(events, 2)).request.headers['last-event-id']).toBe('41');
    again.close();
  });

  // nginx 1.22 ends it as if it were whole.
  test.runIf(IS_MILLRACE)('of a backend that dies is cut visibly', async () => {
    await using events = await Events.start();
    await using proxy = await startProxy((port) => CONF(port, events.port));
    const source = await Source.open(proxy.port);
    const { response } = await latest(events, 1);
    response.write('data: a\n\n');
    await source.until('the event', () => source.events.length === 1);
    response.destroy();
    await source.until('the end', () => source.ended !== undefined);
    expect(source.ended).toBe('cut');
  });

  test('heartbeats keep it alive beyond proxy_read_timeout, silence ends it', async () => {
    await using events = await Events.start();
    await using proxy = await startProxy((port) => CONF(port, events.port, 'proxy_read_timeout 1s;'));
    const source = await Source.open(proxy.port);
    const { response } = await latest(events, 1);
    for (let i = 0; i < 6; i++) {
      await sleep(350);
      response.write(': still here\n\n');
    }
    await source.until('the heartbeats', () => source.comments.length === 6);
    expect(source.ended).toBeUndefined();
    await source.until('the end', () => source.ended !== undefined);
    expect(source.ended).toBe('cut');
  });
});

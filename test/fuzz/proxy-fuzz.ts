/**
 * Generated messages at the whole proxy. What must hold:
 *
 * - the backend receives exactly the requests that the access log says were forwarded: each
 *   request that came whole has its line, each line with the backend's status its request;
 * - every byte at the backend is read by the strictest reader;
 * - every answer at the client is read by a strict reader too, and holds nothing of another
 *   exchange's;
 * - nothing hangs: each conversation ends in its time, and in the end all descriptors return.
 */
import { createServer, type AddressInfo, type Server } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Peer } from '../e2e/support/peer.js';
import { startProxy, type Proxy } from '../e2e/support/proxy.js';
import { readMessage } from '../e2e/support/message.js';
import { RecordingBackend } from '../support/http/recording-backend.js';
import { readStrictly } from '../support/http/strict-reader.js';
import { makeRequest, makeResponse } from './generate.js';
import { caseSeed, Random } from './random.js';

/** Conversations at the same time. */
const AT_ONCE = 32;
/** Cases between two looks at the log. */
const BATCH = 500;
/** Without an answer for so long, a client leaves: its message was not whole. */
const QUIET_MS = 60;
/** By then a conversation is over, or it hangs. */
const HANG_MS = 20_000 * Number(process.env['MILLRACE_TEST_SLOW'] ?? '1');
/** For the log and the backend to agree. */
const AGREE_MS = 10_000 * Number(process.env['MILLRACE_TEST_SLOW'] ?? '1');
const LAST = 'GET /last HTTP/1.1\r\nHost: last\r\nConnection: close\r\n\r\n';

/** What a campaign came to. */
export interface ProxyCampaign {
  readonly cases: number;
  readonly forwarded: number;
  readonly answers: number;
  readonly failures: readonly string[];
  readonly descriptors: readonly [before: number, after: number];
}

/** What stands in the answer of a case. A damaged one is not another case's: it has a sum. */
function markerOf(index: number): string {
  return `m${index}k${(caseSeed(7, index) & 0xffff).toString(16)}z`;
}

/** A backend whose answers are generated: by the number in the target. */
class ResponseBackend implements AsyncDisposable {
  readonly #server: Server;

  constructor(seed: number) {
    this.#server = createServer((socket) => {
      let rest = '';
      socket.on('error', () => {});
      socket.on('data', (chunk: Buffer) => {
        const reading = readStrictly(rest + chunk.toString('latin1'));
        rest = reading.rest;
        for (const { target, method } of reading.requests) {
          const index = Number(/^\/m(\d+)$/.exec(target)?.[1] ?? '-1');
          if (index < 0) {
            socket.write(`HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n${method === 'HEAD' ? '' : 'good'}`);
            continue;
          }
          const random = new Random(caseSeed(seed, index));
          socket.write(Buffer.from(makeResponse(random, markerOf(index)), 'latin1'));
          // What does not end by itself ends here.
          if (random.chance(0.5)) socket.end();
          else setTimeout(() => socket.end(), QUIET_MS / 2).unref();
        }
      });
    });
  }

  async start(): Promise<number> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return (this.#server.address() as AddressInfo).port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
}

const LOG_FORMAT = `log_format fuzz escape=none '$connection $status $upstream_status|$request_method $request_uri';`;

function config(port: number, requests: number, responses: number, responsePort: number): string {
  const location = (name: string): string => `location / {
      proxy_pass http://${name}; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host fuzz;
    }`;
  return `
    ${LOG_FORMAT}
    upstream requests { server 127.0.0.1:${requests}; keepalive 64; }
    upstream responses { server 127.0.0.1:${responses}; keepalive 64; }
    server { listen 127.0.0.1:${port}; access_log fuzz.log fuzz; ${location('requests')} }
    server { listen 127.0.0.1:${responsePort}; ${location('responses')} }`;
}

/** A request as log and backend name it: the target in origin form, without a fragment. */
function requestKey(method: string, target: string): string {
  const origin = target.replace(/^[A-Za-z][A-Za-z0-9+.-]*:\/\/[^/?#]*/, '').replace(/#.*$/s, '');
  return `${method} ${origin.startsWith('/') ? origin : `/${origin}`}`;
}

function count(keys: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const key of keys) counts.set(key, (counts.get(key) ?? 0) + 1);
  return counts;
}

/** Keys of which `some` has more than `all`. */
function surplus(some: readonly string[], all: readonly string[]): string[] {
  const counts = count(all);
  return [...count(some)].filter(([key, times]) => times > (counts.get(key) ?? 0)).map(([key]) => key);
}

/** Runs the jobs, {@link AT_ONCE} at a time. */
async function runAll(from: number, to: number, run: (index: number) => Promise<void>): Promise<void> {
  let next = from;
  const worker = async (): Promise<void> => {
    while (next < to) await run(next++);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}

/** Waits until the other side ended, or was quiet for a while. False: it hangs. */
async function untilOver(client: Peer): Promise<boolean> {
  const start = Date.now();
  let seen = -1;
  for (;;) {
    const before = client.received.length;
    await Promise.race([once(client), sleep(QUIET_MS)]);
    if (client.ending !== undefined) return true;
    if (client.received.length === before && before === seen) return true;
    seen = before;
    if (Date.now() - start > HANG_MS) return false;
  }
}

function once(client: Peer): Promise<void> {
  return new Promise((resolve) => client.socket.once('close', () => resolve()));
}

/** Reads all answers strictly. Result: how many, or what is wrong. */
function readAnswers(text: string, ended: boolean, head: boolean): number | string {
  let rest = text;
  let answers = 0;
  while (rest !== '') {
    try {
      const read = readMessage(rest, head && answers === 0 ? { ended, method: 'HEAD' } : { ended });
      if (read === undefined) break;
      rest = rest.slice(read.length);
      if (read.message.status >= 200) answers++;
    } catch (error) {
      return `${String(error)} in ${JSON.stringify(text.slice(0, 1500))}`;
    }
  }
  return answers;
}

export class ProxyFuzz implements AsyncDisposable {
  readonly #seed: number;
  readonly #proxy: Proxy;
  readonly #backend: RecordingBackend;
  readonly #responses: ResponseBackend;
  readonly #failures: string[] = [];
  #logRead = 0;
  #forwarded = 0;
  #answers = 0;

  constructor(seed: number, proxy: Proxy, backend: RecordingBackend, responses: ResponseBackend) {
    this.#seed = seed;
    this.#proxy = proxy;
    this.#backend = backend;
    this.#responses = responses;
  }

  static async start(seed: number): Promise<ProxyFuzz> {
    const backend = await RecordingBackend.start();
    const responses = new ResponseBackend(seed);
    const responsesPort = await responses.start();
    const proxy = await startProxy(
      (port, responsePort) => config(port, backend.port, responsesPort, responsePort ?? 0),
      { ports: 2 },
    );
    return new ProxyFuzz(seed, proxy, backend, responses);
  }

  /** Cases `from` to `to`: two in three are requests, the others responses. */
  async run(from: number, to: number): Promise<ProxyCampaign> {
    await this.#good();
    const before = this.#proxy.descriptors();
    for (let at = from; at < to && this.#failures.length === 0; at += BATCH) {
      await runAll(at, Math.min(to, at + BATCH), (index) =>
        index % 3 === 2 ? this.#response(index) : this.#request(index),
      );
      await this.#agree();
    }
    await this.#good();
    const limit = Date.now() + AGREE_MS;
    // Kept connections to the backends may be more or fewer than at the start.
    while (this.#proxy.descriptors() > before + 2 * 64 && Date.now() < limit) await sleep(50);
    return {
      cases: to - from,
      forwarded: this.#forwarded,
      answers: this.#answers,
      failures: this.#failures,
      descriptors: [before, this.#proxy.descriptors()],
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#proxy[Symbol.asyncDispose]();
    await this.#backend[Symbol.asyncDispose]();
    await this.#responses[Symbol.asyncDispose]();
  }

  #fail(index: number, what: string): void {
    this.#failures.push(`case ${index} of seed ${this.#seed}: ${what}`);
  }

  async #request(index: number): Promise<void> {
    const random = new Random(caseSeed(this.#seed, index));
    const parts = Array.from({ length: 1 + random.below(3) }, (_, i) =>
      makeRequest(random, `/c${index}r${i}`),
    );
    const message = parts.join('') + (random.chance(0.8) ? LAST : '');
    const client = await Peer.connect(this.#proxy.ports[0] ?? 0);
    let sent = 0;
    for (let cuts = random.below(4); cuts > 0; cuts--) {
      const end = sent + random.below(message.length - sent + 1);
      client.send(message.slice(sent, end));
      sent = end;
      if (random.chance(0.5)) await sleep(1);
    }
    client.send(message.slice(sent));
    const leaves = random.below(20);
    if (leaves === 0) client.reset();
    else if (leaves === 1) client.end();
    if (leaves > 0 && !(await untilOver(client))) this.#fail(index, `hangs: ${JSON.stringify(message)}`);
    client.close();
    // The answer to HEAD has no body; which answer that is, a damaged message does not say.
    if (/HEAD/i.test(message)) return;
    const answers = readAnswers(client.received, client.ending !== undefined, false);
    if (typeof answers === 'string')
      this.#fail(index, `the client gets ${answers} for ${JSON.stringify(message)}`);
    else this.#answers += answers;
  }

  async #response(index: number): Promise<void> {
    const client = await Peer.connect(this.#proxy.ports[1] ?? 0);
    client.send(`GET /m${index} HTTP/1.1\r\nHost: a\r\n\r\n`);
    const over = await untilOver(client);
    if (!over) this.#fail(index, 'the answer hangs');
    const { received } = client;
    const answers = readAnswers(received, client.ending !== undefined, false);
    client.close();
    const sent = (): string =>
      JSON.stringify(makeResponse(new Random(caseSeed(this.#seed, index)), markerOf(index)));
    if (typeof answers === 'string') this.#fail(index, `the client gets ${answers} for ${sent()}`);
    else if (answers > 1) this.#fail(index, `${answers} answers for ${sent()}: ${JSON.stringify(received)}`);
    else this.#answers += answers;
    const foreign = [...received.matchAll(/m(\d+)k\w+z/g)].filter(
      ([marker, other]) => marker === markerOf(Number(other)) && other !== String(index),
    );
    if (foreign.length > 0)
      this.#fail(index, `the client gets another's answer: ${JSON.stringify(received)}`);
  }

  /** Log and backend say the same about what was forwarded, as soon as all is quiet. */
  async #agree(): Promise<void> {
    const backend = this.#backend;
    const limit = Date.now() + AGREE_MS;
    for (;;) {
      await sleep(20);
      const lines = this.#proxy
        .read('fuzz.log')
        .slice(this.#logRead)
        .split('\n')
        .filter((text) => text !== '')
        .map((text) => /^\d+ (\d+) ([^|]*)\|(\S*) (.*)$/s.exec(text));
      const logged = lines.map((match) => ({
        statuses: match?.[2] ?? '',
        key: requestKey(match?.[3] ?? '', match?.[4] ?? ''),
      }));
      const received = backend.requests.map(({ method, target }) => requestKey(method, target));
      const forwarded = logged.filter(({ statuses }) => statuses !== '').map(({ key }) => key);
      const answered = logged.filter(({ statuses }) => statuses === '200').map(({ key }) => key);
      const unlogged = surplus(received, forwarded);
      const unreceived = surplus(answered, received);
      const agree = unlogged.length + unreceived.length === 0 && backend.waiting === 0;
      if (!agree && Date.now() < limit) continue;
      for (const key of unlogged)
        this.#failures.push(`the backend received, and the log does not say: ${key}`);
      for (const key of unreceived)
        this.#failures.push(`the log says forwarded, the backend did not get: ${key}`);
      for (const error of backend.errors) this.#failures.push(`not strict at the backend: ${error}`);
      if (backend.waiting > 0) this.#failures.push(`${backend.waiting} connections of the backend hang`);
      this.#forwarded += received.length;
      break;
    }
    this.#logRead = this.#proxy.read('fuzz.log').length;
    backend.forget();
  }

  /** Both ways still work. */
  async #good(): Promise<void> {
    for (const port of this.#proxy.ports) {
      const client = await Peer.connect(port);
      client.send('GET /good HTTP/1.1\r\nHost: a\r\n\r\n');
      const { status } = await client.readMessage();
      if (status !== 200) this.#failures.push(`a good request on port ${port} is answered with ${status}`);
      client.close();
    }
    await this.#agree();
  }
}

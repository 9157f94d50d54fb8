/**
 * A proxy on node:http that does what the bench asks of a contestant, and that can leave
 * out one thing at a time: what the proof has to notice.
 */
import { once } from 'node:events';
import { appendFileSync, writeFileSync } from 'node:fs';
import { Agent, createServer, request } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export type Cheat =
  | 'drops a field'
  | 'joins repeated fields'
  | 'answers from a cache'
  | 'has no limit of a body'
  | 'has no deadline'
  | 'keeps no connection'
  | 'uses one peer'
  | 'writes no log'
  | 'cuts a reply'
  | 'answers an upload itself';

export interface CheatOptions {
  readonly cheat: Cheat | undefined;
  readonly fast: number;
  /** Ports of the checking backend, taken in turn. */
  readonly check: readonly number[];
  /** File of the access log. */
  readonly log: string;
}

const MAX_BODY_BYTES = 2 * 1024 * 1024;

/** Fields as they go on; repeated ones stay apart. */
function forwarded(from: IncomingMessage, cheat: Cheat | undefined): Record<string, string | string[]> {
  const remote = from.socket.remoteAddress ?? '';
  const before = from.headersDistinct['x-forwarded-for']?.join(', ');
  const fields: Record<string, string | string[]> = {};
  for (const [name, values = []] of Object.entries(from.headersDistinct)) {
    if (name === 'connection' || name === 'keep-alive') continue;
    fields[name] = cheat === 'joins repeated fields' ? values.join(', ') : values;
  }
  fields['host'] = (from.headers.host ?? '').replace(/:[0-9]+$/, '');
  fields['x-forwarded-for'] = before === undefined ? remote : `${before}, ${remote}`;
  fields['x-forwarded-proto'] = 'http';
  fields['x-real-ip'] = remote;
  if (cheat === 'drops a field') delete fields['x-forwarded-proto'];
  return fields;
}

/** Starts it on a free port of 127.0.0.1. */
export async function startCheat({ cheat, fast, check, log }: CheatOptions): Promise<Server> {
  const agent = new Agent({ keepAlive: cheat !== 'keeps no connection', maxFreeSockets: 256 });
  const cache = new Map<string, Buffer>();
  let turn = 0;
  writeFileSync(log, '');

  const relay = (from: IncomingMessage, to: ServerResponse): void => {
    const url = from.url ?? '';
    if (cheat !== 'writes no log') appendFileSync(log, `${url}\n`);
    if (cheat !== 'has no limit of a body' && Number(from.headers['content-length'] ?? 0) > MAX_BODY_BYTES) {
      to.writeHead(413).end();
      return;
    }
    if (cheat === 'answers an upload itself' && from.method === 'POST') {
      from.resume().on('end', () => to.end('thank you'));
      return;
    }
    const known = cache.get(url);
    if (known !== undefined) {
      to.end(known);
      return;
    }
    const checked = url.startsWith('/check') || url.startsWith('/service20/');
    const port = checked ? check[cheat === 'uses one peer' ? 0 : turn++ % check.length] : fast;
    const target = { host: '127.0.0.1', port, method: from.method, path: url, agent };
    const onward = request({ ...target, headers: forwarded(from, cheat) }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => {
        const body = Buffer.concat(chunks);
        if (cheat === 'answers from a cache') cache.set(url, body);
        to.writeHead(response.statusCode ?? 502);
        to.end(cheat === 'cuts a reply' ? body.subarray(0, 60_000) : body);
      });
    });
    onward.on('error', () => to.destroy());
    from.pipe(onward);
  };

  const headersTimeout = cheat === 'has no deadline' ? 60_000 : 2000;
  const server = createServer({ headersTimeout, connectionsCheckingInterval: 300 }, relay);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

export function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}

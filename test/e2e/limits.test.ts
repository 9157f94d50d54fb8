/**
 * Bounds of a request's head, deadlines of a client, and how long its connection is kept:
 * each directive with what the client sees and what the log says.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { response, startAnswering, startBackend } from './support/backend.js';
import { names, value } from './support/message.js';
import { exchange, Peer } from './support/peer.js';
import { IS_MILLRACE, startProxy } from './support/proxy.js';

const get = (target = '/', ...fields: string[]): string =>
  [`GET ${target} HTTP/1.1`, 'Host: a', ...fields, '', ''].join('\r\n');

const OK = (port: number, more = ''): string =>
  `server { listen 127.0.0.1:${port}; ${more} location / { return 200 ok; } }`;

describe('the head of a request', () => {
  test('has room in the first buffer and in all large ones, and a line in one of them', async () => {
    await using proxy = await startProxy((port) =>
      OK(port, 'client_header_buffer_size 2k; large_client_header_buffers 2 1k;'),
    );
    const status = async (line: number, fields: readonly number[]): Promise<number> => {
      const lines = fields.map((size) => `X: ${'x'.repeat(size - 5)}`);
      const request = get(`/${'x'.repeat(line)}`, ...lines);
      return (await exchange(proxy.port, request)).status;
    };
    // A line up to the larger of both sizes.
    expect(await status(1900, [])).toBe(200);
    expect(await status(2100, [])).toBe(414);
    expect(await status(1, [1900])).toBe(200);
    expect(await status(1, [2100])).toBe(400);
    expect(await status(1, [900, 900, 900, 900, 900])).toBe(400);
    const log = await proxy.readUntil('error.log', /too large request|too large header|too long header/);
    expect(log).toMatch(/\[info\] .*client sent too long URI/);
  });

  test.runIf(IS_MILLRACE)('has at most max_headers fields, not counting those left out', async () => {
    await using proxy = await startProxy((port) => OK(port, 'max_headers 4;'));
    const fields = ['A: 1', 'B: 2', 'x_y: 0', 'x_z: 0'];
    expect((await exchange(proxy.port, get('/', ...fields, 'C: 3'))).status).toBe(200);
    const refused = await exchange(proxy.port, get('/', ...fields, 'C: 3', 'D: 4'));
    expect([refused.status, value(refused, 'connection')]).toEqual([400, 'close']);
    await proxy.readUntil('error.log', /client sent too many header lines/);
  });

  test('keeps or loses fields with unusual names as configured, and is never split by one', async () => {
    await using backend = await startAnswering(() => response('ok'));
    const server = (port: number, more: string): string => `server { listen 127.0.0.1:${port}; ${more}
      location / { proxy_pass http://127.0.0.1:${backend.port}; } }`;
    await using proxy = await startProxy(
      (one, two, three) => `
        ${server(one, '')}
        ${server(two, 'underscores_in_headers on;')}
        ${server(three, 'ignore_invalid_headers off;')}`,
      { ports: 3 },
    );
    const seen: string[][] = [];
    for (const port of proxy.ports) {
      await exchange(port, get('/', 'x_a: 1', '_b: 2', 'x.c: 3', 'D: 4'));
      const request = backend.requests.at(-1);
      seen.push(request === undefined ? [] : names(request).filter((name) => /^[x_d]/.test(name)));
    }
    expect(seen).toEqual([['d'], ['x_a', '_b', 'd'], ['x_a', '_b', 'x.c', 'd']]);
    for (const port of proxy.ports) {
      for (const bad of [':a: 1', 'a\x02: 1', 'a b: 1', ' a: 1', 'no colon']) {
        const { status } = await exchange(port, `GET / HTTP/1.1\r\n${bad}\r\nHost: a\r\n\r\n`);
        expect([bad, status]).toEqual([bad, 400]);
      }
    }
    expect(backend.requests).toHaveLength(3);
  });

  test('has a path whose slashes are merged, or not, for the choice of the location', async () => {
    const locations = `location /a/ { return 200 one; } location //a/ { return 200 two; }`;
    await using proxy = await startProxy(
      (one, two) => `
        server { listen 127.0.0.1:${one}; ${locations} }
        server { listen 127.0.0.1:${two}; merge_slashes off; ${locations} location / { return 200 $uri; } }`,
      { ports: 2 },
    );
    const [merging = 0, keeping = 0] = proxy.ports;
    expect((await exchange(merging, get('//a//b'))).body).toBe('one');
    expect((await exchange(keeping, get('//a//b'))).body).toBe('two');
    expect((await exchange(keeping, get('/x//../b///c'))).body).toBe('/x/b///c');
  });

  test('that begins and does not end gets 408; a connection on which none begins is just closed', async () => {
    await using proxy = await startProxy((port) =>
      OK(port, 'client_header_timeout 300ms; access_log access.log;'),
    );
    const silent = await Peer.connect(proxy.port);
    const slow = await Peer.connect(proxy.port);
    slow.send('GET / HTTP/1.1\r\nHo');
    expect(await silent.readToEnd()).toBe('');
    await slow.waitEnd();
    if (IS_MILLRACE) {
      const answer = await slow.readMessage();
      expect([answer.status, value(answer, 'connection')]).toEqual([408, 'close']);
    }
    await proxy.readUntil('access.log', /" 408 /);
    await proxy.readUntil('error.log', /\[info\] .*client timed out/);
  });
});

describe('reset_timedout_connection', () => {
  const ON = 'reset_timedout_connection on; client_header_timeout 300ms; client_body_timeout 300ms;';

  test('resets a client that times out in its head, in its body, or is answered with 444', async () => {
    await using backend = await startAnswering(() => response('ok'));
    await using proxy = await startProxy(
      (port) => `${ON} server { listen 127.0.0.1:${port}; access_log access.log;
        location / { proxy_pass http://127.0.0.1:${backend.port}; }
        location /bye { return 444; } }`,
    );
    for (const bytes of [
      'GET / HTTP/1.1\r\nHo',
      'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab',
      get('/bye'),
    ]) {
      const client = await Peer.connect(proxy.port);
      client.send(bytes);
      expect([await client.waitEnd(), client.received]).toEqual(['reset', '']);
      client.close();
    }
    const log = await proxy.readUntil('access.log', /(?:.*" [0-9]{3} .*\n){3}/);
    expect([...log.matchAll(/" ([0-9]{3}) /g)].map((match) => match[1])).toEqual(['408', '408', '444']);
  });

  test('does not concern connections that are kept, nor is it there unless asked for', async () => {
    await using proxy = await startProxy(
      (one, two) => `server { listen 127.0.0.1:${one}; ${ON} keepalive_timeout 200ms; return 200 ok; }
        server { listen 127.0.0.1:${two}; return 444; }`,
      { ports: 2 },
    );
    const [kept = 0, refusing = 0] = proxy.ports;
    const idle = await Peer.connect(kept);
    idle.send(get());
    await idle.readMessage();
    expect(await idle.waitEnd()).toBe('fin');
    const refused = await Peer.connect(refusing);
    refused.send(get());
    expect(await refused.waitEnd()).toBe('fin');
  });
});

describe('send_timeout', () => {
  test('ends a response that its client does not take: cut, and logged with what was sent', async () => {
    const size = 64 * 1024 * 1024;
    await using backend = await startBackend(async (connection) => {
      const { target } = await connection.readMessage();
      // Framed by its length, and by the end of the connection.
      connection.send(`HTTP/1.1 200 OK\r\n${target === '/length' ? `Content-Length: ${size}\r\n` : ''}\r\n`);
      connection.send(Buffer.alloc(size));
      connection.end();
    });
    await using proxy = await startProxy(
      (port) => `send_timeout 500ms; server { listen 127.0.0.1:${port}; access_log access.log;
        location / { proxy_pass http://127.0.0.1:${backend.port}; proxy_max_temp_file_size 0; } }`,
    );
    for (const [target, version] of [
      ['/length', '1.1'],
      ['/close', '1.0'],
    ] as const) {
      const client = await Peer.connect(proxy.port);
      client.stopReading();
      client.send(`GET ${target} HTTP/${version}\r\nHost: a\r\n\r\n`);
      await proxy.readUntil('access.log', new RegExp(`GET ${target} .*" (200|408) `));
      client.startReading();
      await client.waitEnd();
      expect(client.received.length).toBeLessThan(size);
      // Where the end of the connection is the end of the body, it has to be a reset. A socket that
      // was paused reports that as an end: only a write tells them apart.
      const write = new Promise((done) => client.socket.write('x', (error) => done(error?.name)));
      if (version === '1.0' && IS_MILLRACE) expect(await write).toBe('Error');
      await backend.connections.at(-1)?.waitEnd();
      client.close();
    }
    await proxy.readUntil('error.log', /\[info\] .*client timed out.*while sending/);
  });
});

describe('a kept connection', () => {
  test('is closed after the request that passes keepalive_time', async () => {
    await using proxy = await startProxy((port) => OK(port, 'keepalive_time 400ms;'));
    const client = await Peer.connect(proxy.port);
    client.send(get());
    expect(value(await client.readMessage(), 'connection')).toBe('keep-alive');
    await sleep(600);
    client.send(get());
    expect(value(await client.readMessage(), 'connection')).toBe('close');
    expect(await client.waitEnd()).toBe('fin');
  });

  test('says its time where keepalive_timeout names one for the field', async () => {
    await using proxy = await startProxy((port) => OK(port, 'keepalive_timeout 75s 9s;'));
    const answer = await exchange(proxy.port, get());
    expect(value(answer, 'keep-alive')).toBe('timeout=9');
    expect(names(await exchange(proxy.port, get('/', 'Connection: close')))).not.toContain('keep-alive');
  });

  test('is refused to browsers that keepalive_disable names', async () => {
    const agents = {
      msie: 'Mozilla/4.0 (compatible; MSIE 6.0; Windows NT 5.1)',
      sp2: 'Mozilla/4.0 (compatible; MSIE 6.0; Windows NT 5.1; SV1)',
      opera: 'Mozilla/4.0 (compatible; MSIE 6.0; Windows NT 5.1) Opera 8.5',
      safari: 'Mozilla/5.0 (Macintosh; Mac OS X) Safari/534.48.3',
      chrome: 'Mozilla/5.0 (Macintosh; Mac OS X) Chrome/14.0 Safari/535.1',
    };
    await using proxy = await startProxy(
      (port) => `server { listen 127.0.0.1:${port};
        location / { return 200 ok; }
        location /safari { keepalive_disable safari; return 200 ok; }
        location /none { keepalive_disable none; return 200 ok; } }`,
    );
    const kept = async (method: string, target: string): Promise<string[]> => {
      const names: string[] = [];
      for (const [name, agent] of Object.entries(agents)) {
        const request = `${method} ${target} HTTP/1.1\r\nHost: a\r\nUser-Agent: ${agent}\r\nContent-Length: 0\r\n\r\n`;
        if (value(await exchange(proxy.port, request), 'connection') === 'keep-alive') names.push(name);
      }
      return names;
    };
    const all = Object.keys(agents);
    expect(await kept('GET', '/')).toEqual(all);
    expect(await kept('POST', '/')).toEqual(all.filter((name) => name !== 'msie'));
    expect(await kept('GET', '/safari')).toEqual(all.filter((name) => name !== 'safari'));
    expect(await kept('POST', '/none')).toEqual(all);
  });

  test.runIf(IS_MILLRACE)(
    'outlives the call to quit by keepalive_min_timeout, and serves once more',
    async () => {
      await using proxy = await startProxy((port) => OK(port, 'keepalive_min_timeout 1s;'));
      const idle = await Peer.connect(proxy.port);
      const asking = await Peer.connect(proxy.port);
      for (const client of [idle, asking]) {
        client.send(get());
        await client.readMessage();
      }
      const stopped = proxy.stop('SIGQUIT');
      await sleep(300);
      expect([idle.ending, asking.ending]).toEqual([undefined, undefined]);
      asking.send(get());
      const last = await asking.readMessage();
      expect([last.status, value(last, 'connection')]).toEqual([200, 'close']);
      expect(await idle.waitEnd()).toBe('fin');
      expect(await stopped).toBe(0);
    },
  );
});

// nginx lingers without ending its side first.
describe.runIf(IS_MILLRACE)('the end of a connection', () => {
  const LINGER = (close: string): string =>
    `lingering_close ${close}; lingering_time 2s; lingering_timeout 500ms; keepalive_timeout 0;`;

  test('lingers where the client may still be sending, always, or never, as lingering_close says', async () => {
    await using proxy = await startProxy(
      (on, off, always) =>
        `${[
          [on, 'on'],
          [off, 'off'],
          [always, 'always'],
        ]
          .map(([port, word]) => OK(Number(port), LINGER(String(word))))
          .join('\n')}`,
      { ports: 3 },
    );
    const ends = async (port: number, request: string): Promise<string> => {
      const client = await Peer.connect(port);
      client.send(request);
      expect((await client.readMessage()).status).toBe(200);
      await client.waitEnd();
      const before = Date.now();
      // Bytes to a connection that lingers are taken, to one that is closed they are answered with a reset.
      let reset = false;
      client.socket.on('error', () => (reset = true));
      while (!reset && Date.now() - before < 300) {
        client.send('x');
        await sleep(20);
      }
      client.close();
      return reset ? 'reset' : 'taken';
    };
    const [on = 0, off = 0, always = 0] = proxy.ports;
    const half = 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nhalf';
    expect([await ends(on, get()), await ends(on, half)]).toEqual(['reset', 'taken']);
    expect(await ends(off, get())).toBe('reset');
    expect([await ends(always, get()), await ends(always, half)]).toEqual(['taken', 'taken']);
  });

  test('does not linger longer than lingering_time, nor than lingering_timeout without a byte', async () => {
    await using proxy = await startProxy((port) => OK(port, LINGER('on')));
    const before = proxy.descriptors();
    const half = 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nhalf';
    const silent = await Peer.connect(proxy.port);
    const endless = await Peer.connect(proxy.port);
    silent.send(half);
    endless.send(half);
    for (const client of [silent, endless]) expect((await client.readMessage()).status).toBe(200);
    let reset = false;
    endless.socket.on('error', () => (reset = true));
    const began = Date.now();
    while (proxy.descriptors() > before + 1 && Date.now() - began < 8000) {
      endless.send('x');
      await sleep(50);
    }
    const silentMs = Date.now() - began;
    while (!reset && Date.now() - began < 8000) {
      endless.send('x');
      await sleep(50);
    }
    const endlessMs = Date.now() - began;
    expect(silentMs).toBeGreaterThan(400);
    expect(silentMs).toBeLessThan(endlessMs);
    expect(endlessMs).toBeGreaterThan(1900);
    expect(proxy.descriptors()).toBe(before);
    silent.close();
  });
});

describe('a body that nobody wants', () => {
  const HALF = 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\nhalf';

  test('is read for lingering_time at most, however it trickles', async () => {
    await using proxy = await startProxy((port) => OK(port, 'lingering_time 1s; lingering_timeout 400ms;'));
    const client = await Peer.connect(proxy.port);
    client.send(HALF.replace('8', '1000000'));
    expect((await client.readMessage()).status).toBe(200);
    client.socket.on('error', () => undefined);
    const began = Date.now();
    while (client.ending === undefined && Date.now() - began < 8000) {
      client.send('x');
      await sleep(100);
    }
    expect(client.ending).toBeDefined();
  });

  test('ends the connection when nothing comes of it for lingering_timeout', async () => {
    await using proxy = await startProxy((port) => OK(port, 'lingering_timeout 400ms;'));
    const client = await Peer.connect(proxy.port);
    client.send(HALF);
    expect((await client.readMessage()).status).toBe(200);
    await client.waitEnd();
    client.close();
  });

  test('may follow the answer, also with lingering_close off, and the next request behind it', async () => {
    for (const close of ['on', 'off']) {
      await using proxy = await startProxy((port) =>
        OK(port, `lingering_close ${close}; lingering_time 2s;`),
      );
      const client = await Peer.connect(proxy.port);
      // Longer than lingering_time in all: each body has that time.
      for (let i = 0; i < 4; i++) {
        client.send(HALF);
        expect((await client.readMessage()).status).toBe(200);
        await sleep(700);
        client.send('half');
      }
      client.send(get());
      expect((await client.readMessage()).status).toBe(200);
      client.close();
    }
  });
});

describe('what the proxy says of itself', () => {
  test('is shaped by server_tokens', async () => {
    const location = (path: string, tokens: string): string =>
      `location ${path} { server_tokens ${tokens}; location ${path}/page { return 404; } return 200 ok; }`;
    await using proxy = await startProxy(
      (port) => `server { listen 127.0.0.1:${port};
        location / { return 200 ok; } ${location('/on', 'on')} ${location('/off', 'off')}
        ${IS_MILLRACE ? `${location('/own', '"shop of $host"')} ${location('/none', '""')}` : ''} }`,
    );
    const says = async (path: string): Promise<(string | undefined)[]> => {
      const answer = await exchange(proxy.port, get(path));
      const page = await exchange(proxy.port, get(`${path}/page`));
      expect(names(answer)).toContain('date');
      return [
        value(answer, 'server'),
        value(page, 'server'),
        /<hr><center>(.*)<\/center>/.exec(page.body)?.[1],
      ];
    };
    const [full, , fullPage] = await says('/on');
    expect(full).toMatch(/^(millrace|nginx)\/[0-9.]+/);
    expect(fullPage).toBe(full);
    const [short, , shortPage] = await says('/off');
    expect([short, shortPage]).toEqual([full?.split('/')[0], full?.split('/')[0]]);
    if (!IS_MILLRACE) return;
    expect(await says('/own')).toEqual(['shop of a', 'shop of a', 'shop of a']);
    expect(await says('/none')).toEqual([undefined, undefined, undefined]);
  });
});

describe('chunked_transfer_encoding off', () => {
  test('lets a body of unknown length end with the connection', async () => {
    await using backend = await startAnswering(
      () => 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n',
    );
    await using proxy = await startProxy(
      (port) => `chunked_transfer_encoding off; server { listen 127.0.0.1:${port};
        location / { proxy_pass http://127.0.0.1:${backend.port}; } }`,
    );
    const answer = await exchange(proxy.port, get());
    expect([answer.framing, answer.body, value(answer, 'connection')]).toEqual(['close', 'abc', 'close']);
  });
});

describe('a redirect of the proxy itself', () => {
  test('names scheme, host and port as configured, and our own address where the request names no host', async () => {
    await using proxy = await startProxy(
      (port) => `server { listen 127.0.0.1:${port}; server_name first second;
        location / { return 301 /new; }
        location /relative { absolute_redirect off; return 301 /new; }
        location /portless { port_in_redirect off; return 301 /new; }
        location /named { server_name_in_redirect on; return 301 /new; } }`,
    );
    const { port } = proxy;
    const location = async (target: string, host = 'Host: other\r\n'): Promise<string | undefined> =>
      value(await exchange(port, `GET ${target} HTTP/1.0\r\n${host}\r\n`), 'location');
    expect(await location('/')).toBe(`http://other:${port}/new`);
    expect(await location('/relative')).toBe('/new');
    expect(await location('/portless')).toBe('http://other/new');
    expect(await location('/named')).toBe(`http://first:${port}/new`);
    expect(await location('/', '')).toBe(`http://127.0.0.1:${port}/new`);
  });
});

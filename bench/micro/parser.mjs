// How long the parsers of lib/http take for a head, on the native scanner; see harness.mjs.
import { scanFields } from '../../dist/lib/http/memory.js';
import { ChunkedDecoder } from '../../dist/lib/http/chunked.js';
import { RequestHead } from '../../dist/lib/http/request-head.js';
import { ResponseHead } from '../../dist/lib/http/response-head.js';
import { host } from '../../dist/lib/native/host.js';
import { measure } from './harness.mjs';

const { u8, layout } = host;
const base = layout.window;

const small = [
  'GET /api/v1/items?id=42 HTTP/1.1',
  'Host: bench.example:8080',
  'Connection: keep-alive',
  'Accept: */*',
];

const browser = [
  'GET /assets/app.3f9c.js?v=20261121&lang=de HTTP/1.1',
  'Host: www.example.com',
  'Connection: keep-alive',
  'sec-ch-ua: "Chromium";v="130", "Not?A_Brand";v="99"',
  'sec-ch-ua-mobile: ?0',
  'sec-ch-ua-platform: "Linux"',
  'Upgrade-Insecure-Requests: 1',
  'User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36',
  'Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8',
  'Sec-Fetch-Site: none',
  'Sec-Fetch-Mode: navigate',
  'Sec-Fetch-User: ?1',
  'Sec-Fetch-Dest: document',
  'Accept-Encoding: gzip, deflate, br, zstd',
  'Accept-Language: de-DE,de;q=0.9,en-US;q=0.8,en;q=0.7',
  'Cookie: session=4bf92f3577b34da6a3ce929d0e0e4736; theme=dark; consent=1%2C2%2C3',
];

const response = [
  'HTTP/1.1 200 OK',
  'Server: backend',
  'Date: Sat, 21 Nov 2026 03:00:00 GMT',
  'Content-Type: text/html; charset=utf-8',
  'Content-Length: 1024',
  'Connection: keep-alive',
  'ETag: "33a64df551425fcc55e4d42a148795d9f25f89d4"',
];

function put(lines) {
  const bytes = Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1');
  u8.set(bytes, base);
  return bytes.length;
}

/** One row: every run must take the whole head. */
async function row(name, length, run) {
  const check = () => {
    if (run(length) !== length) throw new Error(`${name} failed`);
  };
  await measure(name, check, { bytes: length });
}

const limits = { maxRequestLineBytes: 8192, maxFieldBytes: 8192, maxHeadBytes: 32768, maxFields: 1000 };
const requestHead = new RequestHead();
const parseRequest = (length) => {
  requestHead.begin(limits);
  return requestHead.parse(base, length);
};
const responseHead = new ResponseHead();
const parseResponse = (length) => {
  responseHead.begin();
  return responseHead.parse(base, length, 'GET');
};
const chunks = new ChunkedDecoder();
const decode = (length) => {
  chunks.reset();
  let at = base;
  while (!chunks.done) at = chunks.next(u8, at, base + length);
  return at - base;
};

await row('request, small', put(small), parseRequest);
await row('request, browser', put(browser), parseRequest);
await row('response', put(response), parseResponse);
await row('scanner alone, browser', put(browser), (length) => {
  scanFields(base, length, 0);
  return length;
});
await row('chunked, 64 of 64 bytes', put([`${`40\r\n${'x'.repeat(64)}\r\n`.repeat(64)}0`]), decode);

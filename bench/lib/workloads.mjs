/**
 * The workloads, by the letters under which the figures are known.
 */

/** A head as a browser sends it: about 850 bytes with the request line. */
const BROWSER = [
  'User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36',
  'Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8',
  'Accept-Encoding: gzip, deflate, br, zstd',
  'Accept-Language: en-GB,en;q=0.9,de;q=0.8',
  'Cache-Control: max-age=0',
  'Referer: https://www.example.com/some/page/that/links/here?from=search&q=reverse+proxy',
  'Sec-Ch-Ua: "Chromium";v="131", "Not_A Brand";v="24"',
  'Sec-Ch-Ua-Mobile: ?0',
  'Sec-Ch-Ua-Platform: "Linux"',
  'Sec-Fetch-Dest: document',
  'Sec-Fetch-Mode: navigate',
  'Sec-Fetch-Site: same-origin',
  'Upgrade-Insecure-Requests: 1',
  'Cookie: session=4f9d3c2b1a0e8d7c6b5a49382716f5e4; theme=dark; consent=yes; _id=1234567890.0987654321',
];

/**
 * @typedef {object} Workload
 * @property {string} letter
 * @property {string} what
 * @property {number} connections
 * @property {readonly string[]} fields
 */

/** @type {readonly Workload[]} */
export const LOADS = [
  { letter: 'a', what: '1 KB, 64 kept connections', connections: 64, fields: ['Host: bench.example'] },
  {
    letter: 'h',
    what: "a with a browser's head",
    connections: 64,
    fields: ['Host: bench.example', ...BROWSER],
  },
  {
    letter: 'e',
    what: 'a new connection for each request',
    connections: 64,
    fields: ['Host: bench.example', 'Connection: close'],
  },
];

/** Memory of idle clients; measured once for each contestant, not in rounds. */
export const IDLE = { letter: 'f', what: 'memory of idle kept clients' };

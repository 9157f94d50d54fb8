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

/** @typedef {import('./scenarios.mjs').ScenarioName} ScenarioName */

/**
 * @typedef {object} Workload
 * @property {string} letter
 * @property {string} what
 * @property {number} connections
 * @property {readonly string[]} fields
 * @property {string} path
 * @property {number} upload bytes of the request's body, 0 for a GET
 * @property {ScenarioName} scenario how the proxy is configured
 */

/** @type {Workload} */
const A = {
  letter: 'a',
  what: '1 KB, 64 kept connections',
  connections: 64,
  fields: ['Host: bench.example'],
  path: '/1k',
  upload: 0,
  scenario: 'plain',
};

/** What is measured in rounds. @type {readonly Workload[]} */
export const LOADS = [
  A,
  { ...A, letter: 'b', what: '1 KB, 1,024 kept connections', connections: 1024 },
  { ...A, letter: 'h', what: "a with a browser's head", fields: [...A.fields, ...BROWSER] },
  { ...A, letter: 'c', what: '64 KB replies, 64 kept connections', path: '/64k' },
  { ...A, letter: 'd', what: '1 MB replies, 16 kept connections', path: '/1m', connections: 16 },
  {
    ...A,
    letter: 'e',
    what: 'a new connection for each request',
    fields: [...A.fields, 'Connection: close'],
  },
  { ...A, letter: 'g', what: '64 KB uploads, 64 kept connections', path: '/upload', upload: 65_536 },
  {
    ...A,
    letter: 'x',
    what: 'a with access log, twenty locations and eight peers',
    path: '/service13/1k',
    scenario: 'full',
  },
];

/** The load that warms up whatever is measured outside of rounds. */
export const WARM_UP = A;

/** What is measured in its own way, once or a few times for each contestant. */
export const OTHERS = /** @type {const} */ ({
  f: 'memory of idle kept clients',
  l: "latency at half of nginx's peak rate, a request at its time whether or not answers come",
  w: 'two processes on one port (reuseport) against one',
});

/** Every letter, in the order in which they run. */
export const LETTERS = [...LOADS.map(({ letter }) => letter), ...Object.keys(OTHERS)];

/** What each letter stands for. */
export const TITLES = new Map([
  ...LOADS.map(({ letter, what }) => /** @type {const} */ ([letter, what])),
  ...Object.entries(OTHERS),
]);

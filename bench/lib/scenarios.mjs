/**
 * How a proxy is configured: the same for every contestant, each in its own words.
 * `plain` is the usual proxy, `full` has what real configurations collect, `shared`
 * is plain on a port that a second process may listen on too.
 */

/** @typedef {'plain' | 'full' | 'shared'} ScenarioName */

/**
 * @typedef {object} Scenario
 * @property {ScenarioName} name
 * @property {number} peers of each of the two upstreams
 * @property {boolean} log whether there is an access log
 * @property {boolean} reusePort
 * @property {readonly Route[]} routes besides "/" (fast) and "/check" (check)
 */

/**
 * @typedef {object} Route
 * @property {string} prefix
 * @property {'fast' | 'check'} to
 */

/** Twenty locations; the last one leads to the checking backend, so that they can be proved. */
const SERVICES = Array.from({ length: 20 }, (_, i) => ({
  prefix: `/service${String(i + 1).padStart(2, '0')}/`,
  to: /** @type {'fast' | 'check'} */ (i === 19 ? 'check' : 'fast'),
}));

/** @type {Readonly<Record<ScenarioName, Scenario>>} */
export const SCENARIOS = {
  plain: { name: 'plain', peers: 1, log: false, reusePort: false, routes: [] },
  full: { name: 'full', peers: 8, log: true, reusePort: false, routes: SERVICES },
  shared: { name: 'shared', peers: 1, log: false, reusePort: true, routes: [] },
};

/** The greatest number of peers that a scenario asks for. */
export const MOST_PEERS = Math.max(...Object.values(SCENARIOS).map(({ peers }) => peers));

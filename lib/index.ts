/**
 * The package's front door: the proxy as a library, the configuration it reads, the
 * types that a module is written against, and the errors. The event loop alone is
 * `millrace/reactor`.
 */
export {
  createProxy,
  createProxyFromFile,
  type CreateProxyOptions,
  type Proxy,
} from './process/create-proxy.js';
export { ConfigError } from './config/config-error.js';
export { loadConfigFile, type LoadedConfig } from './config/load.js';
export type * from './config/object-types.js';
export { MillraceError, systemError, type ErrorDetails, type ErrorSource } from './errors/millrace-error.js';
export {
  ERROR_TABLE,
  errorRow,
  type ErrorClass,
  type ErrorRow,
  type RetryRule,
} from './errors/error-table.js';
export * from './module-api/index.js';
export { builtinModules } from './modules/index.js';
export type { BoundAddress } from './proxy/engine.js';
export { VERSION } from './util/version.js';

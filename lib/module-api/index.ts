/** The types a module is written against. */
export * from './directive.js';
export * from './exchange.js';
export type * from './module.js';
export type * from './variable.js';

/** The types a module is written against. */
export * from './directive.js';
export * from './exchange.js';
export * from './module.js';
export * from './variable.js';

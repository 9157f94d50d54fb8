/**
 * The one interface every feature uses, built in or not: rows of directives,
 * variables, and what it adds to the locations that use it.
 */
import type { AnyDirective, ParseContext, Settings } from './directive.js';
import type { HeaderFilter, LogHandler, PhaseHandler, TrailerSource } from './exchange.js';
import type { Variable } from './variable.js';

/** Collects what a server or a location runs; the result is a flat array for each phase. */
export interface PhaseBuilder {
  readonly settings: Settings;
  readonly parse: ParseContext;
  /** Runs before the location is chosen (in a server), or first in the location. */
  rewrite(handler: PhaseHandler): void;
  access(handler: PhaseHandler): void;
  /** Produces the response. A second call replaces the first. */
  content(handler: PhaseHandler): void;
  headerFilter(filter: HeaderFilter): void;
  /** Adds fields behind the bodies of responses. */
  trailers(source: TrailerSource): void;
  log(handler: LogHandler): void;
}

/** A feature. */
export interface Module {
  readonly name: string;
  readonly directives: readonly AnyDirective[];
  readonly variables?: readonly Variable[];
  /** Called for each server with its merged settings. Only `rewrite` counts there. */
  server?(builder: PhaseBuilder): void;
  /** Called for each location (and for each server's own, unnamed one) with its merged settings. */
  location?(builder: PhaseBuilder): void;
}

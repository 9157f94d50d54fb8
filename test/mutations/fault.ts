/**
 * Faults to seed in the parsers, each of a kind that somebody has shipped. The test beside
 * this file builds lib/http once for each and demands that a case of the corpus fails. A
 * fault whose `find` stands no longer exactly once in its file is an error: say there what
 * the same mistake would be in the code as it is now.
 */

/** One mistake. */
export interface Fault {
  /** Below lib/http, without ".ts". */
  readonly file: string;
  readonly find: string;
  readonly replace: string;
  /** What is wrong then. */
  readonly why: string;
}

export const fault = (file: string, why: string, find: string, replace: string): Fault => ({
  file,
  why,
  find,
  replace,
});

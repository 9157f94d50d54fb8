/** A scope whose end can be waited for: the signal is aborted when it begins to close. */
import type { Scope } from './dispatch.js';

/** What the stream API needs to know about a reactor. */
export interface CancellableScope extends Scope {
  /** Aborted, with a MillraceError ERR_REACTOR_CLOSED as its reason, when the reactor closes. */
  readonly signal: AbortSignal;
}

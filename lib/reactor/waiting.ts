/** Waiting for time, and for several jobs at once. */
import { setMaxListeners } from 'node:events';
import { Deferred } from '../util/deferred.js';
import { abortReason, onAbort, throwIfAborted } from '../util/abort.js';
import type { CancellableScope } from './cancellable-scope.js';
import { Timer } from './timer.js';

/** Fulfilled after `ms`; rejects with the reason of the signal, or ERR_REACTOR_CLOSED. */
export async function sleep(scope: CancellableScope, ms: number, signal?: AbortSignal): Promise<void> {
  throwIfAborted(signal);
  throwIfAborted(scope.signal);
  const done = new Deferred<void>();
  const timer = new Timer(scope, ms, () => done.resolve());
  const stops = [signal, scope.signal].map((each) => onAbort(each, (reason) => done.reject(reason)));
  try {
    await done.promise;
  } finally {
    timer.cancel();
    for (const stop of stops) stop();
  }
}

/** One of several jobs; its signal is aborted when another has failed. */
export type Job<T> = (signal: AbortSignal) => T | PromiseLike<T>;

/** The results of a tuple of jobs. */
export type JobResults<Jobs extends readonly Job<unknown>[]> = {
  -readonly [K in keyof Jobs]: Awaited<ReturnType<Jobs[K]>>;
};

/** See `Reactor.gather`. */
export async function gather<const Jobs extends readonly Job<unknown>[]>(
  scope: CancellableScope,
  jobs: Jobs,
  signal?: AbortSignal,
): Promise<JobResults<Jobs>> {
  throwIfAborted(signal);
  const rest = new AbortController();
  setMaxListeners(0, rest.signal);
  const stops = [signal, scope.signal].map((each) => onAbort(each, (reason) => rest.abort(reason)));
  let failed = false;
  let failure: unknown;
  const guard = async (job: Job<unknown>): Promise<unknown> => {
    try {
      return await job(rest.signal);
    } catch (error) {
      if (!failed) {
        failed = true;
        failure = error;
        rest.abort(error);
      }
      return undefined;
    }
  };
  try {
    const results = await Promise.all(jobs.map(guard));
    if (failed) throw failure;
    if (rest.signal.aborted) throw abortReason(rest.signal);
    return results as JobResults<Jobs>;
  } finally {
    for (const stop of stops) stop();
  }
}

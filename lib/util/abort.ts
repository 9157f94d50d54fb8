/** Helpers around AbortSignal: one listener, always removed. */

/** Throws the signal's reason when it is aborted already. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw abortReason(signal);
}

/** The reason of an aborted signal: what abort() was called with, by default a DOMException named AbortError. */
export function abortReason(signal: AbortSignal): unknown {
  return signal.reason as unknown;
}

/**
 * Calls `onAbort` once when the signal is aborted; at once when it is already.
 * The result removes the listener; calling it twice does nothing.
 */
export function onAbort(signal: AbortSignal | undefined, listener: (reason: unknown) => void): () => void {
  if (signal === undefined) return nothing;
  if (signal.aborted) {
    listener(abortReason(signal));
    return nothing;
  }
  const call = (): void => listener(abortReason(signal));
  signal.addEventListener('abort', call, { once: true });
  return () => signal.removeEventListener('abort', call);
}

function nothing(): void {
  // There was no listener to remove.
}

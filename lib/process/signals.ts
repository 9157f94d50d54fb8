/**
 * What the process does on signals, in nginx's terms. A second SIGTERM or SIGINT ends
 * the process at once, whatever it waits for.
 *
 *   TERM, INT   stop fast        HUP    reload (later: says so)
 *   QUIT        drain            USR1   reopen logs
 *   USR2        binary upgrade (later: says so)
 *   PIPE        ignored, as Node does already
 */

/** What signals ask for. Called from Node's event loop, one at a time. */
export interface SignalActions {
  /** At once: connections are closed as they are. */
  stop(signal: NodeJS.Signals): void;
  /** Finish what is under way. May be called again. */
  drain(signal: NodeJS.Signals): void;
  reopenLogs(): void;
  /** A signal whose work this version does not do. */
  unsupported(signal: NodeJS.Signals): void;
}

/** Starts listening to signals; the result stops it. */
export function listenToSignals(actions: SignalActions): () => void {
  let stopping = false;
  const stop = (signal: NodeJS.Signals): void => {
    if (stopping) process.exit(1);
    stopping = true;
    actions.stop(signal);
  };
  const handlers: readonly (readonly [NodeJS.Signals, (signal: NodeJS.Signals) => void])[] = [
    ['SIGTERM', stop],
    ['SIGINT', stop],
    ['SIGQUIT', (signal) => actions.drain(signal)],
    ['SIGUSR1', () => actions.reopenLogs()],
    ['SIGHUP', (signal) => actions.unsupported(signal)],
    ['SIGUSR2', (signal) => actions.unsupported(signal)],
  ];
  for (const [signal, handler] of handlers) process.on(signal, handler);
  return () => {
    for (const [signal, handler] of handlers) process.off(signal, handler);
  };
}

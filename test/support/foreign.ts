/** The environment for programs that are not ours. */

/**
 * This process's environment without what it preloads: curl, a browser or a server would run
 * with the sanitizer's library too, and some of them stop in it for good.
 */
export const FOREIGN_ENV: NodeJS.ProcessEnv = { ...process.env, LD_PRELOAD: undefined };

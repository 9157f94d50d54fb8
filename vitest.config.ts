/**
 * Vitest's settings. Files run in processes of their own (the addon keeps one host per
 * environment, and a crash must not take other files with it), two at a time by default.
 * MILLRACE_ADDON picks another build of the addon: sanitizers, kqueue. MILLRACE_TEST_SLOW
 * multiplies every time limit for builds that run slower.
 */
import { defineConfig } from 'vitest/config';

const slow = Number(process.env['MILLRACE_TEST_SLOW'] ?? '1');

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 15_000 * slow,
    hookTimeout: 30_000 * slow,
    teardownTimeout: 10_000 * slow,
    // A test that is skipped for want of a tool says so itself.
    passWithNoTests: false,
    dangerouslyIgnoreUnhandledErrors: false,
  },
});

import { configDefaults, defineConfig, type ViteUserConfig } from 'vitest/config';

// .ci/run counts tests from this file.
const report = process.env.VITEST_REPORT;

/** Searches and samples that take minutes and seldom say anything of a change; `npm run test:all` has them, too. */
const LONG: readonly string[] = [
  'src/check/interleavings.test.ts',
  'src/check/reach.test.ts',
  'src/check/unseen.test.ts',
  'src/live/freedom.test.ts',
  'src/mutate/docs.test.ts',
];
const long = process.env.GUPFUZZ_TEST_ALL === undefined ? LONG : [];

const config: ViteUserConfig = defineConfig({
  test: {
    // Everywhere, so that the test of a policy that `init policy` wrote runs too.
    include: ['**/*.test.ts'],
    exclude: [...configDefaults.exclude, 'dist/**', ...long],
    setupFiles: ['src/testing/plain.ts'],
    // All processors: what starts the workers has nothing to do meanwhile. The default leaves it one, of two half.
    maxWorkers: '100%',
    testTimeout: 120_000,
    hookTimeout: 120_000,
    ...(report === undefined ? {} : { reporters: ['default', 'json'], outputFile: { json: report } }),
  },
});
export default config;

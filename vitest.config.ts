import { configDefaults, defineConfig, type ViteUserConfig } from 'vitest/config';

// .ci/run counts tests from this file.
const report = process.env.VITEST_REPORT;

const config: ViteUserConfig = defineConfig({
  test: {
    // Everywhere, so that the test of a policy that `init policy` wrote runs too.
    include: ['**/*.test.ts'],
    exclude: [...configDefaults.exclude, 'dist/**'],
    setupFiles: ['src/testing/plain.ts'],
    // All processors: what starts the workers has nothing to do meanwhile. The default leaves it one, of two half.
    maxWorkers: '100%',
    testTimeout: 120_000,
    hookTimeout: 120_000,
    ...(report === undefined ? {} : { reporters: ['default', 'json'], outputFile: { json: report } }),
  },
});
export default config;

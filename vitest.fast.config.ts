import { readdirSync, readFileSync } from 'node:fs';
import { defineConfig, mergeConfig, type ViteUserConfig } from 'vitest/config';
import whole from './vitest.config.ts';

/**
 * What `npm run test:fast` leaves to `npm test`: files that start processes, threads, compilers or machines, which can be
 * told by what they import, and those that say `@slow` in a comment, as they search for more than some seconds.
 */
const SLOW =
  /^(?:import|export)[^;]* from '(?:node:child_process|node:worker_threads|[^']*\/(?:compile|vm|testing\/(?:cli|compiled|executor))\.ts)'|^(?:\/\/| \*|\/\*\*) @slow\b/m;

const slow = ['src', 'properties'].flatMap((folder) =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.test.ts'))
    .map((name) => `${folder}/${name}`)
    .filter((file) => SLOW.test(readFileSync(file, 'utf8'))),
);

const config: ViteUserConfig = mergeConfig(whole, defineConfig({ test: { exclude: slow } }));
export default config;

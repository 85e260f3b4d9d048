/**
 * Puts the files that are started or loaded by themselves, with what they import, into few files: starting takes a
 * fifth less that way. They take the place of what tsc made of them; the rest of dist/src stays, for tests and
 * benches, and all types. Writes THIRD-PARTY.txt, the licences of what is bundled. Part of `npm run build`.
 *
 * Usage: node dist/bench/bundle.js
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, sep } from 'node:path';
import { type OutputChunk, rolldown } from 'rolldown';
import { PACKAGE, packageFile } from '../src/installed.ts';

const ENTRIES = [
  'cli/main',
  'index',
  'campaign/worker',
  'campaign/thread',
  'policies/load-worker',
  'policies/load-watch',
] as const;

/** Users of the library have their own fast-check; the others start files of theirs. */
const OUTSIDE = ['fast-check', 'jiti', 'workerpool'];

/** Where yargs has its translations, of which none is wanted. From a bundle that would be a folder of somebody else. */
const LOCALES = "'../../../locales'";

const build = await rolldown({
  input: Object.fromEntries(ENTRIES.map((name) => [`src/${name}`, packageFile(`src/${name}.ts`)])),
  platform: 'node',
  external: OUTSIDE,
  plugins: [
    {
      name: 'yargs without translations',
      transform: (code, id) => {
        if (!id.endsWith(join('yargs', 'lib', 'platform-shims', 'esm.mjs'))) return null;
        if (!code.includes(LOCALES)) throw new Error(`${id} has no ${LOCALES} any more`);
        return { code: code.replace(LOCALES, "'../no-locales'"), map: null };
      },
    },
  ],
});
const { output } = await build.write({
  dir: packageFile('dist'),
  format: 'esm',
  entryFileNames: '[name].js',
  chunkFileNames: 'chunks/[name]-[hash].js',
  sourcemap: true,
});
const chunks = output.filter((file): file is OutputChunk => file.type === 'chunk');
const bundled = new Set(chunks.flatMap(({ moduleIds }) => moduleIds).flatMap((id) => packageOf(id) ?? []));
writeFileSync(
  packageFile('dist/THIRD-PARTY.txt'),
  [...new Set([...bundled].map(licenceOf))].sort().join('\n'),
);

/** The folder of the package that a module is of; undefined: it is ours, or the bundler's. */
function packageOf(id: string): string | undefined {
  const [, ...parts] = id.split(`${sep}node_modules${sep}`);
  const last = parts.at(-1)?.split(sep);
  if (last === undefined) return undefined;
  const name = last.slice(0, last[0]!.startsWith('@') ? 2 : 1).join(sep);
  return join(PACKAGE, ...parts.slice(0, -1).flatMap((at) => ['node_modules', at]), 'node_modules', name);
}

function licenceOf(folder: string): string {
  const { name, version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as {
    readonly name: string;
    readonly version: string;
    readonly license: string;
  };
  const file = readdirSync(folder).find((f) => /^licen[cs]e/i.test(f));
  if (file === undefined) throw new Error(`${name} has no licence file`);
  const text = readFileSync(join(folder, file), 'utf8').trim();
  return `${'-'.repeat(80)}\n${name} ${version} (${license})\n\n${text}\n`;
}

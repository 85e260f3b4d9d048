import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));
const files = readdirSync(`${root}/src`, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'))
  .map((name) => `src/${name}`);

/** What a file imports when it runs: types alone are gone by then. */
function imports(file: string): string[] {
  const text = readFileSync(`${root}/${file}`, 'utf8');
  return [...text.matchAll(/^(?:import|export)\s(?!type\b)([^;]*?)\bfrom '([^']+)';/gm)]
    .filter(([, names]) => !/^\{(\s*type [\w$]+( as [\w$]+)?,?)+\s*\}\s*$/.test(names!))
    .map(([, , from]) => (from!.startsWith('.') ? relative(root, join(root, dirname(file), from!)) : from!));
}
const IMPORTS = new Map(files.map((file) => [file, imports(file)]));

/** What a file imports once it is called. */
function importsLater(file: string): string[] {
  const text = readFileSync(`${root}/${file}`, 'utf8');
  return [...text.matchAll(/\bimport\('(\.[^']+)'\)/g)]
    .filter(({ index }) => !/(?:typeof|:|<)\s*$/.test(text.slice(0, index)))
    .map(([, from]) => relative(root, join(root, dirname(file), from!)));
}
const ALL_IMPORTS = new Map(files.map((file) => [file, [...IMPORTS.get(file)!, ...importsLater(file)]]));

/** Files that run when this one does, with the way there. */
function reached(
  start: string,
  graph: ReadonlyMap<string, readonly string[]> = IMPORTS,
): Map<string, readonly string[]> {
  const ways = new Map<string, readonly string[]>([[start, [start]]]);
  for (const [file, way] of ways)
    for (const next of graph.get(file) ?? []) if (!ways.has(next)) ways.set(next, [...way, next]);
  return ways;
}

describe('the core: state, machine, reference, built-in policies, search', () => {
  it.each([
    'src/executor/simulated.ts',
    'src/executor/trace.ts',
    'src/check/search.ts',
    'src/check/pair.ts',
    'src/check/beside-model.ts',
    'src/check/eventual.ts',
    'src/regression/beside.ts',
    'src/policies/index.ts',
    'src/fuzz/generate.ts',
  ])('%s runs without anything of Node', (file) => {
    const found = [...reached(file)].filter(([name]) => name.startsWith('node:'));
    expect(found.map(([, way]) => way.join(' > '))).toEqual([]);
  });
});

/** Lowest first: a folder imports those before it, and itself. */
const LAYERS = ['domain', 'state', 'reference', 'machine'] as const;

describe('imports', () => {
  it.each(LAYERS)('src/%s imports nothing above it', (folder) => {
    const below = LAYERS.slice(0, LAYERS.indexOf(folder) + 1);
    const wrong = files
      .filter((file) => file.startsWith(`src/${folder}/`))
      .flatMap((file) =>
        IMPORTS.get(file)!
          .filter(
            (from) =>
              from.startsWith('src/') && !below.includes(from.split('/')[1] as (typeof LAYERS)[number]),
          )
          .map((from) => `${file} imports ${from}`),
      );
    expect(wrong).toEqual([]);
  });

  it('have no circle, those included that are made when something is called', () => {
    const circles = files.flatMap((file) =>
      ALL_IMPORTS.get(file)!.flatMap((next) => {
        const back = next === file ? [file] : reached(next, ALL_IMPORTS).get(file);
        return back === undefined ? [] : [[file, ...back].join(' > ')];
      }),
    );
    expect(circles).toEqual([]);
  });
});

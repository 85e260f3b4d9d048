/**
 * The package as npm packs it, in a project that has nothing else but its dependencies and the tools of a test suite.
 * No network: what it depends on is linked from here.
 */
import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseText } from './scenario/text.ts';
import { environment } from './testing/cli.ts';
import { example } from './testing/readme.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const dependencies = Object.keys(
  (
    JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
      readonly dependencies: Readonly<Record<string, string>>;
    }
  ).dependencies,
);
/** What the project has of its own: fast-check is a dependency too. */
const TOOLS = ['typescript', 'vitest'];
const missing = [
  ...['npm', 'npx', 'tar'].filter((tool) => spawnSync(tool, ['--version']).status !== 0),
  ...[...dependencies, ...TOOLS].filter((name) => !existsSync(join(root, 'node_modules', name))),
];

describe.skipIf(missing.length > 0)(
  `the packed package${missing.length > 0 ? ` (no ${missing.join(', ')})` : ''}`,
  () => {
    let at = '';
    const run = (command: string, ...args: string[]): SpawnSyncReturns<string> =>
      spawnSync(command, args, {
        cwd: at,
        encoding: 'utf8',
        // Without the `gupfuzz` of other tests on PATH: commands are printed as they work here.
        env: environment({ PATH: process.env.PATH, NO_COLOR: '1', VITEST_REPORT: undefined }),
        timeout: 100_000,
        killSignal: 'SIGKILL',
      });
    const gupfuzz = (...args: string[]): SpawnSyncReturns<string> =>
      run('npx', '--no-install', 'gupfuzz', ...args);
    const write = (file: string, text: string): void => writeFileSync(join(at, file), text);
    const link = (target: string, name: string): void => {
      const path = join(at, 'node_modules', name);
      mkdirSync(dirname(path), { recursive: true });
      symlinkSync(target, path);
    };

    beforeAll(() => {
      at = realpathSync(mkdtempSync(join(tmpdir(), 'gupfuzz-package-')));
      const packed = spawnSync(
        'npm',
        ['pack', '--silent', '--offline', '--ignore-scripts', '--pack-destination', at],
        { cwd: root, encoding: 'utf8' },
      );
      expect(packed.status, packed.stderr).toBe(0);
      mkdirSync(join(at, 'node_modules/gupfuzz'), { recursive: true });
      const unpacked = run(
        'tar',
        '-xzf',
        packed.stdout.trim(),
        '-C',
        'node_modules/gupfuzz',
        '--strip-components=1',
      );
      expect(unpacked.status, unpacked.stderr).toBe(0);
      // Those alone: a dependency that package.json does not name is not there.
      for (const name of [...dependencies, ...TOOLS]) link(join(root, 'node_modules', name), name);
      link('../gupfuzz/dist/src/cli/main.js', '.bin/gupfuzz');
      link('../vitest/vitest.mjs', '.bin/vitest');
      write('package.json', '{"type": "module"}');
    });
    afterAll(() => {
      if (at !== '') rmSync(at, { recursive: true });
    });

    it('has no test and nothing of this machine', () => {
      const files = run('find', 'node_modules/gupfuzz', '-type', 'f').stdout.trim().split('\n');
      expect(files).toContain('node_modules/gupfuzz/counterexamples/known.json');
      expect(files.filter((file) => /\.test\.|\/testing\/|\/findings\//.test(file))).toEqual([]);
      // Nothing is left of a source that is gone: the build begins with an empty dist/.
      const sources = files.flatMap((file) => /\/dist\/(?!chunks\/)(.*)\.js$/.exec(file)?.[1] ?? []);
      expect(sources.length).toBeGreaterThan(100);
      expect(sources.filter((source) => !existsSync(join(root, `${source}.ts`)))).toEqual([]);
    });

    it('says whose work is bundled, and under which licence', () => {
      const text = readFileSync(join(at, 'node_modules/gupfuzz/dist/THIRD-PARTY.txt'), 'utf8');
      const named = [...text.matchAll(/^-+\n(\S+) [\d.]+ \((?:MIT|ISC)\)\n\n/gm)].map(([, name]) => name!);
      // What is not bundled is loaded by its name.
      const dist = join(at, 'node_modules/gupfuzz/dist');
      const code = [
        'src/policies/load-worker.js',
        ...readdirSync(join(dist, 'chunks')).map((f) => `chunks/${f}`),
      ]
        .filter((file) => file.endsWith('.js'))
        .map((file) => readFileSync(join(dist, file), 'utf8'));
      const loaded = dependencies.filter((name) => {
        const loads = new RegExp(`^import [^;]*from "${name}";`, 'm');
        return code.some((text) => loads.test(text));
      });
      expect(loaded).toEqual(['fast-check', 'jiti', 'workerpool']);
      expect(named).toEqual(expect.arrayContaining(dependencies.filter((name) => !loaded.includes(name))));
      expect(text.match(/permission notice|Permission to use/g)!.length).toBeGreaterThanOrEqual(named.length);
    });

    it('a policy module has the gupfuzz that loads it', () => {
      write(
        'throws.ts',
        `import { PolicyError } from 'gupfuzz';
throw new PolicyError('mine', 'wpFault', 'a rule', 'it is wrong on purpose');
`,
      );
      const { status, stderr } = gupfuzz('policies', './throws.ts');
      expect([status, stderr]).toEqual([
        3,
        'gupfuzz: policy ./throws.ts, table wpFault, rule "a rule": it is wrong on purpose\n',
      ]);
    });

    it('types: the examples of README.md compile, and what is wrong does not', () => {
      write('library.ts', example('library'));
      write('policy.ts', example('policy'));
      write(
        'typed.ts',
        `import { parseText, policyByName, type RunResult, rule, runScenario, type Scenario, traceScenario } from 'gupfuzz';
const scenario: Scenario = parseText('page A anon rw\\nP: read A\\n', 'a.gup').counterexample;
const result: RunResult = runScenario(scenario, policyByName('pae'));
export const seen: readonly string[] = traceScenario(scenario, policyByName('pae')).steps.flatMap((s) =>
  s.observations.map((o) => o.seen));
// @ts-expect-error: a word
export const verdict: number = result.verdict;
// @ts-expect-error: no such fact
rule<'wpFault'>('x', (f) => f.nonsense, 'copy');
// @ts-expect-error: no such answer
rule<'wpFault'>('x', () => true, 'nonsense');
`,
      );
      const compilerOptions = {
        target: 'es2023',
        lib: ['es2023', 'dom'],
        module: 'nodenext',
        strict: true,
        exactOptionalPropertyTypes: true,
        noEmit: true,
        // Our declarations are looked at too; they need no types of Node.js.
        skipLibCheck: false,
        types: [],
      };
      write(
        'tsconfig.json',
        JSON.stringify({ compilerOptions, files: ['library.ts', 'policy.ts', 'typed.ts'] }),
      );
      const { status, stdout } = run(process.execPath, 'node_modules/typescript/bin/tsc', '-p', '.');
      expect([stdout, status]).toEqual(['', 0]);
    });

    it('library: the example of README.md runs as printed, and finds what the text says', () => {
      write('library.mjs', example('library'));
      expect(run(process.execPath, 'library.mjs').stdout).toContain(
        'pin-coherence/stale/anon/PIN-R-LT/cpu->device 3\n',
      );
    });

    it('init: its commands work as printed', () => {
      const { status, stdout, stderr } = gupfuzz('init', 'policy', 'new');
      expect([status, stdout]).toEqual([0, 'new.ts\nnew.test.ts\n']);
      // All is there, so that nothing is to be installed.
      expect(stderr).toBe(
        [
          'Next:',
          '  npx gupfuzz policies ./new.ts',
          '  npx gupfuzz fuzz --policy ./new.ts',
          '  npx gupfuzz compare --base longterm-ban --cand ./new.ts --runs 20000',
          '  npx vitest run new.test.ts',
          '',
        ].join('\n'),
      );
      expect(gupfuzz('policies', './new.ts').status).toBe(0);
    });

    it('vitest: what init wrote passes; README.md fails on its policy, says how to replay it, passes on what is right', () => {
      expect(example('vitest').split('\n')).toHaveLength(8);
      write('mine.test.ts', example('vitest'));
      write('mine.ts', example('policy'));
      const failed = run('npx', '--no-install', 'vitest', 'run');
      expect(failed.status, failed.stderr).toBe(1);
      expect(failed.stdout).toMatch(/ Test Files +1 failed \| 1 passed \(2\)/);
      expect(failed.stdout).toMatch(/✓ new\.test\.ts \(2 tests\)/);
      expect(failed.stderr).toMatch(/^Replay: npx gupfuzz replay broken\.gup --policy \.\/mine\.ts$/m);
      const replayed = gupfuzz('replay', 'broken.gup', '--policy', './mine.ts');
      expect(replayed.stdout + replayed.stderr).toContain('pin-coherence/stale/anon/');
      expect(replayed.status).toBe(1);
      write('mine.ts', example('policy').replace("{ wpFault: [table(otherwise('copy'))] }", '{}'));
      const passed = run('npx', '--no-install', 'vitest', 'run', 'mine.test.ts');
      expect(passed.status, passed.stdout + passed.stderr).toBe(0);
    });

    it('the catalogue is there outside a clone, under the name that every command takes', () => {
      const compared = gupfuzz('compare', '--base', 'longterm-ban', '--cand', 'pae');
      expect(compared.status, compared.stderr).toBe(1);
      const replay = /^ +npx gupfuzz (replay counterexamples\/b48-\S+ --policy pae --base longterm-ban)$/m;
      const [, pasted] = replay.exec(compared.stdout) ?? [];
      expect(pasted, compared.stdout).toBeDefined();
      expect(compared.stdout).not.toContain('node_modules');
      expect(gupfuzz(...pasted!.split(' ')).status).toBe(1);
    });

    it('live: the executor is there to be compiled', () => {
      if (spawnSync('cc', ['--version']).status !== 0) return;
      expect(gupfuzz('live', 'probe').stdout).toMatch(/^host \S+: release /);
    });

    it('exports the schema of a file, and of itself no more than it says', () => {
      write(
        'resolve.mjs',
        `import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
const path = fileURLToPath(import.meta.resolve('gupfuzz/schema/counterexample'));
const inside = await import('gupfuzz/dist/src/executor/run.js').catch((error) => error.code);
console.log(JSON.stringify([path, Object.keys(JSON.parse(readFileSync(path, 'utf8')).properties), inside]));
`,
      );
      const [path, fields, inside] = JSON.parse(run(process.execPath, 'resolve.mjs').stdout) as [
        string,
        string[],
        string,
      ];
      expect(path).toBe(join(at, 'node_modules/gupfuzz/counterexamples/schema.json'));
      const { counterexample } = parseText('page A anon rw\nP: read A\n', 'a.gup');
      expect(fields.toSorted()).toEqual(Object.keys(counterexample).toSorted());
      expect(inside).toBe('ERR_PACKAGE_PATH_NOT_EXPORTED');
    });
  },
);

/**
 * Keeps docs/model.md honest: it names everything there is, its tables say what the code says, and those of its
 * claims that are cheap to try are tried. And no document has a dead relative link.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { PROPERTIES } from '../properties/index.ts';
import { alphabetFor, PLAIN_GUPS, pagesOf } from './check/scope.ts';
import { Search } from './check/search.ts';
import { FILESYSTEMS } from './domain/filesystems.ts';
import { CALLERS, PAGE_KINDS, type PageKind } from './domain/kinds.ts';
import { FILES_MAX, MMS_MAX, PAGES_MAX, REFS_MAX } from './domain/setup.ts';
import { type RunResult, runScenario } from './executor/run.ts';
import { decodeClass } from './executor/simulated.ts';
import { STEPS_MAX, STEPS_MIN } from './fuzz/generate.ts';
import { DECISION_NAMES, DECISIONS } from './machine/decisions.ts';
import { CLAIMS } from './machine/policy.ts';
import { type ExpandedPolicy, expandPolicy } from './machine/tables.ts';
import { callerOf, fastOf, GUP_VARIANTS } from './ops/gup.ts';
import { OPS } from './ops/index.ts';
import { BUILT_IN, policyByName } from './policies/index.ts';
import { CALLER_CONTRACTS, PROMISES } from './reference/promises.ts';
import { withTables } from './report/docs-tables.ts';
import { parseCounterexample } from './scenario/file.ts';
import { parseSteps } from './scenario/parse.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const read = (path: string): string => readFileSync(`${root}/${path}`, 'utf8');

const text = read('docs/model.md');
/** Without line breaks, as a sentence or a bullet may be wrapped anywhere. */
const flat = text.replace(/\s+/g, ' ');
/** The list item that begins with this name, without line breaks. */
function item(name: string): string {
  const [, rest] = text.split(`\n- \`${name}\``);
  if (rest === undefined) throw new Error(`docs/model.md has no list item for ${name}`);
  return rest.split(/\n(?:- |\n)/)[0]!.replace(/\s+/g, ' ');
}
const row = (...cells: string[]): string => `| ${cells.join(' | ')} |`;
const yesNo = (value: boolean | string): string => (value === true ? 'yes' : value === false ? 'no' : value);

describe('docs/model.md names', () => {
  it.each([
    ['operation', OPS.map((op) => op.kind)],
    ['property', PROPERTIES.map((p) => p.id)],
    ['decision point', DECISION_NAMES],
    ['policy', BUILT_IN.map((p) => p.id)],
    ['filesystem profile', FILESYSTEMS.map((f) => f.id)],
    ['caller', CALLERS],
    ['kind of page', PAGE_KINDS],
    ['verdict', ['violated', 'unsupported', 'documented', 'not violated', 'not found', 'not tested']],
    ['verdict of a search', ['holds', 'broken', 'inconclusive', 'not tested', 'cannot be tested']],
  ] as const)('every %s', (_, names) => {
    for (const name of names) expect(flat).toContain(`\`${name}\``);
  });

  it('every kernel function that an operation or a decision stands for', () => {
    const kernel = [...OPS.map((op) => op.kernel), ...DECISION_NAMES.map((name) => DECISIONS[name].kernel)];
    for (const name of kernel.flatMap((k) => k.match(/\w+\*?\(\)/g) ?? [])) expect(flat).toContain(name);
  });

  it('the bounds of a setup and of a run', () => {
    expect(flat).toContain(
      `${MMS_MAX} mms, ${PAGES_MAX} pages, ${FILES_MAX} file pages, ${REFS_MAX} references`,
    );
    expect(flat).toContain(`${STEPS_MIN} to ${STEPS_MAX} random steps`);
  });
});

describe('the tables of docs/model.md', () => {
  it('promises', () => {
    for (const p of PROMISES)
      expect(text).toContain(
        row(
          p.name,
          p.refs.join(' '),
          p.write === 'any' ? 'any' : p.write ? 'W' : 'R',
          yesNo(p.longterm),
          yesNo(p.copies),
          p.promise,
          p.overFork,
        ),
      );
  });

  it('callers', () => {
    for (const caller of CALLERS) {
      const c = CALLER_CONTRACTS[caller];
      const store = c.store ? 'if W' : 'no';
      expect(text).toContain(
        row(
          `\`${caller}\``,
          c.ref,
          yesNo(c.write),
          yesNo(c.longterm),
          yesNo(c.copies),
          yesNo(c.load),
          store,
          c.release,
        ),
      );
    }
  });

  it('those that are written (npm run docs)', () => {
    expect(withTables(text)).toBe(text);
  });

  it('filesystem profiles', () => {
    for (const f of FILESYSTEMS)
      expect(text).toContain(row(`\`${f.id}\``, yesNo(f.stablePages), f.withoutBuffers));
  });
});

describe('the lists of docs/model.md', () => {
  it.each(DECISION_NAMES)('%s: its kernel function, all facts, all answers', (name) => {
    const { kernel, facts, answers } = DECISIONS[name];
    const found = item(name);
    expect(found).toContain(`\`${kernel}\``);
    for (const [fact] of facts) expect(found).toContain(`\`${fact}\``);
    for (const answer of answers) expect(found).toContain(`\`${answer}\``);
  });

  it.each(PROPERTIES)('$id: its claim, and the labels that it cites', ({ id, claim, sources }) => {
    const found = item(id);
    expect(found).toContain(claim);
    const cited = sources.flatMap((s) =>
      s.startsWith('docs/model.md') ? (s.match(/\b[GF]\d\b/g) ?? []) : [],
    );
    expect(cited.length).toBeGreaterThan(0);
    expect(found).toContain(`(${cited.join(', ')})`);
  });

  it.each(BUILT_IN)('$id', ({ id }) => {
    expect(item(id).length).toBeGreaterThan(100);
  });

  it('claims of policies', () => {
    for (const claim of CLAIMS) expect(flat).toContain(`"${claim}"`);
  });
});

/** All programs of one page kind, with the references of these kinds; properties that break. */
function breaks(
  policy: ExpandedPolicy,
  kind: PageKind,
  filesystem: string,
  mms: number,
  gups: readonly number[],
): string[] {
  const setup = { ...pagesOf([kind], filesystem), mms, refs: 1, pinBias: 1024 };
  const search = new Search({ setup, policy, alphabet: alphabetFor(setup, gups), statesMax: 100_000 });
  search.runTo(99);
  expect(search.state).toBe('closed');
  const found = [...search.found.values()].filter((f) => !f.documented);
  return [...new Set(found.map((f) => decodeClass(f.code).property))].sort();
}

function run(policy: string, kinds: readonly PageKind[], filesystem: string, steps: string): RunResult {
  const setup = { ...pagesOf(kinds, filesystem), mms: 2, refs: 2, pinBias: 1024 };
  return runScenario({ setup, steps: parseSteps(steps) }, expandPolicy(policyByName(policy)));
}
const properties = (result: RunResult): string[] => result.violations.map((f) => f.class.property).sort();

describe('what docs/model.md claims', () => {
  it('v6.5: system calls break only fs-notified and stable-writeback on a shared file page', () => {
    const calls = GUP_VARIANTS.filter((v) => !['get', 'pin'].includes(CALLERS[callerOf(v)]!) && !fastOf(v));
    const policy = expandPolicy(policyByName('v6.5-longterm-ban'));
    for (const { id, dirtyTracked, stablePages } of FILESYSTEMS)
      if (dirtyTracked)
        expect(breaks(policy, 'shared-file', id, 1, calls)).toEqual(
          stablePages ? ['fs-notified', 'stable-writeback'] : ['fs-notified'],
        );
  });

  it('shmem breaks nothing under any built-in policy', () => {
    for (const policy of BUILT_IN)
      expect(breaks(expandPolicy(policy), 'shmem', '', 2, PLAIN_GUPS)).toEqual([]);
  });

  it('an excuse covers what is stored while the reference is held over fork, and no more', () => {
    const steps = (late: string, early: string): string => `
      P: write A
      h1 = P: gup A get W
      C = P: fork
      ${early}
      h2 = P: gup A get R
      P: munmap A
      C: write A
      ${late}
      device: dma_read h2`;
    const release = 'device: unpin h1';
    expect(run('v5.7-mapcount', ['anon'], '', steps(release, '')).verdict).toBe('documented');
    expect(properties(run('v5.7-mapcount', ['anon'], '', steps('', release)))).toEqual(['isolation']);
  });

  it('an mprotect that skips page_mkwrite breaks F1 at the next store', () => {
    const policy = expandPolicy(policyByName('v6.5-longterm-ban'));
    const at = policy.tables.findIndex((t) => t.decision === 'protectUpgrade');
    const upgrade = DECISIONS.protectUpgrade.answers.indexOf('upgrade');
    const bold: ExpandedPolicy = {
      ...policy,
      tables: policy.tables.map((t, i) => (i === at ? { ...t, answer: t.answer.map(() => upgrade) } : t)),
    };
    const setup = { ...pagesOf(['shared-file'], 'ext4-v5.18'), mms: 1, refs: 0, pinBias: 1024 };
    const steps = (first: string): string => `
      ${first}
      other: fsync f
      P: mprotect F r
      P: mprotect F rw
      P: write F
      other: fsync f
      kernel: reclaim f
      P: read F`;
    const kept = runScenario({ setup, steps: parseSteps(steps('P: write F')) }, bold);
    expect(properties(kept)).toEqual(['fs-notified']);
    const stripped = runScenario({ setup, steps: parseSteps(steps('P: read F')) }, bold);
    expect(properties(stripped)).toEqual(['cpu-view', 'durability', 'fs-notified', 'fs-state', 'no-crash']);
  });

  it('what one holder did not dirty does not come under contract when another dirties', () => {
    const result = run(
      'v6.5-longterm-ban',
      ['shared-file'],
      'ext4-v5.18',
      `
      h1 = P: gup F pin W
      other: fsync f
      device: dma_write h1
      device: unpin h1
      kernel: reclaim f
      h2 = P: gup F pin W
      device: unpin h2 dirty
      other: fsync f`,
    );
    expect(properties(result)).toEqual([]);
  });

  it('an fsync that ends in a BUG has not returned: the disk is not judged', () => {
    const result = run(
      'v5.7-mapcount',
      ['shared-file'],
      'ext4-v5.17',
      `
      h1 = P: gup F get W
      other: fsync f
      device: dma_write h1
      kernel: reclaim f
      device: unpin h1 dirty
      other: fsync f`,
    );
    expect(properties(result)).toEqual(['fs-notified', 'fs-state', 'no-crash']);
  });

  it('B12, B21, B22 and B40 are in the catalogue and break nothing under any policy of an era', () => {
    const files = readdirSync(`${root}/counterexamples`);
    for (const label of ['b12', 'b21', 'b22', 'b40']) {
      const file = files.find((name) => name.startsWith(`${label}-`))!;
      const { expect: expected } = parseCounterexample(read(`counterexamples/${file}`), file);
      const eras = BUILT_IN.filter((p) => p.canary !== true).map((p) => expected[p.id]?.verdict);
      expect(eras, file).toEqual(eras.map(() => 'not violated'));
    }
  });

  it.each(['reference', 'machine'])('src/%s imports nothing but src/domain and src/state', (folder) => {
    for (const file of readdirSync(`${root}/src/${folder}`).filter((name) => !name.endsWith('.test.ts')))
      for (const [, from] of read(`src/${folder}/${file}`).matchAll(/\bfrom '([^']+)'/g))
        expect(from, file).toMatch(/^\.\/|^\.\.\/(domain|state)\//);
  });

  it('the files that it names exist', () => {
    for (const [, path] of flat.matchAll(/`((?:src|properties|counterexamples)\/[\w./-]*)`/g))
      expect(existsSync(`${root}/${path}`), path).toBe(true);
  });
});

describe('relative links', () => {
  const documents = ['README.md', ...readdirSync(`${root}/docs`).map((name) => `docs/${name}`)].filter(
    (path) => path.endsWith('.md') && existsSync(`${root}/${path}`),
  );
  /** Heading anchors as GitHub makes them. */
  const anchors = (path: string): string[] =>
    [...read(path).matchAll(/^#+ (.*)$/gm)].map(([, title]) =>
      title!
        .toLowerCase()
        .replace(/[^\w\- ]/g, '')
        .replaceAll(' ', '-'),
    );

  it.each(documents)('%s: none is dead', (document) => {
    const folder = document.includes('/') ? `${document.slice(0, document.lastIndexOf('/'))}/` : '';
    const prose = read(document).replace(/^```[\s\S]*?^```/gm, '');
    for (const [, link] of prose.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(link!)) continue;
      const [path, anchor] = link!.split('#') as [string, string | undefined];
      expect(path === '' || existsSync(`${root}/${folder}${path}`), link).toBe(true);
      if (anchor !== undefined)
        expect(anchors(path === '' ? document : `${folder}${path}`), link).toContain(anchor);
    }
  });
});

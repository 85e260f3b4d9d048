import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pLimit from 'p-limit';
import { afterAll, describe, expect, it } from 'vitest';
import { DECISION_NAMES, DECISIONS } from '../machine/decisions.ts';
import { type ExpandedPolicy, expandPolicy } from '../machine/tables.ts';
import { compiled } from '../testing/compiled.ts';
import { BUILT_IN, policyByName } from './index.ts';
import { policyTemplate } from './scaffold.ts';

const { isModulePath, LIBRARY, loadPolicy, resolvePolicies } =
  await compiled<typeof import('./load.ts')>('policies/load');

const dir = mkdtempSync(join(tmpdir(), 'gupfuzz-policies-'));
afterAll(() => rmSync(dir, { recursive: true }));

function write(name: string, source: string): string {
  writeFileSync(join(dir, name), source);
  return `./${name}`;
}

/** The tests run concurrently, their processes two at a time. */
const limit = pLimit(2);
const load = (path: string, deadlineMs = 20_000): Promise<ExpandedPolicy> =>
  limit(() => loadPolicy(path, { cwd: dir, deadlineMs }));

/** The one line that loading this module ends in. */
async function complaint(name: string, source: string, deadlineMs?: number): Promise<string> {
  const error = await load(write(name, source), deadlineMs).then(
    () => new Error('it loads'),
    (thrown: Error) => thrown,
  );
  expect(error.message).not.toMatch(/\n|load-worker|node:internal/);
  if (error.message !== 'it loads') expect(error.name).toBe('PolicyError');
  return error.message;
}

/** A module that derives from v6.5 with this change. */
function deriving(changes: string, before = ''): string {
  return `import { derive, policyByName, rule, otherwise, before, replace, without, table } from 'gupfuzz';
${before}
export default derive(policyByName('longterm-ban'), { id: 'mine', title: 'mine', sources: [] }, ${changes});
`;
}

describe.concurrent('loadPolicy', { timeout: 60_000 }, () => {
  it('loads a TypeScript module that imports gupfuzz', async () => {
    const path = write(
      'good.ts',
      deriving(`{ wpFault: [without('only reference')] }`, 'const unused: number = 1; void unused;'),
    );
    const loaded = await load(path);
    const base = expandPolicy(policyByName('longterm-ban'));
    expect(loaded.id).toBe('mine');
    expect(loaded.claims).toEqual([0, 1]);
    expect(loaded.tables[0]!.rules).toEqual(['exclusive', 'otherwise']);
    expect(loaded.tables.slice(1)).toEqual(base.tables.slice(1));
  });

  it.each(['mjs', 'js', 'mts'])('loads .%s, and what it imports', async (extension) => {
    write('helper.ts', `export const name: string = 'by way of a helper';`);
    const source = `import { derive, policyByName } from 'gupfuzz';
import { name } from './helper.ts';
const meta = { id: 'mine', title: name, sources: [] };
export default derive(policyByName('pae'), meta, {});`;
    expect((await load(write(`good.${extension}`, source))).title).toBe('by way of a helper');
  });

  it('loads a plain object, too', async () => {
    const tables = DECISION_NAMES.map(
      (name) => `${name}: [{ name: 'all', answer: '${DECISIONS[name].answers[0]}' }]`,
    );
    const source = `export default { id: 'plain', title: 'plain', sources: [], claims: [],
      keeps: { anonExclusive: false, hasPinned: false }, tables: { ${tables.join(', ')} } };`;
    const loaded = await load(write('plain.mjs', source));
    expect(loaded.tables.map((t) => t.rules)).toEqual(DECISION_NAMES.map(() => ['all']));
  });

  it('loads the template of `init policy`', async () => {
    const loaded = await load(write('from-template.ts', policyTemplate('from-template')));
    expect(loaded.id).toBe('from-template');
    expect(loaded.tables.flatMap((t) => t.dead)).toEqual([]);
    expect(loaded.tables[2]!.rules).toEqual(['maybe pinned', 'otherwise']);
  });

  // The library entry is another folder's file; this runs as soon as it is there.
  it.skipIf(!existsSync(fileURLToPath(LIBRARY)))('gupfuzz is the library entry', async () => {
    const path = write('whole.ts', policyTemplate('whole'));
    expect((await loadPolicy(path, { cwd: dir, deadlineMs: 50_000 })).id).toBe('whole');
  });
});

describe.concurrent('a broken module is one line that names it', { timeout: 60_000 }, () => {
  it('missing file, directory, other extension', async () => {
    mkdirSync(join(dir, 'folder.ts'));
    await expect(load('./none.ts')).rejects.toThrow(
      /^policy \.\/none\.ts: there is no such file \(\/.*none\.ts\)$/,
    );
    await expect(load('./folder.ts')).rejects.toThrow(/^policy \.\/folder\.ts: is not a file$/);
    await expect(load(write('x.json', '{}'))).rejects.toThrow(/must end in \.ts, \.mts, \.js or \.mjs$/);
  });

  it.each([
    ['throws.ts', `throw new Error('boom\\n    at import (x.ts:1:1)');`, 'cannot be loaded: boom'],
    ['throws-null.ts', 'throw null;', 'cannot be loaded: null'],
    [
      'syntax.ts',
      'export default {\n  id: ',
      expect.stringMatching(/^cannot be loaded: ParseError: .*syntax\.ts:2:/),
    ],
    ['empty.ts', '', 'has no default export; write `export default derive(...)`'],
    ['named.ts', 'export const policy = {};', 'has no default export; write `export default derive(...)`'],
    [
      'function.ts',
      'export default () => ({});',
      'its default export is a function; export the policy itself: `export default derive(...)`',
    ],
    ['import.ts', `import './gone.ts';`, `cannot be loaded: Cannot find module './gone.ts'`],
    ['exit.ts', 'process.exit(0);', 'ends the process (exit code 0) instead of exporting a policy'],
    ['killed.ts', `process.kill(process.pid, 'SIGKILL');`, 'loading it was ended by SIGKILL'],
    [
      'waits.ts',
      'await new Promise(() => {});',
      'never finishes loading: it awaits something that never comes',
    ],
    [
      'rejects.ts',
      `Promise.reject(new Error('later')); await new Promise(() => {});`,
      'cannot be loaded: later',
    ],
    [
      'taken.ts',
      deriving('{}').replace(`id: 'mine'`, `id: 'PAE'`),
      expect.stringMatching(/^id "PAE" is taken by the built-in/),
    ],
    [
      'base.ts',
      deriving('{}').replace('longterm-ban', 'longterm'),
      expect.stringMatching(/^cannot be loaded: there is no policy "longterm"; there is: /),
    ],
    [
      'point.ts',
      deriving(`{ wpFalt: [without('exclusive')] }`),
      expect.stringMatching(
        /^there is no decision point "wpFalt"; did you mean wpFault\? There is: wpFault, .*, unpinDirty, .*$/,
      ),
    ],
    [
      'header.ts',
      deriving('{}').replace('title:', 'source: [], title:'),
      'there is no field "source"; did you mean sources? There is: id, alias, title, sources, keeps, notes, claims, canary',
    ],
  ])('%s', async (name, source, what) => {
    const message = await complaint(name, source);
    expect(message.slice(0, `policy ./${name}: `.length)).toBe(`policy ./${name}: `);
    expect(message.slice(`policy ./${name}: `.length)).toEqual(what);
  });

  it.each([
    [
      'nonsense.ts',
      `[before('otherwise', rule('perhaps', () => true, 'maybe'))]`,
      'rule "perhaps": answer "maybe" is not one of: reuse, copy',
    ],
    [
      'partial.ts',
      `[table(rule('one', (f) => f.refcount === 1, 'reuse'))]`,
      'rule "one": the last rule must be total: end the table with otherwise(answer)',
    ],
    ['none.ts', '[table()]', 'the table is missing or empty'],
    [
      'edit.ts',
      `[without('exclusiv')]`,
      'there is no rule "exclusiv"; did you mean exclusive? There is: exclusive, only reference, otherwise',
    ],
    [
      'no-list.ts',
      `table(otherwise('copy'))`,
      'is no list of edits; write [before(...), replace(...), without(...)] or [table(...)]',
    ],
    [
      'rule-field.ts',
      `[before('otherwise', { name: 'x', if: () => true, answer: 'copy' })]`,
      'rule "x": there is no field "if". There is: name, when, answer, notes',
    ],
    [
      'throwing.ts',
      `[before('otherwise', rule('bad', (f) => f.nothing.at.all, 'copy'))]`,
      expect.stringMatching(
        /^rule "bad": there is no fact "nothing"\. There is: refcount, mapcount, anonExclusive, .*$/,
      ),
    ],
    [
      'throws-rule.ts',
      `[before('otherwise', rule('bad', () => { throw new Error('no') }, 'copy'))]`,
      'rule "bad": its condition threw "no"',
    ],
    [
      'number.ts',
      `[before('otherwise', rule('bad', (f) => f.refcount, 'copy'))]`,
      'rule "bad": its condition returned 2, not a boolean',
    ],
    // Impure on purpose: what the loader has to refuse.
    [
      'dice.ts',
      `[before('otherwise', rule('dice', () => Math.random() < 0.5, 'reuse'))]`,
      'rule "dice": answers differently for the same facts',
    ],
    [
      'peeks.ts',
      `[before('otherwise', rule('peeks', (f) => Object.getOwnPropertyDescriptor(f, 'mapcount').value > 1, 'reuse'))]`,
      'rule "peeks": answers differently for the same facts',
    ],
  ])('%s: names table and rule', async (name, edits, what) => {
    const message = await complaint(name, deriving(`{ wpFault: ${edits} }`));
    const prefix = `policy ./${name}, table wpFault`;
    expect(message.slice(0, prefix.length)).toBe(prefix);
    expect(message.slice(prefix.length + 2)).toEqual(what);
  });

  it('a note that its rules do not declare', async () => {
    const noted = deriving(`{ wpFault: [table(otherwise('copy', 'all', { seen: '+1' }))] }`);
    expect(await complaint('note.ts', noted)).toBe(
      'policy ./note.ts, table wpFault, rule "all": it changes the note "seen"; here no note of the policy is at hand',
    );
    const declared = noted.replace('sources: []', "sources: [], notes: { seen: { of: 'mm', most: 4 } }");
    expect(await complaint('most.ts', declared)).toBe(
      'policy ./most.ts: notes.seen.most: 4 is not a whole number from 1 to 3',
    );
    const right = await load(write('noted.ts', declared.replace('most: 4', 'most: 3')));
    expect(right.notes).toEqual([{ name: 'seen', of: 'mm', most: 3, place: 0 }]);
    expect(right.tables[0]!.noting).toEqual([{ answer: 1, changes: { seen: '+1' } }]);
  });

  it('a rule that counts, and a constant that is drawn', async () => {
    const counts = deriving(
      `{ forkPte: [before('otherwise', rule('third', () => ++n % 3 === 0, 'copy'))] }`,
      'let n = 0;',
    );
    expect(await complaint('counts.ts', counts)).toBe(
      'policy ./counts.ts, table forkPte, rule "third": answers differently for the same facts',
    );
    // Alike within one evaluation of the module; a global tells the two apart, as the clock would.
    const drawn = deriving(
      `{ forkPte: [before('otherwise', rule('drawn', () => second, 'copy'))] }`,
      'const second = globalThis.seen === true; globalThis.seen = true;',
    );
    expect(await complaint('drawn.ts', drawn)).toBe(
      'policy ./drawn.ts, table forkPte, rule "drawn": answers differently for the same facts',
    );
  });

  it('a loop at import', async () => {
    expect(await complaint('loop.ts', 'for (;;) {}', 500)).toBe(
      'policy ./loop.ts: loading it took more than 0.5 s of processor time',
    );
  });

  it('a module that waits for ever, which takes no processor time', async () => {
    expect(await complaint('waits.ts', 'await new Promise(() => setInterval(() => {}, 1000));', 500)).toBe(
      'policy ./waits.ts: loading it did not end within 3 s',
    );
  });

  it('a loop in a rule', async () => {
    const loops = deriving(
      `{ gupSlow: [before('otherwise', rule('spins', (f) => { while (f.pin); return false }, 'return'))] }`,
    );
    expect(await complaint('spins.ts', loops, 3000)).toBe(
      'policy ./spins.ts, table gupSlow, rule "spins": its condition took more than 3 s of processor time',
    );
  });

  it.each([
    ['map', 'const m = new Map(); for (let i = 0; ; i++) m.set(i, [i]);'],
    ['buffers', 'const a = []; for (;;) a.push(Buffer.alloc(1e8, 1));'],
  ])('memory without end (%s)', async (name, source) => {
    expect(await complaint(`memory-${name}.ts`, source)).toMatch(
      /: loading it (took more than \d+ MiB of (heap|memory)|was ended by SIG(TRAP|SEGV|KILL))$/,
    );
  });
});

describe('resolvePolicies', { timeout: 60_000 }, () => {
  const resolveAll = (...names: string[]) => resolvePolicies(names, dir, { deadlineMs: 20_000 });
  const ids = async (...names: string[]) => (await resolveAll(...names)).policies.map((p) => p.id);

  it('all, ids and aliases; each once, in the order given', async () => {
    expect(await ids('all')).toEqual(BUILT_IN.map((p) => p.id));
    expect(await ids('canary', 'pae', 'v6.2-anon-exclusive', 'mapcount')).toEqual([
      'canary',
      'v6.2-anon-exclusive',
      'v5.7-mapcount',
    ]);
    expect(await ids('longterm-ban', 'all')).toHaveLength(BUILT_IN.length);
    expect(await ids()).toEqual([]);
  });

  it('keeps going without the modules that are broken', async () => {
    write('mine.ts', deriving('{}'));
    write('same-id.ts', deriving('{}'));
    write('bad.ts', `throw new Error('no')`);
    const { policies, broken } = await resolveAll('./bad.ts', 'mine.ts', 'pae', './mine.ts', './same-id.ts');
    expect(policies.map((p) => p.id)).toEqual(['mine', 'v6.2-anon-exclusive']);
    expect(broken).toEqual([
      { name: './bad.ts', message: 'policy ./bad.ts: cannot be loaded: no' },
      { name: './same-id.ts', message: 'policy ./same-id.ts: its id mine is also that of mine.ts' },
    ]);
  });

  it.each([
    ['pea', 'did you mean pae?'],
    ['v6.2', 'did you mean v6.2-anon-exclusive?'],
    ['mapcuont', 'did you mean mapcount?'],
    ['Canary', 'did you mean canary?'],
    ['ALL', 'did you mean all?'],
  ])('%s: %s', async (name, hint) => {
    await expect(resolveAll('all', name)).rejects.toThrow(
      `there is no policy "${name}"; ${hint} There is: v5.7-mapcount (mapcount), `,
    );
  });

  it('an unknown name without a likely meaning', async () => {
    const list = BUILT_IN.map((p) => (p.alias === undefined ? p.id : `${p.id} (${p.alias})`)).join(', ');
    await expect(resolveAll('zfs')).rejects.toThrow(
      new RangeError(`there is no policy "zfs". There is: ${list}, all, or a module path such as ./mine.ts`),
    );
  });

  it('a path has a slash, a backslash or the extension of a module', () => {
    expect(['./a', 'a/b', 'a\\b', 'a.ts', 'a.mts', 'a.js', 'a.mjs'].every(isModulePath)).toBe(true);
    expect(['all', 'pae', 'v6.2-anon-exclusive', 'a.json'].some(isModulePath)).toBe(false);
  });
});

import { describe, expect, it } from 'vitest';
import { expandPolicy, withConditions } from '../machine/tables.ts';
import { compiled } from '../testing/compiled.ts';
import { freshFolder } from '../testing/folder.ts';
import { checkedAnswer } from './answer.ts';
import { BUILT_IN, policyByName } from './index.ts';

const { loadPolicy, resolvePolicies } = await compiled<typeof import('./load.ts')>('policies/load');

const folder = freshFolder();
const V65 = policyByName('longterm-ban');

describe('what the process that loads a module says', () => {
  it.each(BUILT_IN.map((p) => p.id))('is believed where it is a policy: %s', (id) => {
    const policy = policyByName(id);
    for (const { alias: _, ...same } of [
      expandPolicy(policy),
      withConditions(expandPolicy(policy), policy),
    ]) {
      const expanded = { ...same, id: 'mine' };
      expect(checkedAnswer(JSON.stringify({ policy: expanded, warnings: [] }))).toEqual({
        policy: expanded,
        warnings: [],
      });
    }
  });

  const { alias: _, ...tables } = expandPolicy(V65);
  const expanded = { ...tables, id: 'mine' };
  const withTable = (change: object): object => ({
    ...expanded,
    tables: expanded.tables.map((t, i) => (i === 0 ? { ...t, ...change } : t)),
  });
  it.each([
    ['no JSON', '{'],
    ['nothing', 'null'],
    ['an answer without a table', JSON.stringify({ policy: { ...expanded, tables: [] }, warnings: [] })],
    [
      'a table of another decision',
      JSON.stringify({ policy: withTable({ decision: 'gupFast' }), warnings: [] }),
    ],
    [
      'an answer that is none',
      JSON.stringify({
        policy: withTable({ answer: expanded.tables[0]!.answer.map(() => 9) }),
        warnings: [],
      }),
    ],
    ['a table that is not total', JSON.stringify({ policy: withTable({ answer: [0] }), warnings: [] })],
    [
      'a rule that is none',
      JSON.stringify({
        policy: withTable({ ruleOf: expanded.tables[0]!.answer.map(() => 99) }),
        warnings: [],
      }),
    ],
    ['strides of its own', JSON.stringify({ policy: withTable({ strides: [7, 7] }), warnings: [] })],
    ['an id like a path', JSON.stringify({ policy: { ...expanded, id: '../x' }, warnings: [] })],
    ...['v5.7-mapcount', 'V6.5-Longterm-Ban', 'pae', 'all'].flatMap((name): [string, string][] => [
      [`the id ${name}`, JSON.stringify({ policy: { ...expanded, id: name }, warnings: [] })],
      [`the alias ${name}`, JSON.stringify({ policy: { ...expanded, alias: name }, warnings: [] })],
    ]),
    [
      'errors that are no finding',
      JSON.stringify({ policy: { ...expanded, errorsAreFindings: true }, warnings: [] }),
    ],
  ])('is not where it is %s', (_, line) => {
    expect(checkedAnswer(line)).toBeUndefined();
  });
});

describe('a module that writes to the channel of its loader', () => {
  const named = JSON.stringify({
    policy: { ...expandPolicy(V65), id: 'v5.7-mapcount', alias: undefined },
    warnings: [],
  });
  it.each([
    ['a line of its own', '"hello\\n"'],
    ['a forged policy', 'JSON.stringify({ policy: { id: "v6.5-longterm-ban" }, warnings: [] }) + "\\n"'],
    ['a policy by the name of a built-in one', `${JSON.stringify(named)} + "\\n"`],
    ['without end', '"x".repeat(2 ** 20)'],
  ])('%s: is refused, and the others go on', async (_, written) => {
    const loop = written.includes('repeat') ? 'for (;;) ' : '';
    folder.write(
      'forger.ts',
      `import { writeSync } from 'node:fs';
       import { policyByName } from 'gupfuzz';
       ${loop}writeSync(3, ${written});
       export default policyByName('longterm-ban');`,
    );
    const { policies, broken } = await resolvePolicies(['pae', './forger.ts'], folder.path);
    expect(policies.map((p) => p.id)).toEqual(['v6.2-anon-exclusive']);
    expect(broken).toMatchObject([{ message: expect.stringMatching(/writes to file descriptor 3/) }]);
  });

  it('text of many bytes arrives whole, wherever its pieces end', async () => {
    const title = 'ключ 鍵 🔑 '.repeat(20);
    folder.write(
      'words.ts',
      `import { derive, policyByName } from 'gupfuzz';
       export default derive(policyByName('longterm-ban'), { id: 'words', title: ${JSON.stringify(title)}, sources: ${JSON.stringify(Array(40).fill(title))} }, {});`,
    );
    const policy = await loadPolicy('words.ts', { cwd: folder.path });
    expect(policy.title).toBe(title);
    expect(policy.sources).toEqual(Array(40).fill(title));
  });
});

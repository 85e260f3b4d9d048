/** `gupfuzz policies`, `properties` and `ops` through the compiled command line. */
import { describe, expect, it } from 'vitest';
import { PAGE_KINDS } from '../domain/page-kinds.ts';
import { DECISION_NAMES } from '../machine/decisions.ts';
import { entry } from '../testing/catalogue.ts';
import { gupfuzzIn, lines, oneLine } from '../testing/cli.ts';
import { freshFolder } from '../testing/folder.ts';
import { writeForgetful } from '../testing/policy.ts';

const folder = freshFolder();
const gupfuzz = gupfuzzIn(folder);

describe('what is built in', () => {
  it('policies: a list, and the rules of one', () => {
    expect(lines(gupfuzz(['policies']).out)[0]).toMatch(
      /^v5\.7-mapcount +mapcount +reuse on a write fault by map count/,
    );
    const { out } = gupfuzz(['policies', 'pae']);
    expect(out).toContain('6c287605fd56');
    expect(out).toContain(
      `wpFault  mm/memory.c: do_wp_page(), wp_can_reuse_anon_folio()
  reuse  exclusive       if anonExclusive
  reuse  only reference  if refcount 1
  copy   otherwise
`,
    );
    expect(gupfuzz(['policies', '--rules']).out.match(/^wpFault /gm)?.length).toBe(6);
    const json = JSON.parse(gupfuzz(['policies', 'pae', '--format', 'json']).out) as {
      policies: { id: string; tables: { rules: object[] }[] }[];
    };
    expect(json.policies.map((p) => p.id)).toEqual(['v6.2-anon-exclusive']);
    expect(json.policies[0]!.tables[0]!.rules[0]).toEqual({
      name: 'exclusive',
      answer: 'reuse',
      when: 'anonExclusive',
    });
  });

  it("policies: the rules of a user's module", () => {
    writeForgetful(folder);
    expect(gupfuzz(['policies', './forgetful.ts']).out).toMatch(
      /^forgetful\n[\s\S]*forkPte .*\n {2}share {2}otherwise\n/,
    );
  });

  it("policies: what a user's module changes in its base", () => {
    writeForgetful(folder);
    expect(gupfuzz(['policies', './forgetful.ts']).out).toMatch(
      /\nDifference to v6\.5-longterm-ban\n[\s\S]* {2}forkPte\n[\s\S]*copy -> share for \d+ of \d+ combinations of facts: /,
    );
    expect(gupfuzz(['policies', 'longterm-ban']).out).toContain('\nDifference to v6.2-anon-exclusive\n');
    const { policies } = JSON.parse(gupfuzz(['policies', './forgetful.ts', '--format', 'json']).out) as {
      policies: { difference: { base: string; tables: { decision: string }[] } }[];
    };
    expect(policies[0]!.difference.tables.map((t) => t.decision)).toContain('forkPte');
  });

  it('a misspelt decision point is refused, a rule that never matches is told, in every command', () => {
    const module = (changes: string): string =>
      `import { before, derive, policyByName, rule } from 'gupfuzz';
       export default derive(policyByName('longterm-ban'), { id: 'mine', title: 'mine', sources: [] }, ${changes});`;
    const edit = `[before('otherwise', rule('all but', (f) => f.anonExclusive, 'reuse'))]`;
    folder.write('point.ts', module(`{ wpFalt: ${edit} }`));
    folder.write('dead.ts', module(`{ wpFault: ${edit} }`));
    const list = DECISION_NAMES.join(', ');
    expect(oneLine(gupfuzz(['policies', './point.ts']), 3)).toBe(
      `gupfuzz: policy ./point.ts: there is no decision point "wpFalt"; did you mean wpFault? There is: ${list}`,
    );
    for (const args of [
      ['policies', './dead.ts'],
      ['replay', entry('b01'), '-p', './dead.ts'],
      ['fuzz', '-p', './dead.ts', '-n', '5', '-o', 'found', '--workers', '0'],
      ['check', '-p', './dead.ts', '--pages', 'anon', '--depth', '1', '-q'],
    ])
      expect(lines(gupfuzz(args).err).filter((line) => line.includes('warning'))).toEqual([
        'gupfuzz: warning: policy ./dead.ts, table wpFault, rule "all but": can never match: ' +
          'wherever its condition holds, "exclusive" matches first',
      ]);
  });

  it('decisions: points, facts, answers, kernel function', () => {
    expect(gupfuzz(['decisions']).out).toMatch(/^wpFault +reuse, copy; mm\/memory\.c: do_wp_page\(\)/);
    expect(gupfuzz(['decisions', 'wpFault']).out).toBe(`wpFault
  kernel     mm/memory.c: do_wp_page(), wp_can_reuse_anon_folio()
  facts      refcount        1, 2, 3, 4, 5, 6 or more
             mapcount        1, 2, 3 or more
             anonExclusive   false, true
             maybeDmaPinned  false, true
             hasPinned       false, true
             vma             ${PAGE_KINDS.join(', ')}
             pteDirty        false, true
             byGup           false, true
             pin             false, true
             longterm        false, true
             swapCache       false, true
             swapCount       0, 1, 2, 3 or more
  answers    reuse: the PTE becomes writable
             copy: the page is copied, and the copy mapped
`);
    expect(oneLine(gupfuzz(['decisions', 'wpFalt']), 2)).toContain('did you mean wpFault?');
    const { decisions } = JSON.parse(gupfuzz(['decisions', '--format', 'json']).out) as {
      decisions: { decision: string }[];
    };
    expect(decisions.map((d) => d.decision)).toEqual(DECISION_NAMES);
  });

  it('properties and ops, each with where it comes from', () => {
    expect(gupfuzz(['properties']).out).toMatch(/^isolation +In a private mapping/);
    expect(gupfuzz(['properties', 'isolation']).out).toContain('CVE-2020-29374');
    expect(gupfuzz(['ops']).out).toMatch(/^fork +mm +fork\(2\)$/m);
    expect(gupfuzz(['ops', 'fork']).out).toContain('mm/memory.c: copy_present_pte()');
    const { properties } = JSON.parse(gupfuzz(['properties', '--format', 'json']).out) as {
      properties: object[];
    };
    const { ops } = JSON.parse(gupfuzz(['ops', '--format', 'json']).out) as { ops: object[] };
    expect([properties.length > 5, ops.length > 15]).toEqual([true, true]);
  });
});

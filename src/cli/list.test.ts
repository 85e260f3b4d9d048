/** `gupfuzz policies`, `properties` and `ops` through the compiled command line. */
import { describe, expect, it } from 'vitest';
import { gupfuzzIn, lines } from '../testing/cli.ts';
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

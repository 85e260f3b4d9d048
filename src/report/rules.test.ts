import { describe, expect, it } from 'vitest';
import { DECISIONS } from '../machine/decisions.ts';
import { derive, otherwise, rule, table } from '../machine/policy.ts';
import { type ExpandedTable, expandPolicy } from '../machine/tables.ts';
import { BUILT_IN, policyByName } from '../policies/index.ts';
import { ruleConditions } from './rules.ts';

const tableOf = (policy: string, decision: string): ExpandedTable =>
  expandPolicy(policyByName(policy)).tables.find((t) => t.decision === decision)!;

/** Does the text hold for the facts of an entry? Reads what ruleConditions writes. */
function holds(text: string, t: ExpandedTable, entry: number): boolean {
  if (text === '') return true;
  const facts = new Map(
    t.reads.map((fact, i) => {
      const [name, domain] = DECISIONS[t.decision].facts[fact]!;
      return [name, { value: domain[Math.floor(entry / t.strides[i]!) % domain.length]!, domain }];
    }),
  );
  return text.split(', or ').some((cube) =>
    cube.split(' and ').every((atom) => {
      if (atom === 'always') return true;
      if (facts.has(atom)) return facts.get(atom)!.value === true;
      const [name, ...words] = atom.split(' ');
      if (name === 'not') return facts.get(words.join(' '))!.value === false;
      const { value } = facts.get(name!)!;
      const said = words.join(' ');
      if (said.endsWith(' or more')) return Number(value) >= Number.parseInt(said, 10);
      const values = said.replace(/^not /, '').split(' or ');
      return values.includes(String(value)) !== said.startsWith('not ');
    }),
  );
}

describe('ruleConditions', () => {
  it('reads like the source', () => {
    expect(ruleConditions(tableOf('pae', 'wpFault'))).toEqual(['anonExclusive', 'refcount 1', '']);
    expect(ruleConditions(tableOf('mapcount', 'gupSlow'))).toEqual([
      'write and frame none',
      'frame none',
      'write and not pteWrite',
      '',
    ]);
    expect(ruleConditions(tableOf('longterm-ban', 'gupFast'))).toEqual([
      'write and not pteWrite',
      'write and pin and longterm and frame not anon and not shmem',
      'pin and frame anon and not pteWrite and not anonExclusive',
      'pin and longterm and frame not anon and not pteWrite',
      '',
    ]);
  });

  it('is right for every rule of every built-in policy: it holds where the rule decides, and for no later one', () => {
    let entries = 0;
    for (const policy of BUILT_IN.map(expandPolicy))
      for (const t of policy.tables) {
        const texts = ruleConditions(t);
        t.ruleOf.forEach((at, entry) => {
          entries++;
          texts.forEach((text, i) => {
            if (i > at) return; // where an earlier rule decides, anything may be said
            expect(holds(text, t, entry), `${policy.id} ${t.decision} ${t.rules[i]}: ${text}`).toBe(i === at);
          });
        });
      }
    expect(entries).toBeGreaterThan(1000);
  });

  it('says counts as ranges, several values, and rules that never decide', () => {
    const policy = expandPolicy(
      derive(
        policyByName('mapcount'),
        { id: 'x', title: 'x', sources: [] },
        {
          wpFault: [
            table(
              rule('many', (f) => f.refcount >= 3, 'copy'),
              rule('again', (f) => f.refcount === 4, 'copy'),
              rule('either', (f) => f.refcount === 1 || f.mapcount === 1, 'reuse'),
              otherwise('copy'),
            ),
          ],
          gupKind: [
            table(
              rule('vmsplice or get', (f) => f.caller === 'vmsplice' || f.caller === 'get', 'GET'),
              otherwise('PIN'),
            ),
          ],
          zeroPagePin: [
            table(
              rule('all', () => true, 'skip'),
              otherwise('count'),
            ),
          ],
        },
      ),
    );
    const of = (decision: string): string[] =>
      ruleConditions(policy.tables.find((t) => t.decision === decision)!);
    expect(of('wpFault')).toEqual(['refcount 3 or more', 'never', 'mapcount 1, or refcount 1', '']);
    expect(of('gupKind')).toEqual(['caller get or vmsplice', '']);
    expect(of('zeroPagePin')).toEqual(['always', 'never']);
  });
});

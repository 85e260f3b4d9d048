/**
 * Whether a goal can be reached at all, in a scope, under a policy. Said to be out of reach only where that follows from
 * what the scope lacks, or from the tables: an event of the machine that takes an answer which no entry of a table gives.
 * What is not said to be out of reach may be so all the same.
 *
 * - Writeback goes on only where wbBegin says `write` or `bounce` (ops/writeback.ts).
 * - A folio of a file becomes dirty at unpin only where unpinDirty says `mkwrite then dirty`, after which it is notified
 *   of, or, of a clean one, `dirty` (ops/unpin.ts). A store shows it to the filesystem only through a PTE that is writable
 *   while nobody was notified: a fault gives write with a notification, and cleaning takes both away at once, so that a
 *   dirty PTE is of a folio notified of; hence protectUpgrade must have given it to a clean PTE (ops/write.ts).
 * - A reference is taken where gupKind grants it, and gupSlow or gupFast says `return` (ops/gup.ts).
 */
import { PAGE_KINDS } from '../domain/kinds.ts';
import { isPrivate, type Setup } from '../domain/setup.ts';
import { DECISIONS, type DecisionName } from '../machine/decisions.ts';
import type { ExpandedPolicy, ExpandedTable } from '../machine/tables.ts';
import { type Alphabet, OP_KINDS, type OpKind } from '../ops/op.ts';
import type { Happening, Property } from '../property/property.ts';

/** The facts of one entry of an expanded table; facts that its rules do not read are absent. */
export function factsOfEntry(table: ExpandedTable, entry: number): { readonly [fact: string]: unknown } {
  const facts = DECISIONS[table.decision].facts;
  return Object.fromEntries(
    table.reads.map((fact, i) => {
      const [name, domain] = facts[fact]!;
      return [name, domain[Math.floor(entry / table.strides[i]!) % domain.length]];
    }),
  );
}

/** May the policy give one of these answers, with these facts? */
function may(
  policy: ExpandedPolicy,
  decision: DecisionName,
  answers: readonly string[],
  facts: { readonly [fact: string]: unknown } = {},
): boolean {
  const table = policy.tables.find((t) => t.decision === decision)!;
  const names: readonly string[] = DECISIONS[decision].answers;
  return table.answer.some((answer, entry) => {
    if (!answers.includes(names[answer]!)) return false;
    const at = factsOfEntry(table, entry);
    return Object.entries(facts).every(([name, value]) => at[name] === undefined || at[name] === value);
  });
}

const takesReferences = (policy: ExpandedPolicy): boolean =>
  may(policy, 'gupKind', ['GET', 'PIN']) &&
  (may(policy, 'gupSlow', ['return']) || may(policy, 'gupFast', ['return']));

const upgradesClean = (policy: ExpandedPolicy): boolean =>
  may(policy, 'protectUpgrade', ['upgrade'], { vmaShared: true, dirtyTracked: true, pteDirty: false });

const dirtiesClean = (policy: ExpandedPolicy): boolean =>
  takesReferences(policy) && may(policy, 'unpinDirty', ['dirty'], { frame: 'file', folioDirty: false });

/** Why it cannot happen under the policy, as its tables are; or undefined. */
const NEVER: { readonly [H in Happening]: (policy: ExpandedPolicy) => string | undefined } = {
  'copies of a private page': () => undefined,
  'a reference to a private page': (p) => (takesReferences(p) ? undefined : 'no reference is ever granted'),
  'a reference': (p) => (takesReferences(p) ? undefined : 'no reference is ever granted'),
  writeback: (p) => (may(p, 'wbBegin', ['write', 'bounce']) ? undefined : 'wbBegin never starts a writeback'),
  'dirtying at unpin': (p) =>
    dirtiesClean(p) ||
    upgradesClean(p) ||
    (takesReferences(p) && may(p, 'unpinDirty', ['mkwrite then dirty'], { frame: 'file' }))
      ? undefined
      : 'unpinDirty never dirties a folio of a file',
  'dirtying at unpin behind its back': (p) =>
    dirtiesClean(p) || upgradesClean(p)
      ? undefined
      : 'unpinDirty never dirties a clean folio of a file without a notification',
};

/** Why the goal cannot be reached under the policy, whatever the program; or undefined if it may be. */
export function outOfReach({ sometimes }: Property, policy: ExpandedPolicy): string | undefined {
  for (const happening of sometimes.takes) {
    const why = NEVER[happening](policy);
    if (why !== undefined) return why;
  }
  return undefined;
}

/** Why no program of the scope reaches the goal, whatever the policy; or undefined if one may. */
export function outOfScope({ sometimes }: Property, setup: Setup, alphabet: Alphabet): string | undefined {
  const has = (kind: OpKind): boolean => alphabet.ops[OP_KINDS.indexOf(kind)] === true;
  const privatePage = setup.pages.some((p) => isPrivate(PAGE_KINDS.indexOf(p.kind)));
  for (const happening of sometimes.takes) {
    const needs =
      happening === 'copies of a private page'
        ? privatePage && setup.mms > 1 && has('fork')
          ? undefined
          : 'a private page, two mms and fork'
        : happening === 'a reference to a private page'
          ? privatePage && has('gup')
            ? undefined
            : 'a private page and references'
          : happening === 'a reference'
            ? has('gup')
              ? undefined
              : 'references'
            : undefined;
    if (needs !== undefined) return `needs ${needs}`;
  }
  return undefined;
}

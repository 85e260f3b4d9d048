/**
 * Whether a goal can be reached at all, in a scope, under a policy. Said to be out of reach only where that follows from
 * what the scope lacks, or from the tables: an event of the machine that takes an answer which no entry of a table gives.
 * What is not said to be out of reach may be so all the same.
 *
 * - Writeback goes on only where wbClean does not put it off, and wbBegin says `write` or `bounce` (machine/writeback.ts).
 * - A folio of a file becomes dirty at unpin only where unpinDirty says `mkwrite then dirty`, after which it is notified
 *   of, or, of a clean one, `dirty` (ops/unpin.ts). A store shows it to the filesystem only through a PTE that is writable
 *   while nobody was notified: where mkwrite says `skip` or wbClean `leave`. Else a fault gives write with a notification,
 *   and cleaning takes both away at once, so that a dirty PTE is of a folio notified of; hence protectUpgrade must have
 *   given it to a clean PTE (ops/write.ts).
 *   Such a reference is to a folio that a shared page maps, or, of a private page, where GUP returns a folio of the file
 *   for writing: a write fault copies it (do_cow_fault(), wp_page_copy()), and only protectUpgrade can make its PTE
 *   writable (machine/faults.ts).
 * - A reference is taken where gupKind grants it, and gupSlow or gupFast says `return` (ops/gup.ts).
 */
import { CALLERS } from '../domain/kinds.ts';
import { isTrackedKind, KIND_TRAITS, kindsWith, type PageKind } from '../domain/page-kinds.ts';
import type { Setup } from '../domain/setup.ts';
import { DECISIONS, type DecisionName } from '../machine/decisions.ts';
import { type ExpandedPolicy, factsOfEntry } from '../machine/tables.ts';
import { callerOf, writeOf } from '../ops/gup.ts';
import { type Alphabet, OP_KINDS, type OpKind } from '../ops/op.ts';
import type { Happening, Property } from '../property/property.ts';
import { CALLER_CONTRACTS, type CallerContract } from '../reference/promises.ts';

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

/** May a reference for writing be to the folio of a file that a private page maps? A write fault would copy it. */
function writesThroughPrivate(policy: ExpandedPolicy): boolean {
  const upgrades = may(policy, 'protectUpgrade', ['upgrade'], { vmaShared: false, frame: 'file' });
  return [false, ...(upgrades ? [true] : [])].some((pteWrite) => {
    const facts = { write: true, frame: 'file', pteWrite };
    return (
      may(policy, 'gupFast', ['return'], { ...facts, shmem: false }) ||
      may(policy, 'gupSlow', ['return'], { ...facts, vmaShared: false, follCow: false })
    );
  });
}

/** What programs are made of: the pages, and the operations and kinds of gup that a search or campaign may use. */
class Scope {
  readonly #setup: Setup;
  readonly #alphabet: Alphabet;
  constructor(setup: Setup, alphabet: Alphabet) {
    this.#setup = setup;
    this.#alphabet = alphabet;
  }
  has(...kinds: readonly OpKind[]): boolean {
    return kinds.every((kind) => this.#alphabet.ops[OP_KINDS.indexOf(kind)] === true);
  }
  get forks(): boolean {
    return this.#setup.mms > 1 && this.has('fork');
  }
  page(test: (kind: PageKind) => boolean): boolean {
    return this.#setup.pages.some((p) => test(p.kind));
  }
  /** A kind of reference: its caller's contract, and whether it is for writing. */
  reference(test: (contract: CallerContract, write: boolean) => boolean): boolean {
    return (
      this.has('gup') &&
      this.#alphabet.gups.some((v) => test(CALLER_CONTRACTS[CALLERS[callerOf(v)]!], writeOf(v)))
    );
  }
  /** References whose holder may say at the end that it wrote. */
  get dirtyingReferences(): boolean {
    return this.reference(
      ({ release }, write) =>
        write &&
        (release === 'dio_end' ? this.has('dio_end') : release !== 'unpin clean' && this.has('unpin')),
    );
  }
  /** Stores through PTEs of a file. */
  get storesToFiles(): boolean {
    return this.page(isTrackedKind) && this.has('write');
  }
  /** Stores through one that mprotect may have made writable. */
  get upgradedStores(): boolean {
    return this.storesToFiles && this.has('mprotect');
  }
}

const isPrivate = (kind: PageKind): boolean => KIND_TRAITS[kind].private;

const upgradesClean = (policy: ExpandedPolicy, scope: Scope): boolean =>
  scope.upgradedStores &&
  may(policy, 'protectUpgrade', ['upgrade'], { vmaShared: true, dirtyTracked: true, pteDirty: false });

/** May a CPU store to a page of a file of which the filesystem was not told? */
const storesUnnotified = (policy: ExpandedPolicy, scope: Scope): boolean =>
  upgradesClean(policy, scope) ||
  (scope.storesToFiles && (may(policy, 'mkwrite', ['skip']) || may(policy, 'wbClean', ['leave'])));

/** May a reference of the scope be to the folio of a file, and dirty it by one of these answers? */
const dirties = (
  policy: ExpandedPolicy,
  scope: Scope,
  answers: readonly string[],
  facts: { readonly [fact: string]: unknown },
): boolean =>
  scope.dirtyingReferences &&
  takesReferences(policy) &&
  (scope.page(isTrackedKind) || writesThroughPrivate(policy)) &&
  may(policy, 'unpinDirty', answers, { ...facts, frame: 'file' });

const dirtiesClean = (policy: ExpandedPolicy, scope: Scope): boolean =>
  dirties(policy, scope, ['dirty'], { folioDirty: false });

const granted = (policy: ExpandedPolicy): string | undefined =>
  takesReferences(policy) ? undefined : 'no reference is ever granted';

/** Why it cannot happen in the scope under the policy, as its tables are; or undefined. */
const NEVER: { readonly [H in Happening]: (policy: ExpandedPolicy, scope: Scope) => string | undefined } = {
  'copies of a private page': () => undefined,
  'a load': () => undefined,
  'a store': () => undefined,
  'a store to a file': () => undefined,
  'a reference to a private page': granted,
  'a load by a device': granted,
  'a load through a pin': granted,
  writeback: (p) => {
    if (!may(p, 'wbClean', ['clean', 'leave'])) return 'wbClean puts every writeback off';
    return may(p, 'wbBegin', ['write', 'bounce']) ? undefined : 'wbBegin never starts a writeback';
  },
  'dirtying at unpin': (p, s) =>
    dirtiesClean(p, s) || storesUnnotified(p, s) || dirties(p, s, ['mkwrite then dirty'], {})
      ? undefined
      : 'unpinDirty never dirties a folio of a file',
  'dirtying at unpin behind its back': (p, s) =>
    dirtiesClean(p, s) || storesUnnotified(p, s)
      ? undefined
      : 'unpinDirty never dirties a clean folio of a file without a notification',
};

const dirtyingNeeds = (scope: Scope): string | undefined =>
  scope.dirtyingReferences || scope.storesToFiles
    ? undefined
    : 'references for writing, and their end (unpin or dio_end)';

/** What the scope lacks for it, whatever the policy; or undefined. */
const NEEDS: { readonly [H in Happening]: (scope: Scope) => string | undefined } = {
  'copies of a private page': (s) =>
    s.page(isPrivate) && s.forks ? undefined : 'a private page, two mms and fork',
  'a load': (s) => (s.has('read') ? undefined : 'read'),
  'a store': (s) => (s.has('write') ? undefined : 'write'),
  'a store to a file': (s) =>
    s.has('buffered_write') ||
    (s.page(isTrackedKind) && s.has('write')) ||
    s.reference(({ release }, write) => write || release === 'dio_end')
      ? undefined
      : `buffered_write, or stores to a ${kindsWith((k, backing) => !k.private && backing.dirtyTracked).join(' or ')} page`,
  'a reference to a private page': (s) =>
    s.page(isPrivate) && s.has('gup') ? undefined : 'a private page and references',
  'a load by a device': (s) =>
    s.has('dma_read') && s.reference(({ load }) => load) ? undefined : 'references, and dma_read',
  'a load through a pin': (s) =>
    s.has('dma_read') && s.reference(({ load, ref }) => load && ref === 'PIN')
      ? undefined
      : 'pins, and dma_read',
  writeback: (s) =>
    s.has('fsync') || s.has('wb_start', 'wb_end') ? undefined : 'fsync, or wb_start and wb_end',
  'dirtying at unpin': dirtyingNeeds,
  'dirtying at unpin behind its back': dirtyingNeeds,
};

/** Why the goal cannot be reached under the policy, by a program of the scope; or undefined if it may be. */
export function outOfReach(
  { sometimes }: Property,
  policy: ExpandedPolicy,
  setup: Setup,
  alphabet: Alphabet,
): string | undefined {
  const scope = new Scope(setup, alphabet);
  return sometimes.takes.map((happening) => NEVER[happening](policy, scope)).find((why) => why !== undefined);
}

/** Why no program of the scope reaches the goal, whatever the policy; or undefined if one may. */
export function outOfScope({ sometimes }: Property, setup: Setup, alphabet: Alphabet): string | undefined {
  const scope = new Scope(setup, alphabet);
  const needs = sometimes.takes
    .map((happening) => NEEDS[happening](scope))
    .find((what) => what !== undefined);
  return needs === undefined ? undefined : `needs ${needs}`;
}

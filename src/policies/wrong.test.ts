/** Each wrong policy (testing/wrong-policies.ts) is told from its base, by the shortest program there is. */
// @slow: campaigns of every wrong policy
import { expect, it } from 'vitest';
import { PairSearch, show } from '../check/distinguish.ts';
import { alphabetFor, PLAIN_GUPS, pagesOf } from '../check/scope.ts';
import { Search } from '../check/search.ts';
import { decodeClass } from '../executor/simulated.ts';
import { derive, otherwise, table } from '../machine/policy.ts';
import { type ExpandedPolicy, expandPolicy } from '../machine/tables.ts';
import { runScenario } from '../executor/run.ts';
import { classId } from '../property/property.ts';
import { parseSteps } from '../scenario/parse.ts';
import { stepText } from '../scenario/scenario.ts';
import { WRONG, type WrongPolicy } from '../testing/wrong-policies.ts';
import { policyByName } from './index.ts';

/** Steps to which programs are searched for what tells two apart, and for what one breaks alone. */
const TOLD_DEPTH = 6;
const BROKEN_DEPTH = 5;

function specOf({ policy, base, kinds, mms, pinBias, filePages }: WrongPolicy) {
  const setup = { ...pagesOf(kinds, 'ext4-v5.18', filePages), mms, refs: 1, pinBias };
  return {
    setup,
    a: expandPolicy(base),
    b: expandPolicy(policy),
    alphabet: alphabetFor(setup, PLAIN_GUPS),
  };
}

/** Fewest steps after which anybody, or the bill, tells the two apart: the program, and what is told. */
function told(one: WrongPolicy): string {
  const spec = specOf(one);
  const search = new PairSearch(spec, 100_000);
  search.runTo(TOLD_DEPTH, (found) => found.length > 0);
  const first = search.told[0];
  if (first === undefined) return `nothing in ${search.depth} steps`;
  const { scenario, seen } = show(spec, first);
  return `${scenario.steps.map(stepText).join('; ')}: ${seen.a} / ${seen.b}`;
}

/** The first class that it breaks and the base does not: the program and the class. */
function broken(one: WrongPolicy): string {
  const { setup, a, b, alphabet } = specOf(one);
  const searchOf = (policy: ExpandedPolicy): Search =>
    new Search({ setup, policy: { ...policy }, alphabet, statesMax: 100_000 });
  const [base, search] = [searchOf(a), searchOf(b)];
  for (let depth = 1; depth <= BROKEN_DEPTH && search.state === 'open'; depth++) {
    base.runTo(depth);
    search.runTo(depth);
    const [fresh] = [...search.found]
      .filter(([key, f]) => !f.documented && !base.found.has(key))
      .map(([, f]) => f)
      .sort((x, y) => x.length - y.length || x.code - y.code);
    if (fresh !== undefined)
      return `${search.scenarioOf(fresh).steps.map(stepText).join('; ')}: ${classId(decodeClass(fresh.code))}`;
  }
  return `nothing in ${search.depth} steps`;
}

const NOTHING = `nothing in ${BROKEN_DEPTH} steps`;
/**
 * What the searches say. That some break nothing has its reason: `unshared-not-exclusive` asks to unshare again, and the
 * second fault reuses the copy, which marks it; `pinned-redirty` spares the filesystem a dirtying behind its back;
 * `fork-counts` and `inherits-has-pinned` copy more than they must, `no-zero-page` allocates more, `no-get-of-files` and
 * `unmaps-dirty` take away what nobody was promised; `truncate-waits` harms only who waits.
 */
const EXPECTED: { readonly [policy: string]: readonly [told: string, broken: string] } = {
  'shares-exclusive': [
    'P: write A; C = P: fork; P: write A: copies: 1 / copies: 0',
    'P: write A; C = P: fork; P: write A; C: read A: isolation/leak/anon/-/cpu->cpu',
  ],
  'parent-writable': [
    'P: write A; C = P: fork; P: write A: copies: 1 / copies: 0',
    'P: write A; C = P: fork: claim: writable anon pte => exclusive/stale/anon/-/initial->filesystem',
  ],
  'copy-to-parent': [
    'h1 = P: gup A pin W; C = P: fork; P: write A; device: dma_read h1: sees P@3 / sees 0',
    'h1 = P: gup A pin R LONGTERM; C = P: fork; C: write A; device: dma_read h1: isolation/leak/anon/PIN-R-LT/cpu->device',
  ],
  'unshared-not-exclusive': ['h1 = P: gup A pin R LONGTERM: gupFaults: 2 / gupFaults: 3', NOTHING],
  'pinned-stays-writable': [
    'h1 = P: gup F pin W; kernel: wb_start f NONE; P: write F: nothing is dirtied behind its back / dirtied without page_mkwrite',
    'h1 = P: gup F pin W; kernel: wb_start f NONE; P: write F: fs-notified/unnotified/shared-file/-/-->filesystem',
  ],
  'pinned-put-off': [
    'h1 = P: gup F pin W; kernel: wb_start f NONE: deferred: 0 / deferred: 1',
    'P: write F; h1 = P: gup F pin R; other: fsync f: durability/stale/shared-file/-/cpu->disk',
  ],
  'pinned-redirty': [
    'h1 = P: gup F pin W; other: fsync f; device: unpin h1 dirty: dirtied without page_mkwrite / nothing is dirtied behind its back',
    NOTHING,
  ],
  'fork-counts': ['h1 = P: gup A get W; C = P: fork: copies: 0 / copies: 1', NOTHING],
  'pinned-is-mine': [
    'P: write A; C = P: fork; h1 = P: gup A pin R; P: write A: copies: 1 / copies: 0',
    'P: write A; C = P: fork; h1 = P: gup A pin R; C: write A; device: dma_read h1: isolation/leak/anon/PIN-R/cpu->device',
  ],
  'no-get-of-files': ['h1 = P: gup M get R: done / refused: EFAULT', NOTHING],
  'inherits-has-pinned': [
    'h1 = P: gup A pin R; C = P: fork; device: unpin h1; h2 = C: gup A get W; D = C: fork: copies: 0 / copies: 1',
    NOTHING,
  ],
  'never-has-pinned': [
    'h1 = P: gup A pin W; C = P: fork: copies: 1 / copies: 0',
    'h1 = P: gup A pin W; C = P: fork: claim: pinned anon folio => exclusive/stale/anon/-/initial->filesystem',
  ],
  'no-zero-page': ['h1 = P: gup A get R: gupAllocations: 0 / gupAllocations: 1', NOTHING],
  'no-mkwrite': [
    'P: write F: nothing is dirtied behind its back / dirtied without page_mkwrite and without buffers',
    'P: write F: fs-state/stateless/shared-file/-/-->filesystem',
  ],
  'mprotect-keeps': [
    'P: write A; P: mprotect A r; P: write A: refused: SIGSEGV / done',
    'P: write A; P: mprotect A r; P: write A: protection/unprotected/anon/-/-->cpu',
  ],
  'unmaps-dirty': [
    'P: read F; kernel: drop_caches f; h1 = P: gup F get R: gupFaults: 0 / gupFaults: 1',
    NOTHING,
  ],
  'removes-held': [
    'h1 = P: gup F get R; kernel: reclaim f; P: write F; device: dma_read h1: sees P@3 / sees f@0',
    'h1 = P: gup F get R; kernel: reclaim f; P: write F; device: dma_read h1: pin-coherence/stale/shared-file/GET-R/cpu->device',
  ],
  'own-has-pinned': [
    'h1 = P: gup A pin R LONGTERM; C = P: fork: copies: 1 / copies: 0',
    'h1 = P: gup A pin R LONGTERM; C = P: fork: claim: pinned anon folio => exclusive/stale/anon/-/initial->filesystem',
  ],
  'forgets-pins-at-fork': [
    'h1 = P: gup A pin W; C = P: fork; D = P: fork: copies: 1 / copies: 0',
    'h1 = P: gup A pin W; C = P: fork; D = P: fork: claim: pinned anon folio => exclusive/stale/anon/-/initial->filesystem',
  ],
  'truncate-leaves-copies': [
    'P: write M; other: truncate before f; P: read M: refused: SIGBUS / done',
    'P: write M; other: truncate before f; P: read M: isolation/leak/private-file/-/cpu->cpu',
  ],
  'truncate-leaves-ptes': [
    'P: read F; other: truncate before f; P: read F: refused: SIGBUS / done',
    'P: read F; other: truncate before f; P: read F: cpu-view/leak/shared-file/-/initial->cpu',
  ],
  'truncate-keeps-pinned': [
    'h1 = P: gup S pin R; other: truncate before s; other: buffered_write s; device: dma_read h1: sees 0 / sees other@3',
    'h1 = P: gup S pin R; other: truncate before s; other: buffered_write s; device: dma_read h1: get-lifetime/leak/shmem/PIN-R/file->device',
  ],
  'truncate-keeps-dirty': [
    'P: write F; other: truncate before f; other: truncate behind f; P: read F: sees 0 / sees P@1',
    'h1 = P: gup F get W; other: truncate before f; other: truncate behind f; P: read F: cpu-view/leak/shared-file/-/initial->cpu',
  ],
  'truncate-waits': ['h1 = P: gup F pin R; other: truncate before f: done / blocked', NOTHING],
  'zap-forgets': [
    'h1 = P: gup F get W; kernel: wb_start f NONE; P: munmap F; device: unpin h1 dirty: nothing is dirtied behind its back / dirtied without page_mkwrite',
    'P: write F; other: fsync f; P: write F; P: munmap F; other: fsync f: durability/stale/shared-file/-/cpu->disk',
  ],
};

it.each(WRONG)('$policy.id', (one) => {
  expect([told(one), broken(one)]).toEqual(EXPECTED[one.policy.id]);
});

it('an answer that leads nowhere is an error of the policy, in one sentence', () => {
  const never = derive(
    policyByName('v6.5-longterm-ban'),
    { id: 'never-marks', title: 'never-marks', sources: ['a test'] },
    { markExclusive: [table(otherwise('leave'))] },
  );
  const { setup } = specOf(WRONG[0]!);
  const steps = parseSteps('h1 = P: gup A pin R LONGTERM');
  expect(runScenario({ setup, steps }, never).policyError).toMatch(
    /^gupSlow does not converge: unshare fault again after 8 rounds/,
  );
});

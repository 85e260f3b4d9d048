/** What is claimed of the graph of a scope (docs/eventual.md), and how it is answered. Judged in eventual.ts. */
import type { Step } from '../scenario/scenario.ts';

export type EventualId =
  | 'cleanable'
  | 'cleanable-held'
  | 'writeback-cleans'
  | 'fsync-cleans'
  | 'fsync-cleans-released'
  | 'flusher-cleans'
  | 'flusher-cleans-released'
  | 'reclaimable'
  | 'granted'
  | 'granted-held'
  | 'gup-returns';

export type ArgumentKind = 'exhaustive' | 'lasso';

export interface EventualProperty {
  readonly id: EventualId;
  /** In a maintainer's words. */
  readonly claim: string;
  /** Of what kind its violations are. */
  readonly argument: ArgumentKind;
}

/** Those about a page, then those about what was asked for. */
export const EVENTUAL: readonly EventualProperty[] = [
  {
    id: 'cleanable',
    claim: 'A dirty file page can get clean again.',
    argument: 'exhaustive',
  },
  {
    id: 'cleanable-held',
    claim: 'A dirty file page can get clean while references are held and none is released.',
    argument: 'exhaustive',
  },
  {
    id: 'writeback-cleans',
    claim: 'Writeback and fsync alone, while nobody else does anything, can get a dirty file page clean.',
    argument: 'exhaustive',
  },
  {
    id: 'fsync-cleans',
    claim: 'fsync, tried again and again, finds the page clean at some time, whatever others do.',
    argument: 'lasso',
  },
  {
    id: 'fsync-cleans-released',
    claim: 'The same where no reference is held for ever.',
    argument: 'lasso',
  },
  {
    id: 'flusher-cleans',
    claim: 'Background writeback that goes on finds the page clean at some time, whatever others do.',
    argument: 'lasso',
  },
  {
    id: 'flusher-cleans-released',
    claim: 'The same where no reference is held for ever.',
    argument: 'lasso',
  },
  {
    id: 'reclaimable',
    claim: 'A page in the page cache can leave it again.',
    argument: 'exhaustive',
  },
  {
    id: 'granted',
    claim: 'What was refused or had to wait, and is possible at all, is possible again.',
    argument: 'exhaustive',
  },
  {
    id: 'granted-held',
    claim: 'The same while references are held and none is released.',
    argument: 'exhaustive',
  },
  {
    id: 'gup-returns',
    claim: 'A GUP call ends, with a reference or an errno: its fault loop makes progress.',
    argument: 'lasso',
  },
];

/** One way in which a property is broken. */
export interface Trap {
  /** The file page, or what was asked for: `f`, `gup A pin W`. */
  readonly subject: string;
  readonly argument: ArgumentKind;
  /**
   * A shortest program into the trap. If something was refused or never returns, that is its last step. A lasso enters
   * its loop after it.
   */
  readonly steps: readonly Step[];
  /** One round of the loop, of a lasso with steps; the names of mms and references may differ from round to round. */
  readonly loop: readonly Step[];
  /** Places in `steps` and `loop`, one after the other, of steps that are refused or blocked. */
  readonly refused: readonly number[];
  /** States that can be reached from there by what the property allows; all of them were visited. 0 for a lasso. */
  readonly trapStates: number;
  /** States of the scope that are in such a trap; 0 for a lasso. */
  readonly badStates: number;
  /** Why it is refused: errnos, `blocked`, or what the policy did. Sorted. */
  readonly answers: readonly string[];
}

export interface EventualResult {
  readonly property: EventualProperty;
  /** `not tested`: the question arises in no state of the scope. */
  readonly verdict: 'holds' | 'broken' | 'not tested';
  /** States in which the question arises. */
  readonly premises: number;
  /** At most one per subject. */
  readonly traps: readonly Trap[];
}

/** Something that is asked for in the scope, and refused in every state: a ban, which is a rule and not a trap. */
export interface Ban {
  readonly subject: string;
  readonly answers: readonly string[];
  /** Shortest program that ends with the refusal. */
  readonly steps: readonly Step[];
}

export interface EventualReport {
  readonly states: number;
  readonly transitions: number;
  readonly depth: number;
  /** Steps that end everything, as the kernel stops: nothing is expected of what comes after (`no-crash` judges). */
  readonly stops: number;
  /** In EVENTUAL order. */
  readonly results: readonly EventualResult[];
  readonly bans: readonly Ban[];
  /** What was asked for and granted in some state. Sorted. */
  readonly grants: readonly string[];
}

/** Bans that `before`, of an earlier policy in the same scope, does not have: there the same was granted in some state. */
export function newBans(report: EventualReport, before: EventualReport): Ban[] {
  return report.bans.filter(({ subject }) => before.grants.includes(subject));
}

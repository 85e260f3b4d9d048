/** Plain results of a campaign, as reports read them. */
import type { BasePolicy, CampaignSpace, PolicyCounts } from '../fuzz/chunk.ts';
import type { ExpandedPolicy } from '../machine/tables.ts';
import type { FindingClass } from '../property/property.ts';
import type { Newness } from '../regression/order.ts';
import type { Way } from '../regression/way.ts';
import type { Scenario } from '../scenario/scenario.ts';
import type { Minimality, SearchProgress } from '../shrink/shrink.ts';

export interface CampaignOptions extends CampaignSpace {
  readonly policies: readonly ExpandedPolicy[];
  /** Per policy, in order, beside which policy it is judged; undefined: beside none. */
  readonly bases?: readonly (BasePolicy | undefined)[];
  /** Runs from run 0 on; undefined: until `timeMs`. At least one of the two. */
  readonly runs?: number;
  readonly timeMs?: number;
  /** 0-based shard `index` of `count`: the chunks whose number is `index` modulo `count`. */
  readonly shard?: { readonly index: number; readonly count: number };
  /** Worker processes; 0 runs everything in this process (library use). */
  readonly workers: number;
  /** Where findings go; undefined: nowhere. */
  readonly out?: string;
  /** `shortest`: by passes, then each finding is searched for a shorter one. */
  readonly shrink: 'shortest' | 'passes' | 'none';
  /** States per search for something shorter; by default as many as cost little (SEARCH_STATES_MAX). */
  readonly shrinkStates?: number;
  /** Searches at a time, where that is fewer than workers: how many memory has room for. */
  readonly shrinkJobs?: number;
  /** Shrink and keep regressions alone. */
  readonly regressionsOnly?: boolean;
  /** Also shrink and keep documented mismatches. */
  readonly documented: boolean;
  readonly signal?: AbortSignal;
  /** Called before the proofs, if there are any: files and list are written, nothing is called shortest yet. */
  readonly onPassed?: (result: CampaignResult) => void;
  /** Called at most a few times a second, and at the end of each phase. */
  readonly onProgress?: (progress: Progress) => void;
  /** Something a person should know: a worker died, a folder is full. One line. */
  readonly onNotice?: (line: string) => void;
  /** The text of a finding that can be written nowhere; by default stderr gets it. */
  readonly onLost?: (text: string) => void;
}

export interface Progress {
  readonly phase: 'fuzz' | 'shrink' | 'prove' | 'done';
  readonly runs: number;
  /** undefined when time ends the campaign. */
  readonly runsWanted: number | undefined;
  readonly steps: number;
  readonly elapsedMs: number;
  /** Per policy, in order: distinct classes of broken promises so far. */
  readonly classes: readonly number[];
  readonly goalsReached: number;
  readonly goals: number;
  /** Findings shrunk by passes, and searched for shorter ones, of how many. */
  readonly shrunk: number;
  readonly searched: number;
  readonly toShrink: number;
  /** The search that was last heard of. */
  readonly search?: SearchProgress;
}

/** One class of broken promise (or documented mismatch) of one policy. */
export interface Finding {
  readonly policy: string;
  /** Class id (property/property.ts). */
  readonly class: string;
  readonly parts: FindingClass;
  readonly code: number;
  readonly documented: boolean;
  /** The first run that showed it. */
  readonly run: number;
  readonly scenario: Scenario;
  readonly minimality: Minimality | (Omit<Minimality, 'kind'> & { readonly kind: 'none' });
  /** The policy regresses by it beside its base (regression/beside.ts). */
  readonly regression?: {
    readonly base: string;
    /** The first decision that comes out another way; undefined: none does. */
    readonly way: Way | undefined;
    readonly newness: Newness;
  };
  /** Path of its file, if it was written. */
  readonly file?: string;
}

/** What a campaign found, and how much it tried. */
export interface CampaignResult {
  readonly space: CampaignSpace;
  /** Runs executed, each on every policy: all of the (shard's) chunks below `endRun`, and some above if interrupted. */
  readonly runs: number;
  readonly endRun: number;
  readonly ended: 'runs' | 'time' | 'interrupted' | 'failed';
  /** Was told to stop while it was proving: all else is done, and what is not proved says so. */
  readonly proofsStopped: boolean;
  readonly elapsedMs: number;
  readonly policies: readonly ExpandedPolicy[];
  /** Per policy, in order: beside which it was judged. */
  readonly bases: readonly (BasePolicy | undefined)[];
  /** Per policy, in order. */
  readonly counts: readonly PolicyCounts[];
  /** Folder that holds the findings: `options.out`, or what had to take its place. */
  readonly out?: string;
  /** Path of campaign.json in that folder, if it was written. */
  readonly listFile?: string;
  /** What stopped the campaign or a part of it, in one line: a bug of gupfuzz, or a system that did not let it finish. */
  readonly failure?: { readonly kind: 'bug' | 'system'; readonly message: string };
  /** In order of policy; regressions first, what is newest first; then by class id. */
  readonly findings: readonly Finding[];
  /** Ids of properties whose `sometimes` goal no policy reached. */
  readonly goalsMissed: readonly string[];
  /** Canaries that no finding was made on. */
  readonly canariesMissed: readonly string[];
}

/** What a campaign has met: counts, the first run per policy and class, and the files of findings. */
import { decodeClass } from '../executor/simulated.ts';
import {
  addCounts,
  type ChunkResult,
  classKey,
  noCounts,
  type PolicyCounts,
  type RawFinding,
} from '../fuzz/chunk.ts';
import type { ExpandedPolicy } from '../machine/tables.ts';
import { classId } from '../property/property.ts';
import { NEWNESS, type Newness, newnessOf } from '../regression/order.ts';
import { wayOf } from '../regression/way.ts';
import { buildCounterexample } from '../report/counterexample.ts';
import { formatCounterexample } from '../scenario/file.ts';
import type { Scenario } from '../scenario/scenario.ts';
import type { Shrunk } from '../shrink/shrink.ts';
import { type FindingStore, findingName } from './store.ts';
import type { CampaignOptions, CampaignResult, Finding } from './types.ts';

/** A class of one policy, and the first run that shows it. */
export interface Met {
  readonly raw: RawFinding;
  readonly classId: string;
  /** Index of the policy in the campaign. */
  readonly policy: number;
}

const NOT_SHRUNK = { kind: 'none', scope: 'as drawn', depth: 0 } as const;

export class Ledger {
  /** Per policy, in the order of the campaign. */
  readonly counts: readonly PolicyCounts[];
  /** Runs that are in `counts`. */
  runs = 0;
  readonly #options: CampaignOptions;
  readonly #bases: CampaignResult['bases'];
  readonly #store: FindingStore;
  /** Index of each policy, by id. */
  readonly #at: ReadonlyMap<string, number>;
  /** Per policy, by key of the class. */
  readonly #classes: readonly Map<number, Met>[];
  /** Where the raw file of a finding went. */
  readonly #written = new Map<RawFinding, string | undefined>();

  constructor(options: CampaignOptions, bases: CampaignResult['bases'], store: FindingStore) {
    const { policies } = options;
    this.#options = options;
    this.#bases = bases;
    this.#store = store;
    this.counts = policies.map(noCounts);
    this.#at = new Map(policies.map((p, i) => [p.id, i]));
    this.#classes = policies.map(() => new Map<number, Met>());
  }

  /** Adds what a chunk met. What is met first is written at once. */
  add(result: ChunkResult): void {
    this.runs += result.runs;
    result.counts.forEach((c, i) => {
      addCounts(this.counts[i]!, c);
    });
    for (const raw of result.findings) {
      const policy = this.#at.get(raw.policy)!;
      const classes = this.#classes[policy]!;
      const key = classKey(raw.code, raw.documented, raw.regression?.way);
      const before = classes.get(key);
      if (before !== undefined && before.raw.run <= raw.run) continue;
      const met = { raw, classId: classId(decodeClass(raw.code)), policy };
      classes.set(key, met);
      if (!raw.documented || this.#options.documented)
        this.#written.set(
          raw,
          this.#store.write(`${this.#fileOf(met)}.raw.gup.json`, this.#textOf(raw, raw.scenario, NOT_SHRUNK)),
        );
    }
  }

  /** Per policy, keys of the classes that a run before this one shows. */
  known(run: number): number[][] {
    return this.#classes.map((classes) =>
      [...classes].filter(([, m]) => m.raw.run < run).map(([key]) => key),
    );
  }

  /** Per policy, how many classes were met, documented ones excepted. */
  classCounts(): number[] {
    return this.#classes.map((classes) => [...classes.values()].filter((m) => !m.raw.documented).length);
  }

  /** Ids of canaries that ran and broke nothing. A shard without any of their chunks has nothing to say about them. */
  canariesMissed(): string[] {
    const broken = this.classCounts();
    return this.#options.policies
      .filter((p, i) => p.canary && this.counts[i]!.steps > 0 && broken[i] === 0)
      .map((p) => p.id);
  }

  /** By policy, regressions first. A class that is told as a regression is not told once more: its file goes. */
  sorted(): Met[] {
    return this.#classes.flatMap((classes) => {
      const all = [...classes.values()];
      const told = new Set(all.filter((m) => m.raw.regression !== undefined).map((m) => m.raw.code));
      const again = (m: Met): boolean =>
        m.raw.regression === undefined && !m.raw.documented && told.has(m.raw.code);
      for (const m of all) if (again(m)) this.#store.remove(`${this.#fileOf(m)}.raw.gup.json`);
      return all
        .filter((m) => !again(m) && (!m.raw.documented || this.#options.documented))
        .sort(
          (x, y) =>
            this.#rank(x) - this.#rank(y) ||
            compare(x.classId, y.classId) ||
            Number(x.raw.documented) - Number(y.raw.documented) ||
            (x.raw.regression?.way ?? -1) - (y.raw.regression?.way ?? -1),
        );
    });
  }

  asMet(m: Met): Finding {
    return this.#finding(m, m.raw.scenario, NOT_SHRUNK, this.#written.get(m.raw));
  }

  /** The file of a smaller one takes the place of that before. */
  shrunkTo(m: Met, { scenario, minimality }: Shrunk): Finding {
    const name = this.#fileOf(m);
    const file = this.#store.write(`${name}.gup.json`, this.#textOf(m.raw, scenario, minimality));
    if (file !== undefined) this.#store.remove(`${name}.raw.gup.json`);
    return this.#finding(m, scenario, minimality, file);
  }

  #finding(
    { raw, classId, policy }: Met,
    scenario: Scenario,
    minimality: Finding['minimality'],
    file: string | undefined,
  ): Finding {
    const { regression } = raw;
    return {
      policy: raw.policy,
      class: classId,
      parts: decodeClass(raw.code),
      code: raw.code,
      documented: raw.documented,
      run: raw.run,
      scenario,
      minimality,
      ...(regression === undefined
        ? {}
        : {
            regression: {
              base: this.#bases[policy]!.policy.id,
              way: wayOf(regression.way),
              newness: this.#newness(raw, policy),
            },
          }),
      ...(file === undefined ? {} : { file }),
    };
  }

  /** Regressions before all else. */
  #rank({ raw, policy }: Met): number {
    return raw.regression === undefined ? NEWNESS.length : this.#newness(raw, policy);
  }
  #newness({ code, regression }: RawFinding, policy: number): Newness {
    // Where the base is in the campaign itself, what it breaks on any program counts.
    const own = this.#classes[this.#at.get(this.#bases[policy]!.policy.id) ?? -1]?.values() ?? [];
    const broken = [...own].filter((m) => !m.raw.documented).map((m) => m.raw.code);
    return newnessOf(code, regression?.follows === true, [...this.counts[policy]!.baseCodes, ...broken]);
  }

  /** Path in the store, without extension. */
  #fileOf({ raw, classId }: Met): string {
    const kind = raw.documented ? 'documented-' : raw.regression === undefined ? '' : 'regression-';
    const way = raw.regression === undefined ? undefined : wayOf(raw.regression.way);
    return `${raw.policy}/${kind}${findingName(classId, way)}`;
  }
  #textOf(raw: RawFinding, scenario: Scenario, minimality: Finding['minimality']): string {
    const { policies, seed } = this.#options;
    const at = this.#at.get(raw.policy)!;
    return formatCounterexample(
      buildCounterexample({
        scenario,
        policy: policies[at]!,
        code: raw.code,
        documented: raw.documented,
        minimality,
        provenance: { tool: 'gupfuzz', seed, run: raw.run, found: 'campaign' },
        policies: withBase(policies, this.#bases[at]?.policy),
      }),
    );
  }
}

/** Expectations of a file are those of all policies of the campaign, the base among them. */
function withBase(
  policies: readonly ExpandedPolicy[],
  base: ExpandedPolicy | undefined,
): readonly ExpandedPolicy[] {
  return base === undefined || policies.some((p) => p.id === base.id) ? policies : [...policies, base];
}

const compare = (x: string, y: string): number => (x < y ? -1 : x > y ? 1 : 0);

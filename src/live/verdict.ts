/**
 * What running a scenario on a kernel comes to. Declared once: text, JSON, JUnit, KTAP and the exit code are derived from
 * it, so that none of them can read better than another.
 */
import type { ExpandedPolicy } from '../machine/tables.ts';
import type { BrokenPromise, Comparison, Disagreement } from './compare.ts';

/** `pass` and `fail` were tested; `skip`: it cannot be tested here; `error`: it should have been, and was not. */
export type Judged = 'pass' | 'fail' | 'skip' | 'error';

export type VerdictKind =
  | 'broken, not predicted'
  | 'not explained'
  | 'broken as predicted'
  | 'policy error'
  | 'incomplete'
  | 'does not apply'
  | 'unsupported'
  | 'nothing observed'
  | 'agrees';

/** In order: what is worst is told first. */
export const LIVE_VERDICTS: {
  readonly [K in VerdictKind]: { readonly judged: Judged; readonly words: (v: Verdict) => string };
} = {
  'broken, not predicted': {
    judged: 'fail',
    words: ({ by }) => `broken and not predicted: ${many(by, 'does', 'do')} not do what was seen`,
  },
  'not explained': {
    judged: 'fail',
    words: ({ by }) => `not explained: ${many(by, 'does', 'do')} not do what was seen`,
  },
  'broken as predicted': {
    judged: 'fail',
    words: ({ by }) => `broken as ${many(by, 'predicts', 'predict')}`,
  },
  'policy error': { judged: 'error', words: ({ why }) => `policy error: ${why}` },
  incomplete: { judged: 'error', words: ({ why }) => `incomplete, not a pass: ${why}` },
  'does not apply': { judged: 'error', words: ({ why }) => why },
  unsupported: { judged: 'skip', words: ({ why }) => `unsupported: ${why}` },
  'nothing observed': {
    judged: 'skip',
    words: () => 'nothing observed: no step of it shows what the kernel did',
  },
  agrees: { judged: 'pass', words: ({ by }) => `agrees with ${by.join(', ')}` },
};
export const VERDICT_KINDS: readonly VerdictKind[] = Object.keys(LIVE_VERDICTS) as VerdictKind[];

interface Verdict {
  /** Policies: that predict it, or, where none does, that were asked. */
  readonly by: readonly string[];
  /** Why it was not tested; '' if it was. */
  readonly why: string;
}
export interface LiveVerdict extends Verdict {
  readonly kind: VerdictKind;
}

export const judgedAs = ({ kind }: LiveVerdict): Judged => LIVE_VERDICTS[kind].judged;
export const verdictText = (v: LiveVerdict): string => LIVE_VERDICTS[v.kind].words(v);
/** It was run to where it can be judged. */
export const isTested = (v: LiveVerdict): boolean => judgedAs(v) === 'pass' || judgedAs(v) === 'fail';

const many = (by: readonly string[], one: string, more: string): string =>
  `${by.join(', ')} ${by.length === 1 ? one : more}`;

/** Not run at all. */
export const untested = (
  kind: 'unsupported' | 'does not apply' | 'incomplete',
  why: string,
): LiveVerdict => ({
  kind,
  by: [],
  why,
});

/** What one policy says to the runs of a scenario. */
export interface PolicyFit {
  readonly policy: string;
  readonly canary: boolean;
  /** Per step, in words. */
  readonly predicted: readonly (readonly string[])[];
  /** Runs that the policy explains. */
  readonly agrees: number;
  /** Of all runs, without doubles. */
  readonly disagreements: readonly Disagreement[];
  readonly freedoms: readonly string[];
  /** '' or what is wrong with the policy. */
  readonly failed: string;
  /** Of the first run that was not compared to its end. */
  readonly incomplete: string;
  readonly ended: Comparison['ended'];
}

export function fitOf(
  policy: ExpandedPolicy,
  predicted: PolicyFit['predicted'],
  compared: readonly Comparison[],
): PolicyFit {
  const early = compared.find((c) => c.ended !== 'whole');
  const disagreements = compared.flatMap((c) => c.disagreements);
  return {
    policy: policy.id,
    canary: policy.canary === true,
    predicted,
    agrees: compared.filter(isAgreement).length,
    disagreements: [...new Map(disagreements.map((d) => [JSON.stringify(d), d])).values()],
    freedoms: [...new Set(compared.flatMap((c) => c.freedoms))],
    failed: compared.find((c) => c.failed !== '')?.failed ?? '',
    incomplete: early?.incomplete ?? '',
    ended: early?.ended ?? 'whole',
  };
}

/** Compared to the end, something was observed, and nothing differs. */
export const isAgreement = (c: Comparison): boolean =>
  c.disagreements.length === 0 && c.ended === 'whole' && c.observed > 0;

/** Those that stand for kernels: a canary explains nothing, unless it alone was asked. */
export function standing<T extends { readonly canary: boolean }>(fits: readonly T[]): readonly T[] {
  const eras = fits.filter((f) => !f.canary);
  return eras.length > 0 ? eras : fits;
}

/** Of a scenario that was run so often; `broken`: the promises that it was seen to break. */
export function verdictOf(
  fits: readonly PolicyFit[],
  broken: readonly Pick<BrokenPromise, 'excuse'>[],
  runs: number,
): LiveVerdict {
  const all = standing(fits);
  const asked = all.filter((f) => f.failed === '');
  const ids = (some: readonly PolicyFit[]): string[] => some.map((f) => f.policy);
  const consistent = asked.filter((f) => f.disagreements.length === 0);
  const whole = consistent.filter((f) => f.agrees === runs);
  // What is lost is lost, however much of the program was run.
  if (broken.some((b) => b.excuse === ''))
    return consistent.length > 0
      ? { kind: 'broken as predicted', by: ids(consistent), why: '' }
      : { kind: 'broken, not predicted', by: ids(all), why: '' };
  if (whole.length > 0) return { kind: 'agrees', by: ids(whole), why: '' };
  if (asked.length === 0)
    return { kind: 'policy error', by: [], why: all.map((f) => `${f.policy}: ${f.failed}`).join('; ') };
  const [first] = consistent;
  if (first === undefined) return { kind: 'not explained', by: ids(asked), why: '' };
  const { ended, incomplete: why } = first;
  if (ended === 'whole') return { kind: 'nothing observed', by: [], why: '' };
  return { kind: ended === 'trouble' ? 'incomplete' : ended, by: [], why };
}

/** How well the policies do over all scenarios of a kernel: those that explain the most, in order. */
export interface Fit {
  readonly policies: readonly string[];
  /** Scenarios tested. */
  readonly of: number;
  /** Of them, those that the policies explain in all their runs. */
  readonly agrees: number;
}

/** As far as it was asked about scenarios that were tested. */
export function bestFits(
  scenarios: readonly {
    readonly fits: readonly PolicyFit[];
    readonly verdict: LiveVerdict;
    readonly runs: number;
  }[],
): Fit {
  const tested = scenarios.filter((s) => isTested(s.verdict));
  const ids = [...new Set(tested.flatMap((s) => standing(s.fits).map((f) => f.policy)))];
  const explains = (id: string): number =>
    tested.filter(({ fits, runs }) => fits.some((f) => f.policy === id && f.agrees === runs)).length;
  const agrees = Math.max(0, ...ids.map(explains));
  return { policies: ids.filter((id) => explains(id) === agrees), of: tested.length, agrees };
}

/** Every scenario that was tested is explained, and by the same policy. */
export const isExplained = ({ agrees, of }: Fit): boolean => agrees === of;

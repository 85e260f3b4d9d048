/**
 * Several runs of one scenario on one kernel, compared with one policy. What a kernel may or may not do by chance, such as
 * reclaim that does nothing, explains a run now and then; what explains *every* run is no chance but a rule that the
 * policy lacks (v6.2 beside Debian's 6.1, to which d824ec2a1546 was backported: reclaim spares a pinned page always).
 */
import { type AnyPolicy, expanded } from '../machine/tables.ts';
import { ALL_FREEDOMS, type Comparison, compare, compareWith, FREEDOMS, type FreedomId } from './compare.ts';
import type { LiveResult } from './protocol.ts';
import type { Translated } from './translate.ts';
import { isAgreement } from './verdict.ts';

/** Fewer runs than this do not tell chance from rule. */
export const RUNS_FOR_CHANCE = 5;
/** Runs again of a program whose end may be an accident, before the kernel is blamed and not the load of the machine. */
const ACCIDENT_LOOKS = 3;

/** How many more runs it takes to tell accident from kernel, or chance from rule; 0: none. */
export function moreLooks(results: readonly LiveResult[], compared: readonly Comparison[]): number {
  if (results.length === 1 && mayBeAccident(results[0]!)) return ACCIDENT_LOOKS;
  return results.length < RUNS_FOR_CHANCE && compared.every(isByChance)
    ? RUNS_FOR_CHANCE - results.length
    : 0;
}

/**
 * An end that a busy machine can bring about, and no kernel alone: no answer in time, or a process that was killed from
 * outside (for want of memory, say) without a word in the log.
 */
export const mayBeAccident = ({ end, why }: LiveResult): boolean =>
  end === 'timeout' || (end === 'killed' && why === 'SIGKILL');

/**
 * One comparison per result, in order; runs that are explained by chance alone, all of them, disagree. Of several runs,
 * an accident in one is none of the kernel's doing: that run is incomplete.
 */
export function compareAll(
  results: readonly LiveResult[],
  translated: Translated,
  policy: AnyPolicy,
): readonly Comparison[] {
  const full = expanded(policy);
  const accidents = results.filter(mayBeAccident).length;
  const compared = results.map((result) => {
    const c = compare(result, translated, full);
    if (!mayBeAccident(result) || accidents > 1 || results.length === 1) return c;
    return { ...c, disagreements: c.disagreements.filter((d) => d.observer !== 'end') };
  });
  const always = alwaysNeeded(results, compared, translated, policy);
  if (always.length === 0) return compared;
  const without = ALL_FREEDOMS.filter((id) => !always.includes(id));
  return results.map((result, i) => {
    const strict = compareWith(result, translated, full, without);
    return isAgreement(compared[i]!) && strict.disagreements.length > 0 ? strict : compared[i]!;
  });
}

/** Freedoms of chance that every run needs; none if there are too few runs to say. */
function alwaysNeeded(
  results: readonly LiveResult[],
  compared: readonly Comparison[],
  translated: Translated,
  policy: AnyPolicy,
): FreedomId[] {
  const whole = results.filter((_, i) => isAgreement(compared[i]!));
  if (whole.length < RUNS_FOR_CHANCE || compared.some((c) => isAgreement(c) && c.freedoms.length === 0))
    return [];
  const full = expanded(policy);
  return FREEDOMS.filter(({ id, kind }) => {
    if (kind !== 'chance') return false;
    const others = ALL_FREEDOMS.filter((other) => other !== id);
    return whole.every((result) => compareWith(result, translated, full, others).disagreements.length > 0);
  }).map(({ id }) => id);
}

/** Whether a run that agrees does so by chance, so that more of them have to tell. */
export const isByChance = ({ freedoms }: Comparison): boolean =>
  FREEDOMS.some(({ id, kind }) => kind === 'chance' && freedoms.includes(id));

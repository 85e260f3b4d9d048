/**
 * Several runs of one scenario on one kernel, compared with one policy. What a kernel may or may not do by chance, such as
 * reclaim that does nothing, explains a run now and then; what explains *every* run is no chance but a rule that the
 * policy lacks (v6.2 beside Debian's 6.1, to which d824ec2a1546 was backported: reclaim spares a pinned page always).
 */
import { type AnyPolicy, expanded } from '../machine/tables.ts';
import { ALL_FREEDOMS, type Comparison, compare, compareWith, FREEDOMS, type FreedomId } from './compare.ts';
import type { LiveResult } from './protocol.ts';
import type { Translated } from './translate.ts';

/** Fewer runs than this do not tell chance from rule. */
export const RUNS_FOR_CHANCE = 5;

/** One comparison per result, in order; runs that are explained by chance alone, all of them, disagree. */
export function compareAll(
  results: readonly LiveResult[],
  translated: Translated,
  policy: AnyPolicy,
): readonly Comparison[] {
  const full = expanded(policy);
  const compared = results.map((result) => compare(result, translated, full));
  const always = alwaysNeeded(results, compared, translated, policy);
  if (always.length === 0) return compared;
  const without = ALL_FREEDOMS.filter((id) => !always.includes(id));
  return results.map((result, i) => {
    const strict = compareWith(result, translated, full, without);
    return isWhole(compared[i]!) && strict.disagreements.length > 0 ? strict : compared[i]!;
  });
}

/** Freedoms of chance that every run needs; none if there are too few runs to say. */
export function alwaysNeeded(
  results: readonly LiveResult[],
  compared: readonly Comparison[],
  translated: Translated,
  policy: AnyPolicy,
): FreedomId[] {
  const whole = results.filter((_, i) => isWhole(compared[i]!));
  if (whole.length < RUNS_FOR_CHANCE || compared.some((c) => isWhole(c) && c.freedoms.length === 0))
    return [];
  const full = expanded(policy);
  return FREEDOMS.filter(({ id, kind }) => {
    if (kind !== 'chance') return false;
    const others = ALL_FREEDOMS.filter((other) => other !== id);
    return whole.every((result) => compareWith(result, translated, full, others).disagreements.length > 0);
  }).map(({ id }) => id);
}

/** It agrees, and with everything that was to be seen. */
const isWhole = (c: Comparison): boolean =>
  c.disagreements.length === 0 && c.incomplete === '' && c.observed > 0;

/** Whether a run that agrees does so by chance, so that more of them have to tell. */
export const isByChance = ({ freedoms }: Comparison): boolean =>
  FREEDOMS.some(({ id, kind }) => kind === 'chance' && freedoms.includes(id));

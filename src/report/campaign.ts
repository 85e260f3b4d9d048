/** A campaign's result as text for people, markdown for a summary page, and plain data. Decides nothing. */
import { relative } from 'node:path';
import { PROPERTIES } from '../../properties/index.ts';
import { ruleCoverage, unreachable } from '../campaign/coverage.ts';
import type { CampaignResult, Finding } from '../campaign/types.ts';
import { operationsOf, scopeName } from '../check/scope.ts';
import { CLAIM_PROPERTIES } from '../executor/simulated.ts';
import { COST_NAMES } from '../machine/machine.ts';
import { NEWNESS } from '../regression/order.ts';
import { renderGrid } from './grid.ts';
import { type Paint, PLAIN } from './paint.ts';

/** Verdict of a random search about one property of one policy. Never `holds`. */
export type Cell =
  | { readonly verdict: 'violated'; readonly classes: number; readonly shortest: number }
  | { readonly verdict: 'not found' }
  | { readonly verdict: 'policy error' }
  | { readonly verdict: 'not tested' };

export interface MatrixRow {
  readonly policy: string;
  readonly cells: readonly Cell[];
}

/** Properties of the table, in order: those that some policy can break, then claims that some policy makes. */
export function matrixColumns(result: CampaignResult): string[] {
  const claims = CLAIM_PROPERTIES.filter((id) => result.findings.some((f) => f.parts.property === id));
  return [...PROPERTIES.map((p) => p.id), ...claims];
}

/** Policies x properties. `not tested`: the property's goal was not reached on any policy. */
export function matrix(result: CampaignResult): MatrixRow[] {
  return result.policies.map((policy, row) => ({
    policy: policy.id,
    cells: matrixColumns(result).map((property): Cell => {
      const found = result.findings.filter(
        (f) => f.policy === policy.id && f.parts.property === property && !f.documented,
      );
      if (found.length > 0)
        return {
          verdict: 'violated',
          classes: found.length,
          shortest: Math.min(...found.map((f) => f.scenario.steps.length)),
        };
      if (result.counts[row]!.errorRun >= 0) return { verdict: 'policy error' };
      const at = PROPERTIES.findIndex((p) => p.id === property);
      const reached = at < 0 || result.counts.some((c) => c.goals[at]! > 0);
      return reached ? { verdict: 'not found' } : { verdict: 'not tested' };
    }),
  }));
}

const HEADS: { readonly [property: string]: string } = {
  isolation: 'isol-\nation',
  'pin-coherence': 'pin-co-\nherence',
  'cpu-view': 'cpu-\nview',
  'get-lifetime': 'get-life\n-time',
  'no-crash': 'no-\ncrash',
  'fs-state': 'fs-\nstate',
  'fs-notified': 'fs-noti\n-fied',
  'stable-writeback': 'stable\n-wb',
  durability: 'dura-\nbility',
};

const SIGNS = { 'not found': '-', 'not tested': '?', 'policy error': '!' } as const;

/**
 * The policy x property table. Cell: number of classes and the fewest steps, `-` not found, `?` not tested. `width`: of
 * a terminal, that it must fit.
 */
export function matrixText(result: CampaignResult, paint: Paint = PLAIN, width?: number): string {
  const columns = matrixColumns(result).map((name) => ({ name, head: HEADS[name] ?? name }));
  const rows = matrix(result).map(({ policy, cells }) => ({
    name: policy,
    cells: cells.map((cell) =>
      cell.verdict === 'violated' ? paint.red(`${cell.classes}/${cell.shortest}`) : SIGNS[cell.verdict],
    ),
  }));
  return renderGrid({ corner: 'policy', columns, rows }, width);
}

const COST_HEADS: { readonly [name: string]: string } = {
  copies: 'copies',
  earlyCopies: 'early',
  needlessCopies: 'needless',
  gupFaults: 'gup faults',
  gupAllocations: 'gup allocs',
  refused: 'refused',
  blocked: 'blocked',
  deferred: 'deferred',
};

/** What each policy cost, per thousand steps; `width` as in matrixText. */
export function costsText(result: CampaignResult, width?: number): string {
  const columns = COST_NAMES.map((name) => ({ name: COST_HEADS[name]!, head: COST_HEADS[name]! }));
  const rows = result.policies.map(({ id }, i) => {
    const { steps, costs } = result.counts[i]!;
    return {
      name: id,
      cells: COST_NAMES.map((n) => (steps === 0 ? '-' : ((1000 * costs[n]) / steps).toFixed(2))),
    };
  });
  return renderGrid({ corner: 'per 1000 steps', columns, rows }, width);
}

/** Goals, operations and rules that were and were not met. */
export function coverageText(result: CampaignResult): string {
  const lines: string[] = [];
  const goals = PROPERTIES.map((p, i) => ({ p, reached: result.counts.some((c) => c.goals[i]! > 0) }));
  const missed = goals.filter((g) => !g.reached);
  lines.push(`goals reached: ${goals.length - missed.length} of ${goals.length}`);
  for (const { p } of missed) {
    const why = unreachable(p, result.space, result.policies);
    lines.push(`  ${p.id}: ${p.sometimes.goal}${why === undefined ? '' : ` (${why})`}`);
  }
  const kinds = operationsOf(scopeName(result.space.scope).version);
  const ops = kinds.filter((_, i) => result.counts.some((c) => c.ops[i]! > 0));
  const unused = kinds.filter((k) => !ops.includes(k));
  lines.push(
    `operations executed: ${ops.length} of ${kinds.length}${unused.length > 0 ? `, not: ${unused.join(', ')}` : ''}`,
  );
  result.policies.forEach((policy, i) => {
    const { neverFired, cannotFire, rules } = ruleCoverage(policy, result.counts[i]!.rules, result.space);
    const fired = rules - neverFired.length - cannotFire.length;
    lines.push(
      `rules fired, ${policy.id}: ${fired} of ${rules}` +
        (cannotFire.length > 0 ? `, ${cannotFire.length} cannot in this scope` : '') +
        (neverFired.length > 0 ? `, never fired: ${neverFired.join('; ')}` : ''),
    );
  });
  return `${lines.join('\n')}\n`;
}

/** One line about how much was tried, for the head of a report. */
export function budgetText(result: CampaignResult): string {
  const steps = result.counts.reduce((sum, c) => sum + c.steps, 0);
  const { seed, scope, profile, change } = result.space;
  const how =
    result.ended === 'interrupted'
      ? 'interrupted after'
      : result.ended === 'time'
        ? 'time was up after'
        : result.ended === 'failed'
          ? 'FAILED after'
          : 'finished';
  return (
    `${how} ${result.runs.toLocaleString('en')} runs on ${result.policies.length} policies, ` +
    `${steps.toLocaleString('en')} steps, seed ${seed}, scope ${scope}, profile ${profile}` +
    (change === undefined ? '' : `, with ${change.flags}`)
  );
}

/** The result as data for `--format json`: stable order, no timings. */
export function campaignData(result: CampaignResult, dir?: string): object {
  return {
    seed: result.space.seed,
    scope: result.space.scope,
    profile: result.space.profile,
    ...(result.space.change === undefined ? {} : { flags: result.space.change.flags }),
    runs: result.runs,
    endRun: result.endRun,
    ended: result.ended,
    properties: matrixColumns(result),
    policies: result.policies.map((policy, i) => {
      const counts = result.counts[i]!;
      const { neverFired, cannotFire } = ruleCoverage(policy, counts.rules, result.space);
      return {
        policy: policy.id,
        steps: counts.steps,
        violatedRuns: counts.violatedRuns,
        documentedRuns: counts.documentedRuns,
        skipped: counts.skipped,
        noEffect: counts.noEffect,
        costs: counts.costs,
        verdicts: Object.fromEntries(
          matrixColumns(result).map((id, c) => [id, matrix(result)[i]!.cells[c]!.verdict]),
        ),
        rulesNeverFired: neverFired,
        rulesThatCannotFire: cannotFire,
        base: result.bases[i]?.policy.id ?? null,
        ...(counts.baseErrorRun >= 0
          ? { baseError: { run: counts.baseErrorRun, message: counts.baseError } }
          : {}),
        ...(counts.errorRun >= 0 ? { policyError: { run: counts.errorRun, message: counts.error } } : {}),
      };
    }),
    goalsMissed: result.goalsMissed,
    canariesMissed: result.canariesMissed,
    findings: result.findings.map((f) => findingData(f, dir)),
    ...(result.failure === undefined ? {} : { failure: result.failure }),
  };
}

/** `dir`: files are named relative to it. */
export function findingData(f: Finding, dir?: string): object {
  return {
    policy: f.policy,
    class: f.class,
    documented: f.documented,
    regression:
      f.regression === undefined
        ? null
        : { base: f.regression.base, newness: NEWNESS[f.regression.newness], way: f.regression.way ?? null },
    run: f.run,
    steps: f.scenario.steps.length,
    minimality: f.minimality,
    file: f.file === undefined ? null : dir === undefined ? f.file : relative(dir, f.file),
  };
}

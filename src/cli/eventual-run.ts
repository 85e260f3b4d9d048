/** `eventual`: eventual properties of policies in one closed scope (check/eventual.ts). */
import { judgeEventual } from '../check/eventual.ts';
import { NotClosedError } from '../check/eventual-graph.ts';
import { type Ban, type EventualReport, newBans } from '../check/eventual-properties.ts';
import { type ExpandedPolicy, expanded } from '../machine/tables.ts';
import { ancestorOf } from '../policies/base.ts';
import { findPolicy } from '../policies/index.ts';
import { eventualText } from '../report/eventual.ts';
import { stepText } from '../scenario/scenario.ts';
import { choosePolicies } from './choose.ts';
import { EVENTUAL_SCOPE } from './defaults.ts';
import type { EventualCommandOptions } from './eventual.ts';
import { EXIT, inputError, worst } from './exit.ts';
import { paint, print, printJson, talk, width } from './io.ts';
import { refuseInterleaved, type Scope, scopeOf } from './scope-options.ts';

interface Judged {
  readonly report: EventualReport;
  readonly newBans: readonly Ban[];
  /** Id of the built-in policy whose bans are not news. */
  readonly base: string;
}

export async function runEventual(options: EventualCommandOptions): Promise<number> {
  const scope = await scopeOf(options.scope, EVENTUAL_SCOPE);
  refuseInterleaved(scope, 'followed to what comes about in the end');
  const { policies, broken } = await choosePolicies(options.policies);
  if (broken.length > 0) throw inputError(broken[0]!.message);
  const codes: number[] = [];
  const data: object[] = [];
  for (const policy of policies) {
    const judged = judge(policy, scope, options.states);
    if (judged instanceof NotClosedError) {
      talk(`${policy.id}: ${judged.message}`);
      data.push({ policy: policy.id, inconclusive: { states: judged.states, depth: judged.depth } });
      codes.push(EXIT.goalsMissed);
      continue;
    }
    codes.push(exitOf(judged));
    if (options.format === 'json') data.push(judgedData(policy.id, judged));
    else
      print(
        eventualText(judged.report, {
          policy: policy.id,
          scope: scope.words,
          newBans: judged.newBans,
          base: judged.base,
          paint,
          width: width(),
        }),
      );
  }
  if (options.format === 'json') printJson({ scope: scope.words, policies: data });
  return worst(codes);
}

function judge(
  policy: ExpandedPolicy,
  { setup, alphabet }: Scope,
  statesMax: number,
): Judged | NotClosedError {
  try {
    const report = judgeEventual({ setup, policy, alphabet, statesMax });
    // A policy of one's own may not refuse for ever what the built-in one that it changes grants.
    const base = findPolicy(policy.id) === undefined ? ancestorOf(policy) : undefined;
    if (report.bans.length === 0 || base === undefined) return { report, newBans: [], base: '' };
    const before = judgeEventual({ setup, policy: expanded(base), alphabet, statesMax });
    return { report, newBans: newBans(report, before), base: base.id };
  } catch (error) {
    if (error instanceof NotClosedError) return error;
    throw error;
  }
}

function exitOf({ report, newBans }: Judged): number {
  const { results } = report;
  if (newBans.length > 0 || results.some((r) => r.verdict === 'broken')) return EXIT.finding;
  return results.every((r) => r.verdict === 'not tested') ? EXIT.nothingTested : EXIT.ok;
}

function judgedData(policy: string, { report, newBans, base }: Judged): object {
  const { states, transitions, depth, stops, results, bans } = report;
  return {
    policy,
    states,
    transitions,
    depth,
    stops,
    results: results.map(({ property, verdict, premises, traps }) => ({
      property: property.id,
      claim: property.claim,
      verdict,
      premises,
      traps: traps.map((t) => ({ ...t, steps: t.steps.map(stepText), loop: t.loop.map(stepText) })),
    })),
    bans: bans.map((ban) => ({
      subject: ban.subject,
      answers: ban.answers,
      steps: ban.steps.map(stepText),
      newOver: newBans.includes(ban) ? base : null,
    })),
  };
}

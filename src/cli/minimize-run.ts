/** `minimize`: the same class on the same policy in fewer steps, as a new file. */
import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { replayOn } from '../executor/replay.ts';
import type { Costs } from '../machine/machine.ts';
import type { ExpandedPolicy } from '../machine/tables.ts';
import { findPolicy } from '../policies/index.ts';
import { classId } from '../property/property.ts';
import { buildCounterexample } from '../report/counterexample.ts';
import { type Counterexample, type Expectation, formatCounterexample } from '../scenario/file.ts';
import { stepText } from '../scenario/scenario.ts';
import { Shrinker } from '../shrink/shrink.ts';
import { choosePolicies } from './choose.ts';
import { EXIT, inputError, usageError } from './exit.ts';
import { loadOne } from './files.ts';
import { print, talk } from './io.ts';

export interface MinimizeOptions {
  readonly file: string;
  readonly out: string | undefined;
  readonly policy: string | undefined;
}

export async function runMinimize({ file, out, policy: name }: MinimizeOptions): Promise<number> {
  const c = loadOne(file);
  if (c.class === null)
    throw inputError(`${file}: has no class (nothing is violated in it), so nothing to minimize`);
  const policy = await policyFor(c, file, name);
  const wanted = classId(c.class);
  const found = replayOn(c, policy).result.violations.find((f) => f.classId === wanted);
  if (found === undefined) {
    talk(`${file}: ${wanted} is not violated on ${policy.id}, so there is nothing to minimize`);
    return EXIT.finding;
  }
  const { scenario, minimality } = new Shrinker(policy).shrink(
    { setup: c.setup, steps: c.steps },
    { code: found.code, documented: false },
  );
  const others = Object.keys(c.expect).filter((id) => id !== policy.id);
  const known = others.filter((id) => findPolicy(id) !== undefined);
  const lost = others.filter((id) => !known.includes(id));
  const { policies } = await choosePolicies(known);
  const same = JSON.stringify(scenario.steps) === JSON.stringify(c.steps);
  // Words about numbered steps are wrong once the steps are others.
  const words = same || !/\bstep \d/.test(c.explanation) ? { explanation: c.explanation } : {};
  const built = buildCounterexample({
    scenario,
    policy,
    code: found.code,
    documented: false,
    minimality,
    provenance: { ...c.provenance, found: 'minimize' },
    policies,
    title: c.title,
    references: c.references,
    ...words,
  });
  const text = formatCounterexample({ ...built, expect: withPinnedCosts(built, c, [policy, ...policies]) });
  if (out === undefined) print(text);
  else write(out, text);

  const [before, after] = [c.steps.length, scenario.steps.length];
  const how = minimality.kind === 'shortest' ? 'shortest' : '1-minimal: no single step can be left out';
  talk(`${file}: ${before} -> ${after} steps, ${how} (${minimality.scope})`);
  if (same) talk('the steps are as they were');
  else for (const line of difference(c, built)) talk(line);
  if (lost.length > 0) talk(`no expectation any more for ${lost.join(', ')}, which is not built in`);
  if (out !== undefined) talk(`written to ${out}`);
  return EXIT.ok;
}

async function policyFor(c: Counterexample, file: string, name: string | undefined): Promise<ExpandedPolicy> {
  if (name === undefined && findPolicy(c.policy!) === undefined)
    throw inputError(
      `${file}: its policy ${c.policy} is not built in; give its module with --policy ./FILE.ts`,
    );
  const { policies, broken } = await choosePolicies([name ?? c.policy!]);
  if (broken.length > 0) throw inputError(broken[0]!.message);
  if (policies.length !== 1) throw usageError(`--policy is ${JSON.stringify(name)}; allowed: one policy`);
  return policies[0]!;
}

/** Costs that the old file pins stay pinned, at what they are now. */
function withPinnedCosts(
  built: Counterexample,
  old: Counterexample,
  policies: readonly ExpandedPolicy[],
): Record<string, Expectation> {
  return Object.fromEntries(
    Object.entries(built.expect).map(([id, expectation]) => {
      const pinned = Object.keys(old.expect[id]?.costs ?? {}) as (keyof Costs)[];
      const policy = policies.find((p) => p.id === id);
      if (pinned.length === 0 || policy === undefined) return [id, expectation];
      const { costs } = replayOn(built, policy).result;
      return [id, { ...expectation, costs: Object.fromEntries(pinned.map((cost) => [cost, costs[cost]])) }];
    }),
  );
}

/** Steps that went and steps that came, as in a diff without context. */
function difference(before: Counterexample, after: Counterexample): string[] {
  const [old, now] = [before.steps.map(stepText), after.steps.map(stepText)];
  const less = (from: readonly string[], those: readonly string[]): string[] => {
    const left = [...those];
    return from.filter((step) => {
      const at = left.indexOf(step);
      if (at >= 0) left.splice(at, 1);
      return at < 0;
    });
  };
  return [...less(old, now).map((s) => `- ${s}`), ...less(now, old).map((s) => `+ ${s}`)];
}

/** The whole file or none of it. */
function write(out: string, text: string): void {
  const partial = `${out}.partial`;
  try {
    writeFileSync(partial, text);
    renameSync(partial, out);
  } catch (error) {
    rmSync(partial, { force: true });
    throw inputError(`${out}: cannot be written (${(error as NodeJS.ErrnoException).code ?? String(error)})`);
  }
}

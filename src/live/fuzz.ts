/**
 * Random scenarios on a real kernel and on a policy: where do they disagree? Scenarios are drawn from what a user
 * program can do, run in batches, and what disagrees is run again and shrunk on the kernel itself.
 */
import { alphabetFor, pagesOf } from '../check/scope.ts';
import { CALLERS, PAGE_KINDS } from '../domain/kinds.ts';
import { LIVE_SETS, type PageSet } from '../domain/page-sets.ts';
import { Rng } from '../domain/rng.ts';
import { type Setup, shapeOf } from '../domain/setup.ts';
import { advance } from '../fuzz/generate.ts';
import { nameSteps } from '../fuzz/program.ts';
import type { AnyPolicy } from '../machine/tables.ts';
import { expanded } from '../machine/tables.ts';
import { callerOf, GUP_VARIANTS } from '../ops/gup.ts';
import { OPS } from '../ops/index.ts';
import { aOf, OP_KINDS, type OpKind, opOf, pack } from '../ops/op.ts';
import { CALLER_CONTRACTS } from '../reference/promises.ts';
import { HANDLE_LIVE, Reference } from '../reference/reference.ts';
import type { Scenario } from '../scenario/scenario.ts';
import { compareSimplicity, type Pass, type StillFails } from '../shrink/order.ts';
import { PASSES } from '../shrink/passes/index.ts';
import { Columns } from '../state/arena.ts';
import {
  type BrokenPromise,
  brokenPromises,
  type Comparison,
  compare,
  type Disagreement,
  type FreedomId,
  type LiveObserver,
} from './compare.ts';
import { compareAll, isByChance, moreLooks, RUNS_FOR_CHANCE } from './freedom.ts';
import type { Capabilities, Kernel, LiveProgram, LiveResult } from './protocol.ts';
import {
  isUnsupported,
  LIVE_CALLERS,
  LIVE_PROFILE,
  missing,
  pageKindMissing,
  type Translated,
  toLive,
} from './translate.ts';

/** Steps drawn per scenario, before everybody looks once more. */
const STEPS_MIN = 4;
const STEPS_MAX = 28;
const TRIES_MAX = 24;

const at = (kind: OpKind): number => OP_KINDS.indexOf(kind);
const [READ, DMA_READ, DIO_END, UNPIN, BUFFERED_READ, FSYNC] = [
  at('read'),
  at('dma_read'),
  at('dio_end'),
  at('unpin'),
  at('buffered_read'),
  at('fsync'),
] as const;

/** Setups of which the kernel has every page kind. `pages`: these together, and no others. */
export function liveSetups(capabilities: Capabilities, pages?: PageSet): Setup[] {
  const kinds = PAGE_KINDS.filter((kind) => pageKindMissing(kind, capabilities) === '');
  return (pages === undefined ? LIVE_SETS : [pages])
    .filter((s) => s.every((kind) => kinds.includes(kind)))
    .map((s) => ({
      ...pagesOf(s, LIVE_PROFILE),
      mms: 3,
      refs: 3,
      pinBias: 1024,
    }));
}

/** Draws scenarios that `toLive` takes, from the operations and callers that the kernel has. */
export class LiveGenerator {
  readonly setups: readonly Setup[];
  readonly #ops: readonly boolean[];
  readonly #gups: readonly number[];
  readonly #rng = new Rng();

  /** Throws RangeError if the kernel lacks what all its setups, or these pages, take. */
  constructor(capabilities: Capabilities, pages?: PageSet) {
    this.setups = liveSetups(capabilities, pages);
    if (this.setups.length === 0)
      throw new RangeError(
        pages === undefined
          ? 'this kernel offers no kind of page'
          : pages.map((kind) => pageKindMissing(kind, capabilities)).find((why) => why !== '')!,
      );
    this.#ops = OP_KINDS.map((op) => missing(capabilities, op) === '');
    this.#gups = GUP_VARIANTS.filter((v) => {
      const caller = LIVE_CALLERS.find((c) => c === CALLERS[callerOf(v)]);
      return caller !== undefined && v < 32 && capabilities.callers[caller] === '';
    });
  }

  /** Run `run` of a seed, whatever was drawn before. */
  draw(seed: number, run: number): Scenario {
    const rng = this.#rng;
    rng.seed(Math.imul(seed, 0x9e3779b1) ^ run, Math.imul(run, 0x85ebca6b) ^ seed, seed ^ 0x2545f491, run);
    for (let i = 0; i < 8; i++) rng.below(2); // neighbouring seeds part
    const setup = this.setups[rng.below(this.setups.length)]!;
    const columns = new Columns();
    const reference = new Reference(shapeOf(setup, 128), columns);
    columns.bytes.fill(0);
    reference.reset();

    // Swarm: operations on or off, with weights of their own, and a handful of callers.
    const possible = alphabetFor(setup).ops.map((on, i) => on && this.#ops[i]!);
    let total = 0;
    const cumulative = OP_KINDS.slice(0, possible.length).map((kind, i) => {
      const on = kind === 'write' || kind === 'gup' || rng.below(4) !== 0;
      const times = 1 + rng.below(3);
      if (possible[i]! && on && kind !== 'dio_end') total += OPS[i]!.weight * times;
      return total;
    });
    const gups =
      this.#gups.length === 0
        ? []
        : Array.from({ length: 1 + rng.below(4) }, () => this.#gups[rng.below(this.#gups.length)]!);
    const alphabet = { ops: possible, gups };
    const steps: number[] = [];
    const add = (step: number): number => {
      steps.push(step);
      return advance(reference, step);
    };
    const want = STEPS_MIN + rng.below(STEPS_MAX - STEPS_MIN + 1);
    for (let failed = 0; steps.length < want && failed < TRIES_MAX; ) {
      const pick = rng.below(total);
      const op = OPS[cumulative.findIndex((c) => c > pick)]!;
      const step = op.draw(reference, alphabet, rng);
      if (step < 0 || !op.offered(reference, step) || !possibleLive(reference, step)) {
        failed++;
        continue;
      }
      failed = 0;
      const slot = add(step);
      if (op.kind === 'gup') {
        if (contractOf(reference, slot).release === 'dio_end') add(pack(DIO_END, slot));
      } else if (op.kind === 'dma_read' || op.kind === 'dma_write') endTransfer(reference, aOf(step), add);
    }
    this.#sweep(reference, possible, add);
    return { setup, steps: nameSteps(setup, steps, steps.length) };
  }

  /** Devices, processes, readers of the file and the disk look once more. */
  #sweep(reference: Reference, possible: readonly boolean[], add: (step: number) => number): void {
    const { shape } = reference;
    for (let h = 0; h < shape.refs; h++) {
      const step = pack(DMA_READ, h);
      if (reference.handleState[h] !== HANDLE_LIVE || !possibleLive(reference, step)) continue;
      if (!contractOf(reference, h).load) continue;
      add(step);
      endTransfer(reference, h, add);
    }
    for (let mm = 0; mm < shape.mms; mm++)
      for (let page = 0; page < shape.pages; page++)
        if (reference.isMapped(mm, page)) add(pack(READ, mm, page));
    for (let f = 0; f < shape.files; f++) {
      if (possible[BUFFERED_READ]!) add(pack(BUFFERED_READ, f));
      if (possible[FSYNC]! && shape.onDisk[f] === 1) add(pack(FSYNC, f));
    }
  }
}

const callerIn = (ref: Reference, handle: number): (typeof CALLERS)[number] =>
  CALLERS[ref.handleCaller[handle]!]!;
const contractOf = (ref: Reference, handle: number): (typeof CALLER_CONTRACTS)['get'] =>
  CALLER_CONTRACTS[callerIn(ref, handle)];

/** What the reference allows and a system call does not. */
function possibleLive(ref: Reference, step: number): boolean {
  return !(opOf(step) === DMA_READ && callerIn(ref, aOf(step)) === 'process_vm_writev');
}

/** A process_vm call is over once it moved its data. */
function endTransfer(ref: Reference, handle: number, add: (step: number) => number): void {
  const caller = callerIn(ref, handle);
  if (caller === 'process_vm_readv') add(pack(UNPIN, handle, 0, 0));
  if (caller === 'process_vm_writev') add(pack(UNPIN, handle, 0, 1));
}

/** Disagreements that are told apart: who observed, on what kind of page, and for outcomes and ends which operation. */
export function disagreementClass(scenario: Scenario, d: Disagreement): string {
  const step = scenario.steps[d.step]!;
  const page = 'page' in step ? step.page : 'ref' in step ? pageOfRef(scenario, step.ref) : undefined;
  const kind = scenario.setup.pages.find((p) => p.name === page)?.kind ?? 'file';
  if (d.observer === 'outcome') return `outcome of ${step.op} (${kind}): ${d.seen}`;
  // Not what the kernel said as it died: addresses differ from one time to the next.
  if (d.observer === 'end') return `end in ${step.op} (${kind}): ${d.seen.split(' ')[0]}`;
  return `${d.observer} (${kind})`;
}

function pageOfRef(scenario: Scenario, ref: string): string | undefined {
  const gup = scenario.steps.find((s) => s.op === 'gup' && s.result === ref);
  return gup?.op === 'gup' ? gup.page : undefined;
}

/** The earliest; what comes after it may be its sequel. */
const first = (c: Comparison): Disagreement | undefined => c.disagreements[0];

export interface LiveFinding {
  readonly run: number;
  readonly class: string;
  readonly observer: LiveObserver;
  readonly scenario: Scenario;
  /** Minimal on this kernel, with the result of its last run. */
  readonly shrunk: Scenario;
  readonly translated: Translated;
  readonly comparison: Comparison;
  readonly result: LiveResult;
  /** Promises that the run broke; the policy did not predict all that was seen. */
  readonly broken: readonly BrokenPromise[];
  /** Runs of the scenario as drawn, and of the shrunk one, that disagreed. */
  readonly hits: number;
  /** How often each was run again; 0: it was seen once, and the search stopped before it was looked at again. */
  readonly repeats: number;
  readonly shrunkHits: number;
}

export interface LiveFuzzResult {
  readonly runs: number;
  /** More than `runs` if the search was stopped. */
  readonly asked: number;
  readonly agreed: number;
  readonly disagreed: number;
  /** Not run to the end, or with an unsupported step: compared as far as it went, and no pass. */
  readonly incomplete: number;
  /** Of those: something went wrong that is not of the kernel, or not again. */
  readonly trouble: number;
  /** Not observed anything: no pass. */
  readonly blind: number;
  /** Of those that agree: a promise was seen to be broken, as the policy predicts. */
  readonly broken: number;
  /** Of those that disagree: a promise was seen to be broken, which the policy does not predict. */
  readonly lost: number;
  /** '' or what is wrong with the policy, and where; runs that met it are incomplete. */
  readonly failed: string;
  /** Why, and how often. */
  readonly reasons: ReadonlyMap<string, number>;
  /** Runs that agree only if the kernel took a freedom. */
  readonly freedoms: ReadonlyMap<FreedomId, number>;
  /** Contents and outcomes compared. */
  readonly observed: number;
  /** Per class, runs. */
  readonly classes: ReadonlyMap<string, number>;
  readonly findings: readonly LiveFinding[];
  /** Of the first disagreement, or -1. */
  readonly firstAt: number;
  /** Lines of the kernel's log, without doubles. */
  readonly log: readonly string[];
  readonly elapsedMs: number;
  readonly kernelMs: number;
}

export interface LiveFuzzOptions {
  readonly kernel: Kernel;
  readonly policy: AnyPolicy;
  readonly seed: number;
  readonly runs: number;
  /** Programs per batch. */
  readonly batch?: number;
  /** Runs of a scenario that disagreed, to tell how often it does. */
  readonly repeats?: number;
  /** Findings to shrink, one per class; the others are counted. */
  readonly findingsMax?: number;
  /** Ends at the first disagreement. */
  readonly stopAtFirst?: boolean;
  /** These pages together, and no other setups. */
  readonly pages?: PageSet;
  /** '' or why a program must not run. */
  readonly refuse?: (program: LiveProgram) => string;
  /** Stops drawing and shrinking; what was found by then is returned. */
  readonly signal?: AbortSignal;
  readonly onProgress?: (text: string) => void;
  /** Told of each finding when it is seen, and again when it is shrunk: a kernel may take this process with it. */
  readonly onFinding?: (finding: LiveFinding) => void;
}

const count = <K>(map: Map<K, number>, key: K): void => {
  map.set(key, (map.get(key) ?? 0) + 1);
};

export async function fuzzLive(options: LiveFuzzOptions): Promise<LiveFuzzResult> {
  const { kernel, seed, runs } = options;
  const policy = expanded(options.policy);
  const batch = options.batch ?? 128;
  const repeats = options.repeats ?? 10;
  const findingsMax = options.findingsMax ?? 8;
  const refuse = options.refuse ?? ((): string => '');
  const subject: Subject = { kernel, policy, refuse, signal: options.signal };
  const generator = new LiveGenerator(kernel.capabilities, options.pages);
  const start = performance.now();
  let kernelMs = 0;
  let [done, agreed, disagreed, incomplete, trouble, blind, broken] = [0, 0, 0, 0, 0, 0, 0];
  let observed = 0;
  let failed = '';
  const reasons = new Map<string, number>();
  const freedoms = new Map<FreedomId, number>();
  const classes = new Map<string, Disagreeing>();
  const log = new Set<string>();
  const findings = new Map<string, LiveFinding>();
  while (
    done < runs &&
    options.signal?.aborted !== true &&
    !(options.stopAtFirst === true && disagreed > 0)
  ) {
    const drawn = Array.from({ length: Math.min(batch, runs - done) }, (_, i) => {
      const run = done + i;
      return { run, translated: toLive(generator.draw(seed, run), kernel.capabilities) };
    });
    const programs = drawn.flatMap(({ run, translated }) => {
      const why = isUnsupported(translated) ? translated.unsupported : refuse(translated.program);
      if (!isUnsupported(translated) && why === '') return [{ run, translated }];
      incomplete++;
      count(reasons, why);
      return [];
    });
    const from = performance.now();
    const results = await kernel.run(programs.map((p) => p.translated.program));
    kernelMs += performance.now() - from;
    for (const [i, result] of results.entries()) {
      const { run, translated } = programs[i]!;
      for (const step of result.steps) for (const line of step.log) log.add(line);
      const comparison = await lookAgain(subject, translated, result, compare(result, translated, policy));
      observed += comparison.observed;
      const worst = first(comparison);
      const promises = brokenPromises(result, translated);
      const loses = promises.some((b) => b.excuse === '');
      if (comparison.failed !== '') {
        incomplete++;
        count(reasons, `policy error: ${comparison.failed.replace(/step \d+/, 'a step')}`);
        failed ||= `${comparison.failed} (first in run ${run})`;
      } else if (worst !== undefined) {
        disagreed++;
        const { scenario } = translated;
        const { observer } = worst;
        const id = disagreementClass(scenario, worst);
        const of = classes.get(id) ?? { runs: [], next: [] };
        of.runs.push({ run, loses });
        classes.set(id, of);
        const isNew = !findings.has(id);
        if (isNew ? findings.size >= findingsMax : !mayBeChance(subject, of.next.at(-1) ?? findings.get(id)!))
          continue;
        const drawn = { run, class: id, observer, scenario, shrunk: scenario, translated };
        const seen = { comparison, result, broken: promises };
        const finding = { ...drawn, ...seen, hits: 0, repeats: 0, shrunkHits: 0 };
        if (!isNew) {
          of.next.push(finding);
          continue;
        }
        findings.set(id, finding);
        options.onFinding?.(finding);
      } else if (comparison.incomplete !== '') {
        incomplete++;
        if (comparison.ended === 'trouble') trouble++;
        count(reasons, comparison.incomplete.replace(/step \d+/, 'a step'));
      } else if (comparison.observed === 0) blind++;
      else {
        agreed++;
        if (loses) broken++;
        for (const freedom of comparison.freedoms) count(freedoms, freedom);
      }
    }
    done += drawn.length;
    options.onProgress?.(
      `${done} of ${runs} runs, ${disagreed} disagree in ${classes.size} classes, ${incomplete} incomplete`,
    );
  }
  for (const [id, drawn] of findings) {
    const of = classes.get(id)!;
    let seen: LiveFinding | undefined = drawn;
    while (seen !== undefined && options.signal?.aborted !== true) {
      options.onProgress?.(`shrinking on the kernel: ${id}`);
      const { run }: LiveFinding = seen;
      const finding = await confirm(subject, seen, repeats);
      if (finding !== undefined) {
        findings.set(id, finding);
        options.onFinding?.(finding);
        break;
      }
      // More runs have told: that one was chance. It says nothing of the others of its class.
      disagreed--;
      agreed++;
      if (of.runs.find((r) => r.run === run)!.loses) broken++;
      of.runs = of.runs.filter((r) => r.run !== run);
      seen = of.next.shift();
      if (seen === undefined) findings.delete(id);
      else {
        findings.set(id, seen);
        options.onFinding?.(seen);
      }
    }
  }
  const left = [...classes].filter(([, { runs }]) => runs.length > 0);
  const disagreeing = left.flatMap(([, { runs }]) => runs);
  return {
    runs: done,
    asked: runs,
    agreed,
    disagreed,
    incomplete,
    trouble,
    blind,
    broken,
    lost: disagreeing.filter(({ loses }) => loses).length,
    failed,
    reasons,
    freedoms,
    observed,
    classes: new Map(left.map(([id, { runs }]) => [id, runs.length])),
    findings: [...findings.values()],
    firstAt: disagreeing.reduce((least, { run }) => (least < 0 || run < least ? run : least), -1),
    log: [...log],
    elapsedMs: performance.now() - start,
    kernelMs,
  };
}

/** Runs of one class that disagree. */
interface Disagreeing {
  runs: { readonly run: number; readonly loses: boolean }[];
  /** Looked at in turn if what was found first is chance; none after one that cannot be. */
  readonly next: LiveFinding[];
}

/** What scenarios are run on and held to. */
interface Subject {
  readonly kernel: Kernel;
  readonly policy: AnyPolicy;
  readonly refuse: (program: LiveProgram) => string;
  readonly signal: AbortSignal | undefined;
}

/**
 * A run that agrees by chance is run again, and so is one that hung or was killed: if all need the chance, it was none; a
 * program that hangs will hang again, one of a machine that was busy for once will not.
 */
async function lookAgain(
  { kernel, policy }: Subject,
  translated: Translated,
  result: LiveResult,
  comparison: Comparison,
): Promise<Comparison> {
  const looks = moreLooks([result], [comparison]);
  if (looks === 0) return comparison;
  const more = await kernel.run(Array.from({ length: looks }, () => translated.program));
  return compareAll([result, ...more], translated, policy)[0]!;
}

/** Whether the run alone, without what others told, would have been held to agree by chance. */
const mayBeChance = ({ policy }: Subject, { result, translated }: LiveFinding): boolean =>
  isByChance(compare(result, translated, policy));

/** Runs it again, so often, and shrinks it on the kernel. Undefined: what was taken for a rule is chance. */
async function confirm(
  subject: Subject,
  seen: LiveFinding,
  repeats: number,
): Promise<LiveFinding | undefined> {
  const { class: id, scenario } = seen;
  const again = await hitsOf(subject, seen, scenario, repeats);
  const chance = mayBeChance(subject, seen);
  if (again.hits === 0)
    // The run in which it was seen is one of those that are told of: no finding has none.
    return chance ? undefined : { ...seen, hits: 1, repeats: repeats + 1, shrunkHits: 1 };
  // One that shows up every time needs one look, the others several.
  const looks = again.hits === repeats ? 1 : Math.min(16, Math.ceil((3 * repeats) / again.hits));
  // Whether something is chance takes several looks each time.
  const enough = chance ? Math.max(looks, RUNS_FOR_CHANCE) : looks;
  const shrunk = await shrinkOn(subject, scenario, id, enough);
  const last = shrunk === scenario ? again : await hitsOf(subject, seen, shrunk, repeats);
  // One that shows up now and then can be shrunk to what does not: then what was drawn is the better witness.
  const witness = last.hits > 0 ? { ...last, shrunk } : { ...again, shrunk: scenario };
  return { ...seen, ...witness, hits: again.hits, repeats, shrunkHits: witness.hits };
}

/** What was seen is that of a run which disagrees; if none did, what was seen first. */
async function hitsOf(
  { kernel, policy }: Subject,
  seen: LiveFinding,
  scenario: Scenario,
  repeats: number,
): Promise<Pick<LiveFinding, 'hits' | 'translated' | 'comparison' | 'result' | 'broken'>> {
  const translated = toLive(scenario, kernel.capabilities);
  if (isUnsupported(translated)) throw new RangeError(`cannot be run: ${translated.unsupported}`);
  const results = await kernel.run(Array.from({ length: repeats }, () => translated.program));
  const compared = compareAll(results, translated, policy);
  const shown = results
    .map((result, i) => ({ translated, result, comparison: compared[i]! }))
    .filter(({ comparison }) => shows(translated, comparison, seen.class));
  const { comparison, result, translated: of } = shown[0] ?? seen;
  return { hits: shown.length, translated: of, comparison, result, broken: brokenPromises(result, of) };
}

const shows = (t: Translated, c: Comparison, id: string): boolean => {
  const worst = first(c);
  return worst !== undefined && disagreementClass(t.scenario, worst) === id;
};

/** Candidates asked for in one go: most are turned down, so the pass is led on as if all were. */
const AHEAD = 24;
class Pending extends Error {}

/**
 * The shrink passes on a kernel. A pass asks and expects an answer at once; a kernel answers in batches. So a pass is
 * run until it asks something new, is told "no" for the next few questions, which are put to the kernel together, and
 * starts again with what is known by then. Passes are deterministic: the second time they ask the same.
 */
async function shrinkOn(
  { kernel, policy, refuse, signal }: Subject,
  scenario: Scenario,
  id: string,
  looks: number,
): Promise<Scenario> {
  const known = new Map<string, boolean>();
  const answer = async (candidates: readonly Scenario[]): Promise<void> => {
    const programs = candidates.flatMap((c) => {
      const translated = toLive(c, kernel.capabilities);
      // What is shrunk may be what must not be run: two pages made one, say.
      if (!isUnsupported(translated) && refuse(translated.program) === '')
        return [{ key: JSON.stringify(c), translated }];
      known.set(JSON.stringify(c), false);
      return [];
    });
    const results = await kernel.run(
      programs.flatMap((p) => Array.from({ length: looks }, () => p.translated.program)),
    );
    programs.forEach(({ key, translated }, i) => {
      const own = results.slice(i * looks, (i + 1) * looks);
      known.set(
        key,
        compareAll(own, translated, policy).some((c) => shows(translated, c, id)),
      );
    });
  };
  const runPass = async (pass: Pass, from: Scenario): Promise<Scenario> => {
    for (;;) {
      const asked: Scenario[] = [];
      const keys = new Set<string>();
      const fails: StillFails = (candidate) => {
        const key = JSON.stringify(candidate);
        const said = known.get(key);
        if (said !== undefined) return said;
        if (!keys.has(key)) asked.push(candidate);
        keys.add(key);
        if (asked.length >= AHEAD) throw new Pending();
        return false;
      };
      try {
        const next = pass.run(from, fails);
        if (asked.length === 0 || signal?.aborted === true) return next;
      } catch (error) {
        if (!(error instanceof Pending)) throw error;
        if (signal?.aborted === true) return from;
      }
      await answer(asked);
    }
  };
  // What comes after the first disagreement has no part in it.
  const cuts = scenario.steps.map((_, i) => ({
    setup: scenario.setup,
    steps: scenario.steps.slice(0, i + 1),
  }));
  await answer(cuts);
  let best: Scenario = cuts.find((cut) => known.get(JSON.stringify(cut)) === true) ?? scenario;
  for (;;) {
    const before = best;
    for (const pass of PASSES) {
      if (signal?.aborted === true) return best;
      const next = await runPass(pass, best);
      if (compareSimplicity(next, best) < 0 || pass.name === 'rename') best = next;
    }
    if (compareSimplicity(best, before) >= 0) return best;
  }
}

/**
 * A run as data: the state after each step, what was observed, and which rules of the policy decided. Pure; the
 * rendering is report/trace.ts.
 *
 * Contents are named after the store that made them: `P@3` is what P stored in step 3, `h1@4` what the device stored
 * through h1 in step 4, `other@5` what write(2) stored in step 5, `f@0` what file f held at the start, `0` zeroes.
 */
import { filesystem } from '../domain/filesystems.ts';
import type { DecisionName } from '../machine/decisions.ts';
import { FRAMES, type Frame, needsSwap } from '../machine/facts.ts';
import {
  EV_DIO_WRITE,
  EV_WRITEBACK_END,
  F_ANON,
  F_BOUNCED,
  F_BUFFERS,
  F_COVERED,
  F_DIRTY,
  F_EXCLUSIVE,
  F_WRITEBACK,
  NO_PFN,
  P_DIRTY,
  P_PRESENT,
  P_WRITE,
  REF_GET,
  REF_NONE,
  REF_PIN,
  V_DONTFORK,
  V_MAPPED,
  V_WRITE,
  ZERO_PFN,
} from '../machine/machine.ts';
import {
  type AnyPolicy,
  answerTexts,
  type ExpandedPolicy,
  expanded,
  factsOfEntry,
} from '../machine/tables.ts';
import type { ObservationKind, ObservedBy, Provenance } from '../property/property.ts';
import { HANDLE_LIVE, REF_DETACHED, REF_EXACT } from '../reference/reference.ts';
import { mirrored } from '../scenario/parts.ts';
import { FIRST_MM, type Scenario, stepText } from '../scenario/scenario.ts';
import { type FoundInRun, type RunResult, runLow, runScenario, type StepOutcome } from './run.ts';
import { type Violation, World } from './simulated.ts';

/** A rule that was the first to match, and the facts that the table's rules read. */
export interface TraceDecision {
  readonly decision: DecisionName;
  readonly rule: string;
  readonly answer: string;
  readonly facts: Readonly<Record<string, boolean | number | string>>;
}

/** What one observer saw, judged: content, what was promised, who stored it. */
export interface TraceObservation {
  readonly kind: ObservationKind | 'claim';
  readonly observedBy: ObservedBy;
  /** mm, reference or file that observed; for `dirtied` the file, for `access` the mm. */
  readonly observer: string;
  /** Page, where an mm observed. */
  readonly page: string;
  /** For `dirtied`: the reference whose holder dirtied. */
  readonly ref: string;
  readonly provenance: Provenance;
  /** Content seen; '' where none is concerned. */
  readonly seen: string;
  /** Content promised; '' where several are allowed. */
  readonly expected: string;
  readonly excuse: string;
  /** For `writeback-end` and `dio-write`: the content at the start. */
  readonly atStart: string;
  /** For `access`: the mapping allows it, as the reference sees it. */
  readonly allowed: boolean;
}

export interface TracePte {
  readonly page: string;
  readonly mapped: boolean;
  readonly prot: 'r' | 'rw';
  readonly dontfork: boolean;
  readonly frame: Frame;
  readonly write: boolean;
  readonly dirty: boolean;
  /** -1: none. */
  readonly pfn: number;
  /** What the page must show; '' where the promise leaves it open, 'file' where it follows the file. */
  readonly current: string;
}
export interface TraceMm {
  readonly mm: string;
  readonly hasPinned: boolean;
  /** Notes of the policy that are not 0: `sticky 1`. */
  readonly notes: readonly string[];
  readonly ptes: readonly TracePte[];
}
export interface TraceFolio {
  readonly pfn: number;
  readonly refcount: number;
  readonly mapcount: number;
  readonly pincount: number;
  /** zero, anon, dirty, writeback, buffers, exclusive, covered, bounced. */
  readonly flags: readonly string[];
  /** Notes of the policy that are not 0: `pins 2`. */
  readonly notes: readonly string[];
  readonly content: string;
}
export interface TraceFile {
  readonly file: string;
  /** -1: not in the page cache. */
  readonly pfn: number;
  readonly disk: string;
  readonly current: string;
}
export interface TraceRef {
  readonly ref: string;
  /** What the policy answered with. */
  readonly kind: 'GET' | 'PIN' | 'PIN uncounted' | 'refused';
  readonly pfn: number;
  /** `A of P`, at the time it was taken. */
  readonly of: string;
  readonly promise: 'exact' | 'since-take' | '';
  readonly detached: boolean;
  /** What a load through it must show; '' where the promise leaves it open. */
  readonly current: string;
}
/** All there is, the contents by name (`P@3`: what P stored in step 3). */
export interface TraceState {
  readonly mms: readonly TraceMm[];
  readonly folios: readonly TraceFolio[];
  readonly files: readonly TraceFile[];
  readonly refs: readonly TraceRef[];
}

/** One step: its outcome, the rules that answered, what was seen and promised, the state after it. */
export interface TraceStep {
  readonly step: number;
  readonly text: string;
  readonly outcome: StepOutcome;
  readonly errno: string;
  readonly decisions: readonly TraceDecision[];
  readonly observations: readonly TraceObservation[];
  /** Of this step; a class met again is here again. */
  readonly violations: readonly Violation[];
  readonly state: TraceState;
}

/** A run, told step by step. */
export interface Trace {
  readonly start: TraceState;
  /** One per step executed. */
  readonly steps: readonly TraceStep[];
  /** Index of the step that stored a content, by its name. */
  readonly origins: ReadonlyMap<string, number>;
  /** Contents are those of this part of pages; undefined: they have no parts. */
  readonly part: 'low' | 'high' | undefined;
  /** Of all parts. */
  readonly result: RunResult;
}

/**
 * Runs the scenario as runScenario does and notes everything; of decisions those that rules of the policy's own make, or
 * rules of one that it is held `beside`: what every era does (DecisionPoint.usual) goes without saying. Of pages with parts
 * the one is told in which the class `wanted` is met first, or else the one in which more is broken. Throws
 * InvariantError (our bug).
 */
export function traceScenario(
  scenario: Scenario,
  policy: AnyPolicy,
  beside?: ExpandedPolicy,
  wanted?: number,
): Trace {
  // A policy object of its own: counting rules here must not count as coverage elsewhere.
  const trace = (followed: Scenario): Omit<Trace, 'part'> => {
    const world = new TracingWorld(scenario, { ...expanded(policy) }, beside);
    const start = world.state();
    const result = runLow(followed, world.machine.policy, world);
    return { start, steps: world.steps, origins: world.origins, result };
  };
  const low = trace(scenario);
  const other = mirrored(scenario);
  if (other === undefined) return { ...low, part: undefined };
  const high = trace(other);
  const result = runScenario(scenario, { ...expanded(policy) });
  const isHigh =
    wanted === undefined
      ? bad(high.result) > bad(low.result)
      : firstOf(high.result, wanted) < firstOf(low.result, wanted);
  return isHigh ? { ...high, result, part: 'high' } : { ...low, result, part: 'low' };
}

/** Index of the step at which the class is met first; Infinity: at none. */
const firstOf = ({ violations, documented }: RunResult, code: number): number =>
  Math.min(...[...violations, ...documented].map((f) => (f.code === code ? f.at : Infinity)));

const bad = ({ violations, documented }: RunResult): number =>
  violations.length > 0 ? 2 : documented.length > 0 ? 1 : 0;

/** What an observer saw: contents by name, as the head of this file says. */
export interface SeenContent {
  /** Index of the step. */
  readonly step: number;
  readonly kind: ObservationKind;
  readonly observedBy: ObservedBy;
  readonly observer: string;
  /** Page, where an mm observed; else ''. */
  readonly page: string;
  readonly seen: string;
  /** '' where several are allowed. */
  readonly promised: string;
  readonly provenance: Provenance;
}

/** Every content that was seen, in order. */
export function observationsOf({ steps }: Pick<Trace, 'steps'>): SeenContent[] {
  return steps.flatMap(({ step, observations }) =>
    observations.flatMap(({ kind, observedBy, observer, page, seen, expected: promised, provenance }) =>
      kind === 'claim' || seen === ''
        ? []
        : [{ step, kind, observedBy, observer, page, seen, promised, provenance }],
    ),
  );
}

/** The entry of a class in a run, and what its observer saw. */
export function observationOf(trace: Trace, found: FoundInRun): TraceObservation | undefined {
  const { observations, violations } = trace.steps[found.at]!;
  const at = violations.findIndex((v) => v.code === found.code && v.documented === found.documented);
  const kind = violations[at]?.kind;
  const broken = observations.filter((o) => o.kind === kind);
  // Several observers of one kind in one step: the one that saw this content.
  return broken.length < 2 ? broken[0] : (broken.find((o) => o.provenance !== 'match') ?? broken[0]);
}

/** Content tokens are bytes; a run of STEPS_MAX steps fits, so that none is ever renamed. */
const TOKENS = 250;

const WITHOUT_CONTENT: readonly ObservationKind[] = ['dirtied', 'writeback-lost', 'freed', 'access'];

class TracingWorld extends World {
  readonly steps: TraceStep[] = [];
  readonly origins = new Map<string, number>();
  readonly #scenario: Scenario;
  readonly #tokens: string[] = ['0'];
  readonly #mms: (string | undefined)[] = [FIRST_MM];
  readonly #refs: (string | undefined)[] = [];
  #decisions: TraceDecision[] = [];
  #observations: TraceObservation[] = [];

  constructor(scenario: Scenario, policy: ExpandedPolicy, beside?: ExpandedPolicy) {
    super(scenario.setup, policy, TOKENS);
    this.#scenario = scenario;
    for (const file of scenario.setup.files)
      if (!filesystem(file.filesystem).startsZero) this.#tokens.push(`${file.name}@0`);
    this.onObservation = (o) => {
      const { kind, observedBy, provenance, excuse, token, expected, a, b } = o;
      const byMm = kind === 'load' || kind === 'access';
      const byRef = kind === 'device-load' || kind === 'dio-write' || kind === 'freed';
      const content = !WITHOUT_CONTENT.includes(kind);
      this.#observations.push({
        kind,
        observedBy,
        observer: byMm ? this.#mms[a]! : byRef ? this.#refs[a]! : this.#file(a),
        page: byMm ? scenario.setup.pages[b]!.name : '',
        ref: kind === 'dirtied' ? this.#refs[b]! : '',
        provenance,
        seen: content ? this.#token(token) : '',
        expected: content && expected >= 0 ? this.#token(expected) : '',
        excuse,
        atStart: this.#atStart(o.kind, o.a),
        allowed: o.allowed,
      });
    };
    this.machine.onAnswer = (at, entry) => {
      const table = policy.tables[at]!;
      const { decision, rules, ruleOf, answer, usual } = table;
      if (usual === true && (beside === undefined || beside.tables[at]!.usual === true)) return;
      this.#decisions.push({
        decision,
        rule: rules[ruleOf[entry]!]!,
        answer: answerTexts(table)[answer[entry]!]!,
        facts: this.#factsSaid(factsOfEntry(table, entry)),
      });
    };
  }

  /** Facts that say something in this scenario. */
  #factsSaid(facts: TraceDecision['facts']): TraceDecision['facts'] {
    if (this.machine.hasSwap) return facts;
    return Object.fromEntries(Object.entries(facts).filter(([name]) => !needsSwap(name)));
  }

  override step(packed: number): number {
    const at = this.steps.length;
    const step = this.#scenario.steps[at]!;
    this.#decisions = [];
    this.#observations = [];
    const before = this.reference.tokens[0]!;
    const slot = this.reference.freeHandle();
    if (step.op === 'gup' && slot >= 0) this.#refs[slot] = step.result;
    // A store that is done takes the next token; name it before anybody sees it.
    this.#tokens[before] = `${'ref' in step ? step.ref : step.task}@${at + 1}`;
    const outcome = super.step(packed);
    if (this.reference.tokens[0]! > before) this.origins.set(this.#tokens[before]!, at);
    if (step.op === 'fork') this.#mms[this.slot] = step.result;
    if (step.op === 'exit') this.#mms[this.#mms.indexOf(step.task)] = undefined;
    this.steps.push({
      step: at,
      text: stepText(step),
      outcome: OUTCOME_NAMES[outcome]!,
      errno: OUTCOME_NAMES[outcome] === 'refused' ? this.machine.errno : '',
      decisions: this.#decisions,
      observations: this.#observations,
      violations: [...this.violations],
      state: this.state(),
    });
    return outcome;
  }

  state(): TraceState {
    const { machine: m, reference: ref, shape } = this;
    const { pages, files } = shape.setup;
    const mms = this.#mms.flatMap((mm, slot): TraceMm[] => {
      if (mm === undefined || m.alive[slot] === 0) return [];
      const ptes = pages.map(({ name: page }, v): TracePte => {
        const at = slot * pages.length + v;
        const bits = m.pte[at]!;
        const vma = m.vma[at]!;
        const expected = ref.expectedLoad(slot, v);
        const mapped = (vma & V_MAPPED) !== 0;
        return {
          page,
          mapped,
          prot: (vma & V_WRITE) !== 0 ? 'rw' : 'r',
          dontfork: (vma & V_DONTFORK) !== 0,
          frame: FRAMES[m.frameOf(at)]!,
          write: (bits & P_WRITE) !== 0,
          dirty: (bits & P_DIRTY) !== 0,
          pfn: (bits & P_PRESENT) === 0 ? -1 : m.pfn[at]!,
          current: !mapped
            ? ''
            : expected >= 0
              ? this.#token(expected)
              : shape.isPrivate[v] === 1
                ? 'file'
                : '',
        };
      });
      return [{ mm, hasPinned: m.hasPinned[slot] === 1, notes: m.notesOf('mm', slot), ptes }];
    });
    const folios: TraceFolio[] = [];
    for (let pfn = 0; pfn < shape.folios; pfn++) {
      if (m.refcount[pfn]! <= 0) continue;
      folios.push({
        pfn,
        refcount: m.refcount[pfn]!,
        mapcount: m.mapcount[pfn]!,
        pincount: m.pincount[pfn]!,
        flags: [
          ...(pfn === ZERO_PFN ? ['zero'] : []),
          ...FLAG_NAMES.filter(([bit]) => (m.flags[pfn]! & bit) !== 0).map(([, flag]) => flag),
        ],
        notes: m.notesOf('folio', pfn),
        content: this.#token(m.content[pfn]!),
      });
    }
    return {
      mms,
      folios,
      files: files.map(({ name: file }, f) => ({
        file,
        pfn: m.cache[f] === NO_PFN ? -1 : m.cache[f]!,
        disk: shape.onDisk[f] === 0 ? '' : this.#token(m.disk[f]!),
        current: this.#token(ref.current[ref.fileCell + f]!),
      })),
      refs: this.#refs.flatMap((name, h): TraceRef[] => {
        if (name === undefined || ref.handleState[h] === 0) return [];
        const live = ref.handleState[h] === HANDLE_LIVE && m.refKind[h] !== REF_NONE;
        const expected = live ? ref.expectedDevice(h) : -1;
        const flags = ref.handleFlags[h]!;
        return [
          {
            ref: name,
            kind: !live
              ? 'refused'
              : m.refKind[h] === REF_GET
                ? 'GET'
                : m.refKind[h] === REF_PIN
                  ? 'PIN'
                  : 'PIN uncounted',
            pfn: live ? m.refPfn[h]! : -1,
            of: this.#takenOn(name),
            promise: live ? ((flags & REF_EXACT) !== 0 ? 'exact' : 'since-take') : '',
            detached: (flags & REF_DETACHED) !== 0,
            current: expected >= 0 ? this.#token(expected) : '',
          },
        ];
      }),
    };
  }

  #token(token: number): string {
    return this.#tokens[token] ?? `token ${token}`;
  }
  #file(file: number): string {
    return this.#scenario.setup.files[file]!.name;
  }
  #takenOn(ref: string): string {
    const gup = this.#scenario.steps.find((s) => s.op === 'gup' && s.result === ref);
    return gup?.op === 'gup' ? `${gup.page} of ${gup.task}` : '';
  }
  #atStart(kind: ObservationKind, a: number): string {
    if (kind !== 'writeback-end' && kind !== 'dio-write') return '';
    const { machine: m } = this;
    for (let e = 0; e < m.events; e++)
      if (m.eventA[e] === a && m.eventKind[e] === (kind === 'dio-write' ? EV_DIO_WRITE : EV_WRITEBACK_END))
        return this.#token(m.eventOther[e]!);
    return '';
  }
}

const OUTCOME_NAMES: readonly StepOutcome[] = [
  'done',
  'no effect',
  'refused',
  'blocked',
  'skipped',
  'policy error',
  'not applicable',
  'in flight',
];

const FLAG_NAMES: readonly (readonly [number, string])[] = [
  [F_ANON, 'anon'],
  [F_EXCLUSIVE, 'exclusive'],
  [F_DIRTY, 'dirty'],
  [F_WRITEBACK, 'writeback'],
  [F_BOUNCED, 'bounced'],
  [F_BUFFERS, 'buffers'],
  [F_COVERED, 'covered'],
];

/** What an exhaustive search came to, as text for people and as data. Decides nothing. */
import { PROPERTIES } from '../../properties/index.ts';
import type { Unasked } from '../campaign/asked.ts';
import type { RegressionProof } from '../campaign/prove.ts';
import type { Grain } from '../check/key.ts';
import type { Stopped } from '../check/search.ts';
import type { BrokenPolicy, CheckVerdict, FoundClass, PropertyVerdict } from '../check/verdicts.ts';
import type { Setup } from '../domain/setup.ts';
import { DECISIONS } from '../machine/decisions.ts';
import type { ExpandedPolicy } from '../machine/tables.ts';
import type { Counterexample } from '../scenario/definition.ts';
import { stepText } from '../scenario/scenario.ts';
import { renderColumns, wrapText } from './columns.ts';
import { notesUnder } from './notes.ts';
import { type Paint, PLAIN } from './paint.ts';
import { replayBy, replayCommand } from './shell.ts';

export interface CheckReport {
  readonly policy: ExpandedPolicy;
  readonly setup: Setup;
  /** The scope for people, and as flags that give it again. */
  readonly words: string;
  readonly flags: string;
  readonly grain: Grain;
  readonly symmetry: boolean;
  /** Steps; Infinity: any number. */
  readonly depthAsked: number;
  readonly stopped: Stopped;
  /** All programs of up to so many steps were run. */
  readonly depth: number;
  /** What that took: states, and steps executed. */
  readonly states: number;
  readonly transitions: number;
  readonly properties: readonly PropertyVerdict[];
  readonly policyError: BrokenPolicy | undefined;
  /** Beside which policy it was judged (policies/base.ts). */
  readonly beside: BesideReport | undefined;
  /** What makes exit code 1: its regressions; beside nothing, what history does not know of a built-in policy. */
  readonly unexpected: ReadonlySet<FoundClass>;
  /** Of each class; of documented ones if they are kept. */
  readonly counterexamples: ReadonlyMap<
    FoundClass,
    { readonly content: Counterexample; readonly file?: string }
  >;
  readonly cost: CheckCost;
}

export interface BesideReport {
  readonly base: ExpandedPolicy;
  /** Undefined: of a built-in policy only the shortest program of each class is looked at beside its predecessor. */
  readonly proof: RegressionProof | undefined;
  /** Without a proof: classes whose shortest program is a regression. */
  readonly worse: ReadonlySet<FoundClass>;
  /** As it was asked for; undefined: the policy's own. */
  readonly name: string | undefined;
}

/** What depends on the machine and on the time that the search was given. */
export interface CheckCost {
  readonly seconds: number;
  readonly threads: number;
  /** Visited in this run, those of a layer that is not complete included. */
  readonly states: number;
  readonly statesPerSecond: number;
  /** Bytes of table and layers, at the end. */
  readonly bytes: number;
  readonly bytesPerState: number;
}

export interface CheckTextOptions {
  readonly paint?: Paint;
  /** Most characters per line. */
  readonly width?: number;
  /** The steps of documented exceptions too. */
  readonly documented?: boolean;
}

// ---- Text --------------------------------------------------------------------------------------------------------

/** Ends in a newline. */
export function checkText(report: CheckReport, options: CheckTextOptions = {}): string {
  const paint = options.paint ?? PLAIN;
  const width = options.width ?? 100;
  const parts = [
    headText(report, paint, width),
    tableText(report, paint, width),
    ...regressionsText(report, paint, width),
    ...brokenText(report, paint, width),
    ...policyErrorText(report, paint, width),
    ...documentedText(report, paint, width, options.documented === true),
    footText(report, width),
  ];
  return `${parts.map((lines) => lines.map((l) => l.trimEnd()).join('\n')).join('\n\n')}\n`;
}

function headText(r: CheckReport, paint: Paint, width: number): string[] {
  const what =
    r.depthAsked === Infinity
      ? 'every program of any number of steps'
      : `every program of up to ${count(r.depthAsked, 'step')}`;
  return [
    paint.bold(`${r.policy.id}: ${what}`),
    ...labelled('scope', r.words, width),
    ...labelled(
      'grain',
      `${r.grain}${r.grain === 'property' ? ': one counterexample per kind of damage stands for all classes of it' : ''}` +
        (r.symmetry ? '' : '; without symmetry'),
      width,
    ),
  ];
}

const labelled = (name: string, text: string, width: number): string[] =>
  wrapText(text, width - 7).map((line, i) => `${(i === 0 ? name : '').padEnd(7)}${line}`);

const TINT: { readonly [V in CheckVerdict]: (paint: Paint) => (text: string) => string } = {
  holds: (p) => p.green,
  broken: (p) => p.red,
  inconclusive: (p) => p.yellow,
  'not tested': (p) => p.yellow,
  'cannot be tested': (p) => p.dim,
};

/** A row per property: its verdict and how far it goes. What cannot be tested is told once per reason, below. */
function tableText(r: CheckReport, paint: Paint, width: number): string[] {
  const room = Math.max(...r.properties.map((p) => p.property.length));
  // Beside their names where there is room for a few words, else below them.
  const beside = width - room >= 24;
  const rows = r.properties.flatMap((p) => {
    const lead = beside ? `${p.property.padEnd(room)}  ` : '  ';
    const text = p.verdict === 'cannot be tested' ? p.verdict : verdictText(r, p);
    return [
      ...(beside ? [] : [p.property]),
      ...wrapText(text, width - lead.length).map((line, i) =>
        i === 0
          ? lead + line.replace(p.verdict, TINT[p.verdict](paint)(p.verdict))
          : ' '.repeat(lead.length) + line,
      ),
    ];
  });
  const unfit = r.properties.filter((p) => p.verdict === 'cannot be tested');
  const reasons = [...new Set(unfit.map((p) => p.reason))].flatMap((reason) => {
    const names = unfit.filter((p) => p.reason === reason).map((p) => p.property);
    return wrapText(`Cannot be tested in this scope: ${names.join(', ')}: ${reason}.`, width);
  });
  return reasons.length === 0 ? rows : [...rows, '', ...reasons];
}

/** `holds for any number of steps`, `broken: 2 classes, the shortest counterexample has 3 steps`, ... */
export function verdictText(r: CheckReport, p: PropertyVerdict): string {
  switch (p.verdict) {
    case 'holds':
      return r.stopped === 'closed'
        ? 'holds for any number of steps'
        : `holds for up to ${count(r.depth, 'step')}`;
    case 'broken':
      return `broken: ${classesText(r, p.classes)}${newsOf(r, p)}`;
    case 'inconclusive': {
      if (r.depth === 0) return 'inconclusive: the search did not get anywhere';
      const whole = r.stopped === 'closed' ? 'programs' : `programs of up to ${count(r.depth, 'step')}`;
      const limit = r.policyError === undefined ? '' : ', as far as the policy let them go on';
      return `inconclusive: not broken by ${whole}${limit}`;
    }
    default:
      return `${p.verdict}: ${p.reason}`;
  }
}

/** `; 2 regress`, `; unexpected`, or ''. */
function newsOf(r: CheckReport, p: PropertyVerdict): string {
  const proof = r.beside?.proof;
  if (proof !== undefined) {
    const news = proof.regressions.filter((c) => c.class.property === p.property).length;
    if (news === 0) return proof.covered === Infinity ? `; ${proof.base.id} breaks it alike` : '';
    return `; ${count(news, 'regression')}`;
  }
  const news = p.classes.filter((c) => r.unexpected.has(c)).length;
  return news === 0 ? '' : news === p.classes.length ? '; unexpected' : `; ${news} unexpected`;
}

/** What the base keeps: per property the shortest program in columns, and the steps of the other classes. */
function regressionsText(r: CheckReport, paint: Paint, width: number): string[][] {
  const proof = r.beside?.proof;
  if (proof === undefined) return [];
  return PROPERTIES.flatMap(({ id, claim }) => {
    const classes = proof.regressions.filter((c) => c.class.property === id);
    if (classes.length === 0) return [];
    return [
      [
        `${paint.red('Regression')}: ${r.policy.id} breaks ${paint.bold(id)}, ${proof.base.id} keeps it on the same program.`,
        ...wrapText(claim, width),
        '',
        ...storiesText(r, classes, paint, width),
      ],
    ];
  });
}

/** Per broken property its shortest counterexample in columns, and the steps of the other classes. */
function brokenText(r: CheckReport, paint: Paint, width: number): string[][] {
  const told = new Set(r.beside?.proof?.regressions);
  return r.properties.flatMap((p) => {
    // First what is news; regressions were told before, each with the program on which it is one.
    const classes = [
      ...p.classes.filter((c) => r.unexpected.has(c)),
      ...p.classes.filter((c) => !r.unexpected.has(c)),
    ].filter((c) => !told.has(c));
    if (classes.length === 0) return [];
    const claim = PROPERTIES.find(({ id }) => id === p.property)?.claim;
    return [
      [
        `${paint.bold(p.property)}${claim === undefined ? '' : ' is broken.'}`,
        ...(claim === undefined ? [] : wrapText(claim, width)),
        '',
        ...storiesText(r, classes, paint, width),
      ],
    ];
  });
}

/** The first class in columns, of the others the steps. */
function storiesText(r: CheckReport, classes: readonly FoundClass[], paint: Paint, width: number): string[] {
  return classes.flatMap((c, i) => [
    ...(i === 0 ? [] : ['']),
    ...classHead(r, c, paint),
    ...(i === 0 ? fullText(r, c, width) : stepsText(c, width)),
    ...commandText(r, c, paint),
  ]);
}

function classHead(r: CheckReport, c: FoundClass, paint: Paint): string[] {
  return [`  ${paint.red(c.classId)}  ${count(c.length, 'step')}${besideText(r, c, paint)}`];
}

/** How the class stands beside the base, in a few words. */
function besideText(r: CheckReport, c: FoundClass, paint: Paint): string {
  if (r.beside === undefined) return r.unexpected.has(c) ? paint.red('  unexpected') : '';
  const { base, proof, worse } = r.beside;
  if (proof === undefined) {
    const news = r.unexpected.has(c) ? paint.red('  unexpected') : '';
    return `${news}${worse.has(c) ? `  not under ${base.id}` : ''}`;
  }
  if (proof.regressions.includes(c)) return paint.red('  regression');
  if (proof.regressions.some((x) => x.classId === c.classId)) return `  ${base.id} too, on this program`;
  const common = proof.common.find(({ found }) => found === c);
  if (common === undefined) return '';
  return common.covered === Infinity
    ? `  ${base.id} too`
    : `  ${base.id} too, on this program and all of up to ${count(common.covered, 'step')}`;
}

/** Columns, what was seen and what was promised. */
function fullText(r: CheckReport, c: FoundClass, width: number): string[] {
  const seen = r.counterexamples.get(c)?.content.seen ?? undefined;
  const columns = renderColumns(c.scenario, {
    width: Math.max(40, width - 4),
    marks: new Set([c.length - 1]),
    notes: notesUnder(c.scenario, [r.policy]),
  });
  return [
    ...columns
      .trimEnd()
      .split('\n')
      .map((line) => `    ${line}`),
    ...(seen === undefined
      ? []
      : wrapText(`seen: ${seen.observed}; promised: ${seen.expected}`, width - 4).map(
          (line) => `    ${line}`,
        )),
  ];
}

const stepsText = (c: { readonly scenario: FoundClass['scenario'] }, width: number): string[] =>
  wrapText(c.scenario.steps.map(stepText).join('; '), width - 4).map((line) => `    ${line}`);

function commandText(r: CheckReport, c: FoundClass, paint: Paint): string[] {
  const file = r.counterexamples.get(c)?.file;
  return file === undefined
    ? []
    : [`    ${paint.cyan(replayCommand(file, replayBy(r.policy, r.beside?.name)))}`];
}

function policyErrorText(r: CheckReport, paint: Paint, width: number): string[][] {
  if (r.policyError === undefined) return [];
  const { message, scenario } = r.policyError;
  return [
    [
      paint.bold('The policy gives an answer that cannot be carried out; programs end there'),
      ...wrapText(message, width - 2).map((line) => `  ${line}`),
      ...stepsText({ scenario }, width),
    ],
  ];
}

function documentedText(r: CheckReport, paint: Paint, width: number, full: boolean): string[][] {
  const all = r.properties.flatMap((p) => p.documented);
  if (all.length === 0) return [];
  const title = (hint: string): string[] =>
    wrapText(`Documented exceptions (nothing that was promised is broken${hint})`, width).map((line) =>
      line.replace('Documented exceptions', paint.bold('Documented exceptions')),
    );
  if (full)
    return [
      [
        ...title(''),
        ...all.flatMap((c) => [
          `  ${c.classId}  ${count(c.length, 'step')}`,
          ...stepsText(c, width),
          ...commandText(r, c, paint),
        ]),
      ],
    ];
  const some = r.properties.filter((p) => p.documented.length > 0);
  const room = Math.max(...some.map((p) => p.property.length));
  return [
    [
      ...title('; --documented shows them'),
      ...some.map((p) => `  ${p.property.padEnd(room)}  ${classesText(r, p.documented)}`),
    ],
  ];
}

/** `4 classes, the shortest in 3 steps`. */
function classesText(r: CheckReport, classes: readonly FoundClass[]): string {
  const n = classes.length;
  const kinds =
    r.grain === 'class' ? count(n, 'class') : n === 1 ? 'one kind of damage' : `${n} kinds of damage`;
  return `${kinds}, ${n === 1 ? '' : 'the shortest '}in ${count(classes[0]!.length, 'step')}`;
}

function footText(r: CheckReport, width: number): string[] {
  const { cost } = r;
  return [
    ...(newsText(r) === '' ? [] : wrapText(newsText(r), width)),
    ...wrapText(extentText(r), width),
    ...wrapText(
      `${secondsText(cost.seconds)} in all, ${number(cost.statesPerSecond)} states/s searched on ${count(cost.threads, 'thread')}; ` +
        `${bytesText(cost.bytes)}, ${number(cost.bytesPerState)} bytes per state`,
      width,
    ),
  ];
}

/** What is new, in a sentence; '' if there is nothing to say. */
function newsText(r: CheckReport): string {
  if (r.beside?.proof !== undefined) return proofText(r.beside.proof);
  const broken = r.properties.flatMap((p) => p.classes);
  if (broken.length === 0) return '';
  const total = `${count(broken.length, 'class')} of broken promises`;
  if (r.policy.canary) return `${total}: the canary was caught.`;
  const worse = r.beside?.worse.size ?? 0;
  const era =
    worse === 0 ? '' : `; ${r.beside!.base.id} before it keeps ${number(worse)} of them on the same program`;
  if (r.unexpected.size === 0) return `${total}, all of a kind known for it${era}.`;
  return `${total}, ${number(r.unexpected.size)} of a kind not known for it${era}.`;
}

/** Why nothing can be said of what two policies differ in. */
export function unaskedText({ decisions, steps }: Unasked): string {
  const programs =
    steps === Infinity ? 'no program of this scope' : `no program of up to ${count(steps, 'step')}`;
  const [first, ...others] = new Set(decisions.map((name) => DECISIONS[name].only));
  const may =
    others.length > 0 || first === undefined
      ? 'another --scope, --gups all, or --pin-bias 2 may'
      : first === 'fine'
        ? 'only interleaved operations ask: --scope race, or --tasks 2'
        : 'only where there is swap: --scope swap, or --swap disk';
  return `${programs} asks ${decisions.join(', ')} for facts by which the answers differ (${may}).`;
}

/** What the search beside the base came to. */
function proofText(proof: RegressionProof): string {
  const { base, regressions, common, covered, stopped, states, baseError } = proof;
  const none =
    covered === Infinity ? 'for any number of steps' : `in programs of up to ${count(covered, 'step')}`;
  const rest = common.length === 0 ? '' : ` ${count(common.length, 'class')} of what both break`;
  const size = states === 0 ? '' : ` (${number(states)} states of both)`;
  const end =
    baseError !== ''
      ? ` ${base.id} gives an answer that cannot be carried out: nothing is said beside it.`
      : stopped === undefined || (stopped === 'enough' && regressions.length > 0)
        ? ''
        : ` Inconclusive beyond that: ${STOPPED[stopped]}.`;
  if (regressions.length === 0) {
    if (baseError !== '') return end.trim();
    const of = common.length === 0 ? '' : `;${rest}`;
    if (proof.unasked !== undefined)
      return `Nothing of the change was tested beside ${base.id}: ${unaskedText(proof.unasked)}${end}`;
    return `No regression beside ${base.id} ${none}${size}${of}.${end}`;
  }
  const shortest = `${number(regressions.length)} ${regressions.length === 1 ? 'class' : 'classes'} of regressions beside ${base.id}, the shortest in ${count(regressions[0]!.length, 'step')}`;
  const others =
    stopped === 'enough' || common.length === 0 ? '' : `;${rest}, none of them worse ${none}${size}`;
  return `${shortest}${others}.${end}`;
}

/** How far the verdicts reach, in a sentence. */
export function extentText(r: CheckReport): string {
  const size = `${number(r.states)} states, ${number(r.transitions)} transitions`;
  if (r.stopped === 'closed')
    return `The state space is closed: ${size}, the last new state after ${count(r.depth - 1, 'step')}.`;
  const to = r.depth === 0 ? 'Nothing is complete' : `Complete to depth ${r.depth}: ${size}`;
  if (r.stopped === 'depth') return `${to}.`;
  return `${to}; ${STOPPED[r.stopped]}, ${number(r.cost.states)} states visited.`;
}

const STOPPED: { readonly [S in Exclude<Stopped, 'closed' | 'depth'>]: string } = {
  enough: 'what was asked for was found',
  states: 'the limit of states was reached',
  memory: 'the limit of memory was reached',
  interrupted: 'interrupted',
};

const number = (n: number): string => Math.round(n).toLocaleString('en-US');

function count(n: number, what: string): string {
  const plural = what.endsWith('s') ? `${what}es` : `${what}s`;
  return `${number(n)} ${n === 1 ? what : plural}`;
}

const secondsText = (s: number): string =>
  s < 60 ? `${s.toFixed(1)} s` : `${Math.floor(s / 60)} min ${Math.round(s % 60)} s`;

/** `39 MiB`, `3.2 GiB`. */
export function bytesText(bytes: number): string {
  const mib = bytes / 2 ** 20;
  if (mib < 1) return `${Math.ceil(bytes / 1024)} KiB`;
  if (mib < 1024) return `${Math.round(mib)} MiB`;
  const gib = mib / 1024;
  return `${gib < 100 ? gib.toFixed(1) : number(gib)} GiB`;
}

// ---- Data --------------------------------------------------------------------------------------------------------

/** For `--format json`. Whatever depends on the clock or the machine is in `cost`. */
export function checkData(r: CheckReport): object {
  return {
    policy: r.policy.id,
    module: r.policy.module ?? null,
    scope: { words: r.words, flags: r.flags, setup: r.setup },
    grain: r.grain,
    symmetry: r.symmetry,
    depthAsked: r.depthAsked === Infinity ? null : r.depthAsked,
    stopped: r.stopped,
    depth: r.depth,
    states: r.states,
    transitions: r.transitions,
    properties: r.properties.map((p) => ({
      property: p.property,
      verdict: p.verdict,
      reason: p.reason === '' ? null : p.reason,
      goalMet: p.goalMet ?? null,
      classes: p.classes.map((c) => classData(r, c)),
      documented: p.documented.map((c) => classData(r, c)),
    })),
    policyError:
      r.policyError === undefined
        ? null
        : { message: r.policyError.message, steps: r.policyError.scenario.steps.map(stepText) },
    beside: r.beside === undefined ? null : besideData(r, r.beside),
    unexpected: [...r.unexpected].map((c) => c.classId),
    cost: {
      ...r.cost,
      seconds: Math.round(r.cost.seconds * 1000) / 1000,
      statesPerSecond: Math.round(r.cost.statesPerSecond),
    },
  };
}

/** `covered`: steps up to which there is no regression but those listed; null: any number. */
function besideData(r: CheckReport, { base, proof, worse }: BesideReport): object {
  const depth = (covered: number): number | null => (covered === Infinity ? null : covered);
  if (proof === undefined) return { base: base.id, proof: null, worse: [...worse].map((c) => c.classId) };
  const { regressions, common, covered, stopped, states, baseError } = proof;
  return {
    base: base.id,
    proof: {
      verdict:
        regressions.length > 0
          ? 'regression'
          : proof.unasked !== undefined
            ? 'not tested'
            : stopped === undefined && baseError === ''
              ? 'none'
              : 'inconclusive',
      closed: covered === Infinity,
      covered: depth(covered),
      stopped: stopped ?? null,
      states,
      unasked: proof.unasked?.decisions ?? null,
      baseError: baseError === '' ? null : baseError,
      regressions: regressions.map((c) => classData(r, c)),
      common: common.map((c) => ({
        class: c.found.classId,
        closed: c.covered === Infinity,
        covered: depth(c.covered),
      })),
    },
  };
}

function classData(r: CheckReport, c: FoundClass): object {
  const built = r.counterexamples.get(c);
  const { seen } = built?.content ?? {};
  return {
    class: c.classId,
    length: c.length,
    unexpected: r.unexpected.has(c),
    steps: c.scenario.steps.map(stepText),
    ...(seen === undefined || seen === null ? {} : { observed: seen.observed, promised: seen.expected }),
    file: built?.file ?? null,
  };
}

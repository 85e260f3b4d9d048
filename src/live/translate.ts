/**
 * From a scenario to a program for a real kernel. What a user program cannot do is not approximated: the scenario is
 * `unsupported` and says why. What stands in for something else (a vmsplice for a plain R GET) is listed, and the
 * model has to be run on the scenario with these substitutions, so that both run the same thing.
 */
import { CHOSEN_FILESYSTEMS, filesystem } from '../domain/filesystems.ts';
import type { Caller } from '../domain/kinds.ts';
import { backingOf, KIND_TRAITS, type PageKind } from '../domain/page-kinds.ts';
import type { FileSetup, Setup } from '../domain/setup.ts';
import type { AnyStep, NameSort } from '../ops/args.ts';
import { isOneTransfer } from '../ops/callers.ts';
import { OPS, opOfStep } from '../ops/index.ts';
import type { AnyCall, Numbering } from '../ops/live.ts';
import { CALLER_CONTRACTS } from '../reference/promises.ts';
import { FIRST_MM, goesAside, type Scenario, type Step, stepText } from '../scenario/scenario.ts';
import {
  type Capabilities,
  FILE_TOKEN,
  type LiveCaller,
  type LiveFile,
  type LivePage,
  type LiveProgram,
  type LiveStep,
} from './protocol.ts';

/** Profile that stands for ext4 of the kernels that can be had: v5.18 on, and stable trees with cc5095747edf. */
export const LIVE_PROFILE = 'ext4-v5.18';
/** GUP_PIN_COUNTING_BIAS of every kernel. */
const KERNEL_BIAS = 1024;
/** Filesystems that are told of every first store to a shared mapping; the model's files are on one of them. */
const TRACKING: readonly string[] = ['ext4', 'xfs', 'btrfs'];

export interface Translated {
  readonly program: LiveProgram;
  /** Per step of the program: index of the step of `scenario` that it is (of an O_DIRECT call, its dio_end). */
  readonly from: readonly number[];
  /** With the substitutions. */
  readonly scenario: Scenario;
  /**
   * By reference, the caller that was asked for: what stands in for it holds the same page, and shows what the one that
   * was asked for would have seen. So it is the promise of that one that is judged.
   */
  readonly promised: ReadonlyMap<string, Caller>;
  /** In words, one per substitution. */
  readonly substitutions: readonly string[];
}
export interface Unsupported {
  readonly unsupported: string;
}

/**
 * By step of the scenario, the step of the program that tells of it, if one does. An O_DIRECT call is one step: what it
 * stored or showed is told of its dio_end, and whether it was refused of its gup too.
 */
export function toldBy({ scenario, from }: Translated): readonly (number | undefined)[] {
  const told = scenario.steps.map((_, at): number | undefined => {
    const live = from.indexOf(at);
    return live < 0 ? undefined : live;
  });
  return scenario.steps.map((step, at) => told[at] ?? (step.op === 'gup' ? told[at + 1] : undefined));
}

/** Why the translation gives up; never leaves this module. */
class Cannot extends Error {}

/** Callers that a program can be; `get` and `pin` are for the kernel. */
export const LIVE_CALLERS: readonly LiveCaller[] = [
  'vmsplice',
  'fixed_buffer',
  'process_vm_readv',
  'process_vm_writev',
  'o_direct_read',
  'o_direct_write',
];

const isLive = (caller: Caller): caller is LiveCaller => LIVE_CALLERS.some((c) => c === caller);

/** The content of token n of a scenario's step, as the model names it: step n - 1 stored it. */
export const tokenOf = (step: number): number => step + 1;

/** Why the kernel lacks what an operation or a page kind needs, or ''. What the probe does not know is not missed. */
export function missing(capabilities: Capabilities, name: string): string {
  const feature = OPS.find((op) => op.kind === name)?.live.feature ?? name;
  return capabilities.features[feature] ?? '';
}

/** Why a page of this kind cannot be had, or ''. */
export function pageKindMissing(kind: PageKind, capabilities: Capabilities): string {
  const backing = backingOf(kind);
  if (backing.file !== '' && backing.live === '') return noFile(backing.title);
  const why = missing(capabilities, KIND_TRAITS[kind].backing);
  if (why !== '') return why;
  if (backing.dirtyTracked && !TRACKING.includes(capabilities.filesystem))
    return `the files are on ${capabilities.filesystem}, which is not told of stores (${TRACKING.join(', ')} are)`;
  return '';
}

const noFile = (title: string): string => `the executor makes no file of ${title}`;

const hasChoice = ({ filesystem }: FileSetup): boolean => CHOSEN_FILESYSTEMS.includes(filesystem);

/** The program, or why there is none. */
export function toLive(scenario: Scenario, capabilities: Capabilities): Translated | Unsupported {
  try {
    return translate(scenario, capabilities);
  } catch (error) {
    if (error instanceof Cannot) return { unsupported: error.message };
    throw error;
  }
}

export const isUnsupported = (t: Translated | Unsupported): t is Unsupported => 'unsupported' in t;

function translate(original: Scenario, capabilities: Capabilities): Translated {
  const substitutions = new Set<string>();
  const setup = setupFor(original, capabilities, substitutions);
  const steps = endTransfers(callersFor(original.steps, capabilities, substitutions), substitutions);
  const scenario = { setup, steps };
  const { program, from } = numbered(scenario, capabilities);
  const promised = new Map(
    original.steps.flatMap((s) => (s.op === 'gup' ? [[s.result, s.caller] as const] : [])),
  );
  return { program, from, scenario, promised, substitutions: [...substitutions] };
}

function setupFor({ setup, steps }: Scenario, capabilities: Capabilities, substitutions: Set<string>): Setup {
  if (setup.tasks !== undefined)
    throw new Cannot('operations are interleaved; no program can stop a kernel between two of its steps');
  if (setup.swap !== undefined)
    throw new Cannot('pages are swapped out; the executor sets up no swap, and without it nothing is');
  if (setup.files.some(({ index }) => index !== undefined))
    throw new Cannot('files have several pages and an end; files of the executor have one page');
  if (setup.parts !== undefined) throw new Cannot('parts of pages are stored to; the executor fills pages');
  if (setup.pinBias !== KERNEL_BIAS)
    throw new Cannot(`the pin bias is ${setup.pinBias}; that of kernels is ${KERNEL_BIAS}`);
  for (const { name, kind } of setup.pages) {
    const why = pageKindMissing(kind, capabilities);
    if (why !== '') throw new Cannot(`page ${name} (${kind}): ${why}`);
  }
  const files = setup.files.map((file): FileSetup => {
    if (!hasChoice(file) || file.filesystem === LIVE_PROFILE) return file;
    if (file.filesystem.endsWith('-stable'))
      throw new Cannot(`file ${file.name}: ${file.filesystem} needs a device that asks for stable pages`);
    substitutions.add(`${LIVE_PROFILE} for ${file.filesystem}`);
    return { ...file, filesystem: LIVE_PROFILE };
  });
  if (setup.aside?.endsWith('-stable') === true && steps.some(goesAside))
    throw new Cannot(`${setup.aside} aside needs a device that asks for stable pages`);
  if (capabilities.filesystem !== 'ext4' && files.some(hasChoice))
    substitutions.add(`files are on ${capabilities.filesystem}, modelled as ${LIVE_PROFILE}`);
  return { ...setup, files };
}

/** Live callers for plain ones, by what they ask for. */
function callersFor(
  steps: readonly Step[],
  capabilities: Capabilities,
  substitutions: Set<string>,
): readonly Step[] {
  return steps.map((step) => {
    if (step.op !== 'gup') return step;
    const caller = callerFor(step);
    const why = capabilities.callers[caller];
    if (why !== '') throw new Cannot(`${stepText(step)}: no ${caller}: ${why}`);
    if (caller === step.caller) return step;
    const flags = `${step.write ? 'W' : 'R'}${step.longterm ? ' LONGTERM' : ''}`;
    substitutions.add(`${caller} for ${step.caller} ${flags}`);
    return { ...step, caller };
  });
}

function callerFor(step: Extract<Step, { readonly op: 'gup' }>): LiveCaller {
  const { caller, write, longterm } = step;
  if (isLive(caller)) return caller;
  if (caller === 'get') {
    if (write) throw new Cannot(`${stepText(step)}: no system call holds a W GET`);
    return 'vmsplice';
  }
  if (longterm) {
    if (!write) throw new Cannot(`${stepText(step)}: no system call takes a long-term R pin`);
    return 'fixed_buffer';
  }
  return write ? 'process_vm_writev' : 'process_vm_readv';
}

/**
 * A process_vm call moves data once and ends with that. So an unpin has to follow the transfer at once; where the
 * scenario never lets go, the unpin is put in.
 */
function endTransfers(steps: readonly Step[], substitutions: Set<string>): readonly Step[] {
  const callers = new Map(steps.flatMap((s) => (s.op === 'gup' ? [[s.result, s.caller] as const] : [])));
  const ended = new Set<string>();
  return steps.flatMap((step, at): Step[] => {
    if (step.op !== 'dma_read' && step.op !== 'dma_write' && step.op !== 'unpin') return [step];
    const caller = callers.get(step.ref)!;
    if (step.op === 'unpin') {
      const { release } = CALLER_CONTRACTS[caller];
      if (step.dirty && release === 'unpin clean')
        throw new Cannot(`${stepText(step)}: ${caller} does not dirty the page`);
      if (!step.dirty && release === 'unpin dirty')
        throw new Cannot(`${stepText(step)}: ${caller} always dirties the page`);
    }
    if (step.op === 'dma_read' && caller === 'process_vm_writev')
      throw new Cannot(`${stepText(step)}: process_vm_writev does not read`);
    if (!isOneTransfer(caller)) return [step];
    if (step.op === 'unpin') {
      const before = steps[at - 1];
      if (ended.has(step.ref) && !(before !== undefined && 'ref' in before && before.ref === step.ref))
        throw new Cannot(`${stepText(step)}: ${caller} ended with its transfer`);
      return [step];
    }
    if (ended.has(step.ref)) throw new Cannot(`${stepText(step)}: ${caller} moves data once`);
    ended.add(step.ref);
    const rest = steps.slice(at + 1).filter((s) => 'ref' in s && s.ref === step.ref);
    if (rest.length > 0) return [step];
    const unpin: Step = { task: 'device', op: 'unpin', ref: step.ref, dirty: caller === 'process_vm_writev' };
    substitutions.add(`${stepText(unpin)} put in: ${caller} ends with its transfer`);
    return [step, unpin];
  });
}

/** Names become numbers. */
function numbered(
  { setup, steps }: Scenario,
  capabilities: Capabilities,
): { readonly program: LiveProgram; readonly from: readonly number[] } {
  const numbers: Readonly<Record<NameSort, Map<string, number>>> = {
    mm: new Map([[FIRST_MM, 0]]),
    ref: new Map(),
    page: new Map(setup.pages.map((p, i) => [p.name, i])),
    file: new Map(setup.files.map((f, i) => [f.name, i])),
  };
  const callers = new Map<string, Caller>();
  const out: LiveStep[] = [];
  const from: number[] = [];
  const number = (sort: NameSort, name: string): number => numbers[sort].get(name)!;
  let over = ''; // the reference whose call the step before ended
  for (let at = 0; at < steps.length; at++) {
    const step = steps[at]!;
    const op = opOfStep(step);
    const said = step as AnyStep;
    const cannot = (why: string): never => {
      throw new Cannot(`${stepText(step)}: ${why}`);
    };
    const why = missing(capabilities, step.op);
    if (why !== '') cannot(why);
    if (step.op === 'gup') callers.set(step.result, step.caller);
    let ended = '';
    /** As its call sends it. What it makes gets its number once its task has one. */
    const plain = (): AnyCall => {
      const call: Record<string, string | number | boolean> = { op: op.kind };
      for (const field of op.sends ?? cannot('no call does it by itself')) {
        const arg = op.args[field];
        const value = said[field];
        if (field === 'mm') call[field] = number('mm', said.task);
        else if (field === 'token') call[field] = tokenOf(at);
        else if (arg === undefined) {
          const made = numbers[op.makes!];
          call[field] = made.size;
          made.set(said.result as string, made.size);
        } else call[field] = 'is' in arg && arg.is !== 'caller' ? number(arg.is, value as string) : value!;
      }
      return call as AnyCall;
    };
    const numbering: Numbering = {
      number,
      callerOf: (ref) => callers.get(ref)!,
      token: () => tokenOf(at),
      together: (kind, ref) => {
        const next = steps[at + 1] as AnyStep | undefined;
        if (next?.op !== kind || next.ref !== ref) return false;
        at++;
        return true;
      },
      over,
      end: (ref) => {
        ended = ref;
      },
      cannot,
    };
    const call = op.live.number === undefined ? plain() : op.live.number(said, numbering, plain);
    over = ended;
    if (call === undefined) continue;
    out.push(call as LiveStep);
    from.push(at);
  }
  const pages = setup.pages.map(
    (p): LivePage => ({
      kind: p.kind,
      prot: p.prot,
      file: p.file === undefined ? -1 : number('file', p.file),
    }),
  );
  const files = setup.files.map((f): LiveFile => {
    const { live, title } = filesystem(f.filesystem);
    if (live === '') throw new Cannot(`file ${f.name}: ${noFile(title)}`);
    return live;
  });
  return { program: { pages, files, steps: out }, from };
}

/** A token of the protocol as the model names contents: `P@3`, `h1@4`, `f@0`, `0`. */
export function tokenText(scenario: Scenario, token: number): string {
  if (token === 0) return '0';
  const { files } = scenario.setup;
  if (token >= FILE_TOKEN && token < FILE_TOKEN + files.length) return `${files[token - FILE_TOKEN]!.name}@0`;
  const step = scenario.steps[token - 1];
  if (step === undefined) return `no token of this program (${token})`;
  return `${'ref' in step ? step.ref : step.task}@${token}`;
}

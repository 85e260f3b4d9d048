/**
 * From a scenario to a program for a real kernel. What a user program cannot do is not approximated: the scenario is
 * `unsupported` and says why. What stands in for something else (a vmsplice for a plain R GET) is listed, and the
 * model has to be run on the scenario with these substitutions, so that both run the same thing.
 */
import { CHOSEN_FILESYSTEMS, filesystem } from '../domain/filesystems.ts';
import type { Caller } from '../domain/kinds.ts';
import { backingOf, KIND_TRAITS, type PageKind } from '../domain/page-kinds.ts';
import type { FileSetup, Setup } from '../domain/setup.ts';
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
const isOneTransfer = (caller: Caller): boolean =>
  caller === 'process_vm_readv' || caller === 'process_vm_writev';

/** The content of token n of a scenario's step, as the model names it: step n - 1 stored it. */
export const tokenOf = (step: number): number => step + 1;

/** What the probe calls the feature that an operation needs, where it is not the operation's name. */
const FEATURE: { readonly [op: string]: string } = { reclaim: 'pageout', wb_end: 'wb_start' };

/** Why the kernel lacks what an operation or a page kind needs, or ''. What the probe does not know is not missed. */
export function missing(capabilities: Capabilities, name: string): string {
  return capabilities.features[FEATURE[name] ?? name] ?? '';
}

/** Why a page of this kind cannot be had, or ''. */
export function pageKindMissing(kind: PageKind, capabilities: Capabilities): string {
  const why = missing(capabilities, KIND_TRAITS[kind].backing);
  if (why !== '') return why;
  if (backingOf(kind).dirtyTracked && !TRACKING.includes(capabilities.filesystem))
    return `the files are on ${capabilities.filesystem}, which is not told of stores (${TRACKING.join(', ')} are)`;
  return '';
}

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
  const mms = new Map([[FIRST_MM, 0]]);
  const refs = new Map<string, number>();
  const callers = new Map<string, Caller>();
  const out: LiveStep[] = [];
  const from: number[] = [];
  const page = (name: string): number => setup.pages.findIndex((p) => p.name === name);
  const file = (name: string): number => setup.files.findIndex((f) => f.name === name);
  let transferred = ''; // the process_vm reference that the step before ended
  for (let at = 0; at < steps.length; at++) {
    const step = steps[at]!;
    const why = missing(capabilities, step.op);
    if (why !== '') throw new Cannot(`${stepText(step)}: ${why}`);
    const just = transferred;
    transferred = '';
    const push = (live: LiveStep): void => {
      out.push(live);
      from.push(at);
    };
    switch (step.op) {
      case 'fork': {
        const child = mms.size;
        push({ op: 'fork', mm: mms.get(step.task)!, child });
        mms.set(step.result, child);
        break;
      }
      case 'exit':
        push({ op: 'exit', mm: mms.get(step.task)! });
        break;
      case 'munmap':
      case 'read':
        push({ op: step.op, mm: mms.get(step.task)!, page: page(step.page) });
        break;
      case 'write':
        push({ op: 'write', mm: mms.get(step.task)!, page: page(step.page), token: tokenOf(at) });
        break;
      case 'mprotect':
        push({ op: 'mprotect', mm: mms.get(step.task)!, page: page(step.page), prot: step.prot });
        break;
      case 'madvise':
        push({ op: 'madvise', mm: mms.get(step.task)!, page: page(step.page), advice: step.advice });
        break;
      case 'gup': {
        const mm = mms.get(step.task)!;
        callers.set(step.result, step.caller);
        if (step.caller === 'o_direct_read' || step.caller === 'o_direct_write') {
          const next = steps[at + 1];
          if (next?.op !== 'dio_end' || next.ref !== step.result)
            throw new Cannot(`${stepText(step)}: O_DIRECT cannot be held; dio_end has to follow at once`);
          at++; // the call is one step, and what it stores or shows is that of its end
          if (step.target !== undefined)
            throw new Cannot(`${stepText(step)}: O_DIRECT goes to a file of the executor's own`);
          const write = step.caller === 'o_direct_write';
          push({ op: 'dio', mm, page: page(step.page), write, token: tokenOf(at) });
          break;
        }
        const ref = refs.size;
        refs.set(step.result, ref);
        push({ op: 'gup', mm, page: page(step.page), ref, caller: step.caller as LiveCaller });
        break;
      }
      case 'unpin':
        if (step.ref !== just) push({ op: 'unpin', ref: refs.get(step.ref)! });
        break;
      case 'dma_read':
        push({ op: 'dma_read', ref: refs.get(step.ref)! });
        if (isOneTransfer(callers.get(step.ref)!)) transferred = step.ref;
        break;
      case 'dma_write':
        push({ op: 'dma_write', ref: refs.get(step.ref)!, token: tokenOf(at) });
        if (isOneTransfer(callers.get(step.ref)!)) transferred = step.ref;
        break;
      case 'dio_end':
        throw new Cannot(`${stepText(step)}: O_DIRECT cannot be held`);
      case 'wb_start':
        push({ op: 'wb_start', file: file(step.file), mode: step.mode });
        break;
      case 'buffered_write':
        push({ op: 'buffered_write', file: file(step.file), token: tokenOf(at) });
        break;
      default:
        push({ op: step.op, file: file(step.file) });
    }
  }
  const pages = setup.pages.map(
    (p): LivePage => ({
      kind: p.kind,
      prot: p.prot,
      file: p.file === undefined ? -1 : file(p.file),
    }),
  );
  const files = setup.files.map((f) => filesystem(f.filesystem).live as LiveFile);
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

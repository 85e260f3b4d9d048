/**
 * Operations as tables of numbered atomic steps (docs/model.md, "Step decomposition"). A step is a function of
 * the machine and a task number; it returns the number of the next step, or how the operation ended. All steps of
 * all operations are numbered in one table, so that a task's program counter is one small integer.
 *
 * Coarse execution runs a task to the end (`runToEnd`); fine execution may run another task between any two steps.
 */
import { BLOCKED, DONE, NO_EFFECT, POLICY_ERROR, REFUSED } from '../domain/kinds.ts';
import type { Machine } from './machine.ts';

export type Step = (m: Machine, task: number) => number;

/**
 * Locks that tasks keep from one atomic step to the next, or take for one: mmap_lock of the task's mm, for reading or
 * for writing; the page-table lock of its PTE; all page-table locks, as rmap walks take one after the other.
 */
export const MMAP_READ = 1;
export const MMAP_WRITE = 2;
export const PTE_LOCK = 4;
export const RMAP_LOCKS = 8;

/** Of an atomic step: locks that the task has had since an earlier one, and those that it takes for this. */
export interface Locks {
  readonly holds?: number;
  readonly takes?: number;
}

/** Step numbers from 1; 0 is an idle task. */
const STEPS: Step[] = [() => END_DONE];
const NAMES: string[] = ['idle'];
const HOLDS: number[] = [0];
const TAKES: number[] = [0];

export const END_DONE: number = -1 - DONE;
export const END_NO_EFFECT: number = -1 - NO_EFFECT;
export const END_REFUSED: number = -1 - REFUSED;
export const END_BLOCKED: number = -1 - BLOCKED;
export const END_POLICY_ERROR: number = -1 - POLICY_ERROR;

/** More steps than any operation can take: gup's fault loop is bounded on its own. */
const STEPS_MAX = 2000;

/** What was declared so far. */
const DECLARED: {
  readonly name: string;
  readonly steps: { readonly [label: string]: Step };
  readonly locks: { readonly [label: string]: Locks | undefined };
  readonly labels: Record<string, number>;
}[] = [];

/**
 * Declares the steps of one procedure; the result maps each label to its step number, once steps have numbers. `locks`: by label; of an
 * operation that runs to its end at once (Op.fine) those of its first step are all that it takes.
 */
export function procedure<L extends string>(
  name: string,
  steps: { readonly [K in L]: Step },
  locks: { readonly [K in L]?: Locks } = {},
): { readonly [K in L]: number } {
  if (STEPS.length > 1) throw new Error(`procedure ${name} is declared after a machine was made`);
  if (DECLARED.some((other) => other.name === name)) throw new Error(`two procedures are called ${name}`);
  const labels: Record<string, number> = {};
  DECLARED.push({ name, steps, locks, labels });
  return labels as { readonly [K in L]: number };
}

/**
 * Numbers the steps of all procedures, in the order of their names: states are handed from thread to thread with program
 * counters in them, and threads load modules in orders of their own. Before the first machine; then it does nothing.
 */
export function numberSteps(): void {
  if (STEPS.length > 1) return;
  const order = [...DECLARED].sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const { name, steps, locks, labels } of order)
    for (const label of Object.keys(steps)) {
      labels[label] = STEPS.length;
      STEPS.push(steps[label]!);
      NAMES.push(`${name}.${label}`);
      HOLDS.push(locks[label]?.holds ?? 0);
      TAKES.push(locks[label]?.takes ?? 0);
    }
  if (STEPS.length > 255) throw new Error('more atomic steps than a program counter can name');
}

/** Name of an atomic step, such as `fork.K2`. */
export const stepName = (pc: number): string => NAMES[pc] ?? `step ${pc}`;

/**
 * Executes the one atomic step `pc` of a task. Returns the number of the next step, or how the operation ended (one of
 * `END_*`); all that lies between two steps is in the machine's columns.
 */
export function stepOnce(m: Machine, task: number, pc: number): number {
  return STEPS[pc]!(m, task);
}

/** Can the task do the step `pc`, as far as the locks of other tasks in flight are concerned? */
export function hasLocks(m: Machine, task: number, pc: number): boolean {
  const takes = TAKES[pc]!;
  if (takes === 0) return true;
  const { pc: at, mm, page } = m.task;
  for (let other = 0; other < at.length; other++) {
    const holds = HOLDS[at[other]!]!;
    if (other === task || holds === 0) continue;
    if ((takes & RMAP_LOCKS) !== 0 && (holds & PTE_LOCK) !== 0) return false;
    if (mm[other] !== mm[task]) continue;
    const writes = ((takes | holds) & MMAP_WRITE) !== 0;
    if (writes && (takes & (MMAP_READ | MMAP_WRITE)) !== 0 && (holds & (MMAP_READ | MMAP_WRITE)) !== 0)
      return false;
    if ((takes & holds & PTE_LOCK) !== 0 && page[other] === page[task]) return false;
  }
  return true;
}

/** Ends an operation with an error; `errno`: its name, or that of the signal. */
export function refuse(m: Machine, errno: string): number {
  m.errno = errno;
  return END_REFUSED;
}

/** Runs a task from step `entry` to its end and returns the outcome (domain/kinds.ts). */
export function runToEnd(m: Machine, task: number, entry: number): number {
  let pc = entry;
  for (let n = 0; n < STEPS_MAX; n++) {
    pc = STEPS[pc]!(m, task);
    if (pc < 0) return -1 - pc;
  }
  throw new Error(`operation does not end (at ${stepName(pc)})`);
}

/** Task flags. */
export const T_WRITE = 1;
export const T_LONGTERM = 2;
export const T_FAULT_WRITE = 4;
export const T_FAULT_UNSHARE = 8;
/** FOLL_COW: a write fault left a R/O PTE behind because the VMA lacks VM_WRITE. */
export const T_FOLL_COW = 16;
export const T_BY_GUP = 32;
export const T_DIRTY = 64;
export const T_FAST = 128;

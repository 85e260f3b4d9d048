/**
 * Steps from text, the inverse of stepText: one step per line, `#` starts a comment.
 *
 * @example
 * parseSteps(`
 *   P: write A
 *   C = P: fork
 *   h1 = C: gup A pin R LONGTERM
 * `)
 */
import { CALLERS, type Caller } from '../domain/kinds.ts';
import { ADVICE } from '../ops/madvise.ts';
import { OP_KINDS, type OpKind } from '../ops/op.ts';
import { WB_MODES } from '../ops/writeback.ts';
import { hint } from '../policies/nearest.ts';
import { shown } from './file-error.ts';
import type { Step } from './scenario.ts';

const LINE = /^(?:([A-Za-z]\w*)\s*=\s*)?([A-Za-z]\w*)\s*:\s*([A-Za-z_]+)((?:\s+\S+)*)$/;

/** A line that is no step: `field` is `value` (undefined: it is missing), and what is allowed there. */
export class StepError extends RangeError {
  readonly what: string;
  constructor(field: string, value: string | undefined, allowed: string, known: readonly string[] = []) {
    const near = value === undefined ? '' : hint(value, known).replace(/^\.$/, '');
    const what = `${field} ${value === undefined ? 'is missing' : `is ${shown(value)}`}; allowed: ${allowed}${near}`;
    super(what);
    this.name = 'StepError';
    this.what = what;
  }
}

/** The text of a line without its comment, which begins at `#`. */
export const withoutComment = (line: string): string => line.replace(/#.*/s, '').trim();

/** Throws RangeError naming the line and what is allowed there. */
export function parseSteps(text: string): Step[] {
  const steps: Step[] = [];
  text.split('\n').forEach((raw, i) => {
    const line = withoutComment(raw);
    if (line === '') return;
    try {
      steps.push(parseStep(line));
    } catch (error) {
      if (error instanceof StepError) throw new RangeError(`line ${i + 1}: ${error.what}`);
      throw error;
    }
  });
  return steps;
}

/** One step, without comment and spaces around it. Throws StepError. */
export function parseStep(line: string): Step {
  const match = LINE.exec(line);
  if (match === null)
    throw new StepError('the line', line, '`task: operation arguments`, or `name = task: ...`');
  const [, result, task, op, rest] = match as unknown as [string, string | undefined, string, string, string];
  const args = rest.trim() === '' ? [] : rest.trim().split(/\s+/);
  if (!OP_KINDS.includes(op as OpKind)) throw new StepError('operation', op, OP_KINDS.join(', '), OP_KINDS);
  const kind = op as OpKind;
  const makes = kind === 'fork' || kind === 'gup';
  if (makes && result === undefined)
    throw new StepError('the name of the result', undefined, `\`name = ${task}: ${kind} ...\``);
  if (!makes && result !== undefined)
    throw new StepError('the name of a result', result, `none: ${kind} has no result`);
  /** The next word. */
  const take = (field: string, allowed?: readonly string[]): string => {
    const arg = args.shift();
    if (arg === undefined || (allowed !== undefined && !allowed.includes(arg)))
      throw new StepError(
        `${field} of ${kind}`,
        arg,
        allowed?.join(', ') ?? `the name of a ${field}`,
        allowed,
      );
    return arg;
  };
  let flags = FLAGS[kind] ?? [];
  /** The next word if it is this one. */
  const taken = (word: string): boolean => args[0] === word && args.shift() !== undefined;
  const by = (who: 'device' | 'kernel' | 'other'): void => {
    if (task !== who) throw new StepError(`the task of ${kind}`, task, who, [who]);
  };
  const step = ((): Step => {
    switch (kind) {
      case 'fork':
        return { task, op: kind, result: result! };
      case 'exit':
        return { task, op: kind };
      case 'munmap':
      case 'read':
      case 'write':
        return { task, op: kind, page: take('page') };
      case 'mprotect':
        return { task, op: kind, page: take('page'), prot: take('protection', ['r', 'rw']) as 'r' | 'rw' };
      case 'madvise':
        return {
          task,
          op: kind,
          page: take('page'),
          advice: take('advice', ADVICE) as (typeof ADVICE)[number],
        };
      case 'gup': {
        const page = take('page');
        const caller = take('caller', CALLERS) as Caller;
        const write = take('access', ['R', 'W']) === 'W';
        const longterm = taken('LONGTERM');
        const fast = taken('fast');
        if (caller === 'o_direct_write') flags = [...flags, 'to FILE'];
        const to = caller === 'o_direct_write' && taken('to') ? { target: take('file') } : {};
        return { task, op: kind, page, caller, write, longterm, fast, ...to, result: result! };
      }
      case 'unpin': {
        by('device');
        const ref = take('reference');
        return { task: 'device', op: kind, ref, dirty: taken('dirty') };
      }
      case 'dio_end':
      case 'dma_read':
      case 'dma_write':
        by('device');
        return { task: 'device', op: kind, ref: take('reference') };
      case 'wb_start':
        by('kernel');
        return {
          task: 'kernel',
          op: kind,
          file: take('file'),
          mode: take('mode', WB_MODES) as (typeof WB_MODES)[number],
        };
      case 'wb_end':
      case 'reclaim':
      case 'drop_caches':
        by('kernel');
        return { task: 'kernel', op: kind, file: take('file') };
      default:
        by('other');
        return { task: 'other', op: kind, file: take('file') };
    }
  })();
  if (args.length > 0)
    throw new StepError(
      `the end of ${kind}`,
      args.join(' '),
      `nothing more${flags.length === 0 ? '' : `, or ${flags.join(', then ')}`}`,
      flags,
    );
  return step;
}

/** Words that may follow the arguments, in this order. */
const FLAGS: { readonly [K in OpKind]?: readonly string[] } = {
  gup: ['LONGTERM', 'fast'],
  unpin: ['dirty'],
};

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
import type { Step } from './scenario.ts';

const LINE = /^(?:([A-Za-z]\w*)\s*=\s*)?([A-Za-z]\w*)\s*:\s*([a-z_]+)((?:\s+\S+)*)$/;

/** Throws RangeError naming the line and what is allowed there. */
export function parseSteps(text: string): Step[] {
  const steps: Step[] = [];
  text.split('\n').forEach((raw, i) => {
    const line = raw.replace(/#.*/, '').trim();
    if (line !== '') steps.push(parseStep(line, i + 1));
  });
  return steps;
}

function parseStep(line: string, number: number): Step {
  const fail = (what: string): never => {
    throw new RangeError(`line ${number}: ${JSON.stringify(line.slice(0, 60))}: ${what}`);
  };
  const match = LINE.exec(line) ?? fail('expected `task: operation arguments`, or `name = task: ...`');
  const [, result, task, op, rest] = match as unknown as [string, string | undefined, string, string, string];
  const args = rest.trim() === '' ? [] : rest.trim().split(/\s+/);
  if (!OP_KINDS.includes(op as OpKind)) fail(`operation ${op} is not one of: ${OP_KINDS.join(', ')}`);
  const kind = op as OpKind;
  const makes = kind === 'fork' || kind === 'gup';
  if (makes && result === undefined)
    fail(`${kind} needs a name for its result: \`name = ${task}: ${kind} ...\``);
  if (!makes && result !== undefined) fail(`${kind} has no result to name`);
  const take = (allowed?: readonly string[]): string => {
    const arg = args.shift();
    if (arg === undefined)
      return fail(`${kind} lacks an argument${allowed === undefined ? '' : `: ${allowed.join(' or ')}`}`);
    if (allowed !== undefined && !allowed.includes(arg))
      return fail(`${arg} is not one of: ${allowed.join(', ')}`);
    return arg;
  };
  const by = (who: 'device' | 'kernel' | 'other'): void => {
    if (task !== who) fail(`${kind} is done by ${who}, not by ${task}`);
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
        return { task, op: kind, page: take() };
      case 'mprotect':
        return { task, op: kind, page: take(), prot: take(['r', 'rw']) as 'r' | 'rw' };
      case 'madvise':
        return { task, op: kind, page: take(), advice: take(ADVICE) as (typeof ADVICE)[number] };
      case 'gup': {
        const page = take();
        const caller = take(CALLERS) as Caller;
        const write = take(['R', 'W']) === 'W';
        const longterm = args[0] === 'LONGTERM' && args.shift() !== undefined;
        const fast = args[0] === 'fast' && args.shift() !== undefined;
        return { task, op: kind, page, caller, write, longterm, fast, result: result! };
      }
      case 'unpin': {
        by('device');
        const ref = take();
        return { task: 'device', op: kind, ref, dirty: args[0] === 'dirty' && args.shift() !== undefined };
      }
      case 'dio_end':
      case 'dma_read':
      case 'dma_write':
        by('device');
        return { task: 'device', op: kind, ref: take() };
      case 'wb_start':
        by('kernel');
        return { task: 'kernel', op: kind, file: take(), mode: take(WB_MODES) as (typeof WB_MODES)[number] };
      case 'wb_end':
      case 'reclaim':
      case 'drop_caches':
        by('kernel');
        return { task: 'kernel', op: kind, file: take() };
      default:
        by('other');
        return { task: 'other', op: kind, file: take() };
    }
  })();
  if (args.length > 0) fail(`${args[0]} is one argument too many`);
  return step;
}

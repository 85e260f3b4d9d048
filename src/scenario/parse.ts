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
import { CALLERS } from '../domain/kinds.ts';
import { type AnyStep, type Arg, PAUSE } from '../ops/args.ts';
import { OPS } from '../ops/index.ts';
import { OP_KINDS, type OpKind } from '../ops/op.ts';
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
  const grammar = OPS[OP_KINDS.indexOf(kind)]!;
  if (grammar.makes !== undefined && result === undefined)
    throw new StepError('the name of the result', undefined, `\`name = ${task}: ${kind} ...\``);
  if (grammar.makes === undefined && result !== undefined)
    throw new StepError('the name of a result', result, `none: ${kind} has no result`);
  if (grammar.task !== 'mm' && task !== grammar.task)
    throw new StepError(`the task of ${kind}`, task, grammar.task, [grammar.task]);
  /** The next word. */
  const take = (noun: string, allowed?: readonly string[]): string => {
    const arg = args.shift();
    if (arg === undefined || (allowed !== undefined && !allowed.includes(arg)))
      throw new StepError(`${noun} of ${kind}`, arg, allowed?.join(', ') ?? `the name of a ${noun}`, allowed);
    return arg;
  };
  /** The next word if it is this one. */
  const taken = (word: string): boolean => args[0] === word && args.shift() !== undefined;
  const value = (field: string, arg: Arg): string | boolean | undefined => {
    const noun = arg.noun ?? field;
    if ('oneOf' in arg) return take(noun, arg.oneOf);
    if ('either' in arg) return take(noun, arg.either) === arg.either[1];
    if ('flag' in arg) return taken(arg.flag);
    if ('pause' in arg) {
      const said = args[0]?.startsWith(PAUSE) === true ? args.shift()! : undefined;
      const places = arg.pause.map((place) => PAUSE + place);
      if (said !== undefined && !places.includes(said))
        throw new StepError(`${noun} of ${kind}`, said, places.join(', '), places);
      return said?.slice(PAUSE.length);
    }
    if ('maybe' in arg) return arg.maybe.find(taken);
    if (arg.is === 'caller') return take(noun, CALLERS);
    if (arg.after === undefined) return take(noun);
    return taken(arg.after) ? take(arg.is) : undefined;
  };
  const fields = Object.entries(grammar.args);
  const step: Record<string, string | boolean> = { task, op: kind };
  for (const [field, arg] of fields) {
    const said = value(field, arg);
    if (said !== undefined) step[field] = said;
  }
  if (result !== undefined) step.result = result;
  if (args.length > 0) {
    const more = fields.flatMap(([, arg]) => optionalWords(arg));
    throw new StepError(
      `the end of ${kind}`,
      args.join(' '),
      `nothing more${more.length === 0 ? '' : `, or ${more.join(', then ')}`}`,
      more,
    );
  }
  return step as AnyStep as Step;
}

/** Words that may follow the others, in this order. */
const optionalWords = (arg: Arg): readonly string[] =>
  'flag' in arg
    ? [arg.flag]
    : 'pause' in arg
      ? [`${PAUSE}STEP`]
      : 'maybe' in arg
        ? [arg.maybe.join(' or ')]
        : 'is' in arg && arg.is !== 'caller' && arg.after !== undefined
          ? [`${arg.after} ${arg.is.toUpperCase()}`]
          : [];

/** The registry of operations, in OP_KINDS order: a step's operation number is an index into it. */

import * as ALL from './all.ts';
import { type Grammar, type Packing, packingOf, type StepOf } from './args.ts';
import type { LiveStepOf } from './live.ts';
import { OP_KINDS, type Op, type OpKind } from './op.ts';

/** A step of a scenario: who does what, with names. */
export type Step = StepOf<(typeof ALL)[keyof typeof ALL]>;

/** A step of a live program (live/protocol.ts), every name a number. */
export type LiveStep = LiveStepOf<(typeof ALL)[keyof typeof ALL]>;

/** An operation with what follows from its grammar. */
export type RegisteredOp = Op & {
  readonly packing: Packing;
  /** It has a reference, which an earlier gup must have produced. */
  readonly usesRef: boolean;
  /** It ends its reference. */
  readonly releases: boolean;
};

const DECLARED: readonly Op[] = Object.values(ALL);

export const OPS: readonly RegisteredOp[] = OP_KINDS.map((kind, at) => {
  const op = DECLARED.find((o) => o.kind === kind);
  if (op === undefined)
    throw new Error(`${kind} is in OP_KINDS (ops/op.ts), and no file of ops/all.ts declares it`);
  const usesRef = 'ref' in op.args;
  return { ...op, packing: packingOf(op, at), usesRef, releases: usesRef && op.ends === 'ref' };
});

const stranger = DECLARED.find((op) => !OP_KINDS.includes(op.kind));
if (stranger !== undefined || DECLARED.length !== OPS.length)
  throw new Error(`${stranger?.kind ?? 'an operation'} has no place of its own in OP_KINDS (ops/op.ts)`);

/** The operation of a step. */
export const opOfStep = ({ op }: { readonly op: OpKind }): RegisteredOp => OPS[OP_KINDS.indexOf(op)]!;

/** A call of live programs: what it says, and the operation that declares it. */
export interface Call {
  readonly grammar: Grammar;
  readonly op: RegisteredOp;
}

/** All calls, in the order of their operations. */
export const CALLS: readonly Call[] = OPS.flatMap((op) => {
  const grammar = op.call ?? op;
  return grammar.sends === undefined ? [] : [{ grammar, op }];
});

/** The call of a live step. */
export function callOf({ op }: { readonly op: string }): Call {
  const call = CALLS.find(({ grammar }) => grammar.kind === op);
  if (call === undefined) throw new RangeError(`no operation has a call ${op}`);
  return call;
}

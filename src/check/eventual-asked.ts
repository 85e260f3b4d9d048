/** What is asked for by a step, whoever asks: a mm or a reference has no name in a state of the graph. */
import { CALLERS } from '../domain/kinds.ts';
import type { Setup } from '../domain/setup.ts';
import { callerOf, fastOf, longtermOf, writeOf } from '../ops/gup.ts';
import { OPS } from '../ops/index.ts';
import { aOf, bOf, cOf, opOf, pack } from '../ops/op.ts';

/** A step less who does it: one packed step with mm or reference 0, so that it means the same in merged states. */
export function asked(step: number): number {
  const op = OPS[opOf(step)]!;
  const named = op.task === 'mm' || op.usesRef === true;
  return pack(opOf(step), named ? 0 : aOf(step), bOf(step), cOf(step));
}

/** What was asked for in words, without who asked: `gup A pin W`, `fsync f`. */
export function askedText(setup: Setup, what: number): string {
  const op = OPS[opOf(what)]!;
  const c = cOf(what);
  if (op.usesRef === true) return op.kind;
  if (op.task !== 'mm') return `${op.kind} ${setup.files[aOf(what)]!.name}`;
  if (op.kind === 'fork' || op.kind === 'exit') return op.kind;
  const page = setup.pages[bOf(what)]!.name;
  if (op.kind !== 'gup') return `${op.kind} ${page}`;
  const flags = [
    writeOf(c) ? 'W' : 'R',
    ...(longtermOf(c) ? ['LONGTERM'] : []),
    ...(fastOf(c) ? ['fast'] : []),
  ];
  return `gup ${page} ${CALLERS[callerOf(c)]} ${flags.join(' ')}`;
}

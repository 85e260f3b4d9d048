import { groupsOf } from '../check/key.ts';
import type { Shape } from '../domain/setup.ts';
import { OPS } from '../ops/index.ts';
import { opOf } from '../ops/op.ts';

/** A step less the names: its operation, words and flags, and of each page only among which it is exchangeable. */
export function nameless(shape: Shape, step: number): string {
  const groups = groupsOf(shape);
  const { kind, packing } = OPS[opOf(step)]!;
  const said = packing.fields.map(({ name, arg, shift, bits }) => {
    const value = (step >>> shift) & ((1 << bits) - 1);
    if (!('is' in arg)) return `${name} ${value}`;
    if (arg.is === 'ref') return '';
    return arg.is === 'page' ? `${name} of group ${groups[value]}` : `${name} ${value}`;
  });
  return [kind, ...said].join(' ');
}

/** Where packed steps pause, and what goes on: bits of the operations that can be left in flight. */
import { INTERLEAVED, type GO_ON as GRAMMAR } from './go-on.ts';
import { OPS } from './index.ts';
import { aOf, OP_KINDS, opOf, pack } from './op.ts';

const GO_ON = OP_KINDS.indexOf('go_on');
const INTERLEAVED_OPS: readonly number[] = INTERLEAVED.map((kind) => OP_KINDS.indexOf(kind));

/** By operation: where its packed step says at which place it pauses. */
const PAUSES = OPS.map(({ packing }) =>
  packing.fields
    .flatMap(({ arg, shift, bits }) =>
      'pause' in arg ? { shift, mask: (1 << bits) - 1, places: arg.pause } : [],
    )
    .at(0),
);

/** Of go_on: where it says which operation, and which of two. */
const fieldOf = (argument: keyof typeof GRAMMAR.args): { readonly shift: number; readonly bits: number } =>
  OPS[GO_ON]!.packing.fields.find(({ name }) => name === argument)!;
const WHAT = fieldOf('what');
const LATER = fieldOf('later');

/** Names of the atomic steps before which the packed step can pause. */
export const placesOf = (step: number): readonly string[] => PAUSES[opOf(step)]?.places ?? [];

/** The one before which it pauses; undefined: it runs to its end. */
export function pauseOf(step: number): string | undefined {
  const pause = PAUSES[opOf(step)];
  return pause?.places[((step >>> pause.shift) & pause.mask) - 1];
}

/** The packed step, paused before that place; to its end, if it cannot be paused there. */
export function pausedBefore(step: number, place: string): number {
  const { shift, places } = PAUSES[opOf(step)]!;
  return unpaused(step) | ((1 + places.indexOf(place)) << shift);
}

/** The packed step, to its end. */
export function unpaused(step: number): number {
  const pause = PAUSES[opOf(step)];
  return pause === undefined ? step : step & ~(pause.mask << pause.shift);
}

/** Is it a go_on? */
export const isGoOn = (step: number): boolean => opOf(step) === GO_ON;
/** The packed step that lets what `begun` has begun go on, to its end. `later`: one like it began before, and is in flight. */
export const goOnOf = (begun: number, later: boolean): number =>
  pack(GO_ON, aOf(begun)) |
  (INTERLEAVED_OPS.indexOf(opOf(begun)) << WHAT.shift) |
  ((later ? 1 : 0) << LATER.shift);

/** Of a packed go_on: the number of the operation that goes on, and whether it is the later one of two. */
export const goesOnOf = (step: number): number =>
  INTERLEAVED_OPS[(step >>> WHAT.shift) & ((1 << WHAT.bits) - 1)]!;
export const isLater = (step: number): boolean => ((step >>> LATER.shift) & 1) !== 0;

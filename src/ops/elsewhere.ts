/** Which part of a page a packed step moves. */
import { OPS } from './index.ts';
import { opOf } from './op.ts';
import { PART } from './parts.ts';

/** By operation: where its packed step says of which part it is. */
const PLACES = OPS.map(({ packing }) =>
  packing.fields
    .flatMap(({ arg, shift, bits }) => ('maybe' in arg ? { shift, mask: (1 << bits) - 1 } : []))
    .at(0),
);
/** Does the packed step move the part that worlds do not follow, and no other? */
export function isElsewhere(step: number): boolean {
  const place = PLACES[opOf(step)];
  return place !== undefined && ((step >>> place.shift) & place.mask) === 1 + PART.maybe.indexOf('high');
}

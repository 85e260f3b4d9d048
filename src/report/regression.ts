/** A regression in words. */
import type { Finding } from '../campaign/types.ts';
import { NEWNESS } from '../regression/order.ts';

/** `a class that the base does not break, v6.5-longterm-ban keeps this; wpFault: copy instead of reuse`. */
export function newsText({ base, way, newness }: NonNullable<Finding['regression']>): string {
  const by =
    way === undefined ? '' : `; first parted by ${way.decision}: ${way.candidate} instead of ${way.base}`;
  return `${base} keeps this here; ${NEWNESS[newness]}${by}`;
}

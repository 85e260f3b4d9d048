/** In which order regressions are told: what is new comes first, what may be a sequel last. */
import { decodeClass } from '../executor/simulated.ts';

export const NEWNESS = [
  'a kind of damage that the base does not do',
  'a class that the base does not break',
  'a class that the base breaks too, on programs on which the base keeps it',
  'after the base has broken another promise',
] as const;
/** Index in NEWNESS. */
export type Newness = 0 | 1 | 2 | 3;

/** `codes`: classes that the base was seen to break in the same campaign. */
export function newnessOf(code: number, follows: boolean, codes: readonly number[]): Newness {
  if (follows) return 3;
  if (codes.includes(code)) return 2;
  const { property, damage, page } = decodeClass(code);
  const alike = codes.some((other) => {
    const c = decodeClass(other);
    return c.property === property && c.damage === damage && c.page === page;
  });
  return alike ? 1 : 0;
}

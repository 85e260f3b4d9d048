/**
 * How large a search will become, from the sizes of its first layers. Layers of a breadth-first search grow by a ratio
 * that falls from layer to layer until they shrink; on a logarithmic scale it falls almost along a line, faster at
 * first than later. So the line through the last ratios promises too little, which is what a search is refused by
 * (`low`), and a line half as steep is nearer to the truth (`likely`).
 *
 * How near, from the first 100,000 states of searches that close (estimate.test.ts has their layers): see there.
 */

export interface Estimate {
  /** States within the depth. */
  readonly states: number;
  /** States of the largest two layers in a row, which are held in full. */
  readonly peak: number;
  /** Steps after which no state is new, if that is within the depth. */
  readonly closes: number | undefined;
}

/** How steep the line is: of the last two falls the larger one, or both on average, times this; but at least so much. */
const LINES = {
  low: { of: 'larger', times: 1.25, least: 0.15 },
  likely: { of: 'average', times: 0.6, least: 0.04 },
} as const;
/** Layers without which there is nothing to go by. */
const LAYERS_MIN = 3;
/** A search beyond that is as good as endless. */
const STATES_MAX = 1e15;

/**
 * `layers`: states that are new after 0, 1, 2, ... steps, complete layers only; `next`: those known of the layer after
 * them; `depth`: in steps, Infinity for all. What is known is never estimated; undefined if it is too little.
 */
export function estimate(
  layers: readonly number[],
  next: number,
  depth: number,
  how: keyof typeof LINES,
): Estimate | undefined {
  const known = layers.slice(0, depth + 1);
  let states = known.reduce((sum, n) => sum + n, 0);
  let peak = Math.max(...known.map((n, i) => n + (known[i - 1] ?? 0)));
  const done = (closes: number | undefined): Estimate => ({ states, peak, closes });
  if (layers.at(-1) === 0) return done(layers.length - 1 <= depth ? layers.length - 1 : undefined);
  if (known.length > depth) return done(undefined);
  if (layers.length < LAYERS_MIN) return undefined;

  const ratios = layers.slice(1).map((n, i) => Math.log(n / layers[i]!));
  const last = ratios.at(-1)!;
  const falls = ratios
    .slice(1)
    .map((ratio, i) => ratios[i]! - ratio)
    .slice(-2);
  const { of, times, least } = LINES[how];
  const fall = of === 'larger' ? Math.max(...falls) : falls.reduce((sum, f) => sum + f, 0) / falls.length;
  const slope = Math.max(least, fall * times);
  let size = layers.at(-1)!;
  let ratio = last;
  for (let at = layers.length; at <= depth; at++) {
    ratio -= slope;
    const before = size;
    size *= Math.exp(ratio);
    if (at === layers.length) size = Math.max(size, next);
    if (size < 1) return done(at);
    states += size;
    peak = Math.max(peak, before + size);
    if (states > STATES_MAX) return { states: Infinity, peak: Infinity, closes: undefined };
  }
  return done(undefined);
}

/** Bytes of table and trace per state, where the table is as full as it may be. */
const TABLE_BYTES = 16 / 0.7 + 8;

/** Bytes that a search of this size takes at least; `words`: 32-bit words of a saved state. Arrays double: up to twice. */
export function bytesFor({ states, peak }: Pick<Estimate, 'states' | 'peak'>, words: number): number {
  return states * TABLE_BYTES + peak * words * 4;
}

/** The deepest search, below `depth` steps, that likely takes no more than `bytes`, and what it takes. */
export function deepestWithin(
  bytes: number,
  layers: readonly number[],
  next: number,
  depth: number,
  words: number,
): { readonly depth: number; readonly bytes: number } | undefined {
  let fits: { readonly depth: number; readonly bytes: number } | undefined;
  for (let d = 1; d < Math.min(depth, DEPTH_MAX); d++) {
    const e = estimate(layers, next, d, 'likely');
    if (e === undefined) break;
    const needed = bytesFor(e, words) * GROWTH;
    if (needed > bytes) break;
    fits = { depth: d, bytes: needed };
  }
  return fits;
}

const DEPTH_MAX = 200;
/** What fits must fit for sure: arrays that double, the old and the new one side by side for a moment. */
const GROWTH = 1.5;

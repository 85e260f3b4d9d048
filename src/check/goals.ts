/**
 * Whether a search puts a property to the test at all: what the scope lacks for it, and whether its `sometimes` goal
 * is met. A goal that was met is a fact. One that was not is a warning only: states that differ in what goals alone
 * read are one state to a search (docs/model.md, "The key"), and walks are random.
 */
import { PROPERTIES } from '../../properties/index.ts';
import { BLOCKED, REFUSED } from '../domain/kinds.ts';
import { kindsWith } from '../domain/page-kinds.ts';
import { Rng } from '../domain/rng.ts';
import type { Setup } from '../domain/setup.ts';
import { World } from '../executor/simulated.ts';
import { fastOf, writeOf } from '../ops/gup.ts';
import { OPS } from '../ops/index.ts';
import { type Alphabet, OP_KINDS, type OpKind } from '../ops/op.ts';
import { unmetNeed } from '../property/needs.ts';
import type { ObservationKind, Property } from '../property/property.ts';
import { type PolicySpec, stepsMaxOf } from './model.ts';

type Shown = Exclude<ObservationKind, 'freed'>;
/** Which operations show what to whom. `freed` is missing: no operation is meant to. */
export const OBSERVED_IN: { readonly [K in Shown]: readonly OpKind[] } = (() => {
  const shown = [...new Set(OPS.flatMap(({ shows }) => shows))];
  const showing = (what: ObservationKind): readonly OpKind[] =>
    OPS.filter(({ shows }) => shows.includes(what)).map(({ kind }) => kind);
  return Object.fromEntries(shown.map((what) => [what, showing(what)])) as { [K in Shown]: OpKind[] };
})();

/** What is observed through a reference, which a gup must have taken. */
const THROUGH_REFERENCE: readonly OpKind[] = ['dma_read', 'dio_end', 'unpin'];

const NEEDED: { readonly [N in Property['needs']]: string } = {
  'any page': 'a page',
  'tracked file': `a page of a file that tracks dirty pages (--pages ${kindsWith((_, backing) => backing.dirtyTracked).join(' or ')})`,
  'stable pages': 'a filesystem with stable pages (--filesystem ext4-v5.18-stable)',
};

/** Why no program of the scope can put the property to the test, or undefined if one may. */
export function lacking(property: Property, setup: Setup, alphabet: Alphabet): string | undefined {
  const unmet = unmetNeed(property, setup);
  if (unmet !== undefined) return `needs ${NEEDED[unmet]}`;
  const has = (kind: OpKind): boolean => alphabet.ops[OP_KINDS.indexOf(kind)] === true;
  const observers = [
    ...new Set(property.observes.flatMap((kind) => (kind === 'freed' ? [] : OBSERVED_IN[kind]))),
  ];
  const shows = (kind: OpKind): boolean =>
    has(kind) && (kind !== 'gup' || alphabet.gups.some((v) => fastOf(v) && writeOf(v)));
  if (!observers.some(shows)) {
    const named = observers.map((kind) => (kind === 'gup' ? 'gup W fast' : kind));
    return `needs an operation that is left out: ${named.join(' or ')}`;
  }
  if (!has('gup') && !observers.some((kind) => shows(kind) && !THROUGH_REFERENCE.includes(kind)))
    return 'needs references (--refs 1, and gup among the operations)';
  const forbids = has('mprotect') || setup.pages.some((page) => page.prot === 'r');
  if (property.observes.every((kind) => kind === 'access') && !forbids)
    return 'needs a mapping that forbids stores (mprotect among the operations)';
  return undefined;
}

export const WALKS = 20_000;
/** A longer walk meets nothing that a few of this length do not. */
const WALK_STEPS_MAX = 24;

/**
 * Ids of the properties in `wanted` whose goal a random walk of at most `depth` steps within the scope meets. The same
 * every time.
 */
export function goalsOfWalks(
  spec: PolicySpec,
  depth: number,
  wanted: readonly string[],
  walks: number = WALKS,
): Set<string> {
  const world = new World(spec.setup, spec.policy);
  world.checkInvariants = false;
  const out = new Int32Array(2 * stepsMaxOf(spec.setup, spec.alphabet) + 64);
  const rng = new Rng();
  rng.seed(1, 2, 3, 4);
  for (let i = 0; i < 32; i++) rng.below(2); // small seeds begin alike
  const at = wanted.map((id) => PROPERTIES.findIndex((p) => p.id === id));
  for (let walk = 0; walk < walks && at.some((i) => world.goals[i] === 0); walk++) {
    world.reset();
    for (let n = 0; n < Math.min(depth, WALK_STEPS_MAX) && !world.ended; n++) {
      const enabled = world.enumerate(spec.alphabet, out);
      if (enabled === 0) break;
      const outcome = world.step(out[rng.below(enabled)]!);
      if (outcome === REFUSED || outcome === BLOCKED) world.dropVoid();
    }
  }
  return new Set(wanted.filter((_, i) => world.goals[at[i]!] === 1));
}

import { mmName, type Scenario } from '../../scenario/scenario.ts';

/** What the things of a scenario are called in its C program, by their numbers in the live program. */
export interface Names {
  readonly mms: readonly string[];
  readonly pages: readonly string[];
  readonly refs: readonly string[];
  readonly files: readonly string[];
}

/**
 * As in the scenario if all those names are short, plain and different, else each with what it names in front. The
 * underscore at the end is what no name of the helpers, of libc or of the kernel's headers has.
 */
export function namesIn({ setup, steps }: Scenario): Names {
  const mms = [mmName(0), ...steps.flatMap((s) => (s.op === 'fork' ? [s.result] : []))];
  const pages = setup.pages.map((p) => p.name);
  const refs = steps.flatMap((s) => (s.op === 'gup' && !isDirect(s.caller) ? [s.result] : []));
  const files = setup.files.map((f) => f.name);
  const all = [...mms, ...pages, ...refs, ...files];
  const clear = new Set(all).size === all.length && all.every(isPlain);
  const named = (what: string, names: string[]): string[] =>
    clear ? names : names.map((n) => `${what}_${n}_`);
  return {
    mms: named('process', mms),
    pages: named('page', pages),
    refs: named('ref', refs),
    files: named('file', files),
  };
}

/** Such a call holds no reference from step to step, so that the program has no name for it. */
const isDirect = (caller: string): boolean => caller === 'o_direct_read' || caller === 'o_direct_write';

/** One letter, perhaps with a number, that does not look like a counter of the program. */
const isPlain = (name: string): boolean => /^(?:[A-Z]\d*|[a-hk-z]\d*)$/.test(name);

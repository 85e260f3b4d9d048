/** What a proof that nothing is shorter may cost: how many states a search visits before it gives up. */
import { totalmem } from 'node:os';
import type { Argv } from 'yargs';
import { SEARCH_STATES_MAX } from '../shrink/limit.ts';
import type { Args } from './command.ts';

/** States per search with `--shortest`, where memory has room for them. */
export const SHORTEST_STATES = 20_000_000;
/** Bytes that a state takes in the search, with its share of two layers of snapshots and of tables that grow. */
const STATE_BYTES = 500;
/** Share of memory that searches may have; the rest is for whatever else runs. */
const MEMORY_SHARE = 0.75;
/** States are numbered in 32 bits. */
const STATES_MAX = 2 ** 30;

/** States that all searches together have room for. `memory`: bytes; by default of this machine or control group. */
export function statesThatFit(memory: number = memoryBytes()): number {
  return Math.max(1, Math.min(STATES_MAX, Math.floor((memory * MEMORY_SHARE) / STATE_BYTES)));
}

/** Total, not free: the same command gives the same result whatever else runs. */
function memoryBytes(): number {
  const limit = process.constrainedMemory?.() ?? 0;
  return limit > 0 ? Math.min(limit, totalmem()) : totalmem();
}

/** Adds `--shortest` and `--states`. */
export const withBudget = (yargs: Argv): Argv =>
  yargs
    .option('shortest', {
      type: 'boolean',
      describe: 'prove that nothing shorter exists, or say in the file why not',
    })
    .option('states', {
      type: 'string',
      requiresArg: true,
      describe: 'states per search before it gives up',
      defaultDescription: `${SEARCH_STATES_MAX / 1000}k; with --shortest ${SHORTEST_STATES / 1e6}M, or what memory holds`,
    });

/** What is asked for: must all be proved, and with how many states per search; undefined: as usual. Throws UserError. */
export function proofsOf(args: Args): { readonly prove: boolean; readonly states: number | undefined } {
  const fit = statesThatFit();
  const states = args.whole('states', 1, fit);
  const prove = args.flag('shortest');
  return { prove, states: states ?? (prove ? Math.min(SHORTEST_STATES, fit) : undefined) };
}

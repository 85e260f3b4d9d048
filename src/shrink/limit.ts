/** States per search after which we settle for 1-minimal, unless a proof is asked for. */
export const SEARCH_STATES_MAX = 150_000;

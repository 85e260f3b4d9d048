/** What commands take where nothing is said: help tells it, before what runs the command is loaded. */

export const CHECK_SCOPE = 'anon';
export const DISTINGUISH_SCOPE = 'pin';
export const EVENTUAL_SCOPE = 'shared-file';
/** Of campaigns on a kernel: what it is held against, and how many runs. */
export const LIVE_POLICY = 'v6.5-longterm-ban';
export const LIVE_RUNS = 1000;

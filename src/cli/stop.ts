/** Ctrl-C, SIGTERM and a terminal that goes away: the first asks a command to end, the second one ends it. */
import { EXIT, type ExitCode } from './exit.ts';

export interface Stop {
  /** Aborted by the first. */
  readonly signal: AbortSignal;
  /** What the command is to exit with if there was one. */
  readonly code: ExitCode | undefined;
  /** From here on signals do what they do by themselves. */
  off(): void;
}

const CODES = {
  SIGINT: EXIT.interrupted,
  SIGTERM: EXIT.terminated,
  SIGHUP: EXIT.terminated,
} as const;
type Name = keyof typeof CODES;
const NAMES = Object.keys(CODES) as Name[];

/** `said` is called at the first signal, before work is asked to stop. */
export function onStop(said: () => void): Stop {
  const abort = new AbortController();
  let code: ExitCode | undefined;
  const stop = (name: Name): void => {
    if (code !== undefined) process.exit(CODES[name]);
    code = CODES[name];
    said();
    abort.abort();
  };
  for (const name of NAMES) process.on(name, stop);
  return {
    signal: abort.signal,
    get code() {
      return code;
    },
    off: () => {
      for (const name of NAMES) process.off(name, stop);
    },
  };
}

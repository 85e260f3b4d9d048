/** Exit codes, and the errors that have one. Light: program.ts and every command load it. */

export const EXIT = {
  /** Nothing unexpected. */
  ok: 0,
  /** A finding, or a regression against what was expected. */
  finding: 1,
  /** The command line makes no sense. */
  usage: 2,
  /** A file or policy module that is not one, or that cannot be read or written. */
  badInput: 3,
  nothingTested: 4,
  /** The same input gave two results. */
  notDeterministic: 5,
  /** A `sometimes` goal was not reached, the canary not caught, or a proof that was asked for not made. */
  goalsMissed: 6,
  /** A bug of gupfuzz. */
  bug: 70,
  /** The system did not let it finish: workers were killed again and again, or it may open too few files. */
  system: 71,
  /** `git bisect run`: this version cannot be tested. */
  bisectSkip: 125,
  /** SIGINT. */
  interrupted: 130,
  /** SIGTERM. */
  terminated: 143,
} as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** The same for people, as `--help` prints it. */
export const EXIT_HELP: string = `Exit codes:
    0  nothing unexpected          4  nothing was tested
    1  a finding or a regression   5  not deterministic
    2  wrong command line          6  goals, canary or proof missed
    3  a bad file or policy       70  a bug of gupfuzz
                                  71  the system did not let it
  130, 143  interrupted (findings are saved)`;

/** Something the user can put right. The message is one line that names what is wrong and what is allowed. */
export class UserError extends Error {
  readonly exitCode: ExitCode;
  constructor(message: string, exitCode: ExitCode) {
    super(message);
    this.name = 'UserError';
    this.exitCode = exitCode;
  }
}

export const usageError = (message: string): UserError => new UserError(message, EXIT.usage);
export const inputError = (message: string): UserError => new UserError(message, EXIT.badInput);

/** The worst of several results of one command: bugs first, then what makes the others worth less. */
export function worst(codes: readonly number[]): ExitCode {
  const order: readonly ExitCode[] = [
    EXIT.bug,
    EXIT.system,
    EXIT.interrupted,
    EXIT.terminated,
    EXIT.notDeterministic,
    EXIT.usage,
    EXIT.badInput,
    EXIT.finding,
    EXIT.goalsMissed,
    EXIT.nothingTested,
  ];
  return order.find((code) => codes.includes(code)) ?? EXIT.ok;
}

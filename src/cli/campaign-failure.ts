/** What ended a campaign that did not end by itself. */
import type { CampaignResult } from '../campaign/types.ts';
import { EXIT, type ExitCode } from './exit.ts';
import { talk } from './io.ts';

/** Says it in one line. Returns what the command is to exit with. */
export function reportFailure({ kind, message }: NonNullable<CampaignResult['failure']>): ExitCode {
  talk(kind === 'bug' ? `${message}; this is a bug of gupfuzz, please report it` : message);
  return kind === 'bug' ? EXIT.bug : EXIT.system;
}

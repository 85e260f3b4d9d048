/** Programs for people to paste: the command that replays them with the program itself. */
import { type Scenario, stepText } from '../scenario/scenario.ts';
import { setupLines } from '../scenario/text.ts';
import { type ReplayBy, replayCommand } from './shell.ts';

/** The same for a program that has no file: to be pasted from the first column. Ends in a newline. */
export const replayPasted = (scenario: Scenario, by: ReplayBy = {}): string =>
  `${replayCommand('-', by)} <<'EOF'\n${pastedLines(scenario).join('\n')}\nEOF\n`;

/** A program as text without blank lines, which no shell or mail client changes. */
export const pastedLines = (scenario: Scenario): string[] => [
  ...setupLines(scenario),
  ...scenario.steps.map(stepText),
];

/** What a failing fc.assert leaves behind: the shrunk program as a file, and the command that replays it. */
import { writeFileSync } from 'node:fs';
import fc from 'fast-check';
import { replayCommand } from '../report/shell.ts';
import { formatText } from '../scenario/text.ts';
import type { BrokenPromise } from './commands.ts';

/**
 * A `reporter` for fc.assert over gupCommands. When a promise is broken it writes the program to `file` (text, `.gup`)
 * and throws what fast-check would, with the command that replays it. `policy`: what `--policy` must name, the path of
 * your module. Throws the system's error if the file cannot be written.
 */
export function saveFailure<Ts>(file: string, policy?: string): (details: fc.RunDetails<Ts>) => void {
  return (details) => {
    if (!details.failed) return;
    const message = fc.defaultReportMessage(details) ?? 'the property fails';
    const error = details.errorInstance;
    const broken = error instanceof Error ? (error.cause as BrokenPromise | undefined) : undefined;
    if (broken?.scenario === undefined) throw new Error(message, { cause: error });
    writeFileSync(file, formatText(broken.scenario, { title: broken.classId }));
    throw new Error(`${message}\n\nReplay: ${replayCommand(file, { policy })}`, { cause: error });
  };
}

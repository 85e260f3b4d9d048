/** One line of a terminal, drawn anew again and again. */
import { cleanLine } from './clean.ts';

export type Screen = Pick<NodeJS.WriteStream, 'write' | 'isTTY' | 'columns'>;

export interface ScreenLine {
  /** As much of it as there is room for just now: terminals change their size. */
  show(text: string): void;
  /** Takes it away. Call it before anything else is printed. */
  clear(): void;
}

export function screenLine(stream: Screen): ScreenLine {
  let there = false;
  return {
    show: (text) => {
      there = true;
      // A character in the last column makes some terminals begin a new line.
      stream.write(`\r\u001b[K${cleanLine(text).slice(0, Math.max(1, (stream.columns ?? 100) - 1))}`);
    },
    clear: () => {
      if (there) stream.write('\r\u001b[K');
      there = false;
    },
  };
}

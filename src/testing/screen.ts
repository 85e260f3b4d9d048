/** Progress as a terminal gets it. */

interface Screen<Progress> {
  readonly update: (progress: Progress) => void;
  readonly clear: () => void;
}

/** Drives a screen by a clock of its own, takes it away at the end, and returns what it wrote. */
export function shown<Progress>(
  open: (stream: NodeJS.WriteStream, now: () => number) => Screen<Progress>,
  terminal: { readonly isTTY: boolean; readonly columns: number },
  updates: readonly (readonly [ms: number, progress: Progress])[],
): string[] {
  const written: string[] = [];
  const write = (text: string): boolean => written.push(text) > 0;
  // Not from 0: a time that was never set must not look like the beginning.
  let now = 1_000_000;
  const screen = open({ ...terminal, write } as NodeJS.WriteStream, () => now);
  for (const [ms, progress] of updates) {
    now = 1_000_000 + ms;
    screen.update(progress);
  }
  screen.clear();
  return written;
}

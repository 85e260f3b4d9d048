/** Shows how far long work has got, on stderr: one live line on a terminal, a plain line now and then elsewhere. */
import type { SearchProgress } from '../shrink/shrink.ts';
import { cleanLine } from './clean.ts';
import { type Screen, screenLine } from './screen-line.ts';

/** Elsewhere, what takes less long is not worth a word. */
const QUIET_MS = 1000;
const LIVE_INTERVAL_MS = 200;
const PLAIN_INTERVAL_MS = 5000;

export interface ProgressLine {
  /** Call it as often as there is something new; `text` is asked for if it is to be shown. */
  update(text: () => string): void;
  /** Takes the live line away. Call it before anything else is printed. */
  clear(): void;
}

/** `stream` and `now` (ms) as a test wants them. */
export function progressLine(
  stream: Screen = process.stderr,
  now: () => number = () => performance.now(),
): ProgressLine {
  const started = now();
  let last = stream.isTTY ? Number.NEGATIVE_INFINITY : started - PLAIN_INTERVAL_MS + QUIET_MS;
  const live = screenLine(stream);
  return {
    update: (text) => {
      const at = now();
      if (at < last + (stream.isTTY ? LIVE_INTERVAL_MS : PLAIN_INTERVAL_MS)) return;
      last = at;
      const line = `${text()}, ${((at - started) / 1000).toFixed(0)} s`;
      if (stream.isTTY) live.show(line);
      else stream.write(`gupfuzz: ${cleanLine(line)}\n`);
    },
    clear: live.clear,
  };
}

/** `v5.7-mapcount, 2 mms, 1 reference: depth 5 of 6, 3,210,000 of at most 20,000,000 states`. */
export function searchText(p: SearchProgress): string {
  const n = (count: number): string => count.toLocaleString('en-US');
  return (
    `${p.policy}, ${p.mms} mm${p.mms === 1 ? '' : 's'}, ${p.refs} reference${p.refs === 1 ? '' : 's'}: ` +
    `depth ${p.depth} of ${p.wanted}, ${n(p.states)} of at most ${n(p.statesMax)} states`
  );
}

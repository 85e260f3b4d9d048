/** How far `check` has got, on stderr: one line drawn anew on a terminal, elsewhere a line per layer. */
import type { Progress } from '../campaign/drive.ts';
import { bytesText } from '../report/check.ts';
import { type Screen, screenLine } from './screen-line.ts';

/** Elsewhere: not more often than this, but within a long layer at least this often. */
const LAYER_INTERVAL_MS = 300;
const PLAIN_INTERVAL_MS = 10_000;

export interface CheckScreen {
  update(progress: Progress): void;
  /** Takes the live line away. Call it before anything else is printed. */
  clear(): void;
}

/** `stream` and `now` (ms) as a test wants them. */
export function checkScreen(
  quiet: boolean,
  stream: Screen = process.stderr,
  now: () => number = () => performance.now(),
): CheckScreen {
  let started = 0;
  let from: number | undefined;
  let last = 0;
  let depth = 0;
  const live = screenLine(stream);
  return {
    update: (p) => {
      if (quiet) return;
      const at = now();
      if (from === undefined) {
        // What a checkpoint brought along was not searched now.
        from = p.states;
        started = at;
        last = at;
        depth = p.depth;
      }
      const line = progressText(p, (p.states - from) / Math.max(0.001, (at - started) / 1000));
      if (stream.isTTY) {
        live.show(line);
        return;
      }
      const due = p.depth > depth ? last + LAYER_INTERVAL_MS : last + PLAIN_INTERVAL_MS;
      if (at < due) return;
      last = at;
      depth = p.depth;
      stream.write(`gupfuzz: ${line}\n`);
    },
    clear: live.clear,
  };
}

/**
 * `depth 8: 12,288 of 103,948 states done; 412,418 in all, 81 k/s, 39 MiB`, or between two layers `complete to depth
 * 7: 238,104 states, 103,948 of them new, 81 k/s, 22 MiB`. `rate`: states a second.
 */
export function progressText(p: Progress, rate: number): string {
  const n = (count: number): string => count.toLocaleString('en-US');
  const cost = `${rateText(rate)}, ${bytesText(p.bytes)}`;
  if (p.layerDone === 0)
    return `complete to depth ${p.depth}: ${n(p.states)} states, ${n(p.layerStates)} of them new, ${cost}`;
  return `depth ${p.depth + 1}: ${n(p.layerDone)} of ${n(p.layerStates)} states done; ${n(p.states)} in all, ${cost}`;
}

const rateText = (rate: number): string =>
  rate >= 1000 ? `${Math.round(rate / 1000)} k/s` : `${Math.round(rate)}/s`;

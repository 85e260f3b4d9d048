/** Shows how far long work has got, on stderr: one live line on a terminal, a plain line now and then elsewhere. */
import type { SearchProgress } from '../shrink/shrink.ts';

/** What takes less long is not worth a word. */
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
  stream: NodeJS.WriteStream = process.stderr,
  now: () => number = () => performance.now(),
): ProgressLine {
  const started = now();
  let last = started - PLAIN_INTERVAL_MS + QUIET_MS;
  let live = false;
  return {
    update: (text) => {
      const at = now();
      const due = stream.isTTY
        ? Math.max(started + QUIET_MS, last + LIVE_INTERVAL_MS)
        : last + PLAIN_INTERVAL_MS;
      if (at < due) return;
      last = at;
      const line = `${text()}, ${((at - started) / 1000).toFixed(0)} s`;
      if (!stream.isTTY) {
        stream.write(`gupfuzz: ${line}\n`);
        return;
      }
      live = true;
      stream.write(`\r\u001b[K${line.slice(0, Math.max(20, (stream.columns ?? 100) - 1))}`);
    },
    clear: () => {
      if (live) stream.write('\r\u001b[K');
      live = false;
    },
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

/** How far a campaign has got, on stderr: one live line on a terminal, elsewhere a plain line once there is something to tell, and now and then. */
import type { Progress } from '../campaign/types.ts';
import { searchText } from './progress-line.ts';
import { type Screen, screenLine } from './screen-line.ts';

/** Plain lines come this often, and when a phase begins. */
const PLAIN_INTERVAL_MS = 5000;
const BAR = 12;
/** Columns that a terminal must have to show a bar as well. */
const BAR_COLUMNS = 80;

export interface CampaignScreen {
  update(progress: Progress): void;
  /** Takes the live line away. Call it before anything else is printed. */
  clear(): void;
}

/** `names` of the policies, in order; `timeMs` of a campaign that time ends; `stream` as a test wants it. */
export function campaignScreen(
  names: readonly string[],
  timeMs: number | undefined,
  stream: Screen = process.stderr,
): CampaignScreen {
  const line = screenLine(stream);
  let phase = '';
  let last = 0;
  return {
    update: (p) => {
      if (p.phase === 'done') return line.clear();
      if (stream.isTTY) {
        const part = Math.min(1, doneOf(p, timeMs));
        const full = Math.floor(part * BAR);
        const bar = (stream.columns ?? 0) < BAR_COLUMNS ? '' : ` [${'='.repeat(full).padEnd(BAR, '-')}]`;
        line.show(`${p.phase}${bar} ${Math.floor(part * 100)}% ${progressText(p, names)}`);
        return;
      }
      if (p.runs === 0 || (p.elapsedMs - last < PLAIN_INTERVAL_MS && p.phase === phase)) return;
      last = p.elapsedMs;
      phase = p.phase;
      stream.write(`${p.phase}: ${progressText(p, names)}\n`);
    },
    clear: line.clear,
  };
}

/** From 0 to 1. */
function doneOf(p: Progress, timeMs = 1): number {
  const { phase, shrunk, searched, toShrink, runs, runsWanted, elapsedMs } = p;
  if (phase === 'shrink') return shrunk / Math.max(1, toShrink);
  if (phase === 'prove') return searched / Math.max(1, toShrink);
  return runsWanted === undefined ? elapsedMs / timeMs : runs / runsWanted;
}

function progressText(p: Progress, names: readonly string[]): string {
  if (p.phase === 'shrink') return `${p.shrunk} of ${p.toShrink} findings shrunk`;
  if (p.phase === 'prove') {
    const search = p.search === undefined ? '' : `; ${searchText(p.search)}`;
    return `${p.searched} of ${p.toShrink} findings searched for shorter ones${search}`;
  }
  const seconds = Math.max(p.elapsedMs, 1) / 1000;
  const found = names.map((name, i) => `${name} ${p.classes[i]!}`).join(', ');
  return (
    `${compact(p.runs)} runs, ${compact(p.runs / seconds)} runs/s, ${compact(p.steps / seconds)} steps/s, ` +
    `goals ${p.goalsReached}/${p.goals}, classes: ${found}`
  );
}

function compact(n: number): string {
  if (n >= 1e6) return `${(n / 1e6).toFixed(1)} M`;
  if (n >= 1e4) return `${(n / 1e3).toFixed(0)} k`;
  if (n >= 1e3) return `${(n / 1e3).toFixed(1)} k`;
  return n.toFixed(0);
}

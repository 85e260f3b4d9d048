/** A worker process of a campaign. Its one argument is the file with the campaign's space and expanded policies. */
import { readFileSync } from 'node:fs';
import workerpool from 'workerpool';
import type { BasePolicy, CampaignSpace } from '../fuzz/chunk.ts';
import type { ExpandedPolicy } from '../machine/tables.ts';
import { type ChunkJob, JobRunner, type ShrinkJob } from './jobs.ts';

// Ctrl-C goes to the whole process group; the main process decides what happens.
process.on('SIGINT', () => {});

const brief = JSON.parse(readFileSync(process.argv[2]!, 'utf8')) as {
  readonly space: CampaignSpace;
  readonly policies: readonly ExpandedPolicy[];
  readonly bases: readonly (BasePolicy | null)[];
};
const jobs = new JobRunner(brief.space, brief.policies, brief.bases);

/** Milliseconds between two words about a search, at least. */
const EVENT_INTERVAL_MS = 200;

function shrink(job: ShrinkJob): void {
  let last = performance.now();
  for (const event of jobs.shrinking(job)) {
    if ('search' in event) {
      const now = performance.now();
      if (now - last < EVENT_INTERVAL_MS) continue;
      last = now;
    }
    workerpool.workerEmit(event);
  }
}

workerpool.worker({
  chunk: (job: ChunkJob) => jobs.chunk(job),
  shrink,
});

/** A worker process of a campaign. Its one argument is the file with the campaign's space and expanded policies. */
import { readFileSync } from 'node:fs';
import workerpool from 'workerpool';
import type { CampaignSpace } from '../fuzz/chunk.ts';
import type { ExpandedPolicy } from '../machine/tables.ts';
import { type ChunkJob, JobRunner, type ShrinkJob } from './jobs.ts';

// Ctrl-C goes to the whole process group; the main process decides what happens.
process.on('SIGINT', () => {});

const brief = JSON.parse(readFileSync(process.argv[2]!, 'utf8')) as {
  readonly space: CampaignSpace;
  readonly policies: readonly ExpandedPolicy[];
};
const jobs = new JobRunner(brief.space, brief.policies);

workerpool.worker({
  chunk: (job: ChunkJob) => jobs.chunk(job),
  shrink: (job: ShrinkJob) => jobs.shrink(job),
});

/**
 * Wrong on purpose: every campaign must catch it, else the campaign is broken.
 *
 * v6.5 with two bugs that no kernel ever had. A write fault never copies, so after a fork either side writes
 * into the page of the other (isolation is gone: fork and one write are enough). And a holder's report that
 * it wrote is thrown away at unpin, so that what a device stored after writeback began never reaches the disk
 * (durability is gone: for campaigns without private mappings). It makes no claims, so it has to be caught by
 * what processes and the disk observe. In a scope of shmem pages alone it cannot be caught: neither question
 * is ever of consequence there.
 */
import { derive, otherwise, type Policy, table } from '../machine/policy.ts';
import { longtermBan } from './v6.5-longterm-ban.ts';

export const canary: Policy = derive(
  longtermBan,
  {
    id: 'canary',
    title: 'wrong on purpose: write faults never copy, unpin never dirties',
    sources: ['no kernel; see policies/canary.ts'],
    claims: [],
    canary: true,
  },
  {
    wpFault: [table(otherwise('reuse', 'never copy'))],
    unpinDirty: [table(otherwise('ignore', 'never dirty'))],
  },
);

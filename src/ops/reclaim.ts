import { BY_PRESSURE, reclaimSteps } from '../machine/reclaim.ts';
import { aOf, isTracked, OP_KINDS, type Op, onFile } from './op.ts';

/** What its steps say (args.ts). */
export const RECLAIM = {
  kind: 'reclaim',
  task: 'kernel',
  args: { file: { is: 'file' } },
  sends: ['file'],
} as const;

export const reclaim: Op<typeof RECLAIM> = {
  ...RECLAIM,
  weight: 4,
  words: (s) => `memory pressure takes the page of ${s.file}, if it can`,
  title: 'memory pressure takes the clean page: unmap, strip buffers, free',
  kernel: 'mm/vmscan.c: shrink_folio_list()',
  live: {
    how: 'memory pressure in a cgroup; MADV_PAGEOUT of a file mapping',
    feature: 'pageout',
    request: true,
    executor: {
      inProcess: `
	return page_out(page_address(step->page));
`,
      byCoordinator: `
	/* MADV_PAGEOUT by a process that maps the page, or by the coordinator if none does. */
	int fd = SH->fd[step->file];
	long mapped = NOT_MAPPED, error = 0;
	enum end end;
	if (!in_cache(fd))
		return GOES_ON;
	for (int mm = 0; mm < MAX_MMS; mm++) {
		for (int page = 0; page < SH->pages && S->mm[mm].alive; page++) {
			struct step there = *step;
			if (SH->page[page].file != step->file)
				continue;
			there.mm = mm;
			there.page = page;
			if ((end = command(&there, 0)) != GOES_ON)
				return end;
			if (SH->box[mm].result < 0)
				error = SH->box[mm].result;
			else if (SH->box[mm].result > mapped)
				mapped = SH->box[mm].result;
		}
	}
	if (mapped == NOT_MAPPED && error == 0) {
		void *at = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
		if (at != MAP_FAILED) {
			word_of(at);
			error = page_out((unsigned long)at);
			munmap(at, PAGE);
		}
	}
	if (error == -EINVAL)
		unsupported("no MADV_PAGEOUT");
	else if (error < 0)
		refused(error);
	else if (mapped == MAPPED_MORE && in_cache(fd))
		unsupported("MADV_PAGEOUT leaves pages alone that are mapped more than once");
	return GOES_ON;
`,
    },
  },
  shows: [],
  whyNot: ({ shape }, s) =>
    `${s.file} is ${shape.setup.files.find((f) => f.name === s.file)!.filesystem}, which is not swapped out here`,
  ...onFile(OP_KINDS.indexOf('reclaim'), 1, isTracked),
  start: (m, t, step) => {
    m.task.other[t] = aOf(step);
    m.task.kind[t] = BY_PRESSURE;
    return reclaimSteps.V1;
  },
  apply: () => {},
};

import { CALLERS, STORER_DEVICE_DIO } from '../domain/kinds.ts';
import { EV_DIO_WRITE } from '../machine/machine.ts';
import { procedure, T_DIRTY } from '../machine/procedures.ts';
import { CALLER_CONTRACTS } from '../reference/promises.ts';
import { REF_WRITE } from '../reference/reference.ts';
import { askedBy } from './gup.ts';
import { aOf, BY_PART, OP_KINDS, type Op, onRef } from './op.ts';
import { PART, type Part } from './parts.ts';
import { unpinSteps } from './unpin.ts';

/**
 * The end of an O_DIRECT read or write: the device moves the data, the bio completes, the pages are released
 * (block/bio.c: bio_release_pages(), fs/iomap/direct-io.c). A read marks its pages dirty. For a write, what was in
 * the buffer when it was submitted (a checksum is taken there) is compared with what the device reads. Its data goes to
 * a block of the target file that is none of the setup's pages: no content of those changes.
 */
const steps: { readonly [K in 'E1']: number } = procedure('dio_end', {
  E1: (m, t) => {
    const handle = m.task.handle[t]!;
    const pfn = m.refPfn[handle]!;
    if (m.refWrite[handle] === 1) {
      m.store(pfn, m.task.token[t]!);
      m.task.flags[t] = T_DIRTY;
    } else m.emit(EV_DIO_WRITE, handle, m.refTarget[handle]!, m.content[pfn]!, m.refSubmitted[handle]!);
    return unpinSteps.D1;
  },
});

/** What its steps say (args.ts). */
export const DIO_END = {
  kind: 'dio_end',
  task: 'device',
  args: { ref: { is: 'ref', noun: 'reference' }, part: PART as Part },
  ends: 'ref',
  call: {
    kind: 'dio',
    task: 'mm',
    args: { page: { is: 'page' }, write: { either: ['read', 'write'] } },
    sends: ['mm', 'page', 'write', 'token'],
  },
} as const;

export const dioEnd: Op<typeof DIO_END> = {
  ...DIO_END,
  weight: 3,
  words: (s) =>
    `the device moves the data of ${s.ref}${s.part === undefined ? '' : `, of the ${s.part} half of the page`}`,
  title: 'an O_DIRECT read or write moves its data and completes',
  kernel: 'fs/iomap/direct-io.c: iomap_dio_bio_end_io(); block/bio.c: __bio_release_pages()',
  live: {
    how: 'the end of pread(2) or pwrite(2) with O_DIRECT; cannot be held open at will',
    number: (_step, n) => n.cannot('O_DIRECT cannot be held'),
    steps: (s, n) => {
      const result = n.passing();
      const caller = s.write ? 'o_direct_write' : 'o_direct_read';
      const [task, page] = [n.nameOf('mm', s.mm), n.nameOf('page', s.page)];
      return [
        { task, op: 'gup', page, caller, ...askedBy(caller), result },
        { task: 'device', op: 'dio_end', ref: result },
      ];
    },
    executor: {
      inProcess: `
	unsigned long address = page_address(step->page);
	return step->word ? CALL(SYS_pwrite64, box->fd, address, PAGE, 0) : CALL(SYS_pread64, box->fd, address, PAGE, 0);
`,
      byCoordinator: `
	/* Where a direct read comes from and a direct write goes to. */
	struct file_slot *side = &S->side;
	enum end end;
	long error;
	if (side->fd == 0 && (error = create_file(side, "side", 0)) < 0) {
		close_file(side);
		unsupported(error_name(error));
		return GOES_ON;
	}
	if (side->direct == 0) {
		unsupported("no O_DIRECT on this filesystem");
		return GOES_ON;
	}
	memset(S->io, 0, PAGE);
	fill(S->io, step->word ? UINT64_MAX : step->token);
	if ((error = CALL(SYS_pwrite64, side->direct, S->io, PAGE, 0)) != PAGE) {
		unsupported(error < 0 ? error_name(error) : "short direct write");
		return GOES_ON;
	}
	if ((end = command(step, side->direct)) != GOES_ON)
		return end;
	long got = SH->box[step->mm].result;
	if (got != PAGE)
		refused(got < 0 ? got : EIO);
	else if (step->word) {
		if (read_direct(side->direct) == PAGE)
			saw(word_of(S->io));
		else
			unsupported("the file cannot be read back");
	}
	return GOES_ON;
`,
    },
    c: (s, t) => {
      const gup = t.at - 1;
      const deed = s.write ? 'direct_write' : 'direct_read';
      if (t.isError(gup)) return t.refused(`O_DIRECT ${s.write ? 'write' : 'read'}`, t.on(s, deed, 0), gup);
      if (s.write) {
        const call = t.need('O_DIRECT write', t.on(s, deed, 0));
        return `${call}\n${t.sees('side file', t.helper('side_file_content'))}`;
      }
      const fill = t.need('side file', t.helper('put_into_side_file', s.token));
      return `${fill}\n${t.need('O_DIRECT read', t.on(s, deed, 0))}`;
    },
    helpers: [
      {
        name: 'put_into_side_file',
        needs: ['side_file'],
        code: `
static long put_into_side_file(long content)
{
	size_t i;

	for (i = 0; i < PAGE / sizeof(long); i++)
		direct_buffer[i] = content;
	return pwrite(side_fd, direct_buffer, PAGE, 0) == PAGE ? 0 : -EIO;
}
`,
      },
      {
        name: 'side_file_content',
        needs: ['side_file'],
        code: `
static long side_file_content(void)
{
	return pread(side_fd, direct_buffer, PAGE, 0) == PAGE ? direct_buffer[0] : -EIO;
}
`,
      },
      {
        name: 'direct_read',
        needs: ['side_file'],
        code: `
/* The device writes to the page. */
static long direct_read(long page, long unused)
{
	ssize_t n = pread(side_fd, page_at[page], PAGE, 0);

	(void)unused;
	return n == PAGE ? 0 : n < 0 ? -errno : -EIO;
}
`,
      },
      {
        name: 'direct_write',
        needs: ['side_file'],
        code: `
/* The device reads the page. */
static long direct_write(long page, long unused)
{
	ssize_t n = pwrite(side_fd, page_at[page], PAGE, 0);

	(void)unused;
	return n == PAGE ? 0 : n < 0 ? -errno : -EIO;
}
`,
      },
    ],
  },
  shows: ['dio-write', 'dirtied'],
  stores: true,
  ...onRef(
    OP_KINDS.indexOf('dio_end'),
    BY_PART,
    (ref, handle) => CALLER_CONTRACTS[CALLERS[ref.handleCaller[handle]!]!].release === 'dio_end',
  ),
  start: (m, t, step, token) => {
    const handle = aOf(step);
    m.task.handle[t] = handle;
    m.task.token[t] = token;
    m.task.flags[t] = 0;
    return steps.E1;
  },
  apply: (ref, step, token) => {
    const handle = aOf(step);
    const read = (ref.handleFlags[handle]! & REF_WRITE) !== 0;
    if (read) ref.deviceStore(handle, token, STORER_DEVICE_DIO);
    ref.release(handle, read);
  },
};

/**
 * The helper functions of an exported C program, one string each, and what each needs. A program gets only those that
 * its steps use, in this order.
 */

export interface Helper {
  readonly name: string;
  readonly needs: readonly string[];
  readonly code: string;
}

/** The access that a mapping forbids; `second`: what its other argument is. */
const orSegv = (access: string, second: string): Helper => ({
  name: `${access}_or_segv`,
  needs: [access, 'segv'],
  code: `
/* SIGSEGV is told as EFAULT. */
static long ${access}_or_segv(long page, long ${second})
{
	if (sigsetjmp(before_access, 1)) {
		signal(SIGSEGV, SIG_DFL);
		return -EFAULT;
	}
	signal(SIGSEGV, on_segv);
	${access}(page, ${second});
	signal(SIGSEGV, SIG_DFL);
	return 0;
}
`,
});

export const HELPERS: readonly Helper[] = [
  {
    name: 'sector',
    needs: [],
    code: `
#define SECTOR	512
`,
  },
  {
    name: 'pipes',
    needs: [],
    code: `
/* By reference: the pipe that holds the page which vmsplice() put into it. */
static int held_in_pipe[REFS][2];
`,
  },
  {
    name: 'store',
    needs: [],
    code: `
/* Fills the page, so that a reader of any part of it sees who stored last. */
static long store(long page, long content)
{
	volatile long *word = (volatile long *)page_at[page];
	size_t i;

	for (i = 0; i < PAGE / sizeof(long); i++)
		word[i] = content;
	return 0;
}
`,
  },
  {
    name: 'load',
    needs: [],
    code: `
static long load(long page, long unused)
{
	(void)unused;
	return *(volatile long *)page_at[page];
}
`,
  },
  {
    name: 'segv',
    needs: [],
    code: `
static sigjmp_buf before_access;

static void on_segv(int signal)
{
	siglongjmp(before_access, signal);
}
`,
  },
  orSegv('store', 'content'),
  orSegv('load', 'unused'),
  {
    name: 'protect',
    needs: [],
    code: `
static long protect(long page, long prot)
{
	return mprotect(page_at[page], PAGE, prot) ? -errno : 0;
}
`,
  },
  {
    name: 'advise',
    needs: [],
    code: `
static long advise(long page, long advice)
{
	return madvise(page_at[page], PAGE, advice) ? -errno : 0;
}
`,
  },
  {
    name: 'unmap',
    needs: [],
    code: `
static long unmap(long page, long unused)
{
	(void)unused;
	return munmap(page_at[page], PAGE) ? -errno : 0;
}
`,
  },
  {
    name: 'vmsplice_page',
    needs: ['pipes'],
    code: `
/* The pipe keeps a reference (FOLL_GET, for reading) until it has been read. */
static long vmsplice_page(long page, long ref)
{
	struct iovec iov = { page_at[page], PAGE };
	ssize_t n = vmsplice(held_in_pipe[ref][1], &iov, 1, 0);

	return n == PAGE ? 0 : n < 0 ? -errno : -EIO;
}
`,
  },
  {
    name: 'dma_read_through_pipe',
    needs: ['pipes', 'sector'],
    code: `
/* Reads one sector only: the rest stays in the pipe, and so does the page. */
static long dma_read_through_pipe(int ref)
{
	long sector[SECTOR / sizeof(long)];
	ssize_t n = read(held_in_pipe[ref][0], sector, sizeof(sector));

	return n == sizeof(sector) ? sector[0] : n < 0 ? -errno : -EIO;
}
`,
  },
  {
    name: 'empty_pipe',
    needs: ['pipes'],
    code: `
static long empty_pipe(int ref)
{
	char rest[PAGE];

	return read(held_in_pipe[ref][0], rest, sizeof(rest)) < 0 ? -errno : 0;
}
`,
  },
  {
    name: 'ring',
    needs: [],
    code: `
/* By reference: an io_uring with one registered buffer. Made by main, so that it outlives all processes. */
static struct {
	int fd, memfd;
	unsigned int *sq_tail, *sq_mask, *sq_array, *cq_head, *cq_tail, *cq_mask;
	struct io_uring_sqe *sqes;
	struct io_uring_cqe *cqes;
} ring[REFS];

static long open_ring(int ref)
{
	struct io_uring_params p;
	char *sq, *cq;

	memset(&p, 0, sizeof(p));
	ring[ref].fd = syscall(__NR_io_uring_setup, 4, &p);
	if (ring[ref].fd < 0)
		return -errno;
	sq = mmap(NULL, p.sq_off.array + p.sq_entries * sizeof(__u32), PROT_READ | PROT_WRITE,
		  MAP_SHARED, ring[ref].fd, IORING_OFF_SQ_RING);
	cq = mmap(NULL, p.cq_off.cqes + p.cq_entries * sizeof(struct io_uring_cqe),
		  PROT_READ | PROT_WRITE, MAP_SHARED, ring[ref].fd, IORING_OFF_CQ_RING);
	ring[ref].sqes = mmap(NULL, p.sq_entries * sizeof(struct io_uring_sqe),
			      PROT_READ | PROT_WRITE, MAP_SHARED, ring[ref].fd, IORING_OFF_SQES);
	if (sq == MAP_FAILED || cq == MAP_FAILED || ring[ref].sqes == MAP_FAILED)
		return -errno;
	ring[ref].sq_tail = (unsigned int *)(sq + p.sq_off.tail);
	ring[ref].sq_mask = (unsigned int *)(sq + p.sq_off.ring_mask);
	ring[ref].sq_array = (unsigned int *)(sq + p.sq_off.array);
	ring[ref].cq_head = (unsigned int *)(cq + p.cq_off.head);
	ring[ref].cq_tail = (unsigned int *)(cq + p.cq_off.tail);
	ring[ref].cq_mask = (unsigned int *)(cq + p.cq_off.ring_mask);
	ring[ref].cqes = (struct io_uring_cqe *)(cq + p.cq_off.cqes);
	ring[ref].memfd = memfd_create("device", 0);
	return ring[ref].memfd < 0 ? -errno : 0;
}
`,
  },
  {
    name: 'register_fixed_buffer',
    needs: ['ring'],
    code: `
/* Pins the page of the process that calls (FOLL_WRITE | FOLL_LONGTERM) until it is unregistered. */
static long register_fixed_buffer(long page, long ref)
{
	struct iovec iov = { page_at[page], PAGE };

	return syscall(__NR_io_uring_register, ring[ref].fd, IORING_REGISTER_BUFFERS, &iov, 1) ? -errno : 0;
}
`,
  },
  {
    name: 'fixed_buffer_io',
    needs: ['ring'],
    code: `
/* One transfer between the pinned page and a memfd, which plays the device. */
static long fixed_buffer_io(int ref, int opcode, int page)
{
	unsigned int tail = *ring[ref].sq_tail, at = tail & *ring[ref].sq_mask;
	struct io_uring_sqe *sqe = &ring[ref].sqes[at];
	unsigned int head = *ring[ref].cq_head;
	long result;

	memset(sqe, 0, sizeof(*sqe));
	sqe->opcode = opcode;
	sqe->fd = ring[ref].memfd;
	sqe->addr = (unsigned long)page_at[page];
	sqe->len = PAGE;
	ring[ref].sq_array[at] = at;
	__atomic_store_n(ring[ref].sq_tail, tail + 1, __ATOMIC_RELEASE);
	if (syscall(__NR_io_uring_enter, ring[ref].fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) != 1)
		return -errno;
	if (__atomic_load_n(ring[ref].cq_tail, __ATOMIC_ACQUIRE) == head)
		return -EIO;
	result = ring[ref].cqes[head & *ring[ref].cq_mask].res;
	__atomic_store_n(ring[ref].cq_head, head + 1, __ATOMIC_RELEASE);
	return result == PAGE ? 0 : result < 0 ? result : -EIO;
}
`,
  },
  {
    name: 'dma_write_to_fixed_buffer',
    needs: ['fixed_buffer_io'],
    code: `
static long dma_write_to_fixed_buffer(int ref, int page, long content)
{
	long data[PAGE / sizeof(long)];
	size_t i;

	for (i = 0; i < PAGE / sizeof(long); i++)
		data[i] = content;
	if (pwrite(ring[ref].memfd, data, PAGE, 0) != PAGE)
		return -EIO;
	return fixed_buffer_io(ref, IORING_OP_READ_FIXED, page);
}
`,
  },
  {
    name: 'dma_read_from_fixed_buffer',
    needs: ['fixed_buffer_io'],
    code: `
static long dma_read_from_fixed_buffer(int ref, int page)
{
	long content, error = fixed_buffer_io(ref, IORING_OP_WRITE_FIXED, page);

	if (error)
		return error;
	return pread(ring[ref].memfd, &content, sizeof(content), 0) == sizeof(content) ? content : -EIO;
}
`,
  },
  {
    name: 'unregister_fixed_buffer',
    needs: ['ring'],
    code: `
static long unregister_fixed_buffer(int ref)
{
	return syscall(__NR_io_uring_register, ring[ref].fd, IORING_UNREGISTER_BUFFERS, NULL, 0) ? -errno : 0;
}
`,
  },
  {
    name: 'held_call',
    needs: [],
    code: `
/*
 * By reference: a process_vm_readv() or process_vm_writev() that has pinned the page of the other side, and now waits
 * in a page fault on ours, which userfaultfd leaves unanswered until the device is to move the data.
 */
static struct held_call {
	pthread_t thread;
	int uffd, write, done[2];
	pid_t pid;
	char *ours;
	void *theirs;
} held_call[REFS];

static void *transfer(void *arg)
{
	struct held_call *call = arg;
	struct iovec ours = { call->ours, PAGE }, theirs = { call->theirs, PAGE };
	long n = call->write ? process_vm_writev(call->pid, &ours, 1, &theirs, 1, 0)
			     : process_vm_readv(call->pid, &ours, 1, &theirs, 1, 0);

	if (n < 0)
		n = -errno;
	return write(call->done[1], &n, sizeof(n)) == sizeof(n) ? NULL : call;
}

/* Returns once the call waits on our page, so that the other page is pinned. */
static long hold_process_vm_call(int ref, pid_t pid, int page, int for_writing)
{
	struct held_call *call = &held_call[ref];
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register area = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	struct pollfd either[2];
	struct uffd_msg fault;
	long result;

	call->pid = pid;
	call->theirs = page_at[page];
	call->write = for_writing;
	call->ours = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (call->ours == MAP_FAILED || pipe(call->done))
		return -errno;
	/* poll() reports an error on a blocking one. */
	call->uffd = syscall(__NR_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (call->uffd < 0 || ioctl(call->uffd, UFFDIO_API, &api))
		return -errno;
	area.range.start = (unsigned long)call->ours;
	area.range.len = PAGE;
	if (ioctl(call->uffd, UFFDIO_REGISTER, &area))
		return -errno;
	errno = pthread_create(&call->thread, NULL, transfer, call);
	if (errno)
		return -errno;
	either[0] = (struct pollfd){ .fd = call->uffd, .events = POLLIN };
	either[1] = (struct pollfd){ .fd = call->done[0], .events = POLLIN };
	if (poll(either, 2, -1) < 0)
		return -errno;
	if (either[0].revents & POLLIN)
		return read(call->uffd, &fault, sizeof(fault)) == sizeof(fault) ? 0 : -EIO;
	/* It did not come as far as our page. */
	if (read(call->done[0], &result, sizeof(result)) != sizeof(result))
		return -EIO;
	return result < 0 ? result : -EIO;
}
`,
  },
  {
    name: 'finish_process_vm_call',
    needs: ['held_call'],
    code: `
/* Gives the call our page, waits for its end, and returns what is in our page then. */
static long finish_process_vm_call(int ref, long content)
{
	struct held_call *call = &held_call[ref];
	long data[PAGE / sizeof(long)], result;
	struct uffdio_copy copy = { .dst = (unsigned long)call->ours, .src = (unsigned long)data, .len = PAGE };
	size_t i;

	for (i = 0; i < PAGE / sizeof(long); i++)
		data[i] = content;
	if (ioctl(call->uffd, UFFDIO_COPY, &copy))
		return -errno;
	if (read(call->done[0], &result, sizeof(result)) != sizeof(result))
		return -EIO;
	pthread_join(call->thread, NULL);
	/*
	 * The last word: a copy loop may have loaded the first ones before the fault and stored them after it.
	 */
	return result == PAGE ? ((volatile long *)call->ours)[PAGE / sizeof(long) - 1] : result < 0 ? result : -EIO;
}
`,
  },
  {
    name: 'cancel_process_vm_call',
    needs: ['held_call'],
    code: `
/* Takes our page away: the call ends with EFAULT, lets go, and has moved nothing. */
static long cancel_process_vm_call(int ref)
{
	struct held_call *call = &held_call[ref];
	struct uffdio_range area = { (unsigned long)call->ours, PAGE };
	long result;

	if (munmap(call->ours, PAGE) || ioctl(call->uffd, UFFDIO_WAKE, &area))
		return -errno;
	if (read(call->done[0], &result, sizeof(result)) != sizeof(result))
		return -EIO;
	pthread_join(call->thread, NULL);
	return 0;
}
`,
  },
  {
    name: 'direct',
    needs: [],
    code: `
static long direct_buffer[PAGE / sizeof(long)] __attribute__((aligned(PAGE)));

/* The file has no name any more. tmpfs takes O_DIRECT from v6.6 on, and then ignores it. */
static int reopen_direct(int fd)
{
	struct statfs fs;
	char name[40];

	if (fstatfs(fd, &fs))
		return -errno;
	if (fs.f_type == TMPFS_MAGIC)
		return -EINVAL;
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	fd = open(name, O_RDWR | O_DIRECT);
	return fd < 0 ? -errno : fd;
}
`,
  },
  {
    name: 'side_file',
    needs: ['direct'],
    code: `
/* Where O_DIRECT reads come from and O_DIRECT writes go to. */
static int side_fd;

static void open_side_file(void)
{
	char name[] = "./export-test-XXXXXX";

	side_fd = mkstemp(name);
	if (side_fd < 0)
		skip("file", -errno);
	unlink(name);
	if (pwrite(side_fd, direct_buffer, PAGE, 0) != PAGE || fsync(side_fd))
		skip("file", -EIO);
	side_fd = reopen_direct(side_fd);
	need("O_DIRECT", side_fd);
}
`,
  },
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
  {
    name: 'buffered_read',
    needs: [],
    code: `
static long buffered_read(int file)
{
	long data[PAGE / sizeof(long)];
	ssize_t n = pread(file_fd[file], data, PAGE, 0);

	return n == PAGE ? data[0] : n < 0 ? -errno : -EIO;
}
`,
  },
  {
    name: 'buffered_write',
    needs: [],
    code: `
static long buffered_write(int file, long content)
{
	long data[PAGE / sizeof(long)];
	ssize_t n;
	size_t i;

	for (i = 0; i < PAGE / sizeof(long); i++)
		data[i] = content;
	n = pwrite(file_fd[file], data, PAGE, 0);
	return n == PAGE ? 0 : n < 0 ? -errno : -EIO;
}
`,
  },
  {
    name: 'sync_file',
    needs: [],
    code: `
static long sync_file(int file)
{
	return fsync(file_fd[file]) ? -errno : 0;
}
`,
  },
  {
    name: 'fsync_and_read_disk',
    needs: ['direct'],
    code: `
/* Returns what the disk holds then. Nothing is dirty right after fsync(), so that the direct read writes nothing. */
static long fsync_and_read_disk(int file)
{
	static int disk_fd[FILES];
	ssize_t n;

	if (disk_fd[file] == 0)
		disk_fd[file] = reopen_direct(file_fd[file]);
	if (disk_fd[file] < 0)
		return disk_fd[file];
	if (fsync(file_fd[file]))
		return -errno;
	n = pread(disk_fd[file], direct_buffer, PAGE, 0);
	return n == PAGE ? direct_buffer[0] : n < 0 ? -errno : -EIO;
}
`,
  },
  {
    name: 'start_writeback',
    needs: [],
    code: `
/* WB_SYNC_ALL if all three flags are given, else WB_SYNC_NONE. */
static long start_writeback(int file, int all)
{
	unsigned int flags = SYNC_FILE_RANGE_WRITE;

	if (all)
		flags |= SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WAIT_AFTER;
	return sync_file_range(file_fd[file], 0, PAGE, flags) ? -errno : 0;
}
`,
  },
  {
    name: 'wait_for_writeback',
    needs: [],
    code: `
static long wait_for_writeback(int file)
{
	return sync_file_range(file_fd[file], 0, PAGE, SYNC_FILE_RANGE_WAIT_BEFORE) ? -errno : 0;
}
`,
  },
  {
    name: 'drop_caches',
    needs: [],
    code: `
/* Drops the page of this file, if it is clean and nobody uses it. */
static long drop_caches(int file)
{
	return -posix_fadvise(file_fd[file], 0, 0, POSIX_FADV_DONTNEED);
}
`,
  },
];

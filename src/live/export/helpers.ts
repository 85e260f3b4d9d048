/**
 * The helper functions of an exported C program, one string each, and what each needs: those that several operations
 * need, then those of the operations. A program gets only those that its steps use, in this order.
 */
import { OPS } from '../../ops/index.ts';
import type { Helper } from '../../ops/live.ts';

const SHARED: readonly Helper[] = [
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
];

export const HELPERS: readonly Helper[] = [...SHARED, ...OPS.flatMap(({ live }) => live.helpers ?? [])];

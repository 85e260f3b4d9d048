/*
 * Runs programs of gupfuzz on the running kernel: programs on stdin, results on stdout (protocol.ts).
 * What the operations are, and how each is done, is in operations.h and operations.c, which are written when this is
 * compiled, from what src/ops says of them (operations.ts).
 *
 *     executor [--dir DIR] [--cpu N] [--probe]
 *
 * One coordinator stays for good. Each program gets processes of its own (one per mm, in a process group of their
 * own, all of them children of the coordinator thanks to CLONE_PARENT), which do what they find in their mailbox.
 * Devices belong to the coordinator: pipes, io_uring rings, threads that sit in process_vm_readv. They are pooled,
 * as making them costs more than a program does. The file table is shared (CLONE_FILES), so that what is opened
 * later is there for everybody; what the coordinator keeps for itself is MADV_DONTFORK, so that fork copies nothing
 * that a store of the coordinator would have to copy back.
 *
 * System calls go through raw_call(): errno is one word for all threads here, and a glibc wrapper would store to a
 * page that fork has just shared.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21
#endif
#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif
#ifndef SYS_userfaultfd
#define SYS_userfaultfd __NR_userfaultfd
#endif
#ifndef FUTEX_WAIT
#define FUTEX_WAIT 0
#define FUTEX_WAKE 1
#endif
#ifndef TMPFS_MAGIC
#define TMPFS_MAGIC 0x01021994
#endif

#define PAGE 4096
#define SECTOR 512
#define MAX_MMS 64
#define MAX_PAGES 16
#define MAX_FILES 8
#define MAX_REFS 256
#define MAX_STEPS 1024
#define POOL 16
#define FILE_TOKEN 4096
#define OUT_SIZE (1 << 18)
#define IN_SIZE (1 << 16)
#define WHY 120
/* Each page is a VMA of its own: far from the others, so that none is ever merged. */
#define BASE 0x10000000000UL
#define STRIDE (8UL * PAGE)
/* How long a killed process may take to go. */
#define REAP_MS 3000
/* That many slow unregistrations in a row are the kernel's way, not chance. */
#define SLOW 3

/* ------------------------------------------------------------------------------------------- system calls */

static inline long raw_call(long n, long a, long b, long c, long d, long e, long f)
{
#if defined(__x86_64__)
	long ret;
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
#elif defined(__aarch64__)
	register long x8 __asm__("x8") = n;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;
	register long x5 __asm__("x5") = f;
	__asm__ volatile("svc #0"
			 : "+r"(x0)
			 : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
			 : "memory");
	return x0;
#else
#error "x86-64 and arm64 only"
#endif
}
#define CALL_(n, a, b, c, d, e, f, ...) \
	raw_call((long)(n), (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))
/* Returns -errno on failure. */
#define CALL(...) CALL_(__VA_ARGS__, 0, 0, 0, 0, 0, 0, 0)

static uint64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void futex_wait(uint32_t *word, uint32_t seen, uint64_t ns)
{
	struct timespec t = { (time_t)(ns / 1000000000u), (long)(ns % 1000000000u) };
	CALL(SYS_futex, word, FUTEX_WAIT, seen, ns == 0 ? NULL : &t);
}

static void futex_wake(uint32_t *word)
{
	CALL(SYS_futex, word, FUTEX_WAKE, 1);
}

static uint32_t load(const uint32_t *word)
{
	return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static void store(uint32_t *word, uint32_t value)
{
	__atomic_store_n(word, value, __ATOMIC_RELEASE);
}

static const struct {
	int number;
	const char *name;
} ERRORS[] = {
#define E(x) { x, #x }
	E(EPERM), E(ENOENT), E(ESRCH), E(EINTR), E(EIO), E(ENXIO), E(EBADF), E(EAGAIN), E(ENOMEM), E(EACCES),
	E(EFAULT), E(EBUSY), E(EEXIST), E(ENODEV), E(EINVAL), E(ENFILE), E(EMFILE), E(ETXTBSY), E(EFBIG), E(ENOSPC),
	E(EROFS), E(EPIPE), E(ENOSYS), E(EOPNOTSUPP), E(EOVERFLOW), E(ETIMEDOUT), E(ECANCELED), E(ENOTTY),
	E(EDQUOT), E(EILSEQ), E(E2BIG), E(ENODATA), E(EHWPOISON),
#undef E
};

/* A result that is a signal, not an errno. */
enum { SIGNALLED = 100000 };

static const char *signal_name(int number);

static const char *error_name(long error)
{
	static char other[24];
	if (error < 0)
		error = -error;
	if (error > SIGNALLED)
		return signal_name((int)(error - SIGNALLED));
	for (size_t i = 0; i < sizeof ERRORS / sizeof ERRORS[0]; i++)
		if (ERRORS[i].number == error)
			return ERRORS[i].name;
	snprintf(other, sizeof other, "E%ld", error);
	return other;
}

static const char *signal_name(int number)
{
	static char other[16];
	switch (number) {
	case SIGSEGV: return "SIGSEGV";
	case SIGBUS: return "SIGBUS";
	case SIGILL: return "SIGILL";
	case SIGFPE: return "SIGFPE";
	case SIGABRT: return "SIGABRT";
	case SIGKILL: return "SIGKILL";
	case SIGTRAP: return "SIGTRAP";
	case SIGSYS: return "SIGSYS";
	case SIGTERM: return "SIGTERM";
	default: snprintf(other, sizeof other, "SIG%d", number); return other;
	}
}

/* ------------------------------------------------------------------------------------------------- a program */

enum caller { VMSPLICE, FIXED_BUFFER, PROCESS_VM_READV, PROCESS_VM_WRITEV, CALLERS };

/* enum op, with OPS at the end. */
#include "operations.h"

struct step {
	enum op op;
	/* `to`: a second page. */
	int mm, child, page, to, file, ref, word;
	uint64_t token;
};

enum outcome { DONE, REFUSED, UNSUPPORTED };
/* How a program goes on after a step. */
enum end { GOES_ON, TIMEOUT, KILLED, FAILED };

struct outcome_of {
	enum outcome outcome;
	int has_value;
	uint64_t value;
	char why[WHY];
};

/*
 * What the words after the name are: m mm, c child, p page, q second page, f file, r ref, t token, w one of WORDS.
 * makes_mm, ends_mm: it makes or ends a process.
 */
struct form {
	const char *name, *form;
	int makes_mm, ends_mm;
};
struct word {
	enum op op;
	const char *word;
	int value;
};

/* What processes see. What they are told first is none of the operations. */
enum { C_MAP = OPS };
struct mailbox {
	uint32_t command_seq, done_seq;
	int command, fd;
	struct step step;
	/* -errno or not negative. */
	long result;
	uint64_t value;
} __attribute__((aligned(64)));

struct shared {
	uint32_t events;
	uint32_t deaths;
	int coordinator;
	int pages;
	struct {
		/* MAP_SHARED, or MAP_PRIVATE; file -1: anonymous. */
		int sharing, prot, file;
	} page[MAX_PAGES];
	int fd[MAX_FILES];
	struct mailbox box[MAX_MMS];
};

enum ref_state { NONE, HELD, OVER, RELEASED };
struct ref {
	enum ref_state state;
	enum caller caller;
	int slot, page;
};

struct pipe_slot {
	int open, busy, in, out;
};
struct ring {
	int fd, busy, registered;
	uint32_t *sq_tail, *sq_mask, *sq_array, *cq_head, *cq_tail, *cq_mask;
	struct io_uring_cqe *cqes;
	struct io_uring_sqe *sqes;
	void *map;
	size_t map_size, sqes_size;
};
struct helper {
	/* 0 not there, 1 there, -1 lost: its call never came back. */
	int state, busy;
	int uffd, event;
	char *local, *stack;
	uint32_t work;
	int pid, write;
	unsigned long address;
	long result;
};
struct file_slot {
	int fd, direct;
	/* It is as a program is to find it. */
	int renewed;
	char path[200];
};

/* What the coordinator alone has. */
struct state {
	char in[IN_SIZE], out[OUT_SIZE];
	size_t in_at, in_end, out_end;
	char dir[160];
	long filesystem;
	int kmsg;

	long id;
	int steps, files, alarm;
	int is_shmem[MAX_FILES];
	struct step step[MAX_STEPS];
	char syntax[WHY];

	uint64_t deadline;
	struct {
		int pid, alive, exiting;
	} mm[MAX_MMS];
	int group;
	char death[WHY];
	struct ref ref[MAX_REFS];
	struct outcome_of now;

	struct pipe_slot pipe[POOL], tee, device;
	struct ring ring[POOL];
	int slow_unregister;
	struct helper helper[POOL];
	struct file_slot file[MAX_FILES], side;
	char io[PAGE] __attribute__((aligned(PAGE)));
};

static struct shared *SH;
static struct state *S;

static void *own_memory(size_t size)
{
	void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (at == MAP_FAILED)
		return NULL;
	madvise(at, size, MADV_DONTFORK);
	return at;
}

static unsigned long page_address(int page)
{
	return BASE + (unsigned long)page * STRIDE;
}

static void fill(void *page, uint64_t token)
{
	for (int at = 0; at < PAGE; at += SECTOR)
		*(volatile uint64_t *)((char *)page + at) = token;
}

static uint64_t word_of(const void *page)
{
	return *(const volatile uint64_t *)page;
}

/* ------------------------------------------------------------------------- the processes whose pages it is about */

static long map_pages(void)
{
	for (int i = 0; i < SH->pages; i++) {
		int file = SH->page[i].file;
		int fd = file < 0 ? -1 : SH->fd[file];
		int flags = SH->page[i].sharing | (file < 0 ? MAP_ANONYMOUS : 0);
		long at = CALL(SYS_mmap, page_address(i), PAGE, SH->page[i].prot, flags | MAP_FIXED, fd, 0);
		if (at < 0 && at > -PAGE)
			return at;
	}
	return 0;
}

/* MADV_PAGEOUT of a file page. */
enum { NOT_MAPPED, MAPPED_ONCE, MAPPED_MORE };
static long page_out(unsigned long address)
{
	uint64_t entry = 0;
	long fd = CALL(SYS_openat, AT_FDCWD, "/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return fd;
	CALL(SYS_pread64, fd, &entry, 8, (address / PAGE) * 8);
	CALL(SYS_close, fd);
	/* Bit 63: present; 61: of a file, not a private copy, which would be swapped out; 56: mapped once. */
	if ((entry >> 63 & 1) == 0 || (entry >> 61 & 1) == 0)
		return NOT_MAPPED;
	long result = CALL(SYS_madvise, address, PAGE, MADV_PAGEOUT);
	if (result < 0)
		return result;
	return (entry >> 56 & 1) == 0 ? MAPPED_MORE : MAPPED_ONCE;
}

static void serve(int me) __attribute__((noreturn));
static const struct form FORMS[OPS];

/* Where a load or store goes on that the kernel answers with a signal; a signal from elsewhere kills, as ever. */
static sigjmp_buf fault_at;
static volatile sig_atomic_t may_fault;

static void on_fault(int number)
{
	if (may_fault)
		siglongjmp(fault_at, number);
	signal(number, SIG_DFL);
}

/* One store of `token` by the processor if that is given, else a load to `value`: 0, or the signal that came back. */
static long access_page(void *at, const uint64_t *token, uint64_t *value)
{
	int number = sigsetjmp(fault_at, 0);
	if (number == 0) {
		may_fault = 1;
		if (token == NULL)
			*value = word_of(at);
		else
			fill(at, *token);
	}
	may_fault = 0;
	return number == 0 ? 0 : -(SIGNALLED + number);
}

static long in_process(const struct step *step, struct mailbox *box);

static void obey(struct mailbox *box)
{
	box->result = box->command == C_MAP ? map_pages() : in_process(&box->step, box);
}

static void serve(int me)
{
	struct mailbox *box = &SH->box[me];
	uint32_t seen = 0;
	/* A coordinator that dies takes its processes with it. */
	CALL(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (CALL(SYS_getppid) != SH->coordinator)
		CALL(SYS_exit_group, 1);
	for (;;) {
		while (load(&box->command_seq) == seen)
			futex_wait(&box->command_seq, seen, 0);
		seen++;
		obey(box);
		store(&box->done_seq, seen);
		__atomic_add_fetch(&SH->events, 1, __ATOMIC_SEQ_CST);
		futex_wake(&SH->events);
	}
}

/* ---------------------------------------------------------------------------- the coordinator waits for processes */

static void on_child(int number)
{
	(void)number;
	__atomic_store_n(&SH->deaths, 1, __ATOMIC_SEQ_CST);
	__atomic_add_fetch(&SH->events, 1, __ATOMIC_SEQ_CST);
}

static void reap(void)
{
	int status, pid;
	if (!load(&SH->deaths))
		return;
	store(&SH->deaths, 0);
	while ((pid = (int)CALL(SYS_wait4, -1, &status, WNOHANG, 0)) > 0) {
		for (int i = 0; i < MAX_MMS; i++) {
			if (S->mm[i].pid != pid || !S->mm[i].alive)
				continue;
			S->mm[i].alive = 0;
			if (!S->mm[i].exiting && S->death[0] == 0)
				snprintf(S->death, WHY, "%s",
					 WIFSIGNALED(status) ? signal_name(WTERMSIG(status)) : "exited by itself");
			break;
		}
	}
}

/* Waits until a process has answered; with box NULL until mm is gone. */
static enum end await(struct mailbox *box, int mm)
{
	for (;;) {
		uint32_t events = load(&SH->events);
		if (box != NULL && load(&box->done_seq) == box->command_seq)
			return GOES_ON;
		reap();
		if (S->death[0] != 0)
			return KILLED;
		if (!S->mm[mm].alive)
			return box == NULL ? GOES_ON : KILLED;
		uint64_t now = now_ns();
		if (now >= S->deadline)
			return TIMEOUT;
		futex_wait(&SH->events, events, S->deadline - now);
	}
}

/* The process of the step does its part: in_process(). */
static enum end command(const struct step *step, int fd)
{
	struct mailbox *box = &SH->box[step->mm];
	int ends = FORMS[step->op].ends_mm;
	box->command = (int)step->op;
	box->step = *step;
	box->fd = fd;
	if (ends)
		S->mm[step->mm].exiting = 1;
	store(&box->command_seq, box->command_seq + 1);
	futex_wake(&box->command_seq);
	return await(ends ? NULL : box, step->mm);
}

/* ------------------------------------------------------------------------------------------- what a step came to */

static void refused(long error)
{
	S->now.outcome = REFUSED;
	snprintf(S->now.why, WHY, "%s", error_name(error));
}

static void unsupported(const char *why)
{
	S->now.outcome = UNSUPPORTED;
	snprintf(S->now.why, WHY, "%s", why);
}

static void saw(uint64_t value)
{
	S->now.has_value = 1;
	S->now.value = value;
}

/* ------------------------------------------------------------------------------------------------------- devices */

static int open_pipe(struct pipe_slot *slot)
{
	int ends[2];
	if (slot->open)
		return 0;
	long error = CALL(SYS_pipe2, ends, O_CLOEXEC | O_NONBLOCK);
	if (error < 0)
		return (int)error;
	slot->open = 1;
	slot->out = ends[0];
	slot->in = ends[1];
	return 0;
}

static void close_pipe(struct pipe_slot *slot)
{
	if (!slot->open)
		return;
	CALL(SYS_close, slot->in);
	CALL(SYS_close, slot->out);
	slot->open = 0;
}

static void drain(struct pipe_slot *slot)
{
	if (slot->open)
		while (CALL(SYS_read, slot->out, S->io, PAGE) > 0)
			;
	slot->busy = 0;
}

static int open_ring(struct ring *ring)
{
	struct io_uring_params p;
	if (ring->fd > 0)
		return 0;
	memset(&p, 0, sizeof p);
	long fd = CALL(SYS_io_uring_setup, 2, &p);
	if (fd < 0)
		return (int)fd;
	size_t sq = p.sq_off.array + p.sq_entries * sizeof(uint32_t);
	size_t cq = p.cq_off.cqes + p.cq_entries * sizeof(struct io_uring_cqe);
	ring->map_size = sq > cq ? sq : cq;
	ring->sqes_size = p.sq_entries * sizeof(struct io_uring_sqe);
	ring->map = mmap(NULL, ring->map_size, PROT_READ | PROT_WRITE, MAP_SHARED, (int)fd, IORING_OFF_SQ_RING);
	ring->sqes = mmap(NULL, ring->sqes_size, PROT_READ | PROT_WRITE, MAP_SHARED, (int)fd, IORING_OFF_SQES);
	if ((p.features & IORING_FEAT_SINGLE_MMAP) == 0 || ring->map == MAP_FAILED || ring->sqes == MAP_FAILED) {
		CALL(SYS_close, fd);
		return -ENOMEM;
	}
	madvise(ring->map, ring->map_size, MADV_DONTFORK);
	madvise(ring->sqes, ring->sqes_size, MADV_DONTFORK);
	char *map = ring->map;
	ring->fd = (int)fd;
	ring->registered = 0;
	ring->sq_tail = (uint32_t *)(map + p.sq_off.tail);
	ring->sq_mask = (uint32_t *)(map + p.sq_off.ring_mask);
	ring->sq_array = (uint32_t *)(map + p.sq_off.array);
	ring->cq_head = (uint32_t *)(map + p.cq_off.head);
	ring->cq_tail = (uint32_t *)(map + p.cq_off.tail);
	ring->cq_mask = (uint32_t *)(map + p.cq_off.ring_mask);
	ring->cqes = (struct io_uring_cqe *)(map + p.cq_off.cqes);
	return 0;
}

static void close_ring(struct ring *ring)
{
	if (ring->fd <= 0)
		return;
	munmap(ring->map, ring->map_size);
	munmap(ring->sqes, ring->sqes_size);
	CALL(SYS_close, ring->fd);
	ring->fd = 0;
	ring->registered = 0;
}

/* Returns when the pages are released. Up to 6.12 or so this waits for RCU, which is measured here. */
static long unregister(struct ring *ring)
{
	uint64_t start = now_ns();
	long error;
	/* Up to 5.12 or so the death of a process interrupts the wait, and the buffer stays registered. */
	do
		error = CALL(SYS_io_uring_register, ring->fd, IORING_UNREGISTER_BUFFERS, 0, 0);
	while (error == -EINTR);
	ring->registered = 0;
	S->slow_unregister = now_ns() - start > 2000000u ? S->slow_unregister + 1 : 0;
	if (error < 0)
		close_ring(ring);
	return error;
}

/* The registered buffer is read into or written from a pipe, which no kernel has to leave to a worker for long. */
static long fixed_io(struct ring *ring, int opcode, int fd, unsigned long address)
{
	uint32_t tail = *ring->sq_tail, index = tail & *ring->sq_mask;
	struct io_uring_sqe *sqe = &ring->sqes[index];
	memset(sqe, 0, sizeof *sqe);
	sqe->opcode = (uint8_t)opcode;
	sqe->fd = fd;
	sqe->addr = address;
	sqe->len = PAGE;
	sqe->off = (uint64_t)-1;
	ring->sq_array[index] = index;
	store(ring->sq_tail, tail + 1);
	long submitted = CALL(SYS_io_uring_enter, ring->fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0);
	if (submitted < 0 && submitted != -EINTR)
		return submitted;
	while (load(ring->cq_tail) == *ring->cq_head) {
		if (now_ns() > S->deadline)
			return -ETIMEDOUT;
		CALL(SYS_io_uring_enter, ring->fd, 0, 1, IORING_ENTER_GETEVENTS, NULL, 0);
	}
	uint32_t head = *ring->cq_head;
	long result = ring->cqes[head & *ring->cq_mask].res;
	store(ring->cq_head, head + 1);
	return result;
}

/* A thread that sits in process_vm_readv or -writev. */
static int help(void *argument)
{
	struct helper *h = argument;
	uint32_t seen = 0;
	for (;;) {
		uint64_t one = 1;
		while (load(&h->work) == seen)
			futex_wait(&h->work, seen, 0);
		seen++;
		struct iovec local = { h->local, PAGE }, remote = { (void *)h->address, PAGE };
		h->result = CALL(h->write ? SYS_process_vm_writev : SYS_process_vm_readv, h->pid, &local, 1, &remote, 1, 0);
		CALL(SYS_write, h->event, &one, 8);
	}
	return 0;
}

/* A page at which whoever touches it blocks. */
static long arm(struct helper *h)
{
	struct uffdio_register r;
	void *at = mmap(h->local, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | (h->local ? MAP_FIXED : 0),
			-1, 0);
	if (at == MAP_FAILED)
		return -errno;
	h->local = at;
	madvise(at, PAGE, MADV_DONTFORK);
	memset(&r, 0, sizeof r);
	r.range.start = (unsigned long)at;
	r.range.len = PAGE;
	r.mode = UFFDIO_REGISTER_MODE_MISSING;
	return CALL(SYS_ioctl, h->uffd, UFFDIO_REGISTER, &r);
}

static long open_helper(struct helper *h)
{
	struct uffdio_api api;
	sigset_t all, before;
	if (h->state == 1)
		return 0;
	long fd = CALL(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return fd;
	h->uffd = (int)fd;
	memset(&api, 0, sizeof api);
	api.api = UFFD_API;
	long error = CALL(SYS_ioctl, fd, UFFDIO_API, &api);
	h->event = (int)CALL(SYS_eventfd2, 0, O_CLOEXEC | O_NONBLOCK);
	h->local = NULL;
	if (error >= 0)
		error = arm(h);
	if (error >= 0 && (h->stack = own_memory(4 * PAGE)) == NULL)
		error = -ENOMEM;
	if (error >= 0) {
		/* A signal would end the fault in the kernel early. */
		sigfillset(&all);
		sigprocmask(SIG_SETMASK, &all, &before);
		h->work = 0;
		if (clone(help, h->stack + 4 * PAGE,
			  CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM, h) < 0)
			error = -errno;
		sigprocmask(SIG_SETMASK, &before, NULL);
	}
	if (error < 0) {
		CALL(SYS_close, h->uffd);
		CALL(SYS_close, h->event);
		return error;
	}
	h->state = 1;
	return 0;
}

/* Waits for the call to block (1) or to return (0); -1: neither by `until`. */
static int await_helper(struct helper *h, int or_blocked, uint64_t until)
{
	for (;;) {
		uint64_t now = now_ns(), count;
		struct uffd_msg message;
		struct pollfd p[2] = { { h->event, POLLIN, 0 }, { h->uffd, POLLIN, 0 } };
		uint64_t left = until > now ? until - now : 0;
		struct timespec t = { (time_t)(left / 1000000000u), (long)(left % 1000000000u) };
		CALL(SYS_ppoll, p, or_blocked ? 2 : 1, &t, NULL, 0);
		if (CALL(SYS_read, h->event, &count, 8) == 8)
			return 0;
		if (or_blocked && CALL(SYS_read, h->uffd, &message, sizeof message) == sizeof message)
			return 1;
		if (now_ns() >= until)
			return -1;
	}
}

/* Lets the blocked call go on, with `token` in the local page. */
static enum end resolve(struct helper *h, uint64_t token)
{
	struct uffdio_copy copy;
	memset(S->io, 0, PAGE);
	fill(S->io, token);
	memset(&copy, 0, sizeof copy);
	copy.dst = (unsigned long)h->local;
	copy.src = (unsigned long)S->io;
	copy.len = PAGE;
	long error = CALL(SYS_ioctl, h->uffd, UFFDIO_COPY, &copy);
	if (error < 0)
		refused(error);
	if (await_helper(h, 0, S->deadline) < 0)
		return TIMEOUT;
	if (error >= 0 && h->result < 0)
		refused(h->result);
	return GOES_ON;
}

/* The call ends without a transfer: its local page is gone. */
static int cancel(struct helper *h, uint64_t until)
{
	struct uffdio_range range = { (unsigned long)h->local, PAGE };
	struct uffd_msg message;
	mmap(h->local, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	CALL(SYS_ioctl, h->uffd, UFFDIO_WAKE, &range);
	int over = await_helper(h, 0, until);
	if (over < 0) {
		h->state = -1;
		return -1;
	}
	while (CALL(SYS_read, h->uffd, &message, sizeof message) > 0)
		;
	arm(h);
	return 0;
}

/* --------------------------------------------------------------------------------------------------------- files */

static long read_direct(int fd)
{
	memset(S->io, 0xff, 8);
	return CALL(SYS_pread64, fd, S->io, PAGE, 0);
}

static int in_cache(int fd)
{
	unsigned char vec = 0;
	void *at = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED)
		return 0;
	CALL(SYS_mincore, at, PAGE, &vec);
	munmap(at, PAGE);
	return vec & 1;
}

static void close_file(struct file_slot *slot)
{
	if (slot->fd > 0)
		CALL(SYS_close, slot->fd);
	if (slot->direct > 0)
		CALL(SYS_close, slot->direct);
	if (slot->fd > 0)
		CALL(SYS_unlinkat, AT_FDCWD, slot->path, 0);
	slot->fd = slot->direct = slot->renewed = 0;
}

static long create_file(struct file_slot *slot, const char *name, uint64_t token)
{
	snprintf(slot->path, sizeof slot->path, "%.150s/%.20s", S->dir, name);
	long fd = CALL(SYS_openat, AT_FDCWD, slot->path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return fd;
	slot->fd = (int)fd;
	memset(S->io, 0, PAGE);
	fill(S->io, token);
	long error = CALL(SYS_pwrite64, fd, S->io, PAGE, 0);
	if (error < 0)
		return error;
	if ((error = CALL(SYS_fsync, fd)) < 0)
		return error;
	/* tmpfs takes the flag from 6.6 on and then ignores it. */
	long direct = S->filesystem == TMPFS_MAGIC
			      ? -EINVAL
			      : CALL(SYS_openat, AT_FDCWD, slot->path, O_RDWR | O_DIRECT | O_CLOEXEC, 0);
	slot->direct = direct < 0 ? 0 : (int)direct;
	CALL(SYS_fadvise64, fd, 0, 0, POSIX_FADV_DONTNEED);
	return 0;
}

static void remove_files(void)
{
	for (int i = 0; i < MAX_FILES; i++)
		close_file(&S->file[i]);
	close_file(&S->side);
	rmdir(S->dir);
}

/* Back to one page holding the token, on disk and not cached; 0 if something holds the page. */
static int renew_file(struct file_slot *slot, uint64_t token)
{
	for (int again = 0; slot->fd > 0 && again < 2; again++) {
		memset(S->io, 0, PAGE);
		fill(S->io, token);
		/* The direct write takes the page out of the cache, and needs no commit of the journal as it overwrites. */
		if (slot->direct > 0 && CALL(SYS_pwrite64, slot->direct, S->io, PAGE, 0) != PAGE)
			break;
		if (slot->direct == 0) {
			if (CALL(SYS_pwrite64, slot->fd, S->io, PAGE, 0) != PAGE || CALL(SYS_fsync, slot->fd) < 0)
				break;
			CALL(SYS_fadvise64, slot->fd, 0, 0, POSIX_FADV_DONTNEED);
		}
		if (S->filesystem == TMPFS_MAGIC || !in_cache(slot->fd))
			return 1;
	}
	return 0;
}

static long prepare_file(struct file_slot *slot, int number, uint64_t token)
{
	char name[20];
	if (slot->renewed || renew_file(slot, token)) {
		slot->renewed = 0;
		return 0;
	}
	/* Something still holds the page of an earlier program: a new file. */
	snprintf(name, sizeof name, "file%d", number);
	close_file(slot);
	return create_file(slot, name, token);
}

static long prepare_shmem(int *to)
{
	long fd = CALL(SYS_memfd_create, "gupfuzz", 1 /* MFD_CLOEXEC */);
	if (fd < 0)
		return fd;
	*to = (int)fd;
	return CALL(SYS_ftruncate, fd, PAGE);
}

/* -------------------------------------------------------------------------------------------------------- steps */

static struct ref *held(int number)
{
	struct ref *ref = &S->ref[number];
	if (ref->state == NONE)
		unsupported("no such reference");
	else if (ref->state == RELEASED)
		unsupported("the reference is released");
	else
		return ref;
	return NULL;
}

/* As held, but that it moves data still. */
static struct ref *usable(int number)
{
	struct ref *ref = held(number);
	if (ref == NULL || ref->state != OVER)
		return ref;
	unsupported("one transfer per call");
	return NULL;
}

/* The transfer of a process_vm call, which is its end. */
static enum end transfer(struct ref *ref, uint64_t token, int shows)
{
	struct helper *h = &S->helper[ref->slot];
	enum end end = resolve(h, token);
	if (end != GOES_ON)
		return end;
	ref->state = OVER;
	if (S->now.outcome == DONE && shows)
		saw(word_of(h->local));
	CALL(SYS_madvise, h->local, PAGE, MADV_DONTNEED);
	return GOES_ON;
}

/* What a process did for the step is all there is to it. */
static enum end ask(const struct step *step, int fd)
{
	enum end end = command(step, fd);
	if (end == GOES_ON && SH->box[step->mm].result < 0)
		refused(SH->box[step->mm].result);
	return end;
}

/* So is a system call of the coordinator. */
static enum end called(long result)
{
	if (result < 0)
		refused(result);
	return GOES_ON;
}

/* FORMS, WORDS, in_process() and in_coordinator(). */
#include "operations.c"

static enum end run_step(const struct step *step)
{
	memset(&S->now, 0, sizeof S->now);
	if (FORMS[step->op].form[0] == 'm' && !S->mm[step->mm].alive) {
		unsupported("no such process");
		return GOES_ON;
	}
	return in_coordinator(step);
}

/* ------------------------------------------------------------------------------------------------------- programs */

static void put(const char *format, ...)
{
	va_list list;
	size_t left = OUT_SIZE - S->out_end;
	va_start(list, format);
	int n = vsnprintf(S->out + S->out_end, left, format, list);
	va_end(list);
	if (n > 0)
		S->out_end += (size_t)n < left ? (size_t)n : left - 1;
}

static void flush(void)
{
	size_t at = 0;
	while (at < S->out_end) {
		long n = CALL(SYS_write, 1, S->out + at, S->out_end - at);
		if (n == -EAGAIN) {
			struct pollfd p = { 1, POLLOUT, 0 };
			CALL(SYS_ppoll, &p, 1, NULL, NULL, 0);
		} else if (n < 0 && n != -EINTR) {
			/* Nobody listens any more. */
			remove_files();
			CALL(SYS_exit_group, 1);
		}
		if (n > 0)
			at += (size_t)n;
	}
	S->out_end = 0;
}

static void put_log(int step)
{
	/* As what the console of a virtual machine is looked through for: what is told here is not told twice. */
	static const char *const ALARMING[] = {
		"WARNING:", "BUG:", "kernel BUG at", "Oops:", "general protection", "divide error", "invalid opcode",
		"Kernel panic", "INFO: task", "RIP: 0010:", "EXT4-fs warning", "EXT4-fs error", "refcount_t:",
		"list_add corruption", "list_del corruption"
	};
	char line[1200];
	if (S->kmsg < 0)
		return;
	for (;;) {
		long n = CALL(SYS_read, S->kmsg, line, sizeof line - 1);
		if (n == -EPIPE || n == -EINTR)
			continue;
		if (n <= 0)
			return;
		line[n] = 0;
		char *text = strchr(line, ';');
		if (text == NULL || step < 0)
			continue;
		text[1 + strcspn(text + 1, "\r\n")] = 0;
		for (size_t i = 0; i < sizeof ALARMING / sizeof ALARMING[0]; i++)
			if (strstr(text, ALARMING[i]) != NULL) {
				put("%d log %.200s\n", step, text + 1);
				break;
			}
	}
}

static int any_alive(void)
{
	for (int i = 0; i < MAX_MMS; i++)
		if (S->mm[i].alive)
			return 1;
	return 0;
}

/* Nothing of a program stays; 0 if some process would not go. */
static int tear_down(int many)
{
	uint64_t until = now_ns() + REAP_MS * 1000000ull;
	for (int i = 0; i < MAX_MMS; i++) {
		if (!S->mm[i].alive)
			continue;
		S->mm[i].exiting = 1;
		/* The first one may not have come to make its group. */
		if (!many || i == 0)
			CALL(SYS_kill, S->mm[i].pid, SIGKILL);
	}
	/* A fork that had not been reported is in the group only. */
	if (many && S->group > 0)
		CALL(SYS_kill, -S->group, SIGKILL);
	for (int i = 0; i < MAX_REFS; i++) {
		struct ref *ref = &S->ref[i];
		if (ref->state == HELD && (ref->caller == PROCESS_VM_READV || ref->caller == PROCESS_VM_WRITEV))
			cancel(&S->helper[ref->slot], until);
	}
	for (int i = 0; i < POOL; i++) {
		S->helper[i].busy = 0;
		if (S->pipe[i].busy)
			drain(&S->pipe[i]);
		if (S->ring[i].registered) {
			/* A ring that is closed lets go in the background. */
			if (S->slow_unregister >= SLOW)
				close_ring(&S->ring[i]);
			else
				unregister(&S->ring[i]);
		}
		S->ring[i].busy = 0;
	}
	for (;;) {
		uint32_t events = load(&SH->events);
		reap();
		if (!any_alive())
			break;
		uint64_t now = now_ns();
		if (now >= until)
			break;
		futex_wait(&SH->events, events, until - now);
	}
	for (int i = 0; i < S->files; i++)
		if (S->is_shmem[i] && SH->fd[i] > 0)
			CALL(SYS_close, SH->fd[i]);
	return !any_alive();
}

static enum end set_up(void)
{
	long error = 0;
	for (int i = 0; i < MAX_MMS; i++)
		if (SH->box[i].command_seq != 0 || S->mm[i].pid != 0) {
			memset(&SH->box[i], 0, sizeof SH->box[i]);
			memset(&S->mm[i], 0, sizeof S->mm[i]);
		}
	S->death[0] = 0;
	S->group = 0;
	for (int i = 0; i < S->files && error >= 0; i++) {
		SH->fd[i] = -1;
		if (S->is_shmem[i])
			error = prepare_shmem(&SH->fd[i]);
		else if ((error = prepare_file(&S->file[i], i, (uint64_t)(FILE_TOKEN + i))) >= 0)
			SH->fd[i] = S->file[i].fd;
	}
	if (error < 0) {
		snprintf(S->death, WHY, "a file: %s", error_name(error));
		return FAILED;
	}
	/* A file that could not be renewed before was let go of now, with what the kernel has to say of it. */
	put_log(-1);
	/* The files may have taken long; the alarm is for what the program does. */
	S->deadline = now_ns() + (uint64_t)S->alarm * 1000000u;
	SH->box[0].command = C_MAP;
	SH->box[0].command_seq = 1;
	long pid = CALL(SYS_clone, CLONE_FILES | CLONE_FS | SIGCHLD, 0, 0, 0, 0);
	if (pid == 0) {
		CALL(SYS_setpgid, 0, 0);
		serve(0);
	}
	if (pid < 0) {
		snprintf(S->death, WHY, "fork: %s", error_name(pid));
		return FAILED;
	}
	S->group = (int)pid;
	S->mm[0].pid = (int)pid;
	S->mm[0].alive = 1;
	enum end end = await(&SH->box[0], 0);
	if (end == GOES_ON && SH->box[0].result < 0) {
		snprintf(S->death, WHY, "mmap: %s", error_name(SH->box[0].result));
		return FAILED;
	}
	return end;
}

/* Leaves the outcomes in `out` if that is given, and writes the result if not. */
static enum end run_program(struct outcome_of *out)
{
	enum end end = FAILED;
	int done = 0, forks = 0;
	if (out == NULL)
		put("result %ld\n", S->id);
	if (S->syntax[0] == 0) {
		memset(S->ref, 0, sizeof S->ref);
		end = set_up();
		for (; end == GOES_ON && done < S->steps; done++) {
			forks += FORMS[S->step[done].op].makes_mm;
			if ((end = run_step(&S->step[done])) != GOES_ON)
				break;
			struct outcome_of *now = &S->now;
			if (out != NULL) {
				out[done] = *now;
				continue;
			}
			if (now->outcome != DONE)
				put("%d %s %s\n", done, now->outcome == REFUSED ? "refused" : "unsupported", now->why);
			else if (now->has_value)
				put("%d done %llu\n", done, (unsigned long long)now->value);
			else
				put("%d done\n", done);
			put_log(done);
		}
		if (!tear_down(end != GOES_ON || forks > 0) && end == GOES_ON) {
			end = FAILED;
			snprintf(S->death, WHY, "a process cannot be killed");
		}
		/* What it left dirty is written while the log is its own. */
		for (int i = 0; i < S->files && (end == GOES_ON || end == KILLED); i++)
			if (!S->is_shmem[i])
				S->file[i].renewed = renew_file(&S->file[i], (uint64_t)(FILE_TOKEN + i));
	} else
		snprintf(S->death, WHY, "%s", S->syntax);
	if (out != NULL)
		return end;
	/* Of the step that was not survived, or of the end of the program: its last step. */
	put_log(end == GOES_ON && done > 0 ? done - 1 : done);
	if (end == GOES_ON)
		put("end %ld ok\n", S->id);
	else if (end == TIMEOUT)
		put("end %ld timeout\n", S->id);
	else
		put("end %ld %s %s\n", S->id, end == KILLED ? "killed" : "failed", S->death);
	flush();
	return end;
}

/* -------------------------------------------------------------------------------------------------------- parsing */

static void wrong(const char *what)
{
	if (S->syntax[0] == 0)
		snprintf(S->syntax, WHY, "the program: %s", what);
}

static int number(const char *word, int limit, const char *what)
{
	char *end;
	long value = word == NULL ? -1 : strtol(word, &end, 10);
	if (word == NULL || *end != 0 || value < 0 || value >= limit) {
		wrong(what);
		return 0;
	}
	return (int)value;
}

static void parse_step(char **words)
{
	if (S->steps >= MAX_STEPS) {
		wrong("too many steps");
		return;
	}
	struct step *step = &S->step[S->steps];
	memset(step, 0, sizeof *step);
	int op = 0;
	while (op < OPS && (words[0] == NULL || strcmp(words[0], FORMS[op].name) != 0))
		op++;
	if (op == OPS) {
		wrong("no such step");
		return;
	}
	step->op = (enum op)op;
	for (int i = 0; FORMS[op].form[i] != 0; i++) {
		const char *word = words[1 + i];
		switch (FORMS[op].form[i]) {
		case 'm': step->mm = number(word, MAX_MMS, "mm"); break;
		case 'c': step->child = number(word, MAX_MMS, "child"); break;
		case 'p': step->page = number(word, SH->pages, "page"); break;
		case 'q': step->to = number(word, SH->pages, "page"); break;
		case 'f': step->file = number(word, S->files, "file"); break;
		case 'r': step->ref = number(word, MAX_REFS, "reference"); break;
		case 't': step->token = word == NULL ? 0 : strtoull(word, NULL, 10); break;
		default: {
			size_t w = 0;
			const size_t words_there = sizeof WORDS / sizeof WORDS[0];
			while (w < words_there && (WORDS[w].op != step->op || word == NULL || strcmp(WORDS[w].word, word) != 0))
				w++;
			if (w == words_there)
				wrong("word");
			else
				step->word = WORDS[w].value;
		}
		}
	}
	S->steps++;
}

/* Takes a line; 1 if it was the last one of a program. */
static int parse_line(char *line)
{
	char *words[12] = { NULL }, *rest = NULL;
	int n = 0;
	for (char *w = strtok_r(line, " \t\r", &rest); w != NULL && n < 11; w = strtok_r(NULL, " \t\r", &rest))
		words[n++] = w;
	if (n == 0)
		return 0;
	if (strcmp(words[0], "program") == 0) {
		S->id = words[1] == NULL ? -1 : atol(words[1]);
		S->syntax[0] = 0;
		S->steps = 0;
		SH->pages = number(words[3], MAX_PAGES + 1, "pages");
		S->files = number(words[5], MAX_FILES + 1, "files");
		S->alarm = number(words[7], 10000000, "alarm");
		memset(S->is_shmem, 0, sizeof S->is_shmem);
		memset(SH->page, 0, sizeof SH->page);
	} else if (strcmp(words[0], "file") == 0) {
		int file = number(words[1], S->files, "file");
		S->is_shmem[file] = words[2] != NULL && strcmp(words[2], "shmem") == 0;
	} else if (strcmp(words[0], "page") == 0 && n >= 5) {
		int page = number(words[1], SH->pages, "page"), shared = strcmp(words[2], "shared") == 0;
		if (!shared && strcmp(words[2], "private") != 0)
			wrong("neither shared nor private");
		SH->page[page].sharing = shared ? MAP_SHARED : MAP_PRIVATE;
		SH->page[page].prot = strcmp(words[3], "rw") == 0 ? PROT_READ | PROT_WRITE : PROT_READ;
		SH->page[page].file = strcmp(words[4], "-") == 0 ? -1 : number(words[4], S->files, "file");
	} else if (strcmp(words[0], "step") == 0)
		parse_step(words + 1);
	else if (strcmp(words[0], "end") == 0)
		return 1;
	else
		wrong("no such line");
	return 0;
}

/* The next line without its newline; NULL at the end of the input. */
static char *read_line(void)
{
	for (;;) {
		char *start = S->in + S->in_at;
		char *newline = memchr(start, '\n', S->in_end - S->in_at);
		if (newline != NULL) {
			*newline = 0;
			S->in_at = (size_t)(newline - S->in) + 1;
			return start;
		}
		memmove(S->in, start, S->in_end - S->in_at);
		S->in_end -= S->in_at;
		S->in_at = 0;
		if (S->in_end == IN_SIZE)
			S->in_end = 0;
		long n = CALL(SYS_read, 0, S->in + S->in_end, IN_SIZE - S->in_end);
		if (n == -EINTR)
			continue;
		if (n <= 0)
			return NULL;
		S->in_end += (size_t)n;
	}
}

/* ---------------------------------------------------------------------------------------------------------- probe */

/* Runs a program for its own sake; '' if every step was done. */
static const char *try_out(const char *text, int expected, uint64_t value)
{
	static char why[WHY];
	static struct outcome_of out[8];
	char copy[600], *rest = NULL;
	snprintf(copy, sizeof copy, "%s", text);
	for (char *line = strtok_r(copy, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest)) {
		char one[200];
		snprintf(one, sizeof one, "%s", line);
		parse_line(one);
	}
	memset(out, 0, sizeof out);
	enum end end = run_program(out);
	if (end != GOES_ON) {
		snprintf(why, sizeof why, "%s", end == TIMEOUT ? "no answer" : S->death);
		return why;
	}
	for (int i = 0; i < S->steps; i++)
		if (out[i].outcome != DONE)
			return out[i].why;
	if (expected >= 0 && (!out[expected].has_value || out[expected].value != value))
		return "it does not see what was stored";
	return "";
}

static void capability(const char *name, const char *why)
{
	put("cap %s %s\n", name, why[0] == 0 ? "ok" : why);
}

#define ONE_ANON "program 0 pages 1 files 0 alarm 5000\npage 0 private rw -\nstep write 0 0 7\n"
#define ONE_FILE "program 0 pages 1 files 1 alarm 5000\nfile 0 dir\npage 0 shared rw 0\n"

static const char *filesystem_name(long magic)
{
	static char other[24];
	switch (magic) {
	case 0xef53: return "ext4";
	case TMPFS_MAGIC: return "tmpfs";
	case 0x58465342: return "xfs";
	case 0x9123683e: return "btrfs";
	case 0x794c7630: return "overlay";
	case 0x858458f6: return "ramfs";
	case 0xf2f52010: return "f2fs";
	case 0x01021997: return "9p";
	case 0x6969: return "nfs";
	default: snprintf(other, sizeof other, "0x%lx", magic); return other;
	}
}

static void probe(void)
{
	struct utsname name;
	uname(&name);
	capability("release", name.release);
	capability("filesystem", filesystem_name(S->filesystem));
	capability("vmsplice", try_out(ONE_ANON "step gup 0 0 0 vmsplice\nstep dma_read 0\nstep unpin 0\n", 2, 7));
	capability("fixed_buffer", try_out(ONE_ANON "step gup 0 0 0 fixed_buffer\nstep dma_read 0\nstep dma_write 0 9\n"
						    "step read 0 0\nstep unpin 0\n", 4, 9));
	capability("process_vm_readv",
		   try_out(ONE_ANON "step gup 0 0 0 process_vm_readv\nstep dma_read 0\nstep unpin 0\n", 2, 7));
	capability("process_vm_writev", try_out(ONE_ANON "step gup 0 0 0 process_vm_writev\nstep dma_write 0 9\n"
							 "step unpin 0\nstep read 0 0\n", 4, 9));
	capability("o_direct_read", try_out(ONE_ANON "step dio 0 0 read 9\nstep read 0 0\n", 2, 9));
	capability("o_direct_write", try_out(ONE_ANON "step dio 0 0 write 0\n", 1, 7));

	capability("kmsg", S->kmsg < 0 ? error_name(S->kmsg) : "");
	const char *why = try_out(ONE_FILE "step write 0 0 7\nstep fsync 0\n", 1, 7);
	capability("disk", why[0] != 0 && S->file[0].direct == 0 ? "no O_DIRECT on this filesystem" : why);
	capability("shmem", try_out("program 0 pages 1 files 1 alarm 5000\nfile 0 shmem\npage 0 shared rw 0\n"
				    "step write 0 0 7\nstep buffered_read 0\n", 1, 7));
	capability("wb_start", try_out(ONE_FILE "step write 0 0 7\nstep wb_start 0 NONE\nstep wb_end 0\n"
						"step wb_start 0 ALL\n", -1, 0));
	/* A request: a page that somebody else looks at just now stays. */
	for (int i = 0; i < 8; i++) {
		why = try_out(ONE_FILE "step read 0 0\nstep reclaim 0\n", 0, FILE_TOKEN);
		if (why[0] == 0 && in_cache(S->file[0].fd))
			why = "the page stays in the cache";
		if (why[0] == 0)
			break;
	}
	capability("pageout", why);
	why = try_out(ONE_FILE "step buffered_read 0\nstep drop_caches 0\n", 0, FILE_TOKEN);
	if (why[0] == 0 && in_cache(S->file[0].fd))
		why = "the page stays in the cache";
	capability("drop_caches", why);
	put("cap end ok\n");
	flush();
}

/* ----------------------------------------------------------------------------------------------------------- main */

static void on_end(int number)
{
	remove_files();
	_exit(128 + number);
}

static int usage(const char *what)
{
	fprintf(stderr, "executor: %s\nusage: executor [--dir DIR] [--cpu N] [--probe]\n", what);
	return 2;
}

int main(int argc, char **argv)
{
	const char *dir = "/tmp";
	int probing = 0, cpu = -1;
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--probe") == 0)
			probing = 1;
		else if (strcmp(argv[i], "--dir") == 0 && i + 1 < argc)
			dir = argv[++i];
		else if (strcmp(argv[i], "--cpu") == 0 && i + 1 < argc)
			cpu = atoi(argv[++i]);
		else
			return usage("no such option");
	}
	if (sysconf(_SC_PAGESIZE) != PAGE)
		return usage("pages of 4096 bytes only");
	S = own_memory(sizeof *S);
	SH = mmap(NULL, sizeof *SH, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (S == NULL || SH == MAP_FAILED)
		return usage("no memory");
	SH->coordinator = getpid();
	/* A folder of its own in DIR: its name says whose it is, should it be left behind. */
	snprintf(S->dir, sizeof S->dir, "%.120s/gupfuzz-%d", dir, getpid());
	if (mkdir(S->dir, 0700) < 0 && errno != EEXIST) {
		fprintf(stderr, "executor: %s: %s\n", S->dir, strerror(errno));
		return 1;
	}
	struct statfs fs;
	S->filesystem = statfs(S->dir, &fs) == 0 ? (long)(unsigned long)fs.f_type & 0xffffffff : 0;
	/*
	 * All of it on one processor, this one if not told which: handing over is cheaper, and pages do not wait in the
	 * LRU batch of another one, where MADV_PAGEOUT leaves them alone.
	 */
	cpu_set_t set;
	CPU_ZERO(&set);
	CPU_SET(cpu >= 0 ? cpu : sched_getcpu(), &set);
	if (sched_setaffinity(0, sizeof set, &set) < 0) {
		CPU_ZERO(&set);
		CPU_SET(sched_getcpu(), &set);
		sched_setaffinity(0, sizeof set, &set);
	}
	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	S->kmsg = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (S->kmsg < 0)
		S->kmsg = -errno;
	else
		lseek(S->kmsg, 0, SEEK_END);
	struct sigaction action;
	memset(&action, 0, sizeof action);
	action.sa_handler = on_child;
	action.sa_flags = SA_NOCLDSTOP | SA_RESTART;
	sigaction(SIGCHLD, &action, NULL);
	action.sa_handler = on_end;
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
	/* Of the processes of a program, which inherit it; the handler is left by a jump, so its signal is not blocked. */
	action.sa_handler = on_fault;
	action.sa_flags = SA_NODEFER;
	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);

	if (probing)
		probe();
	else
		for (char *line; (line = read_line()) != NULL;)
			if (parse_line(line))
				run_program(NULL);
	for (int i = 0; i < POOL; i++) {
		close_pipe(&S->pipe[i]);
		close_ring(&S->ring[i]);
	}
	remove_files();
	/* The threads of the process_vm calls go with the process. */
	CALL(SYS_exit_group, 0);
	return 0;
}

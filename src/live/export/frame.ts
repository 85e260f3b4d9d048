/** What every exported C program has before its helpers: KTAP, processes that wait for orders, pages and files. */

export interface FrameOptions {
  /** How many `ok` or `not ok` lines the program prints, if nothing is skipped. */
  readonly checks: number;
  readonly forks: boolean;
  readonly exits: boolean;
  readonly files: boolean;
  /** Some check asks for contents. */
  readonly contents: boolean;
  /** Some check asks for an error, or for none. */
  readonly results: boolean;
}

/** Needs the enums of processes, pages and files, `page_at`, PAGE and FILE_CONTENT before it. */
export const frame = ({ checks, forks, exits, files, contents, results }: FrameOptions): string =>
  [
    ktap(checks),
    contents ? CHECK : '',
    results ? CHECK_RESULT : '',
    processes(exits),
    forks ? FORK_CHILD : '',
    files ? FILE_HELPERS : '',
    MAP_PAGE,
  ].join('');

const ktap = (checks: number): string =>
  String.raw`
/*
 * Contents: every store writes the number of its step, 0 is a page that nobody stored to.
 */
#define CHECKS	${checks}

static int checked, failed, skipped;

static int finish(void);

/* No more checks: what they need is not there. */
static void __attribute__((noreturn)) skip(const char *what, long error)
{
	while (checked < CHECKS) {
		printf("ok %d # SKIP %s: %s\n", ++checked, what, strerror(-error));
		skipped++;
	}
	exit(finish());
}

static void need(const char *what, long result)
{
	if (result < 0)
		skip(what, result);
}
`;

const CHECK = String.raw`
#define END	(-1)

/* Followed by the contents that break no promise, and END. */
static void check(long got, const char *name, ...)
{
	long allowed;
	int good = 0;
	va_list list;

	va_start(list, name);
	while ((allowed = va_arg(list, int)) != END)
		good |= got == allowed;
	va_end(list);
	printf("%s %d %s\n", good ? "ok" : "not ok", ++checked, name);
	if (good)
		return;
	failed++;
	printf("# content seen: %ld; promised:", got);
	va_start(list, name);
	while ((allowed = va_arg(list, int)) != END)
		printf(" %ld", allowed);
	va_end(list);
	printf("\n");
}
`;

const CHECK_RESULT = String.raw`
/* Of a call: a negative errno, or 0 if it is no error. */
static void check_result(long got, const char *name, long expected)
{
	printf("%s %d %s\n", got == expected ? "ok" : "not ok", ++checked, name);
	if (got == expected)
		return;
	failed++;
	printf("# result: %s; expected: %s\n", strerror(got < 0 ? -got : 0), strerror(-expected));
}
`;

const processes = (exits: boolean): string => String.raw`
/*
 * main runs no step itself. It tells the processes, one at a time, what to do, and plays the device. All are forks of
 * main, so a function has the same address in each.
 */
static struct {
	pid_t pid;
	int orders[2], answers[2];
} process[PROCESSES];

struct order {
	long (*deed)(long a, long b);
	long a, b;
};

static void __attribute__((noreturn)) serve(int who)
{
	struct order order;
	long answer;
	int i;

	/* Without these, main's death ends the loop. */
	for (i = 0; i < PROCESSES; i++)
		close(process[i].orders[1]);
	while (read(process[who].orders[0], &order, sizeof(order)) == sizeof(order)) {
		answer = order.deed(order.a, order.b);
		if (write(process[who].answers[1], &answer, sizeof(answer)) != sizeof(answer))
			break;
	}
	_exit(0);
}

static long on(int who, long (*deed)(long a, long b), long a, long b)
{
	struct order order = { deed, a, b };
	long answer;

	if (write(process[who].orders[1], &order, sizeof(order)) != sizeof(order) ||
	    read(process[who].answers[0], &answer, sizeof(answer)) != sizeof(answer))
		return -EIO;
	return answer;
}

static long do_fork(long child, long unused)
{
	pid_t pid = fork();

	(void)unused;
	if (pid == 0)
		serve(child);
	return pid < 0 ? -errno : pid;
}

static void start_process(int who)
{
	long pid = do_fork(who, 0);

	need("fork", pid);
	process[who].pid = pid;
}

static void on_alarm(int signal)
{
	static const char text[] = "Bail out! a step did not end in time\n";
	int i;

	(void)signal;
	for (i = 0; i < PROCESSES; i++)
		if (process[i].pid > 0)
			kill(process[i].pid, SIGKILL);
	_exit(write(STDOUT_FILENO, text, sizeof(text) - 1) < 0 ? 2 : 1);
}

static void begin(void)
{
	int i;

	setvbuf(stdout, NULL, _IONBF, 0);
	printf("TAP version 13\n1..%d\n", CHECKS);
	/* Children are reaped by the kernel. */
	signal(SIGCHLD, SIG_IGN);
	signal(SIGALRM, on_alarm);
	alarm(20);
	for (i = 0; i < PROCESSES; i++)
		if (pipe(process[i].orders) || pipe(process[i].answers))
			skip("pipe", -errno);
}

static int finish(void)
{
	printf("# Totals: pass:%d fail:%d xfail:0 xpass:0 skip:%d error:0\n",
	       checked - failed - skipped, failed, skipped);
	return failed ? 1 : skipped ? 4 : 0;
}
${
  exits
    ? `
static long leave(long unused, long unused_too)
{
	(void)unused;
	(void)unused_too;
	_exit(0);
}

static void exit_process(int who)
{
	struct order order = { leave, 0, 0 };

	if (write(process[who].orders[1], &order, sizeof(order)) != sizeof(order))
		skip("exit", -EIO);
	/* It may be no child of ours, so wait() is of no use. */
	while (kill(process[who].pid, 0) == 0)
		usleep(1000);
	process[who].pid = 0;
}
`
    : ''
}`;

const FORK_CHILD = `
static void fork_child(int parent, int child)
{
	long pid = on(parent, do_fork, child, 0);

	need("fork", pid);
	process[child].pid = pid;
}
`;

const FILE_HELPERS = `
static int file_fd[FILES];

static void open_file(int file, int shmem)
{
	char name[] = "./export-test-XXXXXX";
	long data[PAGE / sizeof(long)];
	size_t i;

	for (i = 0; i < PAGE / sizeof(long); i++)
		data[i] = shmem ? 0 : FILE_CONTENT + file;
	file_fd[file] = shmem ? memfd_create("file", 0) : mkstemp(name);
	if (file_fd[file] < 0)
		skip("file", -errno);
	if (!shmem)
		unlink(name);
	if (pwrite(file_fd[file], data, PAGE, 0) != PAGE || fsync(file_fd[file]))
		skip("file", -EIO);
	posix_fadvise(file_fd[file], 0, 0, POSIX_FADV_DONTNEED);
}
`;

const MAP_PAGE = `
/*
 * Called before the first process starts, which inherits the mapping; nobody has touched it by then. Between two pages
 * without access, so that the page is a VMA of its own.
 */
static void map_page(int page, int prot, int flags, int fd)
{
	char *room = mmap(NULL, 3 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (room == MAP_FAILED ||
	    mmap(room + PAGE, PAGE, prot, flags | MAP_FIXED, fd, 0) == MAP_FAILED)
		skip("mmap", -errno);
	page_at[page] = room + PAGE;
}
`;

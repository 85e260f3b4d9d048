/*
 * /init of the VM: makes the system that the executor needs, and becomes it.
 *
 * Modules are /modules/00, /modules/01, ... in the order in which to load them. Standard input and output become the
 * virtio-serial port called "gupfuzz", so that kernel messages, which go to the serial console, cannot come between
 * the lines of the protocol. GUPFUZZ_PROBE comes from the kernel command line: the kernel hands what it does not know
 * to init as environment.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PORT_NAME "gupfuzz"
#define DIR_MOUNT "/mnt"
#define ZRAM_BYTES (64u << 20)

static void finish(void)
{
	/* QEMU runs with -no-reboot: this ends it. */
	sync();
	reboot(RB_AUTOBOOT);
	for (;;)
		pause();
}

static void say(const char *format, ...)
{
	char text[300];
	va_list args;
	va_start(args, format);
	int n = vsnprintf(text, sizeof text, format, args);
	va_end(args);
	if (n > (int)sizeof text - 1)
		n = sizeof text - 1;
	if (write(1, text, n) < 0)
		_exit(1);
}

static void die(const char *what)
{
	say("init failed %s: %s\n", what, strerror(errno));
	sleep(1); /* The line has to leave before the machine does. */
	finish();
}

static void mount_at(const char *source, const char *target, const char *type, const char *options)
{
	mkdir(target, 0755);
	if (mount(source, target, type, 0, options) < 0 && errno != EBUSY)
		fprintf(stderr, "init: mount %s: %s\n", target, strerror(errno));
}

static void load_modules(void)
{
	for (int i = 0;; i++) {
		char path[64];
		snprintf(path, sizeof path, "/modules/%02d", i);
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			return;
		if (syscall(SYS_finit_module, fd, "", 0) < 0 && errno != EEXIST)
			fprintf(stderr, "init: module %d: %s\n", i, strerror(errno));
		close(fd);
	}
}

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	if (write(fd, text, strlen(text)) < 0)
		fprintf(stderr, "init: %s: %s\n", path, strerror(errno));
	close(fd);
}

/* The port's device, or -1 if it is not there yet. */
static int open_port(void)
{
	DIR *ports = opendir("/sys/class/virtio-ports");
	if (!ports)
		return -1;
	int fd = -1;
	for (struct dirent *entry; fd < 0 && (entry = readdir(ports));) {
		char path[400], name[64] = "";
		snprintf(path, sizeof path, "/sys/class/virtio-ports/%s/name", entry->d_name);
		int file = open(path, O_RDONLY | O_CLOEXEC);
		if (file < 0)
			continue;
		ssize_t n = read(file, name, sizeof name - 1);
		close(file);
		if (n <= 0 || strncmp(name, PORT_NAME "\n", sizeof PORT_NAME) != 0)
			continue;
		snprintf(path, sizeof path, "/dev/%s", entry->d_name);
		fd = open(path, O_RDWR);
	}
	closedir(ports);
	return fd;
}

/* Swap on zram: a page is out as soon as madvise returns. The header is what mkswap(8) writes. */
static void swap_on_zram(void)
{
	char text[32];
	if (access("/sys/block/zram0/disksize", W_OK) < 0)
		return;
	snprintf(text, sizeof text, "%u", ZRAM_BYTES);
	write_file("/sys/block/zram0/disksize", text);
	static uint32_t page[1024];
	page[1024 / 4] = 1;                          /* version */
	page[1024 / 4 + 1] = ZRAM_BYTES / 4096 - 1;  /* last page */
	memcpy((char *)page + 4096 - 10, "SWAPSPACE2", 10);
	int fd = open("/dev/zram0", O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, page, sizeof page) != (ssize_t)sizeof page || fsync(fd) < 0)
		fprintf(stderr, "init: zram0: %s\n", strerror(errno));
	if (fd >= 0)
		close(fd);
	if (swapon("/dev/zram0", 0) < 0)
		fprintf(stderr, "init: swapon: %s\n", strerror(errno));
}

static void start(int probe)
{
	char *arguments[] = {"/executor", "--dir", DIR_MOUNT, probe ? "--probe" : NULL, NULL};
	/* As the leader of a session of its own it may do to its process group what it likes. */
	setsid();
	execv(arguments[0], arguments);
	say("init failed exec: %s\n", strerror(errno));
	_exit(127);
}

static int run(int probe)
{
	int status = -1;
	pid_t child = fork();
	if (child == 0)
		start(probe);
	/* Orphans of the programs are this process's to reap. */
	for (pid_t pid; (pid = wait(&status)) != child;)
		if (pid < 0 && errno != EINTR)
			return -1;
	return status;
}

int main(void)
{
	mount_at("proc", "/proc", "proc", NULL);
	mount_at("sys", "/sys", "sysfs", NULL);
	mount_at("dev", "/dev", "devtmpfs", NULL);
	mount_at("shm", "/dev/shm", "tmpfs", NULL);
	mount_at("tmp", "/tmp", "tmpfs", NULL);
	load_modules();

	int port = -1;
	for (int tries = 0; (port = open_port()) < 0; tries++) {
		if (tries == 2000) {
			fprintf(stderr, "init: no port\n");
			finish();
		}
		usleep(5000);
	}
	dup2(port, 0);
	dup2(port, 1);
	if (port > 2)
		close(port);

	mkdir(DIR_MOUNT, 0755);
	for (int tries = 0; mount("/dev/vda", DIR_MOUNT, "ext4", 0, NULL) < 0; tries++) {
		if (tries == 500)
			die("mount");
		usleep(5000);
	}
	swap_on_zram();
	setenv("PATH", "/", 1);
	setenv("HOME", "/tmp", 1);

	if (getenv("GUPFUZZ_PROBE")) {
		say("init probe\n");
		run(1);
	}
	say("init ready\n");
	int status = run(0);
	if (WIFSIGNALED(status))
		say("init ended signal %d\n", WTERMSIG(status));
	else
		say("init ended status %d\n", WEXITSTATUS(status));
	sleep(1);
	finish();
}

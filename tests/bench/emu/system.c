/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The kernel's part: calls, faults, processes, pipes, signals. */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "work.h"

static uint64_t calls(unsigned n)
{
	unsigned i, bad = 0;

	for (i = 0; i < n; i++)
		bad += syscall(SYS_getppid) < 0;
	return n - bad;
}

static uint64_t reads(unsigned n)
{
	static char buffer[4096];
	int fd = open("/dev/zero", O_RDONLY);
	uint64_t sum = 0;

	if (fd < 0)
		work_fail("/dev/zero");
	while (n--)
		sum += read(fd, buffer, sizeof(buffer));
	close(fd);
	return sum;
}

static uint64_t clocks(unsigned n)
{
	struct timespec ts;
	uint64_t now, last = 0, backwards = 0;

	while (n--) {
		clock_gettime(CLOCK_MONOTONIC, &ts);
		now = ts.tv_sec * 1000000000ull + ts.tv_nsec;
		backwards += now < last;
		last = now;
	}
	return backwards;
}

static uint64_t faults(unsigned n)
{
	enum { LEN = 256 * 4096 };
	uint64_t sum = 0;
	size_t i;
	char *p;

	while (n--) {
		p = mmap(NULL, LEN, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (p == MAP_FAILED)
			work_fail("mmap");
		for (i = 0; i < LEN; i += 4096) {
			sum += p[i] + 1;
			p[i] = 1;
		}
		munmap(p, LEN);
	}
	return sum;
}

static uint64_t protects(unsigned n)
{
	enum { LEN = 16 * 4096 };
	uint64_t sum = 0;
	char *p = mmap(NULL, LEN, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	size_t i;

	if (p == MAP_FAILED)
		work_fail("mmap");
	while (n--) {
		mprotect(p, LEN, PROT_READ);
		mprotect(p, LEN, PROT_READ | PROT_WRITE);
		for (i = 0; i < LEN; i += 4096)
			sum += (unsigned char)++p[i];
	}
	munmap(p, LEN);
	return sum;
}

static uint64_t forks(unsigned n)
{
	uint64_t sum = 0;
	int status;
	pid_t pid;

	while (n--) {
		pid = fork();
		if (pid < 0)
			work_fail("fork");
		if (pid == 0)
			_exit(n & 63);
		if (waitpid(pid, &status, 0) == pid)
			sum += WEXITSTATUS(status) + 1;
	}
	return sum;
}

static uint64_t execs(unsigned n)
{
	static char *const argv[] = { "work", "--nothing", NULL };
	static char *const envp[] = { NULL };
	uint64_t sum = 0;
	int status;
	pid_t pid;

	while (n--) {
		if (posix_spawn(&pid, "/proc/self/exe", NULL, NULL, argv,
		    envp))
			work_fail("posix_spawn");
		if (waitpid(pid, &status, 0) == pid)
			sum += WEXITSTATUS(status) + 1;
	}
	return sum;
}

/* A byte to a child and back: two switches. */
static uint64_t pipes(unsigned n)
{
	int there[2], back[2];
	uint64_t sum = 0;
	unsigned char c = 0;
	pid_t pid;

	if (pipe(there) || pipe(back))
		work_fail("pipe");
	pid = fork();
	if (pid < 0)
		work_fail("fork");
	if (pid == 0) {
		close(there[1]);
		while (read(there[0], &c, 1) == 1) {
			c++;
			if (write(back[1], &c, 1) != 1)
				break;
		}
		_exit(0);
	}
	close(there[0]);
	while (n--) {
		if (write(there[1], &c, 1) != 1 || read(back[0], &c, 1) != 1)
			work_fail("pipe");
		sum += c;
	}
	close(there[1]);
	close(back[0]);
	close(back[1]);
	waitpid(pid, NULL, 0);
	return sum;
}

/* 64 KiB at a time. */
static uint64_t streams(unsigned n)
{
	static char buffer[65536];
	uint64_t sum = 0;
	int ends[2];
	pid_t pid;
	ssize_t r;

	if (pipe(ends))
		work_fail("pipe");
	pid = fork();
	if (pid < 0)
		work_fail("fork");
	if (pid == 0) {
		close(ends[0]);
		while (n--) {
			if (write(ends[1], buffer, sizeof(buffer)) < 0)
				break;
		}
		_exit(0);
	}
	close(ends[1]);
	while ((r = read(ends[0], buffer, sizeof(buffer))) > 0)
		sum += r;
	close(ends[0]);
	waitpid(pid, NULL, 0);
	return sum;
}

static uint64_t files(unsigned n)
{
	struct stat st;
	uint64_t sum = 0;
	char name[32] = "/tmp/work.0";
	unsigned i;
	int fd;

	for (i = 0; i < n; i++) {
		name[10] = '0' + i % 10;
		fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0600);
		if (fd < 0)
			work_fail(name);
		sum += write(fd, name, sizeof(name));
		close(fd);
		if (stat(name, &st) == 0)
			sum += st.st_size;
		unlink(name);
	}
	return sum;
}

static volatile sig_atomic_t seen;

static void saw(int sig)
{
	seen = seen + 1;
}

static uint64_t signals(unsigned n)
{
	unsigned i;

	seen = 0;
	signal(SIGUSR1, saw);
	for (i = 0; i < n; i++)
		raise(SIGUSR1);
	return seen;
}

const struct work system_work[] = {
	{ "system-calls", "system", calls, 1000000 },
	{ "read-zero", "system", reads, 350000 },
	{ "clock", "system", clocks, 6000000 },
	{ "page-faults", "system", faults, 200 },
	{ "mprotect", "system", protects, 24000 },
	{ "fork", "system", forks, 500 },
	{ "exec", "system", execs, 180 },
	{ "pipe-pingpong", "system", pipes, 10000 },
	{ "pipe-stream", "system", streams, 3000 },
	{ "files", "system", files, 5000 },
	{ "signals", "system", signals, 70000 },
	{ NULL },
};

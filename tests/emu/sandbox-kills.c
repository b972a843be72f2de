/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sandbox-kills.c - what a process in the sandbox dies of, and what it can do */
#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/unit.h"

enum { BLOCKED = 1000, FAILED = 1001 };

static char folder[] = "inside.XXXXXX";

static bool has_landlock(void)
{
	return syscall(SYS_landlock_create_ruleset, NULL, 0, 1) > 0;
}

/* What becomes of a process that does this in the sandbox: its exit code,
 * BLOCKED when it is killed for a system call. */
static int in_sandbox(const struct sandbox *plan, int (*what)(void))
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		struct sandbox s = *plan;
		struct error err;

		s.asked = true;
		if (plan->files || plan->removes)
			sandbox_add(&s, folder, true);
		if (sandbox_enter(&s, &err) < 0) {
			fprintf(stderr, "%s\n", err.text);
			_exit(200);
		}
		_exit(what());
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return FAILED;
	if (WIFSIGNALED(status))
		return WTERMSIG(status) == SIGSYS ? BLOCKED : FAILED;
	return WEXITSTATUS(status);
}

static const struct sandbox closed;

/* --- What it dies of ----------------------------------------------------------------- */

static int opens(void)
{
	return open("/etc/passwd", O_RDONLY) < 0;
}

static int sockets(void)
{
	return socket(AF_INET, SOCK_STREAM, 0) < 0;
}

static int unix_sockets(void)
{
	return socket(AF_UNIX, SOCK_STREAM, 0) < 0;
}

static int executes(void)
{
	char *argv[] = { "/bin/true", NULL };

	return execv(argv[0], argv);
}

static int traces(void)
{
	return ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0;
}

static int forks(void)
{
	return fork() < 0;
}

static int removes(void)
{
	return unlink("no-such-file") < 0;
}

static int kills(void)
{
	return kill(getppid(), 0) < 0;
}

static int mounts(void)
{
	return mount("none", "/mnt", "tmpfs", 0, NULL) < 0;
}

static int makes_keys(void)
{
	return syscall(SYS_add_key, "user", "x", "y", 1, -1) < 0;
}

static int loads_bpf(void)
{
	return syscall(SYS_bpf, 0, NULL, 0) < 0;
}

static int unshares(void)
{
	return syscall(SYS_unshare, 0x10000000) < 0;
}

static int reads_others(void)
{
	return syscall(SYS_process_vm_readv, getppid(), NULL, 0, NULL, 0,
	    0) < 0;
}

static int takes_uid(void)
{
	return setuid(1) < 0;
}

static int makes_limits(void)
{
	static const unsigned long big[2] = { -1ul, -1ul };

	return syscall(SYS_prlimit64, 0, 7, big, NULL) < 0;
}

static void a_closed_one_dies_of(void)
{
	static const struct { const char *name; int (*f)(void); } deaths[] = {
		{ "open", opens }, { "socket", sockets },
		{ "unix socket", unix_sockets }, { "execve", executes },
		{ "ptrace", traces }, { "fork", forks }, { "unlink", removes },
		{ "kill", kills }, { "mount", mounts },
		{ "add_key", makes_keys }, { "bpf", loads_bpf },
		{ "unshare", unshares }, { "process_vm_readv", reads_others },
		{ "setuid", takes_uid }, { "prlimit64", makes_limits },
	};

	for (unsigned i = 0; i < sizeof(deaths) / sizeof(deaths[0]); i++) {
		int got = in_sandbox(&closed, deaths[i].f);

		if (got != BLOCKED)
			fprintf(stderr, "%s: %d\n", deaths[i].name, got);
		CU_ASSERT_EQUAL(got, BLOCKED);
	}
}

static void off_is_off(void)
{
	const struct sandbox off = { .off = true };

	CU_ASSERT_EQUAL(in_sandbox(&off, opens), 0);
	CU_ASSERT_EQUAL(in_sandbox(&off, sockets), 0);
}

/* --- What it can do --------------------------------------------------------------------- */

static int out[2];

static void *in_thread(void *arg)
{
	char *p = malloc(1 << 20);

	memset(p, 1, 1 << 20);
	free(p);
	return arg;
}

/* Threads, memory, descriptors that are open. */
static int works(void)
{
	pthread_t thread[4];
	void *answer;
	char byte = 0;
	char *p;

	for (unsigned i = 0; i < 4; i++) {
		if (pthread_create(&thread[i], NULL, in_thread, &byte))
			return 1;
	}
	for (unsigned i = 0; i < 4; i++) {
		if (pthread_join(thread[i], &answer) || answer != &byte)
			return 2;
	}
	p = mmap(NULL, 8 << 20, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED || munmap(p, 8 << 20))
		return 3;
	if (write(out[1], "x", 1) != 1 || read(out[0], &byte, 1) != 1 ||
	    byte != 'x')
		return 4;
	return 0;
}

static int gains_nothing(void)
{
	char line[256];
	FILE *f = fdopen(out[0], "r");

	/* The descriptor of /proc/self/status was opened before. */
	while (f && fgets(line, sizeof(line), f)) {
		if (!strncmp(line, "NoNewPrivs:\t1", 13))
			return 0;
	}
	return 1;
}

static void one_that_works_is_left_alone(void)
{
	CU_ASSERT_EQUAL_FATAL(pipe(out), 0);
	CU_ASSERT_EQUAL(in_sandbox(&closed, works), 0);
	close(out[0]);
	close(out[1]);
}

static int aborts(void)
{
	signal(SIGABRT, SIG_DFL);
	abort();
}

static void it_can_still_fail(void)
{
	/* By SIGABRT, not by SIGSYS. */
	CU_ASSERT_EQUAL(in_sandbox(&closed, aborts), FAILED);
}

static int open_in(const char *dir, const char *name, int flags)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return open(path, flags, 0600);
}

static int makes_files(void)
{
	int fd = open_in(folder, "made", O_RDWR | O_CREAT | O_TRUNC);

	if (fd < 0 || write(fd, "y", 1) != 1 || ftruncate(fd, 0) < 0)
		return 1;
	close(fd);
	if (open_in(folder, "made", O_RDONLY) < 0)
		return 2;
	errno = 0;
	if (open("/etc/passwd", O_RDONLY) >= 0 || errno != EACCES)
		return 3;
	errno = 0;
	if (open_in(folder, "../outside", O_WRONLY | O_CREAT) >= 0 ||
	    errno != EACCES)
		return 4;
	errno = 0;
	if (open_in(folder, "link", O_RDONLY) >= 0 || errno != EACCES)
		return 5;
	return 0;
}

static void a_monitor_has_its_folders_alone(void)
{
	const struct sandbox s = { .files = true };
	char link[256];

	if (!has_landlock())
		return;
	snprintf(link, sizeof(link), "%s/link", folder);
	CU_ASSERT_EQUAL_FATAL(symlink("/etc/passwd", link), 0);
	CU_ASSERT_EQUAL(in_sandbox(&s, makes_files), 0);
	CU_ASSERT_EQUAL(in_sandbox(&s, sockets), BLOCKED);
	CU_ASSERT_EQUAL(in_sandbox(&s, executes), BLOCKED);
	CU_ASSERT_EQUAL(in_sandbox(&s, removes), BLOCKED);
	unlink(link);
}

static int removes_made(void)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/made", folder);
	if (unlink(path) < 0)
		return 1;
	errno = 0;
	return !(unlink("other") < 0 && errno != ENOENT);
}

static void a_pidfile_is_removed_and_nothing_else(void)
{
	const struct sandbox s = { .removes = true };
	int fd = open_in(folder, "made", O_RDWR | O_CREAT);

	if (!has_landlock())
		return;
	close(fd);
	fd = open("other", O_RDWR | O_CREAT, 0600);
	close(fd);
	CU_ASSERT_EQUAL(in_sandbox(&s, removes_made), 0);
	CU_ASSERT_EQUAL(in_sandbox(&s, opens), BLOCKED);
	unlink("other");
}

static int raw_sockets(void)
{
	return socket(AF_PACKET, SOCK_RAW, 0) < 0;
}

static int reads_hosts(void)
{
	int fd = open("/etc/hosts", O_RDONLY);

	if (fd < 0)
		return 1;
	errno = 0;
	return !(open("/root/.profile", O_RDONLY) < 0 && errno == EACCES);
}

static void a_network_is_what_was_asked_for(void)
{
	const struct sandbox s = { .network = true };

	CU_ASSERT_EQUAL(in_sandbox(&s, sockets), 0);
	CU_ASSERT_EQUAL(in_sandbox(&s, raw_sockets), BLOCKED);
	CU_ASSERT_EQUAL(in_sandbox(&s, executes), BLOCKED);
	if (has_landlock())
		CU_ASSERT_EQUAL(in_sandbox(&s, reads_hosts), 0);
}

static void privileges_are_given_up(void)
{
	/* The file shows the process that opened it: opened in the child. */
	out[0] = -1;
	pid_t pid = fork();
	int status = 0;

	if (pid == 0) {
		struct sandbox s = closed;
		struct error err;

		out[0] = open("/proc/self/status", O_RDONLY);
		if (sandbox_enter(&s, &err) < 0)
			_exit(200);
		_exit(gains_nothing());
	}
	CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
	CU_ASSERT_EQUAL(status, 0);
}

int main(void)
{
	static const struct unit_test tests[] = {
		{ "a closed one dies of any other call", a_closed_one_dies_of },
		{ "off is off", off_is_off },
		{ "one that works is left alone",
		    one_that_works_is_left_alone },
		{ "it can still fail", it_can_still_fail },
		{ "a monitor has its folders alone",
		    a_monitor_has_its_folders_alone },
		{ "a pidfile is removed and nothing else",
		    a_pidfile_is_removed_and_nothing_else },
		{ "a network is what was asked for",
		    a_network_is_what_was_asked_for },
		{ "privileges are given up", privileges_are_given_up },
		{ NULL, NULL }
	};
	int ret;

#ifndef HAVE_SECCOMP
	puts("skipped: this build has no seccomp");
	return 77;
#endif
	if (!mkdtemp(folder))
		return 1;
	ret = unit_run("sandbox", tests);
	rmdir(folder);
	return ret;
}

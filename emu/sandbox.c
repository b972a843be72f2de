/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sandbox.c - what is left to the process once the machine is built
 *
 * Three things of Linux.  no_new_privs: programs that are set-user-ID give
 * nothing.  Landlock: no file can be opened but below the folders named, no
 * TCP connection made, no abstract socket reached.  seccomp: a list of system
 * calls that the rest of this program makes; any other ends the process.
 *
 * Calls that open files are on the list only if something needs them, and
 * only where Landlock says below which folders; without Landlock they fail.
 * Threads are made by clone(), whose flags can be seen, not by clone3().
 */
#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/bytes.h"

#ifdef HAVE_SECCOMP
#include <seccomp.h>
#endif

/* Sanitizers look at all threads from a process of their own when the program
 * ends: such a build has the filter only when it is asked for. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { SANITIZED = 1 };
#else
enum { SANITIZED = 0 };
#endif

/* --- Landlock ------------------------------------------------------------------------ */

/* Kernel's Documentation/userspace-api/landlock.rst.  Headers may be older
 * than the kernel. */
enum {
	LL_WRITE_FILE = 1 << 1, LL_READ_FILE = 1 << 2, LL_READ_DIR = 1 << 3,
	LL_REMOVE_FILE = 1 << 5, LL_MAKE_REG = 1 << 8, LL_MAKE_SOCK = 1 << 9,
	LL_TRUNCATE = 1 << 14,
	LL_NET = 3,			/* bind and connect of TCP */
	LL_SCOPE = 3,			/* abstract sockets, signals */
	LL_GET_VERSION = 1,
	LL_BENEATH = 1,
};

struct ruleset {
	uint64_t fs, net, scope;
};

struct beneath {
	uint64_t allowed;
	int32_t dir;
} __attribute__((packed));

static long
abi(void)
{
	return syscall(SYS_landlock_create_ruleset, NULL, 0, LL_GET_VERSION);
}

/* All there are in this version. */
static uint64_t
handled(long version)
{
	static const unsigned bits[] = { 0, 13, 14, 15, 15, 16 };

	return (1ull << bits[min64(version, ARRAY_LEN(bits) - 1)]) - 1;
}

static void
allow_below(int rules, int dir, uint64_t rights, uint64_t all)
{
	struct beneath b = { .allowed = rights & all, .dir = dir };

	/* What cannot be allowed is forbidden. */
	(void)!syscall(SYS_landlock_add_rule, rules, LL_BENEATH, &b, 0);
}

/* What resolvers and TLS read. */
static void
allow_system(int rules, uint64_t all)
{
	static const char *const dirs[] = { "/etc", "/usr", "/lib", "/lib64",
		"/run/systemd/resolve", "/var/lib/ca-certificates" };

	for (unsigned i = 0; i < ARRAY_LEN(dirs); i++) {
		AUTO_CLOSE int fd = open(dirs[i], O_PATH | O_CLOEXEC);

		if (fd >= 0)
			allow_below(rules, fd, LL_READ_FILE | LL_READ_DIR,
			    all);
	}
}

/* 0, or -ENOSYS where there is no Landlock. */
static int
landlock(const struct sandbox *s, struct error *err)
{
	const long version = abi();
	const uint64_t all = version > 0 ? handled(version) : 0;
	struct ruleset r = { .fs = all };
	size_t size = version < 4 ? 8 : version < 6 ? 16 : sizeof(r);
	uint64_t rights = 0;

	if (version <= 0)
		return -ENOSYS;
	if (version >= 4 && !s->network)
		r.net = LL_NET;
	if (version >= 6)
		r.scope = LL_SCOPE;
	AUTO_CLOSE int rules = syscall(SYS_landlock_create_ruleset, &r, size,
	    0);
	if (rules < 0)
		return error_errno(err, errno, "Landlock");
	if (s->files)
		rights |= LL_READ_FILE | LL_WRITE_FILE | LL_MAKE_REG |
		    LL_READ_DIR | LL_TRUNCATE;
	if (s->removes)
		rights |= LL_REMOVE_FILE;
	for (unsigned i = 0; i < s->dirs && rights; i++)
		allow_below(rules, s->dir[i], rights, all);
	if (s->network)
		allow_system(rules, all);
	if (syscall(SYS_landlock_restrict_self, rules, 0) < 0)
		return error_errno(err, errno, "Landlock");
	return 0;
}

/* --- seccomp -------------------------------------------------------------------------- */

#ifdef HAVE_SECCOMP

/* What a machine that runs does. */
static const char *const always[] = {
	"read", "write", "readv", "writev", "pread64", "pwrite64", "preadv",
	"pwritev", "preadv2", "pwritev2", "close", "lseek", "fstat",
	"newfstatat", "statx", "fcntl", "flock", "fallocate", "fsync",
	"fdatasync", "sync_file_range", "ftruncate", "copy_file_range",
	"fadvise64", "sendfile", "ioctl", "fstatfs",
	"poll", "ppoll", "select", "pselect6", "epoll_create1", "epoll_ctl",
	"epoll_wait", "epoll_pwait", "eventfd2", "pipe2", "dup", "dup2",
	"dup3", "timerfd_create", "timerfd_settime", "timerfd_gettime",
	"mmap", "munmap", "mremap", "madvise", "mprotect", "brk", "mlock",
	"munlock", "mincore", "membarrier",
	"futex", "set_robust_list", "rseq", "exit", "exit_group", "gettid",
	"getpid", "getppid", "sched_yield", "sched_getaffinity",
	"sched_setscheduler", "sched_getparam", "sched_getscheduler",
	"sched_setaffinity", "set_tid_address", "wait4",
	"rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigaltstack",
	"rt_sigtimedwait", "rt_sigpending", "restart_syscall", "pause",
	"nanosleep", "clock_nanosleep", "clock_gettime", "clock_getres",
	"gettimeofday", "time", "times", "getrusage", "getrlimit", "sysinfo",
	"uname", "getrandom", "umask", "getuid", "geteuid",
	"getgid", "getegid",
	/* of sockets that are open */
	"recvmsg", "sendmsg", "recvfrom", "sendto", "recvmmsg", "sendmmsg",
	"accept", "accept4", "shutdown", "getsockopt", "setsockopt",
	"getsockname", "getpeername",
};

static const char *const opens[] = {
	"open", "openat", "openat2", "creat", "readlink", "readlinkat",
	"access", "faccessat", "faccessat2", "stat", "lstat", "statfs",
	"getcwd", "getdents64",
};

static const char *const removes[] = { "unlink", "unlinkat" };

static const char *const rings[] = { "io_uring_setup", "io_uring_enter",
	"io_uring_register" };

static const char *const connects[] = { "connect", "bind", "socketpair" };

static int
allow(scmp_filter_ctx c, uint32_t action, const char *const *names,
    unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		int number = seccomp_syscall_resolve_name(names[i]), ret;

		/* Not on this processor. */
		if (number == __NR_SCMP_ERROR || number < 0)
			continue;
		ret = seccomp_rule_add(c, action, number, 0);
		if (ret < 0)
			return ret;
	}
	return 0;
}

/* Those of which arguments decide. */
static int
allow_some(scmp_filter_ctx c, const struct sandbox *s)
{
	static const int families[] = { AF_INET, AF_INET6, AF_UNIX,
		AF_NETLINK };
	int ret;

	ret = seccomp_rule_add(c, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
	    SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD));
	if (!ret)
		ret = seccomp_rule_add(c, SCMP_ACT_ERRNO(ENOSYS),
		    SCMP_SYS(clone3), 0);
	/* Signals to this process alone; abort() and the processors' are so. */
	if (!ret)
		ret = seccomp_rule_add(c, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
		    SCMP_A0(SCMP_CMP_EQ, getpid()));
	if (!ret)
		ret = seccomp_rule_add(c, SCMP_ACT_ALLOW, SCMP_SYS(prctl), 1,
		    SCMP_A0(SCMP_CMP_EQ, PR_SET_NAME));
	/* Reading limits, not setting them. */
	if (!ret)
		ret = seccomp_rule_add(c, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64),
		    1, SCMP_A2(SCMP_CMP_EQ, 0));
	for (unsigned i = 0; !ret && s->network && i < ARRAY_LEN(families);
	    i++)
		ret = seccomp_rule_add(c, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
		    SCMP_A0(SCMP_CMP_EQ, families[i]));
	return ret;
}

static int
filter(const struct sandbox *s, bool confined, struct error *err)
{
	/* Opening where nothing confines it fails, as if it were forbidden
	 * below every folder. */
	const uint32_t open_action = confined ? SCMP_ACT_ALLOW :
	    SCMP_ACT_ERRNO(EACCES);
	scmp_filter_ctx c = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int ret;

	if (!c)
		return error_errno(err, ENOMEM, "seccomp");
	ret = seccomp_attr_set(c, SCMP_FLTATR_CTL_TSYNC, 1);
	if (!ret)
		ret = allow(c, SCMP_ACT_ALLOW, always, ARRAY_LEN(always));
	if (!ret)
		ret = allow_some(c, s);
	if (!ret && (s->files || s->network))
		ret = allow(c, open_action, opens, ARRAY_LEN(opens));
	if (!ret && s->removes)
		ret = allow(c, open_action, removes, ARRAY_LEN(removes));
	if (!ret && s->uring)
		ret = allow(c, SCMP_ACT_ALLOW, rings, ARRAY_LEN(rings));
	else if (!ret)
		ret = allow(c, SCMP_ACT_ERRNO(ENOSYS), rings,
		    ARRAY_LEN(rings));
	if (!ret && s->network)
		ret = allow(c, SCMP_ACT_ALLOW, connects, ARRAY_LEN(connects));
	if (!ret)
		ret = seccomp_load(c);
	seccomp_release(c);
	return ret ? error_errno(err, -ret, "seccomp") : 0;
}

#else

static int
filter(const struct sandbox *s, bool confined, struct error *err)
{
	if (!s->asked)
		return 0;
	return error_set(err, ENOTSUP, "this build has no seccomp: it needs "
	    "libseccomp");
}

#endif

/* --- Both ------------------------------------------------------------------------------ */

void
sandbox_add(struct sandbox *s, const char *path, bool is_folder)
{
	AUTO_FREE char *folder = strdup(path);
	char *slash = folder ? strrchr(folder, '/') : NULL;
	struct stat st, root;
	int fd;

	if (!folder || s->dirs == SANDBOX_DIRS)
		return;
	if (!is_folder) {
		if (slash)
			slash[slash == folder] = '\0';
		else
			strcpy(folder, *folder ? "." : "");
	}
	fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return;
	if (fstat(fd, &st) < 0 || stat("/", &root) < 0 ||
	    (st.st_dev == root.st_dev && st.st_ino == root.st_ino)) {
		close(fd);
		return;
	}
	s->dir[s->dirs++] = fd;
}

int
sandbox_enter(struct sandbox *s, struct error *err)
{
	int ret = 0;

	if (!s->off && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		ret = error_errno(err, errno, "no_new_privs");
	if (!s->off && !ret) {
		ret = landlock(s, err);
		if ((!ret || ret == -ENOSYS) && (s->asked || !SANITIZED))
			ret = filter(s, !ret, err);
	}
	while (s->dirs)
		close(s->dir[--s->dirs]);
	return ret ? error_prefix(err, "sandbox") : 0;
}

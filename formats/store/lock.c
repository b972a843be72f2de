/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * lock.c - image locks, on the bytes the peers use
 *
 * Who opens an image says which permissions it holds and which it refuses to
 * others.  Each is one byte of the file, locked *shared* by an open file
 * description lock: 100 + bit while the permission is held, 200 + bit while
 * it is refused.  Shared locks never collide; after taking its own, everybody
 * asks whether it could have an exclusive lock on the opposite byte of each,
 * and gives up where somebody else has that byte.  Both sides lock before
 * they look, so of two who come at once at least one sees the other.
 *
 * The sets, as seen in /proc/PID/fdinfo and traces of qemu-img and qemu-io
 * 7.2, and which of them file.c takes:
 *
 *	opened			holds			refuses
 *	writable		read write resize	write resize
 *	read-only		read			write resize
 *	with -U			read			-
 *	to create or empty it	write resize		resize
 *	raw, qemu-io writable	read write		-
 *	raw, resize		read write resize	-
 *	raw, info		-			-
 *
 * Ours take the first two for every format, the first for create too: a
 * superset of the peer's, so that who excludes the peer excludes us.  -U takes
 * the third: nobody refuses reading.
 */
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/auto.h"
#include "store/store.h"

enum { HELD = 100, REFUSED = 200, BITS = 4 };

static const char *const names[BITS] = {
	"consistent read", "write", "write unchanged", "resize",
};

static int byte_lock(int fd, int cmd, short type, int byte, bool *alone)
{
	struct flock fl = {
		.l_type = type, .l_whence = SEEK_SET, .l_start = byte,
		.l_len = 1,
	};
	int ret;

	do
		ret = fcntl(fd, cmd, &fl);
	while (ret < 0 && errno == EINTR);
	if (ret < 0)
		return -errno;
	if (alone)
		*alone = fl.l_type == F_UNLCK;
	return 0;
}

static void unlock(int fd, unsigned held, unsigned refused)
{
	for (int i = 0; i < BITS; i++) {
		if (held >> i & 1)
			byte_lock(fd, F_OFD_SETLK, F_UNLCK, HELD + i, NULL);
		if (refused >> i & 1)
			byte_lock(fd, F_OFD_SETLK, F_UNLCK, REFUSED + i, NULL);
	}
}

/* ---- who is it? */

/* Does /proc/PID/fdinfo/FD show a lock of this inode on this byte? */
static bool fd_locks(int dir, const char *fd, const struct stat *st, int byte)
{
	unsigned long long ino, first, last;
	char line[256], end[32];
	bool found = false;
	FILE *f;
	int at = openat(dir, fd, O_RDONLY | O_CLOEXEC);

	if (at < 0)
		return false;
	f = fdopen(at, "r");
	if (!f) {
		close(at);
		return false;
	}
	while (!found && fgets(line, sizeof(line), f)) {
		if (strncmp(line, "lock:", 5) || sscanf(line,
		    "lock: %*s %*s %*s %*s %*s %*x:%*x:%llu %llu %31s",
		    &ino, &first, end) != 3)
			continue;
		last = isdigit((unsigned char)end[0]) ?
		    strtoull(end, NULL, 10) : ~0ull;
		found = ino == st->st_ino && first <= (unsigned)byte &&
		    (unsigned)byte <= last;
	}
	fclose(f);
	return found;
}

static bool process_locks(const char *pid, int own, const struct stat *st,
    int byte)
{
	bool self = strtol(pid, NULL, 10) == (long)getpid();
	char path[64];
	struct dirent *e;
	struct stat other;
	bool found = false;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%.20s/fdinfo", pid);
	dir = opendir(path);
	if (!dir)
		return false;
	while (!found && (e = readdir(dir))) {
		if (!isdigit((unsigned char)e->d_name[0]) ||
		    (self && strtol(e->d_name, NULL, 10) == own) ||
		    !fd_locks(dirfd(dir), e->d_name, st, byte))
			continue;
		/* The device in fdinfo is not stat's on every file system. */
		snprintf(path, sizeof(path), "/proc/%.20s/fd/%.20s", pid,
		    e->d_name);
		found = stat(path, &other) == 0 && other.st_ino == st->st_ino
		    && other.st_dev == st->st_dev;
	}
	closedir(dir);
	return found;
}

/* "in use by COMMAND (pid N)" for who has the byte, or nothing. */
static void find_holder(int fd, int byte, char *text, size_t size)
{
	char path[64], command[32] = "?";
	struct dirent *e;
	struct stat st;
	ssize_t n;
	DIR *proc;
	int at;

	text[0] = '\0';
	if (fstat(fd, &st) < 0)
		return;
	proc = opendir("/proc");
	if (!proc)
		return;
	while ((e = readdir(proc)))
		if (isdigit((unsigned char)e->d_name[0]) &&
		    process_locks(e->d_name, fd, &st, byte))
			break;
	if (e && strtol(e->d_name, NULL, 10) == getpid()) {
		snprintf(text, size, ": this command itself has it open");
	} else if (e) {
		snprintf(path, sizeof(path), "/proc/%.20s/comm", e->d_name);
		at = open(path, O_RDONLY | O_CLOEXEC);
		n = at < 0 ? 0 : read(at, command, sizeof(command) - 1);
		if (at >= 0)
			close(at);
		if (n > 0)
			command[n] = '\0';
		for (char *c = command; *c; c++) {
			if (*c == '\n')
				*c = '\0';
			else if (!isprint((unsigned char)*c))
				*c = '?';
			if (!*c)
				break;
		}
		snprintf(text, size, ": in use by %s (pid %.20s)", command,
		    e->d_name);
	}
	closedir(proc);
}

/* ---- locking */

static int refuse(int fd, int byte, struct error *err)
{
	bool shared = byte < REFUSED;	/* they hold what we refuse */
	char holder[96];

	find_holder(fd, byte, holder, sizeof(holder));
	return error_set(err, EAGAIN, "Failed to get %s\"%s\" lock%s",
	    shared ? "shared " : "", names[byte - (shared ? HELD : REFUSED)],
	    holder);
}

/* Takes all; the answer is 1 where this file system has no such locks. */
static int take(int fd, const char *path, unsigned held, unsigned refused,
    struct error *err)
{
	for (int i = 0; i < 2 * BITS; i++) {
		unsigned bit = 1u << i % BITS;
		int byte = (i < BITS ? HELD : REFUSED) + i % BITS;
		int ret;

		if (!((i < BITS ? held : refused) & bit))
			continue;
		ret = byte_lock(fd, F_OFD_SETLK, F_RDLCK, byte, NULL);
		if (ret == 0)
			continue;
		unlock(fd, held, refused);
		if (ret == -EINVAL || ret == -ENOSYS || ret == -EOPNOTSUPP)
			return 1;
		/* Not the protocol: someone has it exclusively. */
		if (ret == -EAGAIN || ret == -EACCES)
			return refuse(fd, byte, err);
		return error_errno(err, -ret, "Failed to lock byte %d of '%s'",
		    byte, path);
	}
	return 0;
}

static int look(int fd, const char *path, unsigned held, unsigned refused,
    struct error *err)
{
	for (int i = 0; i < 2 * BITS; i++) {
		unsigned bit = 1u << i % BITS;
		int byte = (i < BITS ? REFUSED : HELD) + i % BITS;
		bool alone;
		int ret;

		if (!((i < BITS ? held : refused) & bit))
			continue;
		ret = byte_lock(fd, F_OFD_GETLK, F_WRLCK, byte, &alone);
		if (ret < 0)
			return error_errno(err, -ret,
			    "Failed to check byte %d of '%s'", byte, path);
		if (!alone)
			return refuse(fd, byte, err);
	}
	return 0;
}

int file_lock(int fd, const char *path, unsigned held, unsigned refused,
    struct error *err)
{
	int ret = take(fd, path, held, refused, err);

	if (ret != 0)
		return ret < 0 ? ret : 0;
	ret = look(fd, path, held, refused, err);
	if (ret < 0)
		unlock(fd, held, refused);
	return ret;
}

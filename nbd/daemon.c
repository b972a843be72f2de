/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * daemon.c - going to the background, and saying who is there
 *
 * The fork comes first, before threads and files.  Until clients may come the
 * child writes to the parent's stderr; the parent waits at a pipe for one byte,
 * or for the end of the child, whose exit code is then its own.
 *
 * The pid file is there when clients may come, and whole from the start: who
 * waits for it reads it at once.  A lock says that its server is alive.
 */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/auto.h"
#include "tool.h"

static _Noreturn void parent(int from_child, pid_t child)
{
	char byte;
	int status;
	ssize_t n;

	do
		n = read(from_child, &byte, 1);
	while (n < 0 && errno == EINTR);
	if (n == 1)
		_exit(0);
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			_exit(1);
	_exit(WIFEXITED(status) && WEXITSTATUS(status) ?
	    WEXITSTATUS(status) : 1);
}

int daemon_begin(struct daemon *d, bool want, bool keep_stderr,
    struct error *err)
{
	int ends[2];
	pid_t child;

	*d = (struct daemon){ .ready = -1, .pid_fd = -1,
	    .keep_stderr = keep_stderr };
	if (!want)
		return 0;
	if (pipe2(ends, O_CLOEXEC))
		return error_errno(err, errno, "Unable to create pipe");
	child = fork();
	if (child < 0) {
		error_errno(err, errno, "Failed to fork");
		close(ends[0]);
		close(ends[1]);
		return -err->code;
	}
	if (child) {
		close(ends[1]);
		parent(ends[0], child);
	}
	close(ends[0]);
	setsid();
	d->ready = ends[1];
	return 0;
}

/* ---- the pid file */

/* POSIX locks, as the peer's: each sees the other's. */
static bool lock(int fd)
{
	struct flock fl = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	return !fcntl(fd, F_SETLK, &fl);
}

static bool write_pid(int fd)
{
	char text[24];
	const int n = snprintf(text, sizeof(text), "%ld\n", (long)getpid());

	return write(fd, text, (size_t)n) == n;
}

/* An old file is locked and written to, so that two servers do not share one
 * and its owner stays; a new one gets its name when it is whole. */
static int open_pid_file(struct daemon *d, const char *path, struct error *err)
{
	AUTO_FREE char *fresh = NULL;
	int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;

	if (fd >= 0) {
		d->pid_fd = fd;
		if (fstat(fd, &st) || (S_ISREG(st.st_mode) && !lock(fd)))
			return error_errno(err, errno,
			    "Cannot lock pid file");
		if ((S_ISREG(st.st_mode) && ftruncate(fd, 0)) ||
		    !write_pid(fd))
			return error_errno(err, errno,
			    "Could not write '%s'", path);
		return 0;
	}
	if (errno != ENOENT)
		return error_errno(err, errno, "Could not create '%s'", path);
	if (asprintf(&fresh, "%s.%ld", path, (long)getpid()) < 0) {
		fresh = NULL;
		return error_errno(err, ENOMEM, "Could not create '%s'",
		    path);
	}
	fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
	    0644);
	if (fd < 0)
		return error_errno(err, errno, "Could not create '%s'", path);
	d->pid_fd = fd;
	if (lock(fd) && write_pid(fd) && !link(fresh, path)) {
		unlink(fresh);
		return 0;
	}
	error_errno(err, errno, "Could not create '%s'", path);
	unlink(fresh);
	return -err->code;
}

int daemon_ready(struct daemon *d, const char *path, struct error *err)
{
	int null;

	if (path) {
		char *folder = *path == '/' ? NULL : getcwd(NULL, 0);

		if (open_pid_file(d, path, err) < 0) {
			free(folder);
			return -err->code;
		}
		if (asprintf(&d->pid_file, "%s%s%s", folder ? folder : "",
		    folder ? "/" : "", path) < 0)
			d->pid_file = NULL;
		free(folder);
	}
	if (d->ready < 0)
		return 0;
	fflush(stdout);
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null < 0)
		return error_errno(err, errno, "/dev/null");
	for (int fd = 0; fd < (d->keep_stderr ? 2 : 3); fd++)
		dup2(null, fd);
	close(null);
	(void)!write(d->ready, "", 1);
	close(d->ready);
	d->ready = -1;
	return 0;
}

void daemon_end(struct daemon *d)
{
	struct stat file, ours;

	if (d->pid_file && !stat(d->pid_file, &file) &&
	    !fstat(d->pid_fd, &ours) && file.st_dev == ours.st_dev &&
	    file.st_ino == ours.st_ino && S_ISREG(file.st_mode))
		unlink(d->pid_file);
	free(d->pid_file);
	d->pid_file = NULL;
	if (d->pid_fd >= 0)
		close(d->pid_fd);
	d->pid_fd = -1;
}

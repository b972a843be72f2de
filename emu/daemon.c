/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * daemon.c - -daemonize and -pidfile
 *
 * Whoever starts a daemon wants to know whether it started: the process that
 * was called ends when the machine is there, with 0, or with what the other
 * one ended with; messages until then go where they always go.  The folder
 * stays the same: files are named to the monitor from there.
 */
#include "daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int ready_fd = -1;	/* of the pipe to the process that waits */
static int null_fd = -1;
static int pid_fd = -1;
static char *pid_path;

static void
wait_for(int fd, pid_t pid)
{
	char byte;
	ssize_t n;
	int status;

	do {
		n = read(fd, &byte, 1);
	} while (n < 0 && errno == EINTR);
	if (n == 1)
		_exit(0);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	_exit(WIFEXITED(status) && WEXITSTATUS(status) ?
	    WEXITSTATUS(status) : 1);
}

int
daemon_start(struct error *err)
{
	int fd[2];
	pid_t pid;

	null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null_fd < 0 || pipe2(fd, O_CLOEXEC) < 0)
		return error_errno(err, errno, "-daemonize");
	pid = fork();
	if (pid < 0)
		return error_errno(err, errno, "-daemonize");
	if (pid > 0) {
		close(fd[1]);
		wait_for(fd[0], pid);
	}
	close(fd[0]);
	setsid();
	ready_fd = fd[1];
	return 0;
}

int
daemon_ready(struct error *err)
{
	if (ready_fd < 0)
		return 0;
	for (int i = 0; i < 3; i++)
		dup2(null_fd, i);
	close(null_fd);
	if (write(ready_fd, "", 1) != 1)
		return error_errno(err, errno, "-daemonize");
	close(ready_fd);
	ready_fd = -1;
	return 0;
}

int
pidfile_create(const char *path, struct error *err)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	char text[32];
	int len;

	pid_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (pid_fd < 0)
		return error_errno(err, errno, "-pidfile %s", path);
	if (fcntl(pid_fd, F_SETLK, &lock) < 0)
		return error_set(err, EBUSY, "-pidfile %s: another process "
		    "has it", path);
	len = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
	pid_path = strdup(path);
	if (!pid_path || ftruncate(pid_fd, 0) < 0 ||
	    pwrite(pid_fd, text, len, 0) != len)
		return error_errno(err, errno, "-pidfile %s", path);
	return 0;
}

void
pidfile_remove(void)
{
	if (pid_path)
		unlink(pid_path);
	free(pid_path);
	pid_path = NULL;
}

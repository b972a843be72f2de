/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * chardev_pty.c - a stream over a pseudo-terminal, for terminal programs
 *
 * Its name is said when it is made.  While nobody has the other side open the
 * kernel says "hung up" all the time and never says when that ends, so then a
 * timer of the host looks a few times a second.
 */
#include "ctl/chardev_impl.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <termios.h>
#include <unistd.h>

#define LOOK_NS 200000000

struct pty {
	struct chardev chr;
	char name[64];
	int master, timer;
	struct board_fd *timer_fd;
};

static void
look_again(struct pty *p, bool yes)
{
	struct itimerspec t = { { 0, yes ? LOOK_NS : 0 },
		{ 0, yes ? LOOK_NS : 0 } };

	timerfd_settime(p->timer, 0, &t, NULL);
}

static void
look(void *opaque, short revents)
{
	struct pty *p = opaque;
	struct pollfd f = { .fd = p->master, .events = POLLIN };
	struct error err;
	uint64_t count;
	int fd;

	if (read(p->timer, &count, sizeof(count)) < 0)
		return;
	if (p->chr.connected || poll(&f, 1, 0) < 0 || f.revents & POLLHUP)
		return;
	/* A copy is served, since disconnecting closes it. */
	fd = fcntl(p->master, F_DUPFD_CLOEXEC, 3);
	if (fd >= 0 && chardev_connect(&p->chr, fd, fd, &err) == 0)
		look_again(p, false);
}

static void
hangup(struct chardev *c)
{
	chardev_disconnect(c);
	look_again((struct pty *)c, true);
}

/* Opening and closing the other side once has it hung up from the start. */
static int
prepare(struct pty *p, struct error *err)
{
	struct termios t;
	int fd = open(p->name, O_RDWR | O_NOCTTY | O_CLOEXEC);

	if (fd < 0)
		return error_errno(err, errno, "%s", p->name);
	if (tcgetattr(fd, &t) == 0) {
		cfmakeraw(&t);
		tcsetattr(fd, TCSANOW, &t);
	}
	close(fd);
	return 0;
}

static int
open_pty(struct chardev *c, const struct chardev_config *config,
    struct error *err)
{
	struct pty *p = (struct pty *)c;

	p->timer = -1;
	p->master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
	if (p->master < 0 || grantpt(p->master) < 0 ||
	    unlockpt(p->master) < 0 ||
	    ptsname_r(p->master, p->name, sizeof(p->name)) != 0)
		return error_errno(err, errno, "pseudo-terminal");
	p->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (p->timer < 0)
		return error_errno(err, errno, "timer");
	p->timer_fd = board_fd_add(c->board, p->timer, POLLIN, look, p, err);
	if (!p->timer_fd || prepare(p, err) < 0)
		return -err->code;
	look_again(p, true);
	/* The peer's words: programs look for them. */
	printf("char device redirected to %s (label %s)\n", p->name,
	    c->id ? c->id : c->label);
	fflush(stdout);
	return 0;
}

static void
close_pty(struct chardev *c)
{
	struct pty *p = (struct pty *)c;

	board_fd_remove(p->timer_fd);
	if (p->timer >= 0)
		close(p->timer);
	if (p->master >= 0)
		close(p->master);
}

static void
describe(const struct chardev *c, char *text, size_t size)
{
	snprintf(text, size, "pty:%s", ((const struct pty *)c)->name);
}

const struct chardev_backend chardev_pty = {
	.size = sizeof(struct pty),
	.open = open_pty,
	.hangup = hangup,
	.close = close_pty,
	.describe = describe,
};
